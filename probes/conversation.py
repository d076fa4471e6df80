"""Holding a dialogue of another protocol with the echo server, and stating what became of it.

Once it is over (probes.speaking) the server is asked to go to where the messages say and tells
how that went, which takes three round trips where nothing is lost (one, if it refuses); the
goodbye takes one.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Coroutine

import msgspec

from probes import heard
from probes.announced import Announced, Announcement, follow
from probes.editors.contract import Dialogue, Own
from probes.errors import SetupError, WireError
from probes.exchange import Exchange
from probes.observation import Followed, Heard, Talk, Transport
from probes.path import cancelled_at_end
from probes.session import Session
from probes.speaking import Aim, Place, Speaking
from probes.wire import label
from probes.wire.frame import Endpoint

__all__ = ["Aim", "Place", "hold", "listen", "untested", "why_not"]

_FOLLOWED_MAX = 8
"""Addresses of one dialogue: H.323's control channel, and four of media."""

_LISTEN_TRIES = 4
"""That one of five ports in a row is taken is rare."""


def why_not(dialogue: Dialogue, address: str) -> str:
    """Why the dialogue cannot carry ``address``; empty if it can."""
    here = Endpoint(address, 1)
    try:
        dialogue.client(Own(socket=here, listening=here, peer=here, label=bytes(label.SIZE)))
    except SetupError as error:
        return str(error)
    return ""


async def listen(session: Session, dialogue: Dialogue, announced: Announced) -> int:
    """Wait where the dialogue's messages will say that we do, and give its own port: no two
    dialogues may announce the same port, or one editor would take either for the other's.
    Raises OSError."""
    transport = dialogue.listens or dialogue.transport
    for _ in range(_LISTEN_TRIES):
        port = await announced.open(transport, dialogue.listens_port)
        others = _announced_at_once(session, dialogue, port)
        if all([await announced.also(*other) for other in others]):
            return port
        await announced.close()
    raise OSError(errno.EADDRINUSE, "no ports that follow each other are free")


def _announced_at_once(
    session: Session, dialogue: Dialogue, port: int
) -> set[tuple[Transport, int]]:
    """All that the first message announces: H.323 and SIP name the ports beside ``port``."""
    here = Endpoint(session.local_address, port)
    own = Own(
        socket=Endpoint(session.local_address, 1),
        listening=here,
        peer=Endpoint(session.server_address, 1),
        label=bytes(label.SIZE),
    )
    return {
        (said.reached_by, said.port)
        for data in dialogue.client(own).begin().send
        for said in dialogue.read(data).carried
        if said.reached_by and said.port and said.address == here.address and said.port != 1
    }


def untested(place: Place, at_s: float, why: str) -> Talk:
    """What is stated of a dialogue that could not be held."""
    return Talk(
        id=_id(place),
        at_s=at_s,
        took_s=0.0,
        protocol=place.protocol,
        dialogue=place.dialogue.name,
        transport=place.dialogue.transport,
        port=place.port,
        aim=place.aim,
        outcome="untested",
        untested=why,
    )


Meanwhile = Callable[[Exchange], Coroutine[None, None, None]]


async def hold(
    session: Session,
    place: Place,
    announced: Announced,
    listening: int,
    meanwhile: Meanwhile | None = None,
) -> Talk:
    """Hold the dialogue, and have the server go where it says, which is our port ``listening``
    of ``announced``.  Whatever the network or the server does is in what this returns.
    ``meanwhile``: what else is done before the goodbye, if the dialogue comes so far."""
    began = session.now()
    speaking = Speaking(session, place, listening)
    holding = _Holding(session, place, announced, speaking)
    try:
        await speaking.run()
        await holding.follow(meanwhile)
    finally:
        speaking.close()
    return holding.stated(began)


def _id(place: Place) -> str:
    return f"talk-{place.dialogue.name}-{place.port if place.aim == 'own-port' else 'control'}"


