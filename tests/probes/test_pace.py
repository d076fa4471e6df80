"""The pace: how long to wait and when to try again, within its bounds whatever is measured."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.pace import (
    FIRST_RTT_S,
    GAP_MAX_S,
    GAP_MIN_S,
    PATIENCE_MAX_S,
    PATIENCE_MIN_S,
    Pace,
)
from probes.silence import ATTEMPTS_MAX, ATTEMPTS_MIN
from probes.wire import messages

# Not the very value that is assumed: it cannot be told from nothing measured yet.
rtts = st.floats(0.00001, 10.0).filter(lambda rtt: rtt != FIRST_RTT_S)


def after(*measured: float) -> Pace:
    pace = Pace()
    for rtt in measured:
        pace = pace.measured(rtt)
    return pace


def test_the_first_measurement_replaces_what_was_assumed() -> None:
    """RFC 6298 section 2.2."""
    assert after(0.08) == Pace(0.08, 0.04)


def test_later_ones_are_smoothed() -> None:
    """RFC 6298 section 2.3: alpha 1/8, beta 1/4, the variation from the old round trip."""
    pace = after(0.08, 0.16)
    assert pace.rtt_s == pytest.approx(0.08 * 7 / 8 + 0.16 / 8)
    assert pace.variation_s == pytest.approx(0.04 * 3 / 4 + 0.08 / 4)


@given(rtts)
def test_a_steady_path_is_learnt(rtt: float) -> None:
    pace = after(*[rtt] * 60)
    assert pace.rtt_s == pytest.approx(rtt)
    assert pace.variation_s < rtt * 0.001


@given(st.lists(rtts, min_size=1, max_size=50))
def test_the_mean_stays_within_what_was_measured(measured: list[float]) -> None:
    pace = after(*measured)
    assert min(measured) * 0.999 <= pace.rtt_s <= max(measured) * 1.001
    assert pace.variation_s >= 0


@given(st.lists(rtts, max_size=50))
def test_an_answer_is_waited_for_at_least_two_round_trips(measured: list[float]) -> None:
    patience = after(*measured).patience_s
    assert PATIENCE_MIN_S <= patience <= PATIENCE_MAX_S
    assert patience >= min(PATIENCE_MAX_S, 2 * after(*measured).rtt_s)


@given(rtts, rtts)
def test_a_slower_path_is_waited_for_longer(one: float, other: float) -> None:
    fast, slow = after(min(one, other)), after(max(one, other))
    assert fast.patience_s <= slow.patience_s
    assert fast.gap_s(0) <= slow.gap_s(0)


@given(st.lists(rtts, max_size=20), st.integers(0, 30))
def test_the_gaps_grow_between_their_bounds(measured: list[float], attempt: int) -> None:
    pace = after(*measured)
    assert GAP_MIN_S <= pace.gap_s(attempt) <= pace.gap_s(attempt + 1)
    assert pace.gap_s(attempt) <= max(GAP_MAX_S, pace.rtt_s)


@given(st.lists(rtts, max_size=20), st.integers(1, 32))
def test_the_offsets_are_the_sums_of_the_gaps(measured: list[float], attempts: int) -> None:
    pace = after(*measured)
    offsets = pace.offsets_s(attempts)
    assert len(offsets) == attempts
    assert offsets[0] == 0.0
    for index, (before, then) in enumerate(pairwise(offsets)):
        assert then - before == pytest.approx(pace.gap_s(index))


@pytest.mark.parametrize(
    ("rtt", "fewest_s", "most_s"),
    [
        (0.001, 0.9, 7.0),  # next door
        (0.1, 0.9, 7.0),
        (0.3, 2.0, 8.0),  # another continent: still within a check's patience
        (0.6, 3.0, 9.5),  # a satellite
    ],
)
def test_the_search_for_silence_takes_seconds(rtt: float, fewest_s: float, most_s: float) -> None:
    pace = after(*[rtt] * 20)
    assert fewest_s <= pace.offsets_s(ATTEMPTS_MIN)[-1]
    assert pace.offsets_s(ATTEMPTS_MAX)[-1] <= most_s


def test_before_anything_is_measured_the_path_is_taken_for_a_slow_one() -> None:
    assert Pace().rtt_s == FIRST_RTT_S
    assert Pace().patience_s > after(0.05).patience_s


@given(st.lists(rtts, max_size=50))
def test_a_server_is_never_asked_to_call_for_longer_than_it_does(measured: list[float]) -> None:
    """It takes a request beyond its bounds for nonsense, and ends the session."""
    pace = after(*measured)
    request = messages.CallRequest(
        id=1,
        transport="tcp",
        address="192.0.2.1",
        ports=(1720,),
        numbers=(1,),
        offsets_ms=tuple(round(offset * 1000) for offset in pace.offsets_s(ATTEMPTS_MAX)),
        patience_ms=round(pace.patience_s * 1000),
    )
    assert messages.read_from_client(messages.write(request)) == request
