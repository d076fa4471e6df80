"""How many dynamic ports pass, and which: said only where nothing else explains it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import dynamic_range
from netcheck.diagnosis.dynamic_range import wilson
from netcheck.diagnosis.facts import Facts
from probes import sampling
from probes.observation import Control, DynamicRange, Ledger, PortSample, Transport

STRATA = 72
MIDDLES = tuple(part[448] for part in (sampling.stratum(i, STRATA) for i in range(STRATA)))
CALL = (16384, 32767)


def control(**more: Any) -> Control:
    known: dict[str, Any] = {"connected": True, "confirmed_at_end": True} | more
    return Control(id="control", at_s=0.0, took_s=5.0, host="echo.example", attempts=(), **known)


def sample(port: int, outcome: str) -> PortSample:
    return PortSample(port=port, outcome=outcome, tries=6)  # type: ignore[arg-type]


def seen(
    *outcomes: tuple[int, str],
    first: int | None = None,
    transport: Transport = "udp",
    untested: str = "",
) -> DynamicRange:
    return DynamicRange(
        id=f"dynamic-{transport}",
        at_s=0.1,
        took_s=3.0,
        transport=transport,
        strata=STRATA,
        first=len(outcomes) if first is None else first,
        samples=tuple(sample(*each) for each in outcomes),
        untested=untested,
    )


def whole(inside: str = "open", outside: str = "blocked") -> tuple[tuple[int, str], ...]:
    """The first sample of a network that lets 16384-32767 pass."""
    return tuple((p, inside if CALL[0] <= p <= CALL[1] else outside) for p in MIDDLES)


EDGES = ((16383, "blocked"), (16384, "open"), (32767, "open"), (32768, "blocked"))


def facts(*observations: Any) -> Facts:
    trusted = any(isinstance(o, Control) for o in observations)
    return Facts([*([] if trusted else [control()]), *observations])


# R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 1 - 0.1170, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_the_interval_is_the_published_one(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 1000), st.data())
def test_the_interval_holds_the_share_and_is_symmetric(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials <= high <= 1.0
    other_low, other_high = wilson(trials - successes, trials)
    assert (low, high) == pytest.approx((1 - other_high, 1 - other_low))


def test_a_range_that_is_known_exactly() -> None:
    judged = dynamic_range.judge(facts(seen(*whole(), *EDGES, first=STRATA)), "udp")
    assert judged is not None
    assert (judged.sampled, judged.open) == (72, 18)
    assert judged.fraction == 0.25
    assert judged.ci95 == [round(bound, 4) for bound in wilson(18, 72)]
    assert judged.open_ranges == [[16384, 32767]]
    assert judged.edges_within == 0
    assert judged.observation == "dynamic-udp"


def test_an_edge_that_is_not_exact_is_set_in_the_middle() -> None:
    judged = dynamic_range.judge(facts(seen((2000, "open"), (2100, "blocked"))), "udp")
    assert judged is not None
    assert judged.open_ranges == [[1024, 2049]]
    assert judged.edges_within == 50


def test_what_was_chosen_later_is_no_random_sample() -> None:
    later = tuple((port, "open") for port in range(40001, 40090))
    judged = dynamic_range.judge(facts(seen(*whole(), *later, first=STRATA)), "udp")
    assert judged is not None
    assert (judged.sampled, judged.fraction) == (72, 0.25)


@pytest.mark.parametrize("outcome", ["refused", "reply-lost", "blocked"])
def test_what_does_not_pass_both_ways_is_not_open(outcome: str) -> None:
    judged = dynamic_range.judge(facts(seen(*whole(outside=outcome))), "udp")
    assert judged is not None
    assert judged.open == 18


def test_everything_open_and_nothing_open() -> None:
    everything = dynamic_range.judge(facts(seen(*whole(outside="open"))), "udp")
    nothing = dynamic_range.judge(facts(seen(*whole(inside="blocked"))), "udp")
    assert everything is not None
    assert nothing is not None
    assert (everything.fraction, everything.open_ranges) == (1.0, [[1024, 65535]])
    assert (nothing.fraction, nothing.open_ranges) == (0.0, [])
    assert everything.edges_within is nothing.edges_within is None


@pytest.mark.parametrize(
    "observed",
    [
        (),
        (seen(transport="tcp"),),
        (seen(untested="the echo server opened no port: limit"),),
        (seen(*whole(outside="undecided")),),
        (seen(*whole()), control(confirmed_at_end=False)),
        (seen(*whole()), Ledger(id="ledger", at_s=4.0, took_s=0.1, complete=False)),
    ],
    ids=["nothing", "other", "untested", "undecided", "server-gone", "server-overloaded"],
)
def test_nothing_is_said_where_it_is_not_known(observed: tuple[Any, ...]) -> None:
    assert dynamic_range.judge(facts(*observed), "udp") is None
    assert list(dynamic_range.clues(facts(*observed))) == []


def test_a_few_undecided_ports_widen_the_interval_both_ways() -> None:
    outcomes = [*whole()]
    for index in (0, 1, 2):
        outcomes[index] = (outcomes[index][0], "undecided")
    judged = dynamic_range.judge(facts(seen(*outcomes)), "udp")
    assert judged is not None
    assert (judged.sampled, judged.open) == (69, 18)
    assert judged.ci95 == [round(wilson(18, 72)[0], 4), round(wilson(21, 72)[1], 4)]


def test_what_is_open_is_open_even_if_the_server_is_gone_afterwards() -> None:
    gone = control(confirmed_at_end=False)
    judged = dynamic_range.judge(facts(seen(*whole(outside="open")), gone), "udp")
    assert judged is not None
    assert judged.fraction == 1.0


def mixed() -> DynamicRange:
    """Even ports pass, odd ones do not."""
    ports = (*(p + i % 2 for i, p in enumerate(MIDDLES)), *range(2001, 2400, 21))
    return seen(*((p, "blocked" if p % 2 else "open") for p in ports), first=STRATA)


def test_mixed_ports_make_no_range() -> None:
    judged = dynamic_range.judge(facts(mixed()), "udp")
    assert judged is not None
    assert judged.open_ranges == []
    assert judged.edges_within is None
    assert 0 < judged.open < judged.sampled


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_part_that_passes_is_a_finding(transport: Transport) -> None:
    observed = seen(*whole(), *EDGES, first=STRATA, transport=transport)
    (clue,) = dynamic_range.clues(facts(observed))
    assert clue.cause == f"{transport}-range-limited"
    assert clue.evidence == (f"dynamic-{transport}",)
    assert clue.parameters == {"percent": 25, "open_ranges": ["16384–32767"]}


def test_mixed_ports_are_a_finding_without_ranges() -> None:
    (clue,) = dynamic_range.clues(facts(mixed()))
    assert clue.parameters.keys() == {"percent"}


@pytest.mark.parametrize(
    "observed",
    [
        seen(*whole(outside="open")),
        seen(*whole(inside="blocked")),
        seen(*whole(outside="intercepted")),
        seen(*whole(inside="altered")),
    ],
    ids=["all-open", "none-open", "a-proxy-in-part", "altered"],
)
def test_no_finding_where_the_range_is_not_the_reason(observed: DynamicRange) -> None:
    assert list(dynamic_range.clues(facts(observed))) == []


@pytest.mark.parametrize(
    ("state", "odd_one", "percent"), [("open", "blocked", 99), ("blocked", "open", 1)]
)
def test_the_share_is_never_all_or_nothing_where_it_is_neither(
    state: str, odd_one: str, percent: int
) -> None:
    outcomes = [(port, state) for port in MIDDLES] + [(40000, odd_one)]
    (clue,) = dynamic_range.clues(facts(seen(*outcomes, first=STRATA)))
    assert clue.parameters["percent"] == percent


OUTCOMES = st.sampled_from(
    ["open", "refused", "reply-lost", "blocked", "altered", "intercepted", "undecided"]
)


@given(
    st.dictionaries(st.integers(1024, 65535), OUTCOMES, max_size=100),
    st.integers(0, 120),
    st.booleans(),
)
def test_any_sample_is_judged_soberly(outcomes: dict[int, str], first: int, trusted: bool) -> None:
    known = facts(seen(*outcomes.items(), first=first), control(confirmed_at_end=trusted))
    judged = dynamic_range.judge(known, "udp")
    if judged is None:
        assert list(dynamic_range.clues(known)) == []
        return
    assert 0 <= judged.open <= judged.sampled <= min(first, len(outcomes))
    assert 0.0 <= judged.ci95[0] <= judged.fraction <= judged.ci95[1] <= 1.0
    for low, high in judged.open_ranges:
        assert 1024 <= low <= high <= 65535
        assert any(low <= p <= high for p, o in outcomes.items() if o == "open")
        assert not trusted or all(o != "blocked" for p, o in outcomes.items() if low <= p <= high)
