"""Being called: ask the server to reach ports of ours, and stop it when the answer is known."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterable

from probes import silence
from probes.observation import Attempt, AttemptOutcome, Transport
from probes.session import PROOF_S, ControlLost, Session
from probes.wire import messages

ANSWER_S = 5.0
"""Beyond the last call's own time; who has not said by then how it went never will."""

CALLING_S = 24.0
"""Where round trips take so long that the calls would go on for more, fewer are made: a server
calls for half a minute at most, and takes a request for more for nonsense."""

_OUTCOMES: dict[messages.CallOutcome, AttemptOutcome] = {
    "answered": "answered",
    "foreign": "foreign",
    "closed": "closed",
    "mute": "mute",
    "refused": "refused",
    "unreachable": "unreachable",
    "silent": "silent",
    "sent": "silent",
    "local-error": "silent",
}


class Called:
    """One local port that is being called."""

    def __init__(self, port: int, number: int) -> None:
        self.port = port
        self.number = number
        self.heard = 0  # calls with the secret, for this port, that reached us
        self.reached = 0  # connections from the server that reached us, with whatever in them
        self.rtt_s: float | None = None
        self.calls: list[Attempt] = []
        self.untested = ""

    @property
    def known(self) -> bool:
        """Whether no further call can change what this port is."""
        return self.heard > 0 or any(c.outcome in ("answered", "foreign") for c in self.calls)


class Calls:
    """A round of calls to several ports, all on one schedule: that of ``session.pace``, or
    every ``gap_s`` seconds, and at ``most`` so many.  ``from_other``: from the server's other
    address.  ``spare``: calls beyond what silence would need, where nothing was lost so far, and
    where something was."""

    def __init__(
        self,
        session: Session,
        transport: Transport,
        ports: Iterable[Called],
        *,
        remote_port: int | None = None,
        from_other: bool = False,
        gap_s: float | None = None,
        most: int = silence.ATTEMPTS_MAX,
        spare: tuple[int, int] = (0, 0),
    ) -> None:
        self.address: str | None = None
        self.refusal: messages.Refusal | None = None
        self._session = session
        self._transport: Transport = transport
        self._ports = {called.port: called for called in ports}
        self._remote_port = remote_port
        self._from_other = from_other
        self._gap_s = gap_s
        self._most = most
        self._spare = spare
        self._request_id: int | None = None
        self._stopped: set[int] = set()

    async def run(self, address: str | None) -> None:
        """Have the calls made to ``address``, or where it is None to the first address that
        proves to be ours.  What goes wrong is noted as ``untested`` on the ports."""
        if not self._ports:
            return
        if address is None:
            address = next(iter(await self._session.control.proven(PROOF_S)), None)
        if address is None:
            self._untested("no address of this computer could be proved to the echo server")
            return
        self.address = address
        watch = asyncio.create_task(self._stop_when_known())
        longest = self._offsets_s()[-1] + 2 * self._session.pace.patience_s + ANSWER_S
        try:
            async with asyncio.timeout(longest):
                await self._listen(address)
        except TimeoutError:
            self._untested("the echo server did not say what became of its calls")
        except ControlLost as error:
            self._untested(f"the control connection was lost: {error}")
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        for called in self._ports.values():
            if called.heard and self._transport == "tcp":
                # The calls that an open port did not hear are a sample of the path's loss.
                # UDP has no such sample: a call may be heard and its reply filtered.
                self._session.tallies["tcp"].tried(called.heard, _lost(called.calls))

    def _offsets_s(self) -> tuple[float, ...]:
        if self._gap_s is None:
            offsets = self._session.pace.offsets_s(self._most)
        else:
            offsets = tuple(self._gap_s * attempt for attempt in range(self._most))
        return tuple(offset for offset in offsets if offset <= CALLING_S)

    async def _listen(self, address: str) -> None:
        session = self._session
        offsets = self._offsets_s()
        offsets_ms = tuple(round(offset * 1000) for offset in offsets)
        began = session.now()

        def request(request_id: int) -> messages.CallRequest | messages.FollowRequest:
            self._request_id = request_id
            return self._request(
                request_id, address, offsets_ms, round(session.pace.patience_s * 1000)
            )

        async for said in session.control.call(request):
            if isinstance(said, messages.Refusal):
                self.refusal = said
                self._untested(f"the echo server did not call: {said.detail or said.reason}")
                return
            called = self._ports.get(said.port)
            if called is None or len(called.calls) >= self._most:
                continue
            if said.outcome == "local-error":
                called.untested = "the echo server could not send: " + said.detail
                continue
            if said.outcome == "answered" and said.took_ms is not None:
                # TCP shakes hands before it is asked: two round trips.
                called.rtt_s = said.took_ms / (2000 if self._transport == "tcp" else 1000)
            called.calls.append(
                Attempt(
                    at_s=round(began + offsets[min(said.attempt, len(offsets) - 1)], 4),
                    outcome=_OUTCOMES[said.outcome],
                    took_s=None if said.took_ms is None else said.took_ms / 1000,
                    detail=said.detail,
                )
            )

    def _request(
        self, request_id: int, address: str, offsets_ms: tuple[int, ...], patience_ms: int
    ) -> messages.CallRequest | messages.FollowRequest:
        return messages.CallRequest(
            id=request_id,
            transport=self._transport,
            address=address,
            ports=tuple(self._ports),
            numbers=tuple(called.number for called in self._ports.values()),
            offsets_ms=offsets_ms,
            patience_ms=patience_ms,
            remote_port=self._remote_port,
            from_other=self._from_other,
        )

    async def _stop_when_known(self) -> None:
        """End the calls to the ports that are known, or whose silence means something.

        The server ends those by itself that were answered; so there is nothing to look
        for before the least number of calls has been made.
        """
        session = self._session
        began = time.monotonic()
        offsets = self._offsets_s()
        # A call takes half a round trip to be asked for and half to arrive.
        delay = session.pace.rtt_s + session.pace.patience_s
        await asyncio.sleep(offsets[silence.ATTEMPTS_MIN - 1] + delay)
        while len(self._stopped) < len(self._ports):
            elapsed = time.monotonic() - began
            made = sum(offset + delay <= elapsed for offset in offsets)
            spare = self._spare[bool(session.loss[1])]
            enough = session.silence_means_blocked(self._transport, made - spare)
            for called in self._ports.values():
                if called.port not in self._stopped and (called.known or enough):
                    self._stop(called.port, 0 if called.known else made)
            await asyncio.sleep(_LOOK_S)

    def _stop(self, port: int, after: int) -> None:
        if self._request_id is not None:
            self._stopped.add(port)
            self._session.control.stop_call(self._request_id, port, after)

    def _untested(self, why: str) -> None:
        for called in self._ports.values():
            if not called.known:
                called.untested = called.untested or why


def _lost(calls: list[Attempt]) -> int:
    """The silent calls of an open port that were not just cut short when it was known."""
    answered = [(c.at_s, c.took_s) for c in calls if c.outcome == "answered" and c.took_s]
    known_s = min((at_s + took_s for at_s, took_s in answered), default=math.inf)
    late_s = _LATE * min((took_s for _, took_s in answered), default=0.0) + _LAG_S
    return sum(c.outcome == "silent" and c.at_s + late_s < known_s for c in calls)


_LATE = 1.5
_LAG_S = 0.02
"""A call older than so many of the answered one's times, and what a busy computer adds, was
lost; a younger one may still have been on its way."""

_LOOK_S = 0.02
"""How often to look whether the calls may stop: well below any gap between two calls."""