class _Holding:
    """What comes after a dialogue."""

    def __init__(
        self, session: Session, place: Place, announced: Announced, speaking: Speaking
    ) -> None:
        self._session = session
        self._place = place
        self._announced = announced
        self._speaking = speaking
        self._followed: list[Followed] = []
        self._directions: tuple[Heard, Heard] | None = None

    async def follow(self, meanwhile: Meanwhile | None) -> None:
        """Have the server go where it says, and say goodbye."""
        if not self._speaking.exchanges:
            return
        best = self._speaking.best
        self._directions = self._heard(best)
        async with asyncio.TaskGroup() as group:
            if not best.ended and self._place.aim == "own-port":
                group.create_task(self._follow(best))
            if best.over and meanwhile:
                group.create_task(meanwhile(best))
        if best.over:
            await self._speaking.goodbye()

    async def _follow(self, exchange: Exchange) -> None:
        found = await self._announcements(exchange)
        source = _source(exchange)

        async def one(announcement: Announcement) -> None:
            self._followed.append(
                await follow(
                    self._session, self._announced, announcement, source.address if source else ""
                )
            )

        tasks = {asyncio.create_task(one(each)) for each in found}
        async with cancelled_at_end(tasks):
            if tasks:
                await asyncio.wait(tasks)
        for task in tasks:
            task.result()
        order = [each.field for each in found]
        self._followed.sort(key=lambda followed: order.index(followed.field))

    async def _announcements(self, exchange: Exchange) -> list[Announcement]:
        """Where the messages, as they arrived, say that we listen, and we do."""
        dialogue, own = self._place.dialogue, exchange.own
        sent = [heard.read(dialogue, data) for data in exchange.sent]
        arrived = [heard.read(dialogue, bytes.fromhex(o.data)) for o in exchange.overheard]
        found: dict[tuple[str, Endpoint], Announcement] = {}
        for at, place in sorted(heard.paired(sent, arrived).items()):
            reading = arrived[place].reading
            for meant, carried_at in heard.fields(sent[at], arrived[place]):
                if reading is None or carried_at is None or len(found) >= _FOLLOWED_MAX:
                    continue
                came = reading.carried[carried_at]
                by, port = meant.reached_by, meant.port
                if by is None or port is None or meant.address != own.listening.address:
                    continue
                if Endpoint(meant.address, port) == own.socket or came.port is None:
                    continue
                if came.reached_by != by or not await self._announced.also(by, port):
                    continue
                target = Endpoint(came.address, came.port)
                found.setdefault(
                    (by, target),
                    Announcement(
                        field=came.field,
                        overheard=exchange.overheard[place].index,
                        carried=carried_at,
                        transport=by,
                        port=port,
                        target=target,
                    ),
                )
        return list(found.values())

    def _heard(self, exchange: Exchange) -> tuple[Heard, Heard]:
        place = self._place
        told = exchange.told
        back = heard.back(
            place.dialogue,
            Endpoint(place.server, place.port),
            _source(exchange) or exchange.own.socket,
            told,
            exchange.arrived,
            same_version=place.same_version,
        )
        return heard.out(place.dialogue, exchange.sent, told), back

    def stated(self, began: float) -> Talk:
        session, speaking = self._session, self._speaking
        best = speaking.best if speaking.exchanges else None
        out, back = self._directions or (Heard(), Heard())
        if best and best.stranger and not best.over:
            back = msgspec.structs.replace(back, faults=(*back.faults, heard.UNREADABLE))
        source = _source(best) if best else None
        problem = speaking.problem
        if speaking.outcome != "talked" and not session.control.alive:
            problem = problem or "the control connection was lost"
        return msgspec.structs.replace(
            untested(self._place, began, problem),
            took_s=round(session.now() - began, 4),
            outcome=speaking.outcome,
            local=str(best.own.socket) if best else None,
            source=str(source) if source else None,
            out=out,
            back=back,
            followed=tuple(self._followed),
            tries=speaking.tries,
            cut=speaking.cut,
            unread=speaking.unread,
        )


def _source(exchange: Exchange) -> Endpoint | None:
    """Where the server saw it come from."""
    for said in exchange.overheard:
        try:
            return Endpoint.read(said.source)
        except WireError:
            continue
    return None
