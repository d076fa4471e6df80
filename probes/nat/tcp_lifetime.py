"""How long does an idle TCP connection live?  (RFC 5382 section 5, REQ-5: two hours and more)

A connection over which nothing passes is spoken to by the server.  It must be the server: what
this computer sends may make a NAT that has forgotten the connection take it up again.
"""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import AsyncExitStack

from probes import silence
from probes.endpoint import PORTS_MAX, Held, echo_ports, hold, next_frame
from probes.observation import BindingLifetime, LifetimeTrial
from probes.path import cancelled_at_end
from probes.proof import read_call
from probes.session import ControlLost, Session
from probes.wire import frame
from probes.wire.messages import Called, CallRequest

SPEAK_S = 8.0
"""TCP repeats a lost segment after 0.2, 0.6, 1.4, 3.0 and 6.2 s: six chances to get through,
and a round trip of more than a second."""

SENDINGS = 6
"""What SPEAK_S has room for, so what silence is judged by."""

SPEAK_SHORT_S = 2.0
"""At the end of a check that is not deep: three repeats.  It can show that a connection is
alive, and a reset that it is dead; silence shows nothing then."""

ANSWER_S = 5.0
"""Beyond its patience; a server that says nothing by then never will."""

FIRST_S = 2.0
GROWTH = 1.35
"""The ladder of a deep check: each idle time is longer than the last by about a third."""

REFINED = 6
"""Connections between the longest that lived and the shortest that died, in a second round."""

DEAD_ENOUGH = 2
"""So many that died, one after the other: longer ones need not be waited for."""


class Lifetime:
    """One connection, made at the start of a check and tested at its end.

    ``await begin()``, ``await finish()``, and however it ends ``await close()``.
    """

    def __init__(self) -> None:
        self._kept = AsyncExitStack()
        self._session: Session | None = None
        self._held: Held | str = "it was not begun"
        self._began_s = 0.0
        self._since = 0.0

    async def begin(self, session: Session, ports: tuple[int, ...] = ()) -> None:
        """Connect to one of the server's echo ``ports``, or to a dynamic one, and leave it."""
        self._session = session
        self._began_s = session.now()
        self._held = await self._kept.enter_async_context(hold(session, ports))
        self._since = time.monotonic()

    async def finish(self) -> BindingLifetime:
        """Have the server speak: one trial, of the time that has passed."""
        session = self._session
        assert session is not None
        trials: tuple[LifetimeTrial, ...] = ()
        untested = self._held if isinstance(self._held, str) else ""
        if isinstance(self._held, Held):
            trials = (await _trial(session, self._held, self._since, 0.0, SPEAK_SHORT_S),)
            await self.close()
        return _observation(session, self._began_s, trials, deep=False, untested=untested)

    async def close(self) -> None:
        await self._kept.aclose()


async def deep(
    session: Session, ports: tuple[int, ...] = (), most_s: float = 600.0
) -> BindingLifetime:
    """A ladder of idle times up to ``most_s``, all at once, and if one died and there is time
    a second round between it and the longest that lived."""
    began = session.now()
    end = time.monotonic() + most_s
    trials, untested = await _round(session, ports, ladder(most_s))
    lived, died = bounds(trials)
    if math.isfinite(died) and time.monotonic() + died <= end:
        step = (died - lived) / (REFINED + 1)
        between = tuple(lived + step * n for n in range(1, REFINED + 1))
        trials += (await _round(session, ports, between))[0]
    trials = tuple(sorted(trials, key=lambda t: t.idle_s))
    return _observation(session, began, trials, deep=True, untested="" if trials else untested)


def ladder(most_s: float) -> tuple[float, ...]:
    """Idle times in seconds, the longest such that its trial has ended after ``most_s``."""
    last = most_s - SPEAK_S
    steps = max(0, int(math.log(last / FIRST_S, GROWTH))) if last > FIRST_S else 0
    times = [FIRST_S * GROWTH**n for n in range(steps + 1) if FIRST_S * GROWTH**n < last]
    return (*times, last) if last > 0 else (most_s,)


def bounds(trials: tuple[LifetimeTrial, ...]) -> tuple[float, float]:
    """The longest idle time that a connection lived through, and the shortest longer one of
    which one died; 0 and infinity where there is none."""
    lived = max((t.idle_s for t in trials if t.alive), default=0.0)
    died = (t.idle_s for t in trials if t.alive is False and t.idle_s > lived)
    return lived, min(died, default=math.inf)


