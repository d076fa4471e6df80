"""A whole sample of a network in simulated time: what it finds, how fast, and at what pace."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import sampling
from probes.pace import Pace
from probes.sampling import FIRST, LAST
from probes.survey import DRAWS_MAX, FAULTS_MAX, REPEATS_S, Probed, Survey, suspect_after
from tests.probes.simulated_range import Taken, take

Ranges = tuple[tuple[int, int], ...]
CALL = ((16384, 32767),)
SEEDS = st.integers(0, 2**32)
NARROWEST = 2000  # ports; a stratum has 896
PACE = Pace().measured(0.05)


@st.composite
def some_ranges(draw: st.DrawFn) -> Ranges:
    """Up to three open ranges wider than ``NARROWEST`` ports, and so is what lies between."""
    bounds: list[int] = []
    for _ in range(draw(st.integers(0, 3)) * 2):
        least = bounds[-1] + NARROWEST + 1 if bounds else FIRST
        if least > LAST + 1:
            break
        bounds.append(draw(st.integers(least, LAST + 1)))
    if len(bounds) % 2:
        del bounds[-1]
    return tuple((low, after - 1) for low, after in zip(bounds[::2], bounds[1::2], strict=True))


def within(ranges: Ranges) -> Callable[[int], bool]:
    return lambda port: any(low <= port <= high for low, high in ranges)


def assert_never_wrong(taken: Taken, passes: Callable[[int], bool]) -> None:
    """Nothing that passes is called blocked, and nothing that does not is called open."""
    assert all(state == passes(port) for port, state in taken.known.items())


def assert_shows(taken: Taken, ranges: Ranges, tolerance: int, strata: int = 72) -> None:
    assert not sampling.scattered(taken.known, strata)
    shown = sampling.ranges(taken.known)
    assert shown.edges_within is None or shown.edges_within <= tolerance
    assert len(shown.open) == len(ranges)
    for seen, true in zip(shown.open, ranges, strict=True):
        assert abs(seen[0] - true[0]) <= tolerance
        assert abs(seen[1] - true[1]) <= tolerance


@settings(max_examples=40)
@given(some_ranges(), SEEDS)
def test_any_ranges_are_found(ranges: Ranges, seed: int) -> None:
    taken = take(within(ranges), seed=seed, budget_s=4.0)
    assert_never_wrong(taken, within(ranges))
    assert_shows(taken, ranges, 64)


@settings(max_examples=25)
@given(some_ranges(), SEEDS)
def test_any_ranges_are_found_at_ten_percent_loss(ranges: Ranges, seed: int) -> None:
    taken = take(within(ranges), loss=0.1, seed=seed, budget_s=20.0)
    assert_never_wrong(taken, within(ranges))
    assert_shows(taken, ranges, 64)


@settings(max_examples=15)
@given(some_ranges(), SEEDS, st.sampled_from([0.0, 0.1]))
def test_a_deep_sample_finds_edges_exactly(ranges: Ranges, seed: int, loss: float) -> None:
    taken = take(within(ranges), within=0, loss=loss, seed=seed, budget_s=30.0)
    assert_never_wrong(taken, within(ranges))
    assert_shows(taken, ranges, 0)


@pytest.mark.parametrize(
    ("loss", "seconds"), [(0.0, 3.0), (0.1, 6.0)], ids=["no-loss", "10-percent-each-way"]
)
@pytest.mark.parametrize(("strata", "per_s"), [(72, 190.0), (36, 95.0)], ids=["udp", "tcp"])
def test_the_usual_firewall_in_time(strata: int, per_s: float, loss: float, seconds: float) -> None:
    for seed in range(8):
        taken = take(within(CALL), strata=strata, per_s=per_s, loss=loss, seed=seed)
        assert_shows(taken, CALL, 64, strata)
        assert taken.took_s < seconds


def test_an_open_range_is_known_after_one_round() -> None:
    taken = take(lambda _: True)
    assert taken.took_s < 0.6
    assert len(taken.samples) == 74 == len(taken.tries)
    assert sampling.ranges(taken.known) == sampling.Ranges(((FIRST, LAST),), None)


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_a_closed_range_is_blocked_in_every_port(loss: float) -> None:
    for seed in range(5):
        taken = take(lambda _: False, loss=loss, seed=seed)
        assert {s.outcome for s in taken.samples} == {"blocked"}
        assert taken.took_s < 4.5


@pytest.mark.parametrize("loss", [0.0, 0.1])
@pytest.mark.parametrize(
    "passes",
    [lambda port: port % 2 == 0, lambda port: port * 2654435761 % 2**32 < 2**31],
    ids=["even-ports", "every-second-flow"],
)
def test_mixed_ports_are_no_ranges(passes: Callable[[int], bool], loss: float) -> None:
    for seed in range(10):
        taken = take(passes, loss=loss, seed=seed)
        assert_never_wrong(taken, passes)
        assert sampling.scattered(taken.known, 72)
        assert taken.opened < 160


@settings(max_examples=30)
@given(some_ranges(), SEEDS, st.floats(0.0, 1.0), st.sampled_from([0.0, 0.1, 0.3]))
def test_a_short_time_leaves_undecided_and_never_errs(
    ranges: Ranges, seed: int, budget_s: float, loss: float
) -> None:
    taken = take(within(ranges), seed=seed, budget_s=budget_s, loss=loss)
    assert_never_wrong(taken, within(ranges))
    assert all(s.tries >= 6 for s in taken.samples if s.outcome == "blocked")


def test_too_much_loss_decides_nothing() -> None:
    taken = take(within(CALL), loss=0.4, seed=1, budget_s=20.0)
    assert_never_wrong(taken, within(CALL))
    assert Counter(s.outcome for s in taken.samples)["blocked"] == 0


@given(SEEDS, st.sampled_from([(72, 190.0), (36, 95.0)]), st.sampled_from([0.0, 0.1]))
@settings(max_examples=10)
def test_the_pace_is_kept_in_every_second(
    seed: int, design: tuple[int, float], loss: float
) -> None:
    strata, per_s = design
    tries = take(lambda _: False, strata=strata, per_s=per_s, seed=seed, loss=loss).tries
    assert all(bisect_left(tries, at + 1.0) - n <= per_s + 2 for n, at in enumerate(tries))


def test_tries_of_one_port_are_apart_by_the_round_trip() -> None:
    survey = Survey(strata=8, within=64, per_s=1e6, choose=random.Random(1).randrange)
    survey.opened(survey.wanted(2), (), 100.0, lambda: 1)
    pace = Pace().measured(0.4)
    assert sum(survey.next_try(10.0 + n / 1000, 6, pace) is not None for n in range(20)) == 10
    assert survey.next_try(10.39, 6, pace) is None
    assert survey.next_try(10.4, 6, pace) is not None


def test_a_port_that_the_server_has_not_is_replaced_from_its_stratum() -> None:
    missing = {*range(1024, 1920)} - {1500}
    taken = take(within(((1024, 30000),)), unavailable=missing, seed=3)
    survivors = [s.port for s in taken.samples[:72] if s.port < 1920]
    assert survivors in ([], [1500])  # found in DRAWS_MAX draws, or left out
    assert_shows(taken, ((1024, 30000),), 64)


def test_a_stratum_without_ports_is_given_up() -> None:
    survey = Survey(strata=8, within=64, per_s=100.0, choose=lambda _: 0)
    asked = []
    while ports := survey.wanted(2):
        asked.append(ports)
        survey.opened((), ports, 100.0, lambda: 1)
    assert len(asked) == DRAWS_MAX
    assert len(survey.unavailable) == 8 * DRAWS_MAX + 1  # the first of all is the end as well


def one_port() -> tuple[Survey, Probed]:
    """A survey in which a single port is left to be tried."""
    survey = Survey(strata=1, within=64, per_s=1e6, choose=lambda _: 0)
    survey.opened((survey.wanted(2)[0],), (), 100.0, lambda: 7)
    (probed,) = survey.probed.values()
    return survey, probed


def test_one_refusal_may_be_an_accident_two_are_an_answer() -> None:
    survey, probed = one_port()
    for now, final in ((1.0, None), (2.0, "refused")):
        found = survey.next_try(now, 6, PACE)
        assert found is not None
        survey.refused(*found)
        assert probed.final == final
    assert survey.next_try(3.0, 6, PACE) is None


def test_an_answer_after_a_refusal_opens() -> None:
    survey, probed = one_port()
    first = survey.next_try(1.0, 6, PACE)
    assert first is not None
    survey.refused(*first)
    second = survey.next_try(2.0, 6, PACE)
    assert second is not None
    assert survey.answered(*second) == (1, 0)
    assert probed.final == "open"


def test_an_answer_tells_of_the_tries_lost_before_it() -> None:
    survey, _ = one_port()
    shots = []
    for now in (1.0, 2.0, 3.0):
        survey.age(now)
        found = survey.next_try(now, 6, PACE)
        assert found is not None
        shots.append(found)
    assert survey.answered(*shots[2]) == (1, 2)
    assert survey.answered(*shots[2]) == (0, 0)  # a duplicate tells nothing more


def test_an_answer_that_is_late_was_not_lost() -> None:
    survey, probed = one_port()
    found = survey.next_try(1.0, 6, PACE)
    assert found is not None
    survey.age(9.0)
    assert probed.silent == 1
    assert survey.answered(*found) == (1, 0)


def test_few_open_ports_are_tried_again_until_the_loss_is_known() -> None:
    """Nine open ports of which one in three packets is lost by accident would decide nothing."""
    taken = take(within(((15206, 24097),)), loss=0.1, seed=3307204904)
    assert_shows(taken, ((15206, 24097),), 64)
    assert taken.took_s < 4.6


def test_what_a_computer_did_not_hear_because_it_was_busy_is_no_silence() -> None:
    survey, probed = one_port()
    survey.next_try(1.0, 6, PACE)
    survey.postpone(3.0)
    survey.age(4.0)
    assert probed.silent == 0
    survey.age(4.2)
    assert probed.silent == 1


def test_a_connection_that_was_made_is_given_the_time_in_which_tcp_repeats() -> None:
    survey, probed = one_port()
    found = survey.next_try(1.0, 6, PACE)
    assert found is not None
    survey.connected(found[1], 1.1, PACE)
    survey.age(1.1 + REPEATS_S)
    assert probed.silent == 0
    survey.age(1.1 + REPEATS_S + PACE.patience_s)
    assert probed.silent == 1


def test_what_a_computer_cannot_send_is_left_undecided() -> None:
    survey, _ = one_port()
    for now in range(1, FAULTS_MAX + 1):
        found = survey.next_try(float(now), 6, PACE)
        assert found is not None
        survey.failed(*found)
    assert survey.next_try(99.0, 6, PACE) is None
    (sample,) = survey.samples(lambda n: n >= 6)
    assert (sample.outcome, sample.tries) == ("undecided", 0)


def test_a_port_is_not_tried_when_the_server_may_have_closed_it() -> None:
    survey, _ = one_port()  # until 100.0
    assert survey.next_try(100.0 - PACE.patience_s / 2, 6, PACE) is None
    assert survey.next_try(99.0, 6, PACE) is not None


@pytest.mark.parametrize(("loss", "silences"), [(0.0, 2), (0.09, 2), (0.19, 3), (0.5, 7), (1, 16)])
def test_the_search_goes_on_after_as_many_silences_as_the_loss_asks_for(
    loss: float, silences: int
) -> None:
    assert suspect_after(lambda n: loss**n) == silences


def test_an_answer_after_a_refusal_takes_no_loss_back() -> None:
    """Where somebody forges ICMP errors: less than nothing lost would hide real loss."""
    survey, probed = one_port()
    found = survey.next_try(1.0, 6, PACE)
    assert found is not None
    survey.refused(*found)
    assert survey.answered(*found) == (1, 0)
    assert probed.final == "open"
