"""Connect-back: calls from the server to the client's own ports.

Bounded in number and rate; netcheck.server.permission decides who may be called.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from netcheck.server.calling import by_icmp, call_frame, converse, outcome_of, tcp_socket
from netcheck.server.follow import call_of
from netcheck.server.overhearing import Sender
from netcheck.server.permission import refuse
from netcheck.server.session import Session, canonical
from netcheck.server.switchboard import Switchboard
from probes.errors import WireError
from probes.wire import frame
from probes.wire.messages import (
    Called,
    CallOutcome,
    CallRequest,
    CallsDone,
    FollowRequest,
    Refusal,
)

_DECISIVE: frozenset[CallOutcome] = frozenset({"answered", "foreign"})
LAG_S = 0.02  # a timer later than this is a server that was busy with others
CATCH_UPS_MAX = 4  # one that never catches up calls all the same
_REFUSALS_ENOUGH = 2  # one reset may be a passing overload; two, a round trip apart, are an answer


class _Called:
    """The attempts to one port: how many were made, and when no more are wanted."""

    def __init__(self, patience_s: float) -> None:
        self.settled = asyncio.Event()
        self._patience_s = patience_s
        self._made: list[float] = []
        self._wanted: int | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def enough(self) -> bool:
        return self._wanted is not None and len(self._made) >= self._wanted

    def made(self) -> None:
        self._made.append(time.monotonic())
        self._settle_in_time()

    def stop(self, after: int) -> None:
        """No more than ``after`` attempts, and those for as long as their patience lasts."""
        self._wanted = after
        self.close()
        self._timer = None
        self._settle_in_time()

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _settle_in_time(self) -> None:
        if not self.enough or self._timer:
            return
        left = (
            self._made[self._wanted - 1] + self._patience_s - time.monotonic()
            if self._wanted
            else 0.0
        )
        if left <= 0:
            self.settled.set()
        else:
            self._timer = asyncio.get_running_loop().call_later(left, self.settled.set)


class Caller:
    """The calls of one session.  ``datagrams`` finds the server's own UDP socket on a port;
    ``other`` is the server's other address, if it has one."""

    def __init__(
        self,
        session: Session,
        switchboard: Switchboard,
        datagrams: Callable[[int], Sender | None],
        other: str | None = None,
    ) -> None:
        self._session = session
        self._other = other
        self._switchboard = switchboard
        self._datagrams = datagrams
        self._slots = asyncio.Semaphore(session.limits.calls_at_once)
        self._under_way: dict[int, Sender | None] = {}  # what a request's datagrams leave from
        self._called: dict[tuple[int, int], _Called] = {}

    def stop(self, request_id: int, port: int, after: int = 0) -> None:
        called = self._called.get((request_id, port))
        if called:
            called.stop(after)

    def follow(self, request: FollowRequest) -> Coroutine[Any, Any, None] | None:
        """As ``begin``: the same call, to where a message says."""
        found = call_of(self._session, request)
        if isinstance(found, Refusal):
            self._session.tell(found)
            return None
        call, sender = found
        return self.begin(call, sender, announced=True)

    def begin(
        self, request: CallRequest, sender: Sender | None = None, *, announced: bool = False
    ) -> Coroutine[Any, Any, None] | None:
        """What carries out ``request``, or None if it was refused.  From now on it can be
        stopped, though it may not have begun to run.  ``sender`` is the server's
        ``remote_port`` where that is no tested port."""
        refusal = refuse(self._session, request, self._other, announced=announced)
        if request.id in self._under_way:
            refusal = Refusal(id=request.id, reason="bad-request", detail="the id is in use")
        if refusal:
            self._session.tell(refusal)
            return None
        self._session.calls_left -= len(request.ports) * len(request.offsets_ms)
        if sender is None and request.remote_port is not None:
            sender = self._datagrams(request.remote_port)
        self._under_way[request.id] = sender
        for port in request.ports:
            self._called[request.id, port] = _Called(request.patience_ms / 1000)
        return self._carry_out(request)

    async def _carry_out(self, request: CallRequest) -> None:
        """Make all calls of ``request``, telling the client of each; never raises for
        what the network does."""
        try:
            async with asyncio.TaskGroup() as group:
                for port, number in zip(request.ports, request.numbers, strict=True):
                    group.create_task(self._port(request, port, number))
        finally:
            del self._under_way[request.id]
        self._session.tell(CallsDone(id=request.id))

    async def _port(self, request: CallRequest, port: int, number: int) -> None:
        called = self._called[request.id, port]
        settled = called.settled
        attempt = self._call_tcp if request.transport == "tcp" else self._call_udp
        if request.over_open:
            attempt = self._call_over
        refusals = 0
        began = time.monotonic()
        patience = request.patience_ms / 1000
        # An early try is waited for as long as the last one: a late answer is an answer.
        end = began + max(request.offsets_ms) / 1000 + patience

        async def one(index: int) -> None:
            nonlocal refusals
            unheard: list[CallOutcome] = ["sent" if request.transport == "udp" else "silent"]
            took: float | None = None
            detail = ""
            async with self._slots, self._switchboard.slots:
                # One that had to wait for its turn is given its whole time all the same.
                until = max(end, time.monotonic() + patience)
                try:
                    outcome, took, detail = await attempt(request, port, number, until, unheard)
                except asyncio.CancelledError:
                    outcome = unheard[-1]  # cut short: what was known until then
            self._session.tell(
                Called(
                    id=request.id,
                    port=port,
                    attempt=index,
                    outcome=outcome,
                    took_ms=None if took is None else round(took * 1000, 2),
                    detail=detail,
                )
            )
            refusals += outcome in ("refused", "unreachable")
            if outcome in _DECISIVE or refusals >= _REFUSALS_ENOUGH:
                settled.set()

        tasks: list[asyncio.Task[None]] = []
        try:
            for index, offset in enumerate(sorted(request.offsets_ms)):
                shift = await _until(settled, began + offset / 1000)
                began, end = began + shift, end + shift
                if settled.is_set() or called.enough:
                    break
                await self._switchboard.pace(self._session, canonical(request.address))
                tasks.append(asyncio.create_task(one(index)))
                called.made()
            tasks.append(asyncio.create_task(_when_all_done(tuple(tasks), settled)))
            await settled.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            called.close()
            del self._called[request.id, port]

    async def _call_tcp(
        self, request: CallRequest, port: int, number: int, end: float, unheard: list[CallOutcome]
    ) -> tuple[CallOutcome, float | None, str]:
        target = canonical(request.address)
        began = time.monotonic()
        connected = False
        try:
            async with asyncio.timeout(end - began):
                with tcp_socket(target) as sock:
                    loop = asyncio.get_running_loop()
                    other = self._other if request.from_other else None
                    sock.bind((other or self._session.local_address, 0))
                    try:
                        await loop.sock_connect(sock, (target, port))
                    except ConnectionRefusedError:
                        if by_icmp(sock):
                            took = time.monotonic() - began
                            return "unreachable", took, "ICMP: port unreachable"
                        raise
                    connected = True
                    unheard.append("mute")
                    outcome = await converse(self._session, sock, number, target, port)
                    return outcome, time.monotonic() - began, ""
        except TimeoutError:
            return unheard[-1], None, ""
        except OSError as error:
            failed: CallOutcome = "closed" if connected else outcome_of(error)
            return failed, time.monotonic() - began, error.strerror or ""

    async def _call_over(
        self, request: CallRequest, port: int, number: int, end: float, unheard: list[CallOutcome]
    ) -> tuple[CallOutcome, float | None, str]:
        """Speak first on a connection that the client has left idle."""
        dialled = frame.Endpoint(canonical(request.address), port)
        nonce, call = call_frame(self._session, number, dialled)
        began = time.monotonic()
        connection = self._session.endpoints.get(dialled)
        if connection is None:
            return "closed", None, "it ended in the meantime"
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def hear(data: bytes) -> None:
            knew = frame.knows(data, frame.REPLY, nonce, call, self._session.secret)
            if knew and not heard.done():
                heard.set_result(None)

        self._session.replies[nonce] = hear
        unheard.append("mute")
        ended = asyncio.ensure_future(connection.ended.wait())
        news: set[asyncio.Future[Any]] = {heard, ended}
        try:
            connection.speak(call)
            await asyncio.wait(
                news, timeout=end - time.monotonic(), return_when=asyncio.FIRST_COMPLETED
            )
            if heard.done():
                return "answered", time.monotonic() - began, ""
            if ended.done():
                return "closed", time.monotonic() - began, ""
            return "mute", None, ""
        finally:
            ended.cancel()
            del self._session.replies[nonce]

    async def _call_udp(
        self, request: CallRequest, port: int, number: int, end: float, unheard: list[CallOutcome]
    ) -> tuple[CallOutcome, float | None, str]:
        target = canonical(request.address)
        nonce, call = call_frame(self._session, number, frame.Endpoint(target, port))
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        heard: asyncio.Future[None] = loop.create_future()
        own: asyncio.DatagramTransport | None = None

        def hear(data: bytes) -> None:
            if not heard.done() and frame.knows(
                data, frame.REPLY, nonce, call, self._session.secret
            ):
                heard.set_result(None)

        try:
            if request.remote_port is not None:
                sender = self._under_way[request.id]
                if sender is None:
                    return "local-error", None, "the server does not have that port"
                self._session.replies[nonce] = hear
                sender.send(call, target, port)
            else:
                own, _ = await loop.create_datagram_endpoint(
                    lambda: _Listener(self._session, nonce, call, heard),
                    local_addr=(self._session.local_address, 0),
                    remote_addr=(target, port),
                )
                own.sendto(call)
            async with asyncio.timeout(end - began):
                await heard
            return "answered", time.monotonic() - began, ""
        except TimeoutError:
            return unheard[-1], None, ""
        except OSError as error:
            return outcome_of(error), time.monotonic() - began, error.strerror or ""
        finally:
            self._session.replies.pop(nonce, None)
            if own:
                own.close()


