"""Dynamic ports: opened for one session, for seconds, and closed again."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter

from netcheck.server.bind import Bound, bind, reason_of
from netcheck.server.echo import Desk
from netcheck.server.session import Session, neighbourhood
from probes.wire.messages import Opened, OpenRequest, Refusal, Unavailable

FIRST, LAST = 1024, 65535  # the range NetMeeting chooses from (fact N5)
_TRIES = 4  # random ports tried for each one wanted: a port in use is rare in that range


class DynamicPorts:
    """The dynamic ports of all sessions, bounded for each and in all."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open: dict[Session, set[Bound]] = {}
        self._pending: Counter[Session] = Counter()
        self._opening: set[asyncio.Task[Opened | Refusal]] = set()

    async def open(self, session: Session, request: OpenRequest) -> Opened | Refusal:
        # Shielded: a bind that is interrupted half-way leaves a port open that nobody closes.
        task = asyncio.create_task(self._carry_out(session, request))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait for what is being opened."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    async def _carry_out(self, session: Session, request: OpenRequest) -> Opened | Refusal:
        limits = self._desk.limits
        wanted = len(request.ports) or request.count
        held = len(self._open.get(session, ())) + self._pending[session]
        total = sum(map(len, self._open.values())) + self._pending.total()
        if wanted == 0:
            return Refusal(id=request.id, reason="bad-request", detail="no ports were asked for")
        source = neighbourhood(session.source)
        near = sum(
            len(ports)
            for other, ports in self._open.items()
            if neighbourhood(other.source) == source
        )
        if near + wanted > limits.dynamic_ports_per_source:
            return Refusal(id=request.id, reason="limit", detail="too many ports for your address")
        if held + wanted > limits.dynamic_ports or total + wanted > limits.dynamic_ports_total:
            return Refusal(id=request.id, reason="limit", detail="too many dynamic ports are open")
        if not session.taken_bucket.take(time.monotonic(), wanted):
            # Trying a port that is taken costs as much as opening one, and could go on for ever.
            return Refusal(
                id=request.id, reason="limit", detail="too many of those ports are taken"
            )
        self._pending[session] += wanted
        try:
            opened, failed = await self._bind(session, request, wanted)
            session.taken_bucket.give_back(wanted - len(failed))
        finally:
            self._pending[session] -= wanted
            self._pending += Counter()  # drops the sessions that wait for nothing
        if self._desk.sessions.find(session.id) is None:  # it ended while we were binding
            for bound in opened:
                bound.close()
            return Refusal(id=request.id, reason="closing")
        self._open.setdefault(session, set()).update(opened)
        asyncio.get_running_loop().call_later(limits.dynamic_s, self._close, session, opened)
        return Opened(
            id=request.id,
            transport=request.transport,
            ports=tuple(bound.port for bound in opened),
            failed=tuple(failed),
            for_s=limits.dynamic_s,
        )

    async def _bind(
        self, session: Session, request: OpenRequest, wanted: int
    ) -> tuple[list[Bound], list[Unavailable]]:
        opened: list[Bound] = []
        failed: list[Unavailable] = []
        candidates = request.ports or [
            FIRST + secrets.randbelow(LAST - FIRST + 1) for _ in range(wanted * _TRIES)
        ]
        for port in candidates:
            if len(opened) == wanted:
                break
            try:
                opened.append(
                    await bind(
                        self._desk, request.transport, session.local_address, port, only=session
                    )
                )
            except OSError as error:
                if request.ports:
                    failed.append(
                        Unavailable(transport=request.transport, port=port, reason=reason_of(error))
                    )
        return opened, failed

    def _close(self, session: Session, ports: list[Bound]) -> None:
        held = self._open.get(session, set())
        for bound in ports:
            bound.close()
            held.discard(bound)

    def forget(self, session: Session) -> None:
        """The session is over: close what it opened."""
        for bound in self._open.pop(session, set()):
            bound.close()
