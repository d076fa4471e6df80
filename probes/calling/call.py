"""What a call out and a call in have in common: the control channel, the media, the statement.

Round trips, where nothing is lost, until media flow in a call out: one to connect while the server
is asked to be a terminal, one to set the call up, one to connect the control channel, two to agree
on what is sent where.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import msgspec

from probes import heard, silence, waiting
from probes.announced import Announced, Announcement, follow
from probes.attempts import LAG_S
from probes.calling.connection import Connection
from probes.calling.far_end import FarEnd
from probes.calling.terminal import DURATION_S, Stream, Terminal
from probes.editors.contract import Dialogue
from probes.editors.h323 import DIALOGUES, addresses
from probes.errors import WireError
from probes.observation import AttemptOutcome, Call, CallConnection, Followed, Heard
from probes.path import cancelled_at_end
from probes.session import Session
from probes.speaking import GOODBYE_S, REPEAT_S, TOLD_S, TRANSMISSIONS
from probes.wire import label, messages
from probes.wire.frame import Endpoint

H323, H245 = DIALOGUES
SIGNALLING: int = H323.ports[0]

TRANSMISSIONS_MAX = 5
"""Where much is lost, so often at most: TCP waits twice as long each time, and five of them take
four seconds."""

ANSWER_S = 5.0
"""Beyond the call's own time; a server that has said nothing by then never will."""

BUSY_S = 0.5
"""How much later than it should a busy server may be with its media."""

LONGEST_S = 15.0
"""The server's terminal lives no longer."""


Direction = Literal["outbound", "inbound"]


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """``address``: as the server knows itself; ``same_version``: it is a netcheck of our own."""

    address: str
    same_version: bool = False


