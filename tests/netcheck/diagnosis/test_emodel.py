"""The E-model against numbers that were published."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import emodel


@pytest.mark.parametrize(
    ("rating", "mos"),
    [
        # G.107 annex B, table B.1 and figure B.2
        (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58),
        # clause 7.7: the default
        (93.2, 4.41),
        (0, 1.0), (-20, 1.0), (100, 4.5), (120, 4.5),
    ],
)  # fmt: skip
def test_mos_of_a_rating(rating: float, mos: float) -> None:
    assert emodel.mos_of(rating) == pytest.approx(mos, abs=0.011)


def test_the_default_rating() -> None:
    rating = emodel.BASE - emodel.delay_impairment(0)
    assert rating == pytest.approx(93.2, abs=0.05)


@pytest.mark.parametrize(
    ("percent", "g7231", "g729a"),
    # G.113 appendix I, table I.2 (2001): planning values for random loss
    [(0, 15, 11), (0.5, 17, 13), (1, 19, 15), (1.5, 22, 17), (2, 24, 19), (3, 27, 23),
     (4, 32, 26), (8, 41, 36), (16, 55, 49)],
)  # fmt: skip
def test_what_loss_does_to_a_codec(percent: float, g7231: float, g729a: float) -> None:
    """The formula of G.107 is a fit to that table."""
    assert emodel.equipment_impairment(percent / 100) == pytest.approx(g7231, abs=1.2)
    other = emodel.equipment_impairment(percent / 100, ie=11, bpl=19)
    assert other == pytest.approx(g729a, abs=1.0)


@pytest.mark.parametrize(
    ("codec_ie", "delay_ms"),
    # Delays at which R falls to 70 without any echo, R being 94.2 without delay and codec:
    # Janssen, De Vleeschauwer, Petit, "Delay and distortion bounds for packetized voice calls
    # of traditional PSTN quality" (2000), table of bounds with perfect echo control.
    [(0, 400), (15, 251), (19, 219), (10, 294), (5, 342), (7, 322)],
)
def test_how_much_delay_a_codec_can_stand(codec_ie: float, delay_ms: float) -> None:
    assert 94.2 - codec_ie - emodel.pure_delay(delay_ms) == pytest.approx(70, abs=0.5)


@pytest.mark.parametrize("delay_ms", [50, 100, 150, 177, 200, 250, 300])
def test_delay_as_cole_and_rosenbluth_put_it(delay_ms: float) -> None:
    """Cole, Rosenbluth, "Voice over IP performance monitoring" (2001): their straight lines
    follow the defaults of G.107 within a point or so."""
    lines = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    assert emodel.delay_impairment(delay_ms) == pytest.approx(lines, abs=1.2)


@pytest.mark.parametrize(
    ("loss", "rtt_ms", "mos"),
    [(0, 0, 3.83), (0, 50, 3.80), (0, 150, 3.62), (0.05, 50, 2.86), (0, 600, 2.31), (0.5, 50, 1.1)],
)
def test_the_whole_model(loss: float, rtt_ms: float, mos: float) -> None:
    assert emodel.mos(loss, rtt_ms=rtt_ms) == pytest.approx(mos, abs=0.02)


@given(st.floats(0, 1), st.floats(0, 5000), st.floats(1, 10))
def test_it_is_always_a_mark(loss: float, rtt_ms: float, burst: float) -> None:
    mark = emodel.mos(loss, rtt_ms=rtt_ms, burst_ratio=burst)
    assert math.isfinite(mark)
    assert 1 <= mark <= 4.5


@given(st.floats(0, 0.9), st.floats(0, 0.1), st.floats(0, 1000), st.floats(0, 500))
def test_more_of_it_is_never_better(
    loss: float, more_loss: float, rtt_ms: float, more_ms: float
) -> None:
    mark = emodel.mos(loss, rtt_ms=rtt_ms)
    assert emodel.mos(loss + more_loss, rtt_ms=rtt_ms) <= mark + 1e-9
    assert emodel.mos(loss, rtt_ms=rtt_ms + more_ms) <= mark + 1e-6


def test_bursts_are_worse_than_random_loss() -> None:
    assert emodel.burst_ratio(0, 0, 100) == 1
    assert emodel.burst_ratio(100, 1, 100) == 1
    # Ten single losses of a hundred: hardly any burst; random loss makes runs of 1.11.
    assert emodel.burst_ratio(10, 10, 100) == 1
    assert emodel.burst_ratio(10, 9, 100) == pytest.approx(1, abs=0.01)
    assert emodel.burst_ratio(10, 2, 100) == pytest.approx(4.5)
    assert emodel.mos(0.1, rtt_ms=50, burst_ratio=4.5) < emodel.mos(0.1, rtt_ms=50)