async def _round(
    session: Session, ports: tuple[int, ...], times: tuple[float, ...]
) -> tuple[tuple[LifetimeTrial, ...], str]:
    """A trial for each of ``times`` at once, and why there is none if there is none."""
    trials: list[LifetimeTrial] = []
    untested: list[str] = []
    found = ports or await echo_ports(session, PORTS_MAX)
    if isinstance(found, str):
        return (), found
    echo = found

    async def one(idle_s: float) -> None:
        async with hold(session, echo) as held:
            if isinstance(held, str):
                untested.append(held)
            else:
                trials.append(await _trial(session, held, time.monotonic(), idle_s, SPEAK_S))

    tasks = {asyncio.create_task(one(idle_s)) for idle_s in times}
    async with cancelled_at_end(tasks):
        waiting = tasks
        while waiting and not _enough(trials):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    return tuple(trials), next(iter(untested), "")


def _enough(trials: list[LifetimeTrial]) -> bool:
    known = [t for t in sorted(trials, key=lambda t: t.idle_s) if t.alive is not None]
    return len(known) >= DEAD_ENOUGH and not any(t.alive for t in known[-DEAD_ENOUGH:])


async def _trial(
    session: Session, held: Held, since: float, idle_s: float, patience_s: float
) -> LifetimeTrial:
    """Leave ``held`` alone until ``idle_s`` after ``since``, and then have the server speak."""
    number = session.number()
    reading = asyncio.create_task(_read(session, held, number))
    try:
        await asyncio.wait({reading}, timeout=since + idle_s - time.monotonic())
        idle = round(time.monotonic() - since, 1)
        alive = reading.result() if reading.done() else None
        if not reading.done():
            alive = await _spoken_to(session, held, number, patience_s, reading)
        return LifetimeTrial(idle_s=idle, alive=alive)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _read(session: Session, held: Held, number: int) -> bool | None:
    """Whether the server's call comes; False if the connection is reset, None if it is ended:
    a NAT that forgets does not say goodbye."""
    try:
        data = await next_frame(held.sock)
        got = read_call(data, session, number)
        if got is None:
            return None
        reply = frame.reply_to(data, got, session.secret)
        await asyncio.get_running_loop().sock_sendall(held.sock, reply)
        return True
    except OSError:
        return False


async def _spoken_to(
    session: Session, held: Held, number: int, patience_s: float, reading: asyncio.Task[bool | None]
) -> bool | None:
    def request(request_id: int) -> CallRequest:
        return CallRequest(
            id=request_id,
            transport="tcp",
            address=held.mapped.address,
            ports=(held.mapped.port,),
            numbers=(number,),
            offsets_ms=(0,),
            patience_ms=round(patience_s * 1000),
            over_open=True,
        )

    try:
        async with asyncio.timeout(patience_s + ANSWER_S):
            async for said in session.control.call(request):
                if not isinstance(said, Called):
                    return None  # a refusal is no answer of the network's
                if said.outcome == "answered":
                    return True
                if said.outcome == "closed":
                    return False
                silent = said.outcome == "mute" and patience_s >= SPEAK_S
                if silent and _beyond_loss(session):
                    return reading.done() and bool(reading.result())
    except (TimeoutError, ControlLost):
        pass
    return None


def _beyond_loss(session: Session) -> bool:
    """Whether loss cannot explain that a segment and its repeats got no answer.  The path as a
    whole counts: its heartbeats are TCP as well, and the connections of these trials are few."""
    tallies = (session.control_tally, *session.tallies.values())
    sent, lost = sum(t.sent for t in tallies), sum(t.lost for t in tallies)
    chance = silence.chance_of_silence(SENDINGS, sent, lost)
    return silence.rules_out_loss(SENDINGS, chance)


def _observation(
    session: Session,
    began: float,
    trials: tuple[LifetimeTrial, ...],
    *,
    deep: bool,
    untested: str,
) -> BindingLifetime:
    return BindingLifetime(
        id="binding-lifetime-tcp",
        at_s=began,
        took_s=round(session.now() - began, 4),
        transport="tcp",
        trials=trials,
        deep=deep,
        untested=untested,
    )