class Calling:
    """``await hold()``, whatever happens ``close()``, and then what is ``stated()``.

    ``signalling`` and ``control`` are the call's two connections, once they are there.
    """

    direction: Direction
    dialogue: Dialogue
    """Call signalling, with ``server`` as its end in this call."""

    def __init__(self, session: Session, server: Server) -> None:
        self.session = session
        self.server = server
        self.began = session.now()
        self.number = session.number()
        self.label = label.write(session.id, self.number, session.secret)
        self.far = FarEnd(session, self.number, self.moved)
        self.terminal: Terminal | None = None
        self.signalling: Connection | None = None
        self.control: Connection | None = None
        self.untested = ""
        self.data: Followed | None = None
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard: dict[str, tuple[Heard, Heard]] = {}

    def moved(self) -> None:
        self._news.set()

    def close(self) -> None:
        for connection in (self.signalling, self.control):
            if connection is not None:
                connection.close()
        if self.terminal is not None:
            self.terminal.close()

    async def hold(self, announced: Announced | None = None) -> None:
        """``announced`` listens where T.120 is announced, if that is to be tried."""
        try:
            self.terminal = await Terminal.open(self.session, self.moved)
        except OSError as error:
            self.untested = f"this computer: {error.strerror or 'no port could be opened'}"
            return
        with self.far.overhearing():
            async with cancelled_at_end(self._tasks):
                try:
                    async with asyncio.timeout(LONGEST_S + 2 * ANSWER_S):
                        await self._held(self.terminal, announced)
                except TimeoutError:
                    self._hear()
                for task in self._tasks:
                    if task.done() and not task.cancelled():
                        task.result()  # a fault of our own is not to be hidden

    async def _held(self, terminal: Terminal, announced: Announced | None) -> None:
        await self.set_up(terminal)
        if self.untested:
            return
        if self.control is not None:
            await self._talk(self.control, terminal, announced)
        await self._report()
        await self._all_told()
        self._hear()
        await self._goodbye()

    async def set_up(self, terminal: Terminal) -> None:
        """Up to the control channel, on which nothing is said yet; ``untested`` if it was not
        even tried."""
        raise NotImplementedError

    # waiting

    def start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(lambda _: self.moved())
        return task

    async def until(self, enough: Callable[[], bool], left_s: Callable[[], float]) -> bool:
        """Whether it was ``enough`` before there was no time left, which is not this
        computer's if it was too busy to listen."""
        late_s = 0.0

        def late(seconds: float) -> None:
            nonlocal late_s
            late_s += seconds

        return await waiting.until(self._news, enough, lambda: left_s() + late_s, late)

    async def within(self, enough: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        return await self.until(enough, lambda: until - time.monotonic())

    @property
    def transmissions(self) -> int:
        """How often TCP has to have sent something for its silence to mean something."""
        for times in range(TRANSMISSIONS, TRANSMISSIONS_MAX):
            if self.session.chance_of_silence("tcp", times) <= silence.CHANCE_MAX:
                return times
        return TRANSMISSIONS_MAX

    @property
    def stands_s(self) -> float:
        """How long a connection may stand still in which something is due."""
        pace = self.session.pace
        waits: int = 2 ** (self.transmissions - 1) - 1
        return waits * (REPEAT_S + pace.rtt_s) + pace.patience_s

    async def spoken(
        self, connection: Connection, enough: Callable[[], bool] = lambda: False
    ) -> bool:
        """Whether it was over before it was ``enough``, it ended, or it stood for too long."""
        most = self.stands_s
        await self.until(
            lambda: connection.over or connection.ended or enough() or bool(self.far.problem),
            lambda: connection.moved_at + most - time.monotonic(),
        )
        return connection.over

    # the call

    async def _talk(
        self, channel: Connection, terminal: Terminal, announced: Announced | None
    ) -> None:
        sharing = self.start(self._share(announced)) if announced else None
        players = [self.start(self._play(terminal, stream)) for stream in terminal.streams]
        await self.spoken(channel, lambda: all(each.goes_somewhere for each in terminal.streams))
        if any(stream.goes_somewhere for stream in terminal.streams):
            # The server sends as long as we do, and then listens as long as we asked for.
            longest_s = DURATION_S + 3 * terminal.patience_s + BUSY_S
            await self.within(
                lambda: self.far.over and all(player.done() for player in players), longest_s
            )
            if self.far.report is not None:
                # A late packet is no lost one.
                report = self.far.report
                await self.within(lambda: terminal.whole(report), terminal.patience_s)
        if sharing is not None:
            await self.within(sharing.done, ANSWER_S)

    async def _play(self, terminal: Terminal, stream: Stream) -> None:
        """Each as soon as it is agreed, whatever becomes of the others: the server begins by
        itself too."""
        await self.within(lambda: stream.goes_somewhere or self.far.over, LONGEST_S)
        if stream.goes_somewhere:
            await terminal.play(stream)

    async def _report(self) -> None:
        self.far.stop()
        await self.within(lambda: self.far.over, ANSWER_S)

    async def _share(self, announced: Announced) -> None:
        """Have the server go to where our proposal of T.120, as it arrived, says."""
        found: list[Announcement] = []

        def arrived() -> bool:
            found[:] = self._announcements()[:1]
            return bool(found) or self.far.over

        await self.within(arrived, LONGEST_S)
        if found:
            source = next(iter(self._sources("h245")), None)
            self.data = await follow(
                self.session, announced, found[0], source.address if source else ""
            )

    def _announcements(self) -> list[Announcement]:
        return [
            Announcement(
                field=carried.field,
                overheard=said.index,
                carried=place,
                transport="tcp",
                port=addresses.T120,
                target=Endpoint(carried.address, carried.port),
            )
            for said in self.far.overheard
            if said.dialogue == H245.name
            for reading in (heard.read(H245, bytes.fromhex(said.data)).reading,)
            if reading is not None and reading.kind == "openLogicalChannel"
            for place, carried in enumerate(reading.carried)
            if carried.field == "separateStack" and carried.reached_by and carried.port
        ]

    async def _all_told(self) -> None:
        """Wait for what the server says of our messages: what it says of those that arrived is
        here before the answer to a heartbeat that left after them."""
        since = time.monotonic()
        pairs = ((self.signalling, H323.name), (self.control, H245.name))

        def enough() -> bool:
            answered = self.session.answered_until
            return (
                all(not c or len(self.far.told(name)) >= len(c.sent) for c, name in pairs)
                or (answered is not None and answered > since)
                or not self.session.control.alive
            )

        await self.until(enough, lambda: min(LAG_S, since + TOLD_S - time.monotonic()))

    async def _goodbye(self) -> None:
        open_now = [c for c in (self.control, self.signalling) if c and not c.ended]
        patience_s = min(GOODBYE_S, self.session.pace.patience_s)
        for connection in open_now:
            await connection.goodbye(patience_s)
        await self.within(lambda: all(c.ended for c in open_now), patience_s)

    # what became of it

    def _hear(self) -> None:
        """What was heard at either end, of all but the goodbye."""
        for connection, dialogue in ((self.signalling, self.dialogue), (self.control, H245)):
            if connection is None:
                continue
            connection.settle()
            told = self.far.told(dialogue.name)
            address = self.server.address
            back = heard.back(
                dialogue,
                Endpoint(address, connection.peer.port),
                self.seen_as(connection),
                told,
                connection.arrived,
                same_version=self.server.same_version,
                listening=Endpoint(address, self.far.port) if self.far.port else None,
                label=self.label if self.direction == "inbound" else None,
            )
            if connection.stranger:
                back = msgspec.structs.replace(back, faults=(*back.faults, heard.UNREADABLE))
            self._heard[dialogue.name] = heard.out(dialogue, connection.sent, told), back

    def seen_as(self, connection: Connection) -> Endpoint:
        """Our end, as the server knows it."""
        sources = self._sources(H245.name if connection is self.control else H323.name)
        return next(iter(sources), connection.here)

    def _sources(self, dialogue: str) -> list[Endpoint]:
        """From where our messages came to it."""
        found = []
        for said in self.far.overheard:
            try:
                if said.dialogue == dialogue:
                    found.append(Endpoint.read(said.source))
            except WireError:
                continue
        return found

    def fares(self, connection: Connection, connects: int) -> tuple[AttemptOutcome, int]:
        """The outcome, and of how many attempts."""
        outcome = connection.outcome
        return outcome, self.transmissions if outcome == "mute" else connects

    def with_heard(self, stated: CallConnection, dialogue: Dialogue) -> CallConnection:
        out, back = self._heard.get(dialogue.name, (Heard(), Heard()))
        return msgspec.structs.replace(stated, out=out, back=back)

    def stated(self) -> Call:
        session = self.session
        untested = self.untested or self.far.problem
        return msgspec.structs.replace(
            untested_call(self.direction, self.began, untested),
            took_s=round(session.now() - self.began, 4),
            signalling=self.signalling_stated(),
            control=self.control_stated(),
            media=self.terminal.stated(self.far.report)
            if self.terminal and self.control and not self.untested
            else (),
            data=self.data,
        )

    def signalling_stated(self) -> CallConnection:
        raise NotImplementedError

    def control_stated(self) -> CallConnection:
        raise NotImplementedError


def untested_call(direction: Direction, at_s: float, why: str) -> Call:
    """What is stated of a call that could not be made."""
    return Call(id=f"call-{direction}", at_s=at_s, took_s=0.0, direction=direction, untested=why)


def why_refused(refusal: messages.Refusal) -> str:
    return f"the echo server made no call: {refusal.detail or refusal.reason}"
