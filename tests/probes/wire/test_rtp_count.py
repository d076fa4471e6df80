"""What a receiver counts, against the algorithms of RFC 3550 appendix A and against the truth."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire import rtp
from probes.wire.rtp_count import LATE_S, QUARTERS_PER_S, Count
from tests.probes.wire import tshark

HZ = 8000
PER_S = 50


class Appendix:
    """RFC 3550 appendix A.1, A.3 and A.8, as they stand there, for a source that is valid."""

    def __init__(self, sequence: int) -> None:
        self.base = self.max = sequence
        self.cycles = 0
        self.received = 0
        self.expected_prior = self.received_prior = 0
        self.jitter = 0.0
        self.transit: float | None = None

    def heard(self, sequence: int, timestamp: int, arrival: float) -> None:
        delta = (sequence - self.max) & 0xFFFF
        if delta < 3000:  # MAX_DROPOUT
            if sequence < self.max:
                self.cycles += 0x10000
            self.max = sequence
        self.received += 1
        transit = arrival * HZ - timestamp
        if self.transit is not None:
            self.jitter += (abs(transit - self.transit) - self.jitter) / 16
        self.transit = transit

    @property
    def extended(self) -> int:
        return self.cycles + self.max

    @property
    def expected(self) -> int:
        return self.extended - self.base + 1

    def fraction(self) -> int:
        expected = self.expected - self.expected_prior
        received = self.received - self.received_prior
        self.expected_prior, self.received_prior = self.expected, self.received
        lost = expected - received
        return 0 if expected == 0 or lost <= 0 else (lost << 8) // expected


@st.composite
def arrivals(draw: st.DrawFn) -> list[tuple[int, float]]:
    """Packets of a stream as (index, delay in seconds): lost, doubled, out of order."""
    kept = draw(st.lists(st.booleans(), min_size=2, max_size=60))
    delays = st.floats(0, 0.3)
    sent = [(index, draw(delays)) for index, keep in enumerate(kept) if keep or index == 0]
    doubled = draw(st.lists(st.sampled_from(sent), max_size=5))
    heard = [*sent, *((index, delay + 0.001) for index, delay in doubled)]
    first, *rest = sorted(heard, key=lambda h: h[0] / PER_S + h[1])
    return [first, *rest]


@given(arrivals(), st.integers(0, 0xFFFF))
def test_it_counts_as_the_appendix_does(heard: list[tuple[int, float]], first: int) -> None:
    heard = [h for h in heard if h[0] >= heard[0][0]]  # the appendix forgets what came before
    seen: set[int] = set()
    heard = [h for h in heard if not (h[0] in seen or seen.add(h[0]))]  # type: ignore[func-returns-value]
    count = Count(first=first, planned=60, clock_hz=HZ)
    oracle = Appendix((first + heard[0][0]) & 0xFFFF)
    for number, (index, delay) in enumerate(heard):
        packet = ((first + index) & 0xFFFF, index * HZ // PER_S, index / PER_S + delay)
        assert count.heard(*packet)
        oracle.heard(*packet)
        if number % 7 == 0:
            assert count.fraction_lost() == min(255, oracle.fraction())
    # We know the first number; the appendix begins to count with what it hears first.
    assert count.highest - (first + heard[0][0] & 0x10000) == oracle.extended
    assert count.expected == oracle.expected
    assert count.cumulative_lost == oracle.expected - oracle.received
    assert count.jitter_s == pytest.approx(oracle.jitter / HZ, abs=1e-9)


@given(arrivals(), st.integers(0, 0xFFFF))
def test_the_jitter_of_each_quarter_is_the_mean_change_of_the_transit(
    heard: list[tuple[int, float]], first: int
) -> None:
    count = Count(first=first, planned=60, clock_hz=HZ)
    changes: dict[int, list[float]] = {}
    seen: list[tuple[int, float]] = []
    for index, delay in heard:
        count.heard((first + index) & 0xFFFF, index * HZ // PER_S, index / PER_S + delay)
        if index not in [each for each, _ in seen]:
            if seen:
                quarter = index * QUARTERS_PER_S // PER_S
                changes.setdefault(quarter, []).append(abs(delay - seen[-1][1]))
            seen.append((index, delay))
    jitters_s = count.jitters_s(60, PER_S)
    assert len(jitters_s) == len(count.losses(60, PER_S).by_quarter) == 5
    for quarter, jitter_s in enumerate(jitters_s):
        told = changes.get(quarter)
        assert (jitter_s is None) == (told is None)
        if jitter_s is not None and told is not None:
            assert jitter_s == pytest.approx(sum(told) / len(told), abs=1e-9)


@given(arrivals(), st.integers(0, 0xFFFF))
def test_it_counts_what_happened(heard: list[tuple[int, float]], first: int) -> None:
    count = Count(first=first, planned=60, clock_hz=HZ)
    for index, delay in heard:
        assert count.heard((first + index) & 0xFFFF, index * HZ // PER_S, index / PER_S + delay)
    indices = [index for index, _ in heard]
    distinct = set(indices)
    new = [index for n, index in enumerate(indices) if index not in indices[:n]]
    assert count.received == len(distinct)
    assert count.duplicates == len(indices) - len(distinct)
    assert count.reordered == sum(
        any(earlier > index for earlier in new[:n]) for n, index in enumerate(new)
    )
    missing = count.losses(60, PER_S)
    assert missing.early == min(distinct)
    assert missing.lost == 60 - min(distinct) - len(distinct)
    assert sum(missing.by_quarter) == missing.lost
    assert len(missing.by_quarter) == 5
    assert (missing.gaps == 0) == (missing.lost == 0)


def fed(*packets: tuple[int, float], first: int = 0) -> Count:
    count = Count(first=first, planned=1000, clock_hz=HZ)
    for index, arrival_s in packets:
        count.heard((first + index) & 0xFFFF, (index * 160) & 0xFFFF_FFFF, arrival_s)
    return count


def test_nothing_heard_is_all_lost_and_nothing_early() -> None:
    missing = fed().losses(100, PER_S)
    assert (missing.early, missing.lost, missing.gaps) == (0, 100, 1)
    assert missing.by_quarter == (13, 12, 13, 12, 13, 12, 13, 12)[: len(missing.by_quarter)]
    assert (fed().jitter_s, fed().late, fed().longest_gap_s, fed().expected) == (None, 0, None, 0)


def test_what_a_nat_dropped_at_the_beginning_is_not_loss() -> None:
    missing = fed((3, 0.06), (4, 0.08), (6, 0.12)).losses(8, PER_S)
    assert (missing.early, missing.lost, missing.gaps) == (3, 2, 2)


def test_it_is_complete_when_nothing_can_come_any_more() -> None:
    assert not fed().complete(0)
    assert not fed((3, 0.06), (5, 0.1)).complete(6)
    assert fed((3, 0.06), (5, 0.1), (4, 0.11)).complete(6)
    assert not fed((3, 0.06), (5, 0.1), (4, 0.11)).complete(7)


def test_runs_of_lost_packets() -> None:
    count = fed(*((i, i / PER_S) for i in (0, 1, 5, 6, 8)))
    assert count.losses(12, PER_S).gaps == 3  # 2-4, 7, 9-11


def test_numbers_and_timestamps_wrap() -> None:
    count = Count(first=65534, planned=10, clock_hz=HZ)
    for index in range(6):
        timestamp = (2**32 - 320 + 160 * index) & 0xFFFF_FFFF
        assert count.heard((65534 + index) & 0xFFFF, timestamp, index / PER_S)
    assert count.highest == 65539
    assert count.jitter_s == pytest.approx(0, abs=1e-9)


def test_steady_delay_is_no_jitter_and_a_step_is() -> None:
    steady = fed(*((i, 5 + i / PER_S) for i in range(50)))
    assert steady.jitter_s == pytest.approx(0, abs=1e-12)
    step = fed((0, 0.0), (1, 0.036))
    assert step.jitter_s == pytest.approx(0.016 / 16)


UNEVEN_MS = (0, 13, 7, 0, 18, 18, 4, 19, 3, 0, 12, 15, 2, 0)
"""Delays of the second quarter's packets.  None is overtaken: tshark tells no jitter of those."""


