"""What the receiver of an RTP stream counts (RFC 3550 appendix A.1, A.3 and A.8), pure.

It is fed only with packets that are known to be the stream's own, so it needs none of the
probation by which appendix A.1 guards against strangers' packets.
"""

from __future__ import annotations

import msgspec

LATE_S = 0.06
"""Slower than the quickest packet by this, and a packet comes too late for a player that
keeps 60 ms of sound in reserve: two frames of G.723.1."""

SPAN_MAX = 1 << 15
"""Packets by which a sequence number may be ahead or behind: more cannot be told apart."""

QUARTERS_PER_S = 4  # a picture of losses and jitter has a bar for each quarter second


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing of a stream of which ``sent`` packets were sent.

    ``early`` are those before the first that arrived, which met a NAT or a firewall that
    did not know the stream yet; they are not ``lost``.  If nothing arrived there are
    none, and all are lost.  ``gaps`` are runs of lost packets, ``by_quarter`` counts the
    lost ones in each quarter second.
    """

    early: int
    lost: int
    gaps: int
    by_quarter: tuple[int, ...] = ()


class Count:
    """Feed it with ``heard``.  ``first`` is the number of the stream's first packet, so that
    those which never arrived before another can be counted too; ``planned`` is how many
    packets it has at most, which bounds what is remembered."""

    def __init__(self, *, first: int, planned: int, clock_hz: int) -> None:
        self.received = 0  # without duplicates
        self.duplicates = 0
        self.reordered = 0  # arrived after one that was sent later
        self.jitter_s: float | None = None
        self.longest_gap_s: float | None = None
        self._first = first
        self._planned = planned
        self._clock_hz = clock_hz
        self._highest: int | None = None
        self._lowest = planned
        self._seen: set[int] = set()
        self._timestamp: int | None = None
        self._transit_s = 0.0
        self._last_arrival_s = 0.0
        self._transits: list[float] = []
        self._changes: list[tuple[int, float]] = []  # of the transit time, by packet
        self._reported = (0, 0)  # expected and received at the last report

    def heard(self, sequence: int, timestamp: int, arrival_s: float) -> bool:
        """A packet arrived at ``arrival_s`` of any steady clock; False if it is not counted,
        since its number cannot be the stream's."""
        index = self._index(sequence)
        if index is None:
            return False
        if index in self._seen:
            self.duplicates += 1
            return True
        self._seen.add(index)
        self._lowest = min(self._lowest, index)
        self.received += 1
        if self._highest is None or index > self._highest:
            self._highest = index
        else:
            self.reordered += 1
        self._time(index, timestamp, arrival_s)
        return True

    @property
    def late(self) -> int:
        """Packets that took longer than the quickest by more than LATE_S."""
        too_late = min(self._transits, default=0.0) + LATE_S
        return sum(transit > too_late for transit in self._transits)

    @property
    def highest(self) -> int:
        """The extended highest sequence number (RFC 3550 section 6.4.1), 32 bits."""
        return (self._first + (self._highest or 0)) & 0xFFFF_FFFF

    @property
    def expected(self) -> int:
        """Packets from the first that arrived to the highest (appendix A.3)."""
        return 0 if self._highest is None else self._highest - self._lowest + 1

    @property
    def reached(self) -> int:
        """How many packets were sent at least, by the last of those that arrived."""
        return 0 if self._highest is None else self._highest + 1

    @property
    def jitter_units(self) -> int:
        return min(0xFFFF_FFFF, int((self.jitter_s or 0.0) * self._clock_hz))

    @property
    def cumulative_lost(self) -> int:
        """As reports tell it: duplicates count as received (appendix A.3)."""
        return self.expected - self.received - self.duplicates

    def fraction_lost(self) -> int:
        """In 1/256, since it was asked for last (appendix A.3)."""
        expected, received = self.expected, self.received + self.duplicates
        wanted, got = expected - self._reported[0], received - self._reported[1]
        self._reported = (expected, received)
        return 0 if wanted <= 0 or wanted <= got else min(255, (wanted - got) * 256 // wanted)

    def complete(self, sent: int) -> bool:
        """Whether all from the first that arrived to the last of ``sent`` are there."""
        return self.received > 0 and self.received >= sent - self._lowest

    def losses(self, sent: int, packets_per_s: int) -> Losses:
        """What is missing of a stream of ``sent`` packets at ``packets_per_s``."""
        start = self._lowest if self._lowest < sent else 0
        missing = [i for i in range(start, sent) if i not in self._seen]
        bars = [0] * _quarters(sent, packets_per_s)
        for index in missing:
            bars[index * QUARTERS_PER_S // packets_per_s] += 1
        return Losses(
            early=start,
            lost=len(missing),
            gaps=sum(i == start or i - 1 in self._seen for i in missing),
            by_quarter=tuple(bars),
        )

    def jitters_s(self, sent: int, packets_per_s: int) -> tuple[float | None, ...]:
        """The jitter of each quarter second of the same stream, in seconds.

        That is the mean of |D| (RFC 3550 section 6.4.1) over the packets that were sent in it:
        ``jitter_s`` smooths the same |D| over all that came before, and so remembers for half a
        second what is over.  None where no packet arrived with another before it.
        """
        changes: list[list[float]] = [[] for _ in range(_quarters(sent, packets_per_s))]
        for index, change_s in self._changes:
            if index < sent:
                changes[index * QUARTERS_PER_S // packets_per_s].append(change_s)
        return tuple(sum(each) / len(each) if each else None for each in changes)

    def _index(self, sequence: int) -> int | None:
        """Which packet of the stream this is, from 0: the number nearest to the highest so
        far (appendix A.1), unless that is before the beginning or after the end."""
        near = 0 if self._highest is None else self._highest
        off = (sequence - self._first - near) & 0xFFFF
        index = near + (off if off < SPAN_MAX else off - 0x10000)
        return index if 0 <= index < self._planned else None

    def _time(self, index: int, timestamp: int, arrival_s: float) -> None:
        """Jitter as in appendix A.8, in seconds: J += (|D| - J) / 16."""
        if self._timestamp is None:
            self._timestamp = timestamp
        else:
            off = (timestamp - self._timestamp) & 0xFFFF_FFFF
            self._timestamp += off if off < 2**31 else off - 2**32
        transit = arrival_s - self._timestamp / self._clock_hz
        if self.jitter_s is None:
            self.jitter_s = 0.0
        else:
            change = abs(transit - self._transit_s)
            self._changes.append((index, change))
            self.jitter_s += (change - self.jitter_s) / 16
            gap = max(0.0, arrival_s - self._last_arrival_s)
            self.longest_gap_s = max(gap, self.longest_gap_s or 0.0)
        self._transit_s = transit
        self._last_arrival_s = arrival_s
        self._transits.append(transit)


def _quarters(sent: int, packets_per_s: int) -> int:
    """The quarter seconds in which ``sent`` packets leave, the last one begun."""
    return -(-sent * QUARTERS_PER_S // packets_per_s)
