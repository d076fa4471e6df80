"""The dynamic ports as a sample: which to look at first, which next, what they show (pure).

First one port at random from each of many equal parts (strata) of the range: the share of
open ones is an honest estimate.  Then, wherever an open port has one that is not open for
its neighbour, several ports between them at once, again and again, until the edge is known
closely enough.  A range, or a gap between two, that is twice as wide as a stratum or wider
holds at least one port of the first sample, and so is always seen; narrower ones by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import pairwise

import msgspec

FIRST, LAST = 1024, 65535
"""The range from which NetMeeting and its contacts choose (fact N5)."""

PER_ROUND = 3
"""Ports looked at between the two sides of an edge in one round.  Each round then leaves a
quarter; more would use up the ports that the server opens for one check."""

EDGES_AT_ONCE = 8
"""Edges looked at in one round.  More than these are hardly edges of ranges, which is soon
seen from the first eight; if they are, the others follow."""

SCATTERED = 3
"""Runs narrower than a stratum from which on there are surely more that fell between the
samples: then no range can be stated."""


class Edge(msgspec.Struct, frozen=True):
    """Two neighbours in the sample, of which one is open and the other is not."""

    low: int
    high: int

    @property
    def width(self) -> int:
        """1: nothing lies between them, the edge is known exactly."""
        return self.high - self.low

    @property
    def middle(self) -> int:
        """The last port that is taken to be as ``low`` is."""
        return (self.low + self.high - 1) // 2

    @property
    def off_by(self) -> int:
        """By how many ports ``middle`` may be off."""
        return self.width // 2


class Ranges(msgspec.Struct, frozen=True):
    """What is open, first and last port of each range.  ``edges_within``: by how many ports
    an end may be off; None if there is no edge."""

    open: tuple[tuple[int, int], ...]
    edges_within: int | None


def stratum(index: int, strata: int) -> range:
    """The ports of one of ``strata`` parts of the range, as equal as whole numbers allow."""
    size = LAST - FIRST + 1
    return range(FIRST + index * size // strata, FIRST + (index + 1) * size // strata)


def draw(part: range, untestable: Collection[int], choose: Callable[[int], int]) -> int | None:
    """A port of ``part`` by chance: ``choose(n)`` gives a number below n.  None if all are
    untestable."""
    left = [port for port in part if port not in untestable]
    return left[choose(len(left))] if left else None


def edges(known: Mapping[int, bool | None]) -> Iterator[Edge]:
    """Every edge in a sample: port -> whether it is open, None while that is not known.
    Where a port between is still unknown, the edge is too."""
    for low, high in pairwise(sorted(known)):
        a, b = known[low], known[high]
        if a is not None and b is not None and a != b:
            yield Edge(low, high)


def between(edge: Edge, within: int, untestable: Collection[int]) -> tuple[int, ...]:
    """The ports that narrow an edge best in one round; none if it is known ``within`` so
    many ports, or nothing between can be tested."""
    parts = min(PER_ROUND + 1, -(-edge.width // (2 * within + 1)))
    chosen: list[int] = []
    for i in range(1, parts):
        port = _nearest(edge.low + edge.width * i // parts, edge, {*untestable, *chosen})
        if port is not None:
            chosen.append(port)
    return tuple(sorted(chosen))


def _nearest(target: int, edge: Edge, taken: Collection[int]) -> int | None:
    for away in range(edge.width):
        for port in (target - away, target + away):
            if edge.low < port < edge.high and port not in taken:
                return port
    return None


def next_ports(
    known: Mapping[int, bool | None], strata: int, within: int, untestable: Collection[int]
) -> tuple[int, ...]:
    """What to look at next to know every edge ``within`` so many ports; none: all is known,
    waits for what is being looked at, or shows no ranges."""
    if scattered({port: o for port, o in known.items() if o is not None}, strata):
        return ()
    rounds = [between(edge, within, untestable) for edge in _widest_first(known)]
    free = max(0, EDGES_AT_ONCE - _under_way(known))
    return tuple(port for ports in [r for r in rounds if r][:free] for port in ports)


def _widest_first(known: Mapping[int, bool | None]) -> list[Edge]:
    return sorted(edges(known), key=lambda edge: -edge.width)


def _under_way(known: Mapping[int, bool | None]) -> int:
    """Edges between whose sides ports are being looked at."""
    decided = edges({port: state for port, state in known.items() if state is not None})
    return sum(1 for _ in decided) - sum(1 for _ in edges(known))


def scattered(known: Mapping[int, bool], strata: int) -> bool:
    """Whether open and closed ports lie mixed more finely than the sample can tell, as where
    only even ports pass or every flow takes one of several ways."""
    width = (LAST - FIRST + 1) // strata
    narrow = sum(b.high - a.low - 1 < width for a, b in pairwise(edges(known)))
    return narrow >= SCATTERED


def ranges(known: Mapping[int, bool]) -> Ranges:
    """The runs of open ports, each edge set in the middle of what is not known."""
    starts = [FIRST]
    found = list(edges(known))
    starts += [edge.middle + 1 for edge in found]
    ends = [edge.middle for edge in found] + [LAST]
    states = [known[edge.low] for edge in found] + [known[max(known)]] if known else [False]
    return Ranges(
        open=tuple((start, end) for start, end, o in zip(starts, ends, states, strict=True) if o),
        edges_within=max((edge.off_by for edge in found), default=None),
    )
