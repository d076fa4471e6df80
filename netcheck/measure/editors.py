"""What a NAT makes of addresses inside messages: every protocol at once (facts M5, M7, M8)."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable

import msgspec

from netcheck.measure.passing import beside
from netcheck.measure.record import Record
from netcheck.plan import Plan
from probes import conversation
from probes.announced import Announced
from probes.conversation import Aim, Meanwhile, Place
from probes.editors import NAMES, dialogues
from probes.editors.contract import Dialogue
from probes.session import ControlLost, Session
from probes.wire import messages

NO_SERVER = "no echo server was found"
EMBEDDED = "the echo server is this very program, and no network is in between"

Spoken = tuple[tuple[str, Dialogue], ...]
"""Dialogues, each with the protocol that it belongs to."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server speaks, and what it is: its ``address`` as it knows it itself."""

    spoken: tuple[messages.Spoken, ...] = ()
    address: str = ""
    same_version: bool = False
    raw: tuple[messages.RawName, ...] = ()

    @classmethod
    def of(cls, welcome: messages.Welcome, software: str) -> Offer:
        return cls(
            spoken=welcome.spoken,
            address=next(iter(welcome.addresses), ""),
            same_version=welcome.software == software,
            raw=welcome.raw,
        )

    def has(self, dialogue: Dialogue, port: int) -> bool:
        wanted = (dialogue.name, dialogue.transport, port)
        return any((one.dialogue, one.transport, one.port) == wanted for one in self.spoken)


def spoken() -> Spoken:
    """Every dialogue that is held on a port of its own.  Their files are loaded now."""
    return tuple((name, one) for name in NAMES for one in dialogues(name) if one.ports)


def untested(record: Record, why: str, held: Spoken | None = None) -> None:
    """State that no dialogue was held."""
    for protocol, dialogue in spoken() if held is None else held:
        for place in _places(protocol, dialogue, Offer()):
            record.observe(conversation.untested(place, record.now(), why))


async def editors(
    session: Session,
    plan: Plan,
    record: Record,
    offer: Offer,
    inbound_tested: asyncio.Event,
    held: Spoken | None = None,
    announced: asyncio.Event | None = None,
) -> None:
    """Hold every dialogue on its own ports and on a control port.  ``inbound_tested`` is set when
    the TCP ports of this computer that others are to reach have been tested, and are free;
    ``announced`` is set here when those that a dialogue has to announce are free again."""
    record.say("Sending messages as the programs write them")
    held = spoken() if held is None else held
    announcing = {dialogue.name for _, dialogue in held if dialogue.listens_port}

    def free(dialogue: Dialogue | None = None) -> None:
        if dialogue:
            announcing.discard(dialogue.name)
        if announced and not announcing:
            announced.set()

    async def one(protocol: str, dialogue: Dialogue) -> None:
        if dialogue.listens_port in plan.inbound_tcp:
            await inbound_tested.wait()
        await _hold(session, record, offer, protocol, dialogue)
        free(dialogue)

    free()
    async with asyncio.TaskGroup() as group:
        for protocol, dialogue in held:
            group.create_task(one(protocol, dialogue))


def _places(protocol: str, dialogue: Dialogue, offer: Offer) -> tuple[Place, ...]:
    """The dialogue's own ports, and one that stands for the control port, which has no number
    before it is open."""
    wanted: tuple[tuple[int, Aim], ...] = (
        *((port, "own-port") for port in dialogue.ports),
        (0, "control"),
    )
    return tuple(
        Place(
            protocol=protocol,
            dialogue=dialogue,
            port=port,
            aim=aim,
            server=offer.address,
            same_version=offer.same_version,
        )
        for port, aim in wanted
    )


async def _hold(
    session: Session, record: Record, offer: Offer, protocol: str, dialogue: Dialogue
) -> None:
    address = offer.address or session.server_address
    offer = msgspec.structs.replace(offer, address=address)
    places = _places(protocol, dialogue, offer)

    def leave(which: Iterable[Place], why: str) -> None:
        for place in which:
            record.observe(conversation.untested(place, session.now(), why))

    why = conversation.why_not(dialogue, session.local_address)
    if why:
        leave(places, why)
        return
    own = [p for p in places if p.aim == "own-port"]
    offered = [p for p in own if offer.has(dialogue, p.port)]
    leave(
        [p for p in own if p not in offered],
        f"the echo server does not speak {dialogue.name} there",
    )
    if not offered:
        leave(places[-1:], "without the protocol's own port there is nothing to compare")
        return
    announced = Announced(session)
    try:
        try:
            listening = await conversation.listen(session, dialogue, announced)
        except OSError as error:
            leave((*offered, places[-1]), _busy(dialogue, error))
            return
        async with asyncio.TaskGroup() as group:
            for place in offered:
                meanwhile = beside(session, record, dialogue, place.port, offer.raw)
                group.create_task(_one(session, record, place, announced, listening, meanwhile))
            group.create_task(_control(session, record, places[-1], announced, listening))
    finally:
        await announced.close()


def _busy(dialogue: Dialogue, error: OSError) -> str:
    port = dialogue.listens_port
    if port and error.errno == errno.EADDRINUSE:
        return f"{(dialogue.listens or 'tcp').upper()} port {port} of this computer is in use"
    return f"this computer: {error.strerror or 'no port could be opened'}"


async def _one(
    session: Session,
    record: Record,
    place: Place,
    announced: Announced,
    listening: int,
    meanwhile: Meanwhile | None = None,
) -> None:
    record.observe(await conversation.hold(session, place, announced, listening, meanwhile))


async def _control(
    session: Session, record: Record, place: Place, announced: Announced, listening: int
) -> None:
    dialogue = place.dialogue
    try:
        opened = await session.control.open_ports(dialogue.transport, 1, speaks=dialogue.name)
    except ControlLost as error:
        opened, why = None, f"the control connection was lost: {error}"
    else:
        why = "the echo server opened no port"
        if isinstance(opened, messages.Refusal):
            why += f": {opened.detail or opened.reason}"
    if not isinstance(opened, messages.Opened) or not opened.ports:
        record.observe(conversation.untested(place, session.now(), why))
        return
    place = msgspec.structs.replace(place, port=opened.ports[0])
    await _one(session, record, place, announced, listening)
