"""Dynamic ports: opened for one session, for seconds, and closed again."""

from __future__ import annotations

import asyncio
import errno
import secrets
import time
from collections import Counter
from collections.abc import Coroutine
from typing import Any, TypeVar

from netcheck.server.bind import Bound, bind, reason_of
from netcheck.server.dialogues import Post, Stage
from netcheck.server.echo import Desk
from netcheck.server.repertoire import Language
from netcheck.server.session import Session, neighbourhood
from probes.editors.contract import ANNOUNCED_PORT
from probes.wire.messages import Opened, OpenRequest, Refusal, Unavailable

FIRST, LAST = 1024, 65535  # the range NetMeeting chooses from (fact N5)
_T = TypeVar("_T")
_TRIES = 4  # random ports tried for each one wanted: a port in use is rare in that range


class DynamicPorts:
    """The dynamic ports of all sessions, bounded for each and in all."""

    def __init__(self, desk: Desk, stage: Stage) -> None:
        self._desk = desk
        self._stage = stage
        self._open: dict[Session, set[Bound]] = {}
        self._pending: Counter[Session] = Counter()
        self._opening: set[asyncio.Task[Any]] = set()

    async def open(self, session: Session, request: OpenRequest) -> Opened | Refusal:
        return await self._undisturbed(self._carry_out(session, request))

    async def hold(self, session: Session, post: Post) -> Bound:
        """Open the TCP port of ``post`` until it is released.  Raises OSError, for a limit of
        the server's too."""
        return await self._undisturbed(self._hold(session, post))

    def release(self, session: Session, bound: Bound) -> None:
        self._close(session, [bound])

    async def _undisturbed(self, work: Coroutine[Any, Any, _T]) -> _T:
        """A bind that is interrupted half-way leaves a port open that nobody closes."""
        task = asyncio.create_task(work)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait for what is being opened."""
        await asyncio.gather(*self._opening, return_exceptions=True)

    async def _carry_out(self, session: Session, request: OpenRequest) -> Opened | Refusal:
        wanted = len(request.ports) or request.count
        if wanted == 0:
            return Refusal(id=request.id, reason="bad-request", detail="no ports were asked for")
        language = self._stage.named(request.speaks)
        if request.speaks and (language is None or language.transport != request.transport):
            return Refusal(id=request.id, reason="bad-request", detail="that is not spoken here")
        if too_many := self._too_many(session, wanted):
            return Refusal(id=request.id, reason="limit", detail=too_many)
        if not session.taken_bucket.take(time.monotonic(), wanted):
            # Trying a port that is taken costs as much as opening one, and could go on for ever.
            return Refusal(
                id=request.id, reason="limit", detail="too many of those ports are taken"
            )
        self._pending[session] += wanted
        try:
            opened, failed = await self._bind(session, request, wanted, language)
            session.taken_bucket.give_back(wanted - len(failed))
        finally:
            self._pending[session] -= wanted
            self._pending += Counter()  # drops the sessions that wait for nothing
        if not self._keep(session, opened):
            return Refusal(id=request.id, reason="closing")
        for_s = self._desk.limits.dynamic_s
        asyncio.get_running_loop().call_later(for_s, self._close, session, opened)
        return Opened(
            id=request.id,
            transport=request.transport,
            ports=tuple(bound.port for bound in opened),
            failed=tuple(failed),
            for_s=for_s,
        )

    async def _hold(self, session: Session, post: Post) -> Bound:
        if too_many := self._too_many(session, 1):
            raise OSError(errno.EMFILE, too_many)
        self._pending[session] += 1
        try:
            bound = await bind(
                self._desk, "tcp", session.local_address, post.port, only=session, post=post
            )
        finally:
            self._pending[session] -= 1
            self._pending += Counter()
        if not self._keep(session, [bound]):
            raise OSError(errno.ECANCELED, "the session has ended")
        return bound

    def _too_many(self, session: Session, wanted: int) -> str:
        """Why ``session`` cannot have so many more ports; empty if it can."""
        limits = self._desk.limits
        held = len(self._open.get(session, ())) + self._pending[session]
        total = sum(map(len, self._open.values())) + self._pending.total()
        source = neighbourhood(session.source)
        near = sum(
            len(ports)
            for other, ports in self._open.items()
            if neighbourhood(other.source) == source
        )
        if near + wanted > limits.dynamic_ports_per_source:
            return "too many ports for your address"
        if held + wanted > limits.dynamic_ports or total + wanted > limits.dynamic_ports_total:
            return "too many dynamic ports are open"
        return ""

    def _keep(self, session: Session, opened: list[Bound]) -> bool:
        """False: the session ended while they were bound, and they are closed again."""
        if self._desk.sessions.find(session.id) is None:
            for bound in opened:
                bound.close()
            return False
        self._open.setdefault(session, set()).update(opened)
        return True

    async def _bind(
        self, session: Session, request: OpenRequest, wanted: int, language: Language | None
    ) -> tuple[list[Bound], list[Unavailable]]:
        opened: list[Bound] = []
        failed: list[Unavailable] = []
        # That port stands for others in messages (probes.editors.contract.apart).
        candidates = request.ports or [
            port
            for _ in range(wanted * _TRIES)
            if (port := FIRST + secrets.randbelow(LAST - FIRST + 1)) != ANNOUNCED_PORT
        ]
        for port in candidates:
            if len(opened) == wanted:
                break
            here = session.local_address
            post = Post(self._stage, language, here, port, session) if language else None
            try:
                opened.append(
                    await bind(self._desk, request.transport, here, port, only=session, post=post)
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
