"""The server as an H.323 terminal, for clients that ask: who may have one, and how many.

Only for a session, for seconds, and for no longer than its control connection lives.  What
it does in a call is in netcheck.server.terminal_call, which loads the codecs.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from netcheck.server.dialogues import Stage
from netcheck.server.dynamic import DynamicPorts
from netcheck.server.follow import address_in
from netcheck.server.limits import ServerLimits
from netcheck.server.media_budget import MediaBudget, named_twice
from netcheck.server.session import Session, neighbourhood
from netcheck.server.switchboard import Switchboard
from probes.wire.messages import Refusal, TerminalRequest

if TYPE_CHECKING:
    from netcheck.server.terminal_call import TerminalCall


class Terminals:
    """Those of all sessions: of each, one that is called and one that calls."""

    def __init__(
        self,
        limits: ServerLimits,
        stage: Stage,
        ports: DynamicPorts,
        switchboard: Switchboard,
        budget: MediaBudget,
    ) -> None:
        self._limits = limits
        self._stage = stage
        self._ports = ports
        self._switchboard = switchboard
        self._budget = budget
        self._calls: dict[tuple[Session, int], TerminalCall] = {}

    def stop(self, session: Session, request_id: int) -> None:
        call = self._calls.get((session, request_id))
        if call:
            call.stop()

    def begin(self, session: Session, request: TerminalRequest) -> Coroutine[Any, Any, None] | None:
        """What carries out ``request``, or None if it was refused.  From now on it can be
        stopped, though it may not have begun to run."""
        refusal = self._refuse(session, request) or self._no_room(session, request)
        if refusal:
            session.tell(refusal)
            return None
        from netcheck.server.terminal_call import TerminalCall

        call = TerminalCall(session, request, self._stage, self._ports, self._switchboard)
        self._calls[session, request.id] = call
        return self._carry_out(session, request, call)

    async def _carry_out(
        self, session: Session, request: TerminalRequest, call: TerminalCall
    ) -> None:
        try:
            await call.run()
        finally:
            self._calls.pop((session, request.id), None)

    def forget(self, session: Session) -> None:
        """The session is over; a call that had not begun to run never will."""
        for whose, request_id in tuple(self._calls):
            if whose is session:
                del self._calls[whose, request_id]

    def _refuse(self, session: Session, request: TerminalRequest) -> Refusal | None:
        detail = named_twice(request.streams)
        if self._stage.named("h323") is None:
            detail = "that is not spoken here"
        elif (session, request.id) in self._calls:
            detail = "the id is in use"
        elif any(call.number == request.number for call in self._of(session)):
            detail = "the number is in use"
        elif request.directory:
            found = address_in(session, request.directory.overheard, request.directory.carried)
            if isinstance(found, str):
                detail = found
        return Refusal(id=request.id, reason="bad-request", detail=detail) if detail else None

    def _no_room(self, session: Session, request: TerminalRequest) -> Refusal | None:
        limits = self._limits
        inwards = request.directory is not None
        source = neighbourhood(session.source)
        near = sum(neighbourhood(whose.source) == source for whose, _ in self._calls)
        if any(call.inwards is inwards for call in self._of(session)):
            detail = "such a call of this session is under way"
        elif near >= limits.terminals_per_source:
            detail = "too many calls of your address at once"
        elif len(self._calls) >= limits.terminals_in_all:
            detail = "the server has calls with too many others"
        else:
            detail = self._budget.take(session, request.streams, request.duration_ms / 1000)
        return Refusal(id=request.id, reason="limit", detail=detail) if detail else None

    def _of(self, session: Session) -> list[TerminalCall]:
        return [call for (whose, _), call in self._calls.items() if whose is session]
