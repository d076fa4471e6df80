"""When silence means blocked: against arithmetic by hand, and against paths that really lose."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.silence import (
    ATTEMPTS_MAX,
    ATTEMPTS_MIN,
    CHANCE_MAX,
    chance_beside,
    chance_of_silence,
    rules_out_loss,
)

attempts = st.integers(1, ATTEMPTS_MAX)
samples = st.integers(0, 500).flatmap(lambda sent: st.tuples(st.just(sent), st.integers(0, sent)))


def means_blocked(tries: int, sent: int, lost: int) -> bool:
    return rules_out_loss(tries, chance_of_silence(tries, sent, lost))


@pytest.mark.parametrize(
    ("tries", "sent", "lost", "expected"),
    [
        (1, 0, 0, Fraction(1, 2)),  # nothing known: as likely as not
        (2, 0, 0, Fraction(3, 8)),
        (1, 1, 0, Fraction(1, 4)),
        (1, 1, 1, Fraction(3, 4)),
        (1, 9, 0, Fraction(1, 20)),
        (2, 9, 0, Fraction(1, 20) * Fraction(3, 22)),
        (3, 10, 10, Fraction(21, 22) * Fraction(23, 24) * Fraction(25, 26)),
    ],
)
def test_the_chance_is_the_mean_over_what_the_loss_may_be(
    tries: int, sent: int, lost: int, expected: Fraction
) -> None:
    assert chance_of_silence(tries, sent, lost) == pytest.approx(float(expected))


@given(attempts, samples)
def test_the_chance_is_one(tries: int, sample: tuple[int, int]) -> None:
    assert 0 < chance_of_silence(tries, *sample) < 1


@given(attempts, samples)
def test_more_silence_is_less_likely(tries: int, sample: tuple[int, int]) -> None:
    assert chance_of_silence(tries + 1, *sample) < chance_of_silence(tries, *sample)
    if means_blocked(tries, *sample):
        assert means_blocked(tries + 1, *sample)


@given(attempts, samples)
def test_a_path_that_lost_more_explains_more(tries: int, sample: tuple[int, int]) -> None:
    sent, lost = sample
    if lost < sent:
        assert chance_of_silence(tries, sent, lost) < chance_of_silence(tries, sent, lost + 1)
    assert chance_of_silence(tries, sent + 1, lost) < chance_of_silence(tries, sent, lost)


@given(samples, st.integers(-5, 0))
def test_without_an_attempt_nothing_is_known(sample: tuple[int, int], tries: int) -> None:
    assert chance_of_silence(tries, *sample) == 1.0
    assert not means_blocked(tries, *sample)


@given(st.integers(1, ATTEMPTS_MIN - 1), samples)
def test_a_few_attempts_are_never_enough(tries: int, sample: tuple[int, int]) -> None:
    assert not means_blocked(tries, *sample)


@given(attempts, samples)
def test_blocked_is_said_only_where_loss_is_ruled_out(tries: int, sample: tuple[int, int]) -> None:
    assert means_blocked(tries, *sample) is (
        tries >= ATTEMPTS_MIN and chance_of_silence(tries, *sample) <= CHANCE_MAX
    )


@given(attempts, st.integers(0, 50), st.integers(1, 50))
def test_counts_that_cannot_be_are_taken_for_the_worst(tries: int, sent: int, more: int) -> None:
    """A count of lost segments may run ahead of the round trips that are known of."""
    assert chance_of_silence(tries, sent, sent + more) >= chance_of_silence(tries, sent, sent)


def wanted(sent: int, lost: int) -> int | None:
    """How many silent attempts make a port blocked, or None if none do."""
    return next((k for k in range(1, ATTEMPTS_MAX + 1) if means_blocked(k, sent, lost)), None)


@pytest.mark.parametrize(
    ("sent", "lost", "expected"),
    [
        (20, 0, 6),  # what the first 0.8 s of heartbeats give on a clean path
        (20, 1, 8),
        (20, 2, 9),
        (100, 0, 6),
        (100, 5, 6),
        (100, 20, 9),
        (0, 0, None),
        (5, 1, None),
        (20, 10, None),
        (100, 60, None),
    ],
)
def test_how_many_attempts_it_takes(sent: int, lost: int, expected: int | None) -> None:
    assert wanted(sent, lost) == expected


def false_alarms(sent: int, loss: float) -> float:
    """How often an open port is called blocked on a path of this true loss: over all that
    ``sent`` samples may show, every attempt that is then wanted is lost too.  Exact, where
    a simulation would need millions of runs to see a single case."""
    total = 0.0
    for lost in range(sent + 1):
        tries = wanted(sent, lost)
        if tries is not None:
            shown = comb(sent, lost) * loss**lost * (1 - loss) ** (sent - lost)
            total += shown * loss**tries
    return total


@given(attempts, samples, samples)
def test_the_worse_of_the_path_and_the_controls_counts(
    tries: int, path: tuple[int, int], controls: tuple[int, int]
) -> None:
    worse = max(chance_of_silence(tries, *path), chance_of_silence(tries, *controls))
    assert chance_beside(tries, path, controls) == worse


def test_what_is_in_two_pieces_is_lost_twice_as_easily() -> None:
    assert chance_beside(6, (40, 0), (30, 3), pieces=2) == chance_of_silence(6, 30, 6)
    assert chance_beside(6, (40, 30), (9, 0), pieces=2) == chance_of_silence(6, 40, 40)


def test_more_answers_than_controls_are_no_loss() -> None:
    assert chance_beside(6, (9, 0), (9, -1)) == chance_of_silence(6, 9, 0)


LOSSES = tuple(percent / 100 for percent in range(101))


@pytest.mark.parametrize("sent", [10, 15, 20, 25, 40, 60, 100, 250])
def test_no_loss_whatever_makes_an_open_port_look_blocked(sent: int) -> None:
    assert max(false_alarms(sent, loss) for loss in LOSSES) < CHANCE_MAX


@pytest.mark.parametrize("sent", range(10))
def test_nor_do_very_few_samples(sent: int) -> None:
    assert max(false_alarms(sent, loss) for loss in LOSSES) < 2 * CHANCE_MAX


def test_a_clean_path_lets_a_blocked_port_be_found() -> None:
    """The other side: where the rule never spoke, it would be safe and useless."""
    for loss in (0.0, 0.01, 0.03):
        found = sum(
            comb(25, lost) * loss**lost * (1 - loss) ** (25 - lost)
            for lost in range(26)
            if wanted(25, lost) is not None
        )
        assert found > 0.999


def test_however_many_attempts_somebody_claims_it_is_worked_out_at_once() -> None:
    assert chance_of_silence(2**62, 10, 10) <= chance_of_silence(1000, 10, 10)
    assert chance_of_silence(2**62, 500, 0) < CHANCE_MAX
