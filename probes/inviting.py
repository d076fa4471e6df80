"""A contact's view of MSN Messenger's invitations to fetch files (facts M2, M3, M5).

As the application does, several files are offered in one conversation, each at a port of its own.
The echo server reads the invitations as the contact would, and goes to all of them at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec

from probes import heard, silence
from probes.announced import Announcement
from probes.calls import Called, Calls
from probes.editors import msn
from probes.exchange import Exchange
from probes.gathering import Gathering
from probes.observation import Heard, Invitation, Invited
from probes.path import cancelled_at_end
from probes.session import Session
from probes.speaking import REPEAT_S, TRANSMISSIONS, Place, Speaking
from probes.wire import messages
from probes.wire.frame import Endpoint

_SPARE = (1, 3)
"""Calls beyond what the loss seen so far asks for, where none was lost and where some was."""

_LOOK_S = 0.02
"""How often to look whether calls may stop: well below any gap between two of them."""

_WAIT_MAX_S = 10.0
"""The longest that the server waits on a connection for an answer (docs/protocol.md)."""

_WAIT_MORE_S = 1.0
"""How much longer than all calls take a connection is kept for the others to come."""


def untested(ports: tuple[int, ...], at_s: float, why: str) -> Invited:
    """What is stated where nobody could be invited."""
    return Invited(
        id="invited",
        at_s=at_s,
        took_s=0.0,
        invitations=tuple(Invitation(port=port, untested=why) for port in ports),
        untested=why,
    )


async def invite(session: Session, place: Place, ports: tuple[int, ...]) -> Invited:
    """Offer a file at each of ``ports`` of ours, on ``place.port`` of the server's, and have the
    server come to all of them.  Whatever the network or the server does is in what this returns."""
    began = session.now()
    inviting = _Inviting(session, place, ports)
    try:
        await inviting.run()
    finally:
        await inviting.close()
    return inviting.stated(began)


class _Inviting:
    def __init__(self, session: Session, place: Place, ports: tuple[int, ...]) -> None:
        self._session = session
        self._place = place
        self._ports = ports
        self._gathering = Gathering(session)
        self._speaking: Speaking | None = None
        self._ways: dict[int, _Way] = {}
        self._together: tuple[int, ...] = ()
        self._out = Heard()

    async def close(self) -> None:
        if self._speaking:
            self._speaking.close()
        await self._gathering.close()

    async def run(self) -> None:
        opened = await self._gathering.open(self._ports)
        if not opened:
            return
        self._place = msgspec.structs.replace(self._place, dialogue=msn.files(opened))
        speaking = self._speaking = Speaking(self._session, self._place, opened[0])
        await speaking.run()
        if not speaking.exchanges:
            return
        best = speaking.best
        self._out = heard.out(self._place.dialogue, best.sent, best.told)
        if not best.ended:
            await self._come(best)
        if speaking.best.over:
            await speaking.goodbye()

    async def _come(self, exchange: Exchange) -> None:
        """Have the server come to every port, and answer when all are there that will be."""
        session, gathering = self._session, self._gathering
        for announcement in _announcements(self._place, exchange, self._ports):
            called = Called(announcement.target.port, session.number())
            gathering.expect(announcement.port, called)
            self._ways[announcement.port] = _Way(session, announcement, called, gathering)
        tasks = {asyncio.create_task(way.go()) for way in self._ways.values()}
        async with cancelled_at_end(tasks):
            while not all(way.settled for way in self._ways.values()):
                gathering.news.clear()
                try:
                    async with asyncio.timeout(_LOOK_S):
                        await gathering.news.wait()
                except TimeoutError:
                    pass
            await asyncio.sleep(0)  # who has gone in the meantime is known then
            self._together = gathering.answer()
            if tasks:
                await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    def stated(self, began: float) -> Invited:
        session, speaking = self._session, self._speaking
        best = speaking.best if speaking and speaking.exchanges else None
        sent = _read(self._place, best.sent) if best else []
        arrived = _read(self._place, best.told) if best else []
        written = _written(sent, arrived)
        return Invited(
            id="invited",
            at_s=began,
            took_s=round(session.now() - began, 4),
            invitations=tuple(self._invitation(port, written) for port in self._ports),
            together=tuple(p for p in self._together if self._ways[p].is_answered),
            talk=speaking.outcome if speaking else "untested",
            local=str(best.own.socket) if best else None,
            source=str(best.source) if best and best.source else None,
            out=msgspec.structs.replace(self._out, said=()),
            tries=speaking.tries if speaking else 0,
            untested=self._why_untested(),
        )

    def _why_untested(self) -> str:
        speaking = self._speaking
        if speaking is None:
            return "its ports are in use on this computer"
        if speaking.outcome != "talked" and not self._session.control.alive:
            return speaking.problem or "the control connection was lost"
        return speaking.problem

    def _invitation(self, port: int, written: dict[int, tuple[str, str | None]]) -> Invitation:
        gathering = self._gathering
        sent, arrived = written.get(port, (None, None))
        way = self._ways.get(port)
        return Invitation(
            port=port,
            sent=sent,
            arrived=arrived,
            attempts=tuple(way.called.calls) if way else (),
            heard=way.called.heard if way else 0,
            refused=way.refused if way else "",
            busy=port in gathering.busy,
            untested=gathering.failed.get(port, ""),
        )


class _Way(Calls):
    """Calls to where one invitation says.  ``settled``: somebody waits there, or nobody will."""

    def __init__(
        self, session: Session, announcement: Announcement, called: Called, gathering: Gathering
    ) -> None:
        super().__init__(session, "tcp", (called,), spare=_SPARE)
        self.called = called
        self._announcement = announcement
        self._gathering = gathering
        self._given_up = False
        self._done = False

    @property
    def settled(self) -> bool:
        return self._given_up or self._done or self._gathering.waits(self._announcement.port)

    @property
    def is_answered(self) -> bool:
        """By the server's own word."""
        return any(call.outcome == "answered" for call in self.called.calls)

    @property
    def refused(self) -> str:
        return (self.refusal.reason if self.refusal else "") or self.called.untested

    async def go(self) -> None:
        try:
            await self.run(self._announcement.target.address)
        finally:
            self._done = True
            self._gathering.news.set()

    def _request(
        self, request_id: int, address: str, offsets_ms: tuple[int, ...], patience_ms: int
    ) -> messages.CallRequest | messages.FollowRequest:
        """Who waits on a connection for the others waits as long as they may be called."""
        wait_s = (offsets_ms[-1] + 3 * patience_ms) / 1000 + _WAIT_MORE_S
        return messages.FollowRequest(
            id=request_id,
            overheard=self._announcement.overheard,
            carried=self._announcement.carried,
            number=self.called.number,
            offsets_ms=offsets_ms,
            patience_ms=round(1000 * min(wait_s, _WAIT_MAX_S)),
        )

    async def _stop_when_known(self) -> None:
        """No further calls once one has come; none at all where silence means something, or
        where TCP has had the time to say an answer again and the server did not hear it."""
        session, port = self._session, self.called.port
        began = time.monotonic()
        answering: float | None = None
        while True:
            if self.called.heard and port not in self._stopped:
                self._stop(port, 1)
            elif not self.called.heard and self._silent(began):
                self._given_up = True
                self._gathering.news.set()
                self._stop(port, 0)
                return
            if self._gathering.answering and self.called.heard:
                now = time.monotonic()
                answering = answering or now
                repeated_s = (2**TRANSMISSIONS // 2 - 1) * (REPEAT_S + session.pace.rtt_s)
                if now - answering > repeated_s + session.pace.patience_s:
                    self._stop(port, 0)
                    return
            await asyncio.sleep(_LOOK_S)

    def _silent(self, began: float) -> bool:
        """Whether so many calls have had their time that no more are needed.  Time is what the
        server was seen to have: one that is too busy to answer heartbeats calls late, too."""
        session = self._session
        until = time.monotonic()
        if session.answered_until is not None:
            until = min(until, session.answered_until)
        delay = session.pace.rtt_s + session.pace.patience_s
        offsets = self._offsets_s()
        made = sum(offset + delay <= until - began for offset in offsets)
        spare = _SPARE[bool(session.loss[1])]
        return made == len(offsets) or (
            made >= silence.ATTEMPTS_MIN and session.silence_means_blocked("tcp", made - spare)
        )


def _read(place: Place, data: Sequence[bytes]) -> list[heard.Message]:
    return [heard.read(place.dialogue, message) for message in data]


def _written(
    sent: list[heard.Message], arrived: list[heard.Message]
) -> dict[int, tuple[str, str | None]]:
    """The address in each invitation, by our port: as it was sent, and as it arrived."""
    pairs = heard.paired(sent, arrived)
    found: dict[int, tuple[str, str | None]] = {}
    for at, message in enumerate(sent):
        other = arrived[pairs[at]] if at in pairs else None
        for carried, place in heard.fields(message, other):
            if carried.reached_by != "tcp" or carried.port is None:
                continue
            came = None
            if other and other.reading and place is not None:
                came = heard.spelt(other.reading.carried[place])
            found[carried.port] = heard.spelt(carried), came
    return found


def _announcements(place: Place, exchange: Exchange, ports: tuple[int, ...]) -> list[Announcement]:
    """Where the invitations, as they arrived, say that files can be fetched."""
    sent = _read(place, exchange.sent)
    arrived = _read(place, [bytes.fromhex(said.data) for said in exchange.overheard])
    found: list[Announcement] = []
    for at, where in sorted(heard.paired(sent, arrived).items()):
        reading = arrived[where].reading
        for meant, carried_at in heard.fields(sent[at], arrived[where]):
            if reading is None or carried_at is None or meant.port not in ports:
                continue
            came = reading.carried[carried_at]
            if meant.reached_by != "tcp" or came.reached_by != "tcp" or came.port is None:
                continue
            found.append(
                Announcement(
                    field=came.field,
                    overheard=exchange.overheard[where].index,
                    carried=carried_at,
                    transport="tcp",
                    port=meant.port,
                    target=Endpoint(came.address, came.port),
                )
            )
    return found