class _Listener(asyncio.DatagramProtocol):
    """Waits for the reply to one call, or for the ICMP error it met."""

    def __init__(
        self, session: Session, nonce: bytes, call: bytes, heard: asyncio.Future[None]
    ) -> None:
        self._session, self._nonce, self._call, self._heard = session, nonce, call, heard

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        try:
            knew = frame.knows(data, frame.REPLY, self._nonce, self._call, self._session.secret)
        except WireError:
            return
        if knew and not self._heard.done():
            self._heard.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self._heard.done():
            self._heard.set_exception(exc)


async def _when_all_done(tasks: tuple[asyncio.Task[None], ...], event: asyncio.Event) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)
    event.set()


async def _until(event: asyncio.Event, moment: float) -> float:
    """Wait for ``event``, at most until ``moment`` of the monotonic clock.

    Gives the seconds by which the moment had to be put off: a server that wakes up late was
    too busy to read answers, and reads them before it makes another call.
    """
    shift = 0.0
    for _ in range(CATCH_UPS_MAX):
        wait = moment + shift - time.monotonic()
        if wait > 0:
            try:
                async with asyncio.timeout(wait):
                    await event.wait()
            except TimeoutError:
                pass
        lag = time.monotonic() - moment - shift
        if event.is_set() or lag <= LAG_S:
            break
        shift += 3 * lag
    return shift
