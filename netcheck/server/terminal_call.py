"""The server in one call by H.323 with the client, as the called end or as the caller.

Where the client calls, its connections come to ports on which the server speaks anyway; this
hears what is said there.  Where the server calls, it goes to where the client's directory entry
and then its Connect say, as these arrived: to addresses that have proved to be the client's.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Literal

from msgspec.structs import replace

from netcheck.server.bind import Bound
from netcheck.server.dialling import Attempts, Connection, dial
from netcheck.server.dialogues import CALLS, Post, Stage
from netcheck.server.dynamic import FIRST, LAST, DynamicPorts
from netcheck.server.follow import address_in
from netcheck.server.overhearing import Place
from netcheck.server.permission import refuse
from netcheck.server.repertoire import Language
from netcheck.server.rtp_stream import bound
from netcheck.server.session import Session, canonical
from netcheck.server.switchboard import Switchboard
from netcheck.server.terminal_media import Pair, TerminalMedia
from probes.editors.contract import Own, Reading
from probes.editors.h323 import PORT, addresses, channels, control, signalling
from probes.editors.h323.channels import Kind
from probes.wire import label
from probes.wire.end import End
from probes.wire.frame import Endpoint
from probes.wire.messages import (
    CallRequest,
    Dialled,
    Directory,
    Refusal,
    TerminalReady,
    TerminalReport,
    TerminalRequest,
)

CONTROL = "h245"
_NOBODY = Endpoint("0.0.0.0", 0)
_TEXT_MAX = 256  # characters of a text on the control connection
_PORT_TRIES = 32
"""Ports tried for the control channel.  It and four beside it have to be free, and most are."""
_IN_VAIN = frozenset((errno.EMFILE, errno.ECANCELED))
"""What no other port would help against: a limit, and the end of the session."""


class TerminalCall:
    """Runs once.  ``inwards``: the server calls the client."""

    def __init__(
        self,
        session: Session,
        request: TerminalRequest,
        stage: Stage,
        ports: DynamicPorts,
        switchboard: Switchboard,
    ) -> None:
        self.number = request.number
        self.inwards = request.directory is not None
        self.port = 0
        self._session = session
        self._request = request
        self._stage = stage
        self._ports = ports
        self._switchboard = switchboard
        self._offsets_s = [offset / 1000 for offset in request.offsets_ms]
        self._patience_s = request.patience_ms / 1000
        self._dialled: list[Dialled] = []
        self._stopped = asyncio.Event()
        self._gone = asyncio.Event()  # the client, from all connections of the call
        self._joined: set[object] = set()
        self._connect: asyncio.Future[Endpoint | None] = asyncio.get_running_loop().create_future()
        self._media: TerminalMedia | None = None

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> None:
        """Be there until the client has ended the call, and tell it before how its media went;
        never raises for what the network does."""
        session, request = self._session, self._request
        try:
            post, listener, media = await self._open()
        except OSError:
            detail = "the server has no ports left"
            session.tell(Refusal(id=request.id, reason="limit", detail=detail))
            return
        self._media = media
        calling: asyncio.Task[None] | None = None
        try:
            await media.listen()
            session.tell(TerminalReady(id=request.id, port=self.port))
            if request.directory:
                calling = asyncio.create_task(self._call(request.directory))
                calling.add_done_callback(lambda _: self._client_has_gone())
            else:
                session.terminals[self.number] = self
            try:
                async with asyncio.timeout(session.limits.terminal_s):
                    if await self._unless_stopped(media.over()):
                        self._report(media)
                        await self._unless_stopped(self._gone.wait())
            except TimeoutError:
                pass
        finally:
            session.terminals.pop(self.number, None)
            if calling:
                calling.cancel()
                await asyncio.wait((calling,))
            self._report(media)
            post.end()
            self._ports.release(session, listener)

    def joined(self, connection: object) -> None:
        self._joined.add(connection)

    def left(self, connection: object) -> None:
        self._joined.discard(connection)
        if not self._joined:
            self._client_has_gone()

    def hear(self, dialogue: str, message: bytes) -> None:
        media = self._media
        if media is None:  # it is over
            return
        reading = self._language(dialogue).read(message)
        if dialogue == CALLS and reading and reading.kind == "Connect":
            self._connected(reading)
        elif dialogue == CONTROL and (agreed := control.agreed(message)):
            media.begin(agreed)
        elif dialogue == CONTROL and reading and reading.kind == "endSessionCommand":
            media.hang_up()

    def _connected(self, reading: Reading) -> None:
        if not self._connect.done():
            said = [each for each in reading.carried if each.field == "h245Address"]
            to = Endpoint(said[0].address, said[0].port or 0) if said else None
            self._connect.set_result(to)

    def _client_has_gone(self) -> None:
        self._gone.set()
        if self._media:
            self._media.hang_up()

    def _report(self, media: TerminalMedia) -> None:
        """Once."""
        if self._media is None:
            return
        self._media = None
        streams = media.counted()
        media.close()
        self._session.tell(
            TerminalReport(id=self._request.id, dialled=tuple(self._dialled), streams=streams)
        )

    async def _unless_stopped(self, something: Coroutine[Any, Any, object]) -> bool:
        """Whether ``something`` came about."""
        tasks = [
            asyncio.ensure_future(something),
            asyncio.ensure_future(self._stopped.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].done()
        finally:
            for task in tasks:
                task.cancel()

    # The ports

    async def _open(self) -> tuple[Post, Bound, TerminalMedia]:
        """Raises OSError."""
        session = self._session
        language = self._language(CONTROL)
        for tries_left in reversed(range(_PORT_TRIES)):
            self.port = FIRST + secrets.randbelow(LAST - FIRST + 1)
            post = Post(self._stage, language, session.local_address, self.port, session, self.port)
            pairs: dict[Kind, Pair] = {}
            try:
                for kind in channels.SESSIONS:
                    pairs[kind] = self._pair(kind)
                listener = await self._ports.hold(session, post)
            except BaseException as error:
                for pair in pairs.values():
                    for sock in pair:
                        sock.close()
                if tries_left and isinstance(error, OSError) and error.errno not in _IN_VAIN:
                    continue
                raise
            return post, listener, TerminalMedia(session, self._request, pairs)
        raise AssertionError

    def _pair(self, kind: Kind) -> Pair:
        """Raises OSError."""
        here = self._session.local_address
        media = addresses.media(self._own(), "h245")[kind]
        rtp = bound(here, media.rtp.port)
        try:
            return rtp, bound(here, media.rtcp.port)
        except BaseException:
            rtp.close()
            raise

    def _own(self, here: int = 0, peer: Endpoint = _NOBODY) -> Own:
        """What an end may say of itself on its socket at port ``here``."""
        session = self._session
        address = self._stage.public.get(session.local_address, session.local_address)
        return Own(
            socket=Endpoint(address, here),
            listening=Endpoint(address, self.port),
            peer=peer,
            label=label.write(session.id, self.number, session.secret),
        )

    def _language(self, dialogue: str) -> Language:
        language = self._stage.named(dialogue)
        assert language is not None  # looked at before there was a call
        return language

    # The server calls

    async def _call(self, directory: Directory) -> None:
        """Set up the call, until its control channel has ended."""
        found = address_in(self._session, directory.overheard, directory.carried)
        assert not isinstance(found, str)  # nothing that was overheard is forgotten
        to = Endpoint(found[1].address, PORT)
        async with AsyncExitStack() as ends:
            caller = functools.partial(signalling.Caller, fast_start=False)
            reached = await self._reach(ends, "signalling", CALLS, to, caller)
            if reached is None:
                return
            reached.add_done_callback(lambda _: self._never_connected())
            to_control = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._answer_s):
                    to_control = await asyncio.shield(self._connect)
            if to_control is None:
                return
            channel = await self._reach(ends, "control", CONTROL, to_control, control.server)
            if channel is not None:
                await channel

    def _never_connected(self) -> None:
        if not self._connect.done():
            self._connect.set_result(None)

    @property
    def _answer_s(self) -> float:
        """How long an answer is waited for: what TCP has to send again takes its time, and an
        early try to connect is waited for as long as the last one."""
        return max(self._offsets_s) + self._patience_s

    async def _reach(
        self,
        ends: AsyncExitStack,
        name: Literal["signalling", "control"],
        dialogue: str,
        to: Endpoint,
        make: Callable[[Own], End],
    ) -> asyncio.Task[None] | None:
        """Connect to ``to``, if it may be called, and talk there: what does so, once the other
        end has spoken the protocol.  None if it has not; why is kept for the report."""
        session, request = self._session, self._request
        call = CallRequest(
            id=request.id,
            transport="tcp",
            address=to.address,
            ports=(to.port,),
            numbers=(self.number,),
            offsets_ms=request.offsets_ms,
            patience_ms=request.patience_ms,
        )
        dialled = Dialled(connection=name, to=str(to)[:_TEXT_MAX])
        refusal = refuse(session, call, announced=True)
        if not to.port:
            refusal = Refusal(id=request.id, reason="bad-request", detail="no port")
        if refusal:
            self._dialled.append(replace(dialled, refused=refusal.reason, detail=refusal.detail))
            return None
        session.calls_left -= len(request.offsets_ms)
        to = Endpoint(canonical(to.address), to.port)
        attempts = Attempts()
        connection: Connection | None = None
        try:
            await dial(session, self._switchboard, to, self._offsets_s, self._patience_s, attempts)
            if attempts.sock is None:
                return None
            here = attempts.sock.getsockname()[1]
            place = Place(self._language(dialogue), here, to, None)
            connection = Connection(
                session, self._stage, attempts.sock, make(self._own(here, to)), place,
                self.number, self.hear,
            )  # fmt: skip
            talking = asyncio.create_task(connection.talk(to_its_end=dialogue == CALLS))
            ends.push_async_callback(_end, talking, connection)
            try:
                async with asyncio.timeout(self._answer_s):
                    await connection.known.wait()
            except TimeoutError:
                return None
            return talking if connection.outcome == "answered" else None
        finally:
            self._dialled.append(
                replace(
                    dialled,
                    outcome=connection.outcome if connection else attempts.outcome,
                    attempts=attempts.made,
                    detail="" if connection else attempts.detail[:_TEXT_MAX],
                )
            )


async def _end(talking: asyncio.Task[None], connection: Connection) -> None:
    talking.cancel()
    await asyncio.wait((talking,))
    connection.goodbye()
    connection.close()
