"""A sample of ports under way: what was tried, what is known of it, what to try next (pure:
the time is given, and whoever sends says what came of it).

A port that answers is known at once.  A silent one is tried again, the least tried first, so
that new ports come before old ones; after a few silences it is *taken* for closed, and the
search for the edge goes on from there while it is still being tried.  Should it answer after
all, the edge is looked for where it then must be.  Only what has been silent too often for
loss is ``blocked`` in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

from probes import sampling, silence
from probes.observation import PortSample
from probes.pace import Pace

Final = Literal["open", "altered", "intercepted", "refused"]

SUSPECT = 0.01
"""A port is taken for closed, for the search alone, when loss explains its silence with no
more than this chance: of seventy ports that are open, less than one then misleads it a while."""

SUSPECT_MIN = 2
"""One lost packet misleads nobody."""

STEADY = 2
"""From this try on the pauses no longer grow: the answers of the ports tried beside it show
that the path was alive in the same moments."""

DRAWS_MAX = 4
"""Ports drawn from one stratum: those that the server has no use of are rare."""

SAMPLE_WANTED = 40
"""Round trips of this transport from which its loss is known well enough.  Where fewer ports
are open than this, those are tried again: a few lost packets of ten would look like a loss
at which no silence means anything."""

REPEATS_S = 0.7
"""TCP repeats what is lost after 0.2 and again 0.4 s: a connection that was made is not silent
before that, and so is hardly ever more silent by loss than a datagram and its answer."""

FAULTS_MAX = 3
"""This computer could not send: after so many times the port is left alone."""


class Shot:
    """One try of one port.  ``deadline``: when no answer becomes silence, which it then has
    ``met``."""

    __slots__ = ("at", "deadline", "ended", "met")

    def __init__(self, at: float, deadline: float) -> None:
        self.at = at
        self.deadline = deadline
        self.ended = False
        self.met = False


class Probed:
    """One port and its tries.  ``until``: when the server closes it."""

    def __init__(self, port: int, number: int, until: float, *, first: bool) -> None:
        self.port = port
        self.number = number
        self.until = until
        self.first = first
        self.pending: list[Shot] = []
        self.final: Final | None = None
        self.tries = 0  # those of controls, after it was known to be open, left out
        self.silent = 0
        self.refused = 0
        self.faults = 0
        self.due = 0.0

    @property
    def given_up(self) -> bool:
        return self.faults >= FAULTS_MAX

    def settled(self, enough: int) -> bool:
        """Whether further tries would tell nothing new."""
        return self.final is not None or self.silent >= enough or self.given_up

    def is_open(self, suspect: int) -> bool | None:
        """Whether it is open, as far as the search for edges needs to know."""
        if self.final is not None:
            return self.final == "open"
        return False if self.silent >= suspect else None

    def end(self, shot: Shot) -> bool:
        """False: it had ended before."""
        if shot.ended:
            return False
        shot.ended = True
        self.pending.remove(shot)
        return True


class Survey:
    """The ports of one sample.  ``within``: how closely edges are wanted; ``per_s``: tries a
    second, at the most; ``choose(n)`` gives a random number below n."""

    def __init__(
        self, *, strata: int, within: int, per_s: float, choose: Callable[[int], int]
    ) -> None:
        self.strata = strata
        self.probed: dict[int, Probed] = {}
        self.unavailable: set[int] = set()
        self.closed_to_more = False  # the server opens no further ports
        self._within = within
        self._slot_s = 1 / per_s
        self._choose = choose
        self._free_at = 0.0
        self._missing = dict.fromkeys(range(strata), 0)  # -> draws made
        self._drawn: dict[int, int] = {}  # port -> stratum
        self._sampled = 0  # round trips tried where an answer was certain to exist
        self._exhausted: dict[int, bool | None] | None = None  # nothing is wanted from this

    # which ports

    def wanted(self, suspect: int) -> tuple[int, ...]:
        """The ports that the server should open now."""
        if self.closed_to_more:
            return ()
        if self._missing:
            return self._draw()
        known = {
            port: probed.is_open(suspect)
            for port, probed in self.probed.items()
            if not probed.given_up
        }
        if known == self._exhausted:
            return ()
        useless = self.unavailable | self.probed.keys()
        ports = sampling.next_ports(known, self.strata, self._within, useless)
        self._exhausted = None if ports else known
        return ports

    def _draw(self) -> tuple[int, ...]:
        """The first sample, and both ends of the range: what is closed, or open, there alone
        would be seen by chance only."""
        self._drawn.clear()
        for index, draws in tuple(self._missing.items()):
            part = sampling.stratum(index, self.strata)
            port = sampling.draw(part, self.unavailable, self._choose)
            if port is None or draws >= DRAWS_MAX:
                del self._missing[index]
                continue
            self._missing[index] += 1
            self._drawn[port] = index
        ends = {sampling.FIRST, sampling.LAST} - self._drawn.keys() - self.probed.keys()
        return (*self._drawn, *(ends - self.unavailable))

    def opened(
        self,
        ports: Collection[int],
        failed: Collection[int],
        until: float,
        number: Callable[[], int],
    ) -> None:
        """The server has opened ``ports`` until then, and could not open ``failed``."""
        self.unavailable.update(failed)
        for port in ports:
            if port in self.probed:
                continue
            self.probed[port] = Probed(port, number(), until, first=port in self._drawn)
            self._missing.pop(self._drawn.get(port, -1), None)

    # which try

    def next_try(self, now: float, enough: int, pace: Pace) -> tuple[Probed, Shot] | None:
        """The port to try now, and its try; None if it is not yet the time for any."""
        if now < self._free_at:
            return None
        waiting = list(self._waiting(now, enough, pace))
        due = [p for p in (*self._controls(now, waiting, pace), *waiting) if p.due <= now]
        if not due:
            return None
        probed = min(due, key=lambda p: (p.final is None and p.tries, p.due))
        self._free_at = max(self._free_at + self._slot_s, now)
        shot = Shot(now, now + pace.patience_s)
        probed.due = now + pace.gap_s(min(probed.tries, STEADY))
        probed.tries += probed.final is None
        probed.pending.append(shot)
        return probed, shot

    def _waiting(self, now: float, enough: int, pace: Pace) -> Iterator[Probed]:
        """The ports that a further try could tell something of."""
        latest = now + pace.patience_s
        for probed in self.probed.values():
            if probed.settled(enough) or latest > probed.until:
                continue
            if probed.refused or probed.silent + len(probed.pending) < enough:
                yield probed

    def _controls(self, now: float, waiting: Sequence[Probed], pace: Pace) -> Iterator[Probed]:
        """Open ports to try again, while others are silent and the loss is hardly known."""
        if not any(probed.silent for probed in waiting):
            return
        is_open = [p for p in self.probed.values() if p.final == "open"]
        if self._sampled + sum(len(p.pending) for p in is_open) < SAMPLE_WANTED:
            yield from (p for p in is_open if now + pace.patience_s <= p.until)

    def idle_until(self, now: float, enough: int, pace: Pace) -> float | None:
        """When there is something to do if nothing comes back; None: nothing is left."""
        waiting = list(self._waiting(now, enough, pace))
        candidates = (*waiting, *self._controls(now, waiting, pace))
        moments = [max(p.due, self._free_at) for p in candidates]
        moments += [
            shot.deadline
            for probed in self.probed.values()
            if probed.pending and (probed.final or not probed.settled(enough))
            for shot in probed.pending
        ]
        return min(moments, default=None)

    # what came of it

    def age(self, now: float) -> tuple[int, int]:
        """Tries whose time is over have met silence.  Gives what this shows of the path's
        loss: tries answered and silent, where an answer was certain to exist."""
        lost = 0
        for probed in self.probed.values():
            for shot in [s for s in probed.pending if s.deadline <= now]:
                probed.end(shot)
                shot.met = probed.final is None
                probed.silent += shot.met
                lost += probed.final == "open"
        self._sampled += lost
        return 0, lost

    def postpone(self, seconds: float) -> None:
        """This computer did not listen for a while: what is under way gets that time more."""
        for probed in self.probed.values():
            for shot in probed.pending:
                shot.deadline += seconds

    def connected(self, shot: Shot, now: float, pace: Pace) -> None:
        """TCP shook hands; the answer is a further round trip away, or several."""
        if not shot.ended:
            shot.deadline = now + pace.patience_s + REPEATS_S

    def answered(self, probed: Probed, shot: Shot, final: Final = "open") -> tuple[int, int]:
        """The answer to a try came.  Gives tries answered and silent, as ``age`` does."""
        if probed.final is not None:
            sent = int(probed.end(shot) and probed.final == final == "open")
            self._sampled += sent
            return sent, 0
        probed.final = final
        probed.end(shot)
        lost = probed.silent - shot.met  # one that comes late was not lost
        for other in tuple(probed.pending):
            probed.end(other)
        if final != "open":
            return 0, 0
        self._sampled += 1 + lost
        return 1, lost

    def refused(self, probed: Probed, shot: Shot) -> None:
        """A reset, or an ICMP error."""
        if probed.end(shot) and probed.final is None:
            probed.refused += 1
            if probed.refused >= silence.REFUSALS_ENOUGH:
                probed.final = "refused"

    def failed(self, probed: Probed, shot: Shot) -> None:
        """This computer could not send it: no try at all."""
        if probed.end(shot) and probed.final is None:
            probed.tries -= 1
            probed.faults += 1

    def samples(self, blocked: Callable[[int], bool]) -> tuple[PortSample, ...]:
        """What is known of every port, the first sample first.  ``blocked(n)``: whether n
        silences mean something."""
        return tuple(
            PortSample(port=p.port, outcome=p.final or _judge(p, blocked), tries=p.tries)
            for p in sorted(self.probed.values(), key=lambda p: (not p.first, p.port))
        )


def _judge(
    probed: Probed, blocked: Callable[[int], bool]
) -> Literal["refused", "blocked", "undecided"]:
    if not blocked(probed.silent):
        return "undecided"
    return "refused" if probed.refused else "blocked"


def suspect_after(chance: Callable[[int], float]) -> int:
    """How many silences make the search take a port for closed; ``chance(n)``: that loss
    alone explains n of them."""
    for silences in range(SUSPECT_MIN, silence.ATTEMPTS_MAX):
        if chance(silences) <= SUSPECT:
            return silences
    return silence.ATTEMPTS_MAX