def test_the_jitter_of_each_quarter_is_what_tshark_calls_so() -> None:
    """Each two packets that follow each other are a stream of their own for tshark: its jitter
    after the second one is a sixteenth of |D|."""
    delays_ms = {12 + number: delay for number, delay in enumerate(UNEVEN_MS)}
    lost = {15, *range(25, 38), 40}
    arrived = sorted(
        (index / PER_S + delays_ms.get(index, 0) / 1000, index)
        for index in range(50)
        if index not in lost
    )
    count = fed(*((index, at_s) for at_s, index in arrived))

    pairs = [
        (at_s, rtp.write(packet(index, number)))
        for number, both in enumerate(pairwise(arrived), start=1)
        for at_s, index in both
    ]
    shown_ms = tshark.jitters_ms(pairs)
    assert len(shown_ms) == len(arrived) - 1
    quarters: list[list[float]] = [[], [], [], []]
    for number, (_, index) in enumerate(arrived[1:], start=1):
        quarters[index * QUARTERS_PER_S // PER_S].append(16 * shown_ms[number])
    told = count.jitters_s(50, PER_S)
    assert told[2] is None
    assert quarters[2] == []
    for quarter in (0, 1, 3):
        mean = sum(quarters[quarter]) / len(quarters[quarter])
        assert 1000 * (told[quarter] or 0.0) == pytest.approx(mean, abs=0.01)  # of 3 digits, 16 x
    assert told[0] == pytest.approx(0, abs=1e-9)
    assert (told[1] or 0) > 0.007


def packet(index: int, ssrc: int) -> rtp.Packet:
    return rtp.Packet(
        payload_type=rtp.G723, sequence=index, timestamp=index * 160, ssrc=ssrc, payload=bytes(24)
    )


def test_a_smooth_end_does_not_hide_a_rough_beginning() -> None:
    count = fed(*((i, i / PER_S + (0.04 if i % 2 and i < 25 else 0.0)) for i in range(150)))
    assert 1000 * (count.jitter_s or 0.0) < 0.02
    first, *_, last = count.jitters_s(150, PER_S)
    assert first == pytest.approx(0.04)
    assert last == pytest.approx(0, abs=1e-12)


def test_what_came_later_than_was_sent_in_all_has_no_quarter() -> None:
    count = fed((0, 0.0), (1, 0.02), (30, 0.6))
    first, second = count.jitters_s(13, PER_S)
    assert first == pytest.approx(0.0, abs=1e-12)
    assert second is None


def test_late_ones_are_those_that_a_player_would_miss() -> None:
    count = fed((0, 0.01), (1, 0.02 + 0.01 + LATE_S + 0.001), (2, 0.04), (3, 0.06 + LATE_S - 0.001))
    assert count.late == 1


def test_the_longest_gap() -> None:
    assert fed((0, 0.0), (1, 0.02), (9, 0.18), (10, 0.2)).longest_gap_s == pytest.approx(0.16)


@pytest.mark.parametrize("sequence", [999, 1010, 33000, 65535])
def test_numbers_that_cannot_be_the_streams_are_not_counted(sequence: int) -> None:
    count = Count(first=1000, planned=10, clock_hz=HZ)
    assert count.heard(1000, 0, 0.0)
    assert not count.heard(sequence, 160, 0.02)
    assert count.received == 1
