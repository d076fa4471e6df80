"""The sequential design: what is looked at next, and what a sample shows."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import sampling
from probes.sampling import FIRST, LAST, Edge

PORTS = st.integers(FIRST, LAST)
STATES = st.dictionaries(PORTS, st.one_of(st.none(), st.booleans()), max_size=60)
KNOWN = st.dictionaries(PORTS, st.booleans(), max_size=60)


def first_of(part: int) -> int:
    return 0


@given(st.integers(1, 500))
def test_strata_are_the_whole_range_in_nearly_equal_parts(strata: int) -> None:
    parts = [sampling.stratum(index, strata) for index in range(strata)]
    assert [port for part in parts for port in part] == list(range(FIRST, LAST + 1))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(st.integers(0, 71), st.integers(0, 2**32), st.sets(PORTS, max_size=20))
def test_a_port_is_drawn_from_its_stratum(index: int, seed: int, untestable: set[int]) -> None:
    part = sampling.stratum(index, 72)
    port = sampling.draw(part, untestable, random.Random(seed).randrange)
    assert port in part
    assert port not in untestable


def test_every_port_of_a_stratum_is_drawn_equally_likely() -> None:
    part = range(5000, 5010)
    numbers = iter(range(9))
    drawn = {sampling.draw(part, {5003}, lambda _: next(numbers)) for _ in range(9)}
    assert drawn == {*part} - {5003}


def test_nothing_is_drawn_where_nothing_can_be_tested() -> None:
    assert sampling.draw(range(2000, 2003), {2000, 2001, 2002}, first_of) is None


@pytest.mark.parametrize(
    ("known", "found"),
    [
        ({}, []),
        ({2000: True, 3000: True}, []),
        ({2000: True, 3000: False}, [Edge(2000, 3000)]),
        ({3000: False, 2000: True, 4000: True}, [Edge(2000, 3000), Edge(3000, 4000)]),
        ({2000: True, 2500: None, 3000: False}, []),
    ],
)
def test_an_edge_is_between_neighbours_that_differ(
    known: dict[int, bool | None], found: list[Edge]
) -> None:
    assert list(sampling.edges(known)) == found


@pytest.mark.parametrize(
    ("width", "middle", "off_by"), [(1, 2000, 0), (2, 2000, 1), (3, 2001, 1), (129, 2064, 64)]
)
def test_the_middle_is_off_by_no_more_than_it_says(width: int, middle: int, off_by: int) -> None:
    edge = Edge(2000, 2000 + width)
    assert (edge.middle, edge.off_by) == (middle, off_by)
    assert max(abs(edge.middle - last) for last in range(edge.low, edge.high)) == off_by


@pytest.mark.parametrize(
    ("edge", "within", "untestable", "ports"),
    [
        (Edge(2000, 2129), 64, set(), ()),
        (Edge(2000, 2130), 64, set(), (2065,)),
        (Edge(2000, 3600), 64, set(), (2400, 2800, 3200)),
        (Edge(2000, 3600), 64, {2400, 2399}, (2401, 2800, 3200)),
        (Edge(2000, 2002), 0, set(), (2001,)),
        (Edge(2000, 2002), 0, {2001}, ()),
        (Edge(2000, 2004), 0, {2001}, (2002, 2003)),
        (Edge(2000, 2001), 0, set(), ()),
    ],
)
def test_ports_between_quarter_what_is_not_known(
    edge: Edge, within: int, untestable: set[int], ports: tuple[int, ...]
) -> None:
    assert sampling.between(edge, within, untestable) == ports


@given(STATES, st.sampled_from([0, 64]), st.sets(PORTS, max_size=20))
def test_what_is_next_is_new_and_lies_at_an_edge(
    known: dict[int, bool | None], within: int, untestable: set[int]
) -> None:
    ports = sampling.next_ports(known, 72, within, untestable | known.keys())
    assert len(ports) == len(set(ports)) <= sampling.EDGES_AT_ONCE * sampling.PER_ROUND
    wide = [e for e in sampling.edges(known) if e.width > 2 * within + 1]
    for port in ports:
        assert port not in known
        assert port not in untestable
        assert any(edge.low < port < edge.high for edge in wide)


def test_edges_that_are_looked_at_count_for_those_at_once() -> None:
    many: dict[int, bool | None] = {2000 + n * 2900: n % 2 == 0 for n in range(20)}
    asked = sampling.next_ports(many, 18, 64, many.keys())
    assert len(asked) == sampling.EDGES_AT_ONCE * sampling.PER_ROUND
    under_way = many | dict.fromkeys(asked)
    assert sampling.next_ports(under_way, 18, 64, under_way.keys()) == ()


@given(st.sets(PORTS, min_size=2, max_size=6), st.sampled_from([0, 64]))
def test_few_ranges_are_found_to_the_wanted_width(bounds: set[int], within: int) -> None:
    edges = sorted(bounds)

    def is_open(port: int) -> bool:
        return sum(port >= bound for bound in edges) % 2 == 1

    known: dict[int, bool | None] = {
        part[len(part) // 2]: is_open(part[len(part) // 2])
        for part in (sampling.stratum(index, 72) for index in range(72))
    }
    for _ in range(8):
        known |= {p: is_open(p) for p in sampling.next_ports(known, 72, within, known.keys())}
    decided = {port: state for port, state in known.items() if state is not None}
    if sampling.scattered(decided, 72):  # so many narrow ones that more may be unseen
        assert sum(b - a < 1792 for a, b in pairwise([FIRST, *edges, LAST])) >= 3
        return
    found = sampling.ranges(decided)
    assert found.edges_within is None or found.edges_within <= within
    for low, high in found.open:
        for end in (low, high + 1):
            off = min(abs(end - bound) for bound in [FIRST, LAST + 1, *edges])
            assert off <= within


@pytest.mark.parametrize(
    ("known", "shown"),
    [
        ({}, sampling.Ranges((), None)),
        ({5000: False}, sampling.Ranges((), None)),
        ({5000: True}, sampling.Ranges(((1024, 65535),), None)),
        ({5000: True, 5001: False}, sampling.Ranges(((1024, 5000),), 0)),
        (
            {16383: False, 16384: True, 32767: True, 32768: False},
            sampling.Ranges(((16384, 32767),), 0),
        ),
        (
            {5000: False, 5100: True, 9000: True, 9020: False, 9040: True},
            sampling.Ranges(((5050, 9009), (9030, 65535)), 50),
        ),
    ],
)
def test_ranges_end_in_the_middle_of_what_is_not_known(
    known: dict[int, bool], shown: sampling.Ranges
) -> None:
    assert sampling.ranges(known) == shown


@given(KNOWN)
def test_ranges_agree_with_every_port_of_the_sample(known: dict[int, bool]) -> None:
    shown = sampling.ranges(known).open
    for port, state in known.items():
        assert any(low <= port <= high for low, high in shown) == state
    assert all(a[1] + 1 < b[0] for a, b in pairwise(shown))
    assert all(FIRST <= low <= high <= LAST for low, high in shown)


@pytest.mark.parametrize("runs", [2, 3])
def test_three_narrow_runs_show_that_there_are_more(runs: int) -> None:
    known = {sampling.stratum(index, 72)[448]: True for index in range(72)}
    for index in range(10, 10 + 10 * runs, 10):
        port = sampling.stratum(index, 72)[448]
        known |= {port - 100: True, port: False, port + 100: True}
    assert sampling.scattered(known, 72) == (runs == 3)


def test_wide_runs_are_no_scatter_however_many() -> None:
    known = {sampling.stratum(i, 72)[448]: i // 2 % 2 == 0 for i in range(72)}
    assert not sampling.scattered(known, 72)
