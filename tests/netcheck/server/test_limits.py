"""The token bucket: never more than the rate and the burst allow, and no less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.server.limits import (
    CALL_FILES,
    FILES_RESERVED,
    MEDIA_FILES,
    TERMINAL_FILES,
    Bucket,
    ServerLimits,
    fitted,
)

STEPS = st.lists(st.floats(-0.1, 3.0), max_size=60)  # a clock may even go back


@given(st.floats(0.1, 1000), st.integers(1, 50), STEPS)
def test_it_gives_no_more_than_burst_and_rate(rate: float, burst: int, steps: list[float]) -> None:
    bucket, now, passed, given_out = Bucket(rate, burst, 0.0), 0.0, 0.0, 0
    for step in steps:
        now += step
        passed += max(0.0, step)
        given_out += bucket.take(now)
        assert given_out <= burst + rate * passed + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50))
def test_after_the_wait_that_it_asks_for_there_is_a_token(rate: float, burst: int) -> None:
    bucket = Bucket(rate, burst, 0.0)
    for _ in range(burst):
        assert bucket.take(0.0)
    assert not bucket.take(0.0)
    wait = bucket.wait_s(0.0)
    assert wait == pytest.approx(1 / rate)
    assert not bucket.take(wait * 0.9)
    assert bucket.take(wait * 1.001)


@given(st.integers(1024, 1 << 17))
def test_everything_full_leaves_the_reserve(files: int) -> None:
    """Who runs out of files accepts no connection, on any port, and all look blocked."""
    given = fitted(ServerLimits(), files)
    most = (
        given.connections
        + given.control_connections
        + given.dynamic_ports_total
        + given.stun_connections
        + given.media_in_all * MEDIA_FILES
        + given.terminals_in_all * TERMINAL_FILES
        + given.calls_in_all * CALL_FILES
    )
    assert most <= files - FILES_RESERVED


@given(st.integers(256, 1 << 17))
def test_nobody_can_have_all_connections_alone(files: int) -> None:
    given = fitted(ServerLimits(), files)
    assert 2 * given.spoken_connections_per_source <= given.spoken_connections
    assert 2 * given.stun_connections_per_source <= max(16, given.stun_connections)


def test_what_is_given_back_is_there_again() -> None:
    bucket = Bucket(1e-9, 5, 0.0)
    assert bucket.take(0.0, 5)
    assert not bucket.take(0.0)
    bucket.give_back(2)
    assert not bucket.take(0.0, 3)
    assert bucket.take(0.0, 2)
    bucket.give_back(50)
    assert not bucket.take(0.0, 6)


def test_what_is_owed_is_paid_first() -> None:
    bucket = Bucket(10.0, 3, 0.0)
    bucket.owe(0.0, 8)
    assert not bucket.take(0.55)
    assert bucket.take(0.65)


def test_what_is_saved_up_is_bounded() -> None:
    bucket = Bucket(10.0, 3, 0.0)
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s(2000.0) == 0.0
