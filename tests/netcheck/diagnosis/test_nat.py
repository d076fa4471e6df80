"""How the NAT behaves, from observations: tables by the RFCs, and properties for all others."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import binding_lifetime, nat
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Behaviour, Nat
from probes.observation import (
    AnyObservation,
    AttemptOutcome,
    BindingLifetime,
    LifetimeTrial,
    Mapped,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    PortSeen,
    Punched,
    Transport,
    Unasked,
)
from tests.netcheck.diagnosis.measured import (
    OURS,
    PUBLIC,
    control,
    loss,
    outbound_tcp,
    tries,
)

A1, A2, B1, B2 = "192.0.2.10:3478", "192.0.2.10:3479", "192.0.2.11:3478", "192.0.2.11:3479"
ALL = (A1, A2, B1, B2)
LOCAL = f"{OURS}:50000"

EIM: Behaviour = "endpoint-independent"
ADM: Behaviour = "address-dependent"
APDM: Behaviour = "address-and-port-dependent"
CLASSES: tuple[Behaviour, ...] = (EIM, ADM, APDM)


def mapping(
    *ports: int | None, transport: Transport = "udp", local: str = LOCAL, public: str = PUBLIC
) -> NatMapping:
    """How A1, A2, B1 and B2 saw the socket; None: no answer."""
    return NatMapping(
        id=f"nat-mapping-{transport}",
        at_s=0.1,
        took_s=0.1,
        transport=transport,
        local=local,
        seen=tuple(
            Mapped(destination=to, xored=f"{public}:{port}" if port else None)
            for to, port in zip(ALL, ports, strict=False)
        ),
    )


def unasked(
    source: Any, outcome: AttemptOutcome = "silent", count: int = 8, **more: Any
) -> Unasked:
    usual: dict[str, Any] = {
        "asked": count,
        "heard": int(outcome == "answered"),
        "attempts": tries(*[outcome] * count),
        "control_sent": count,
        "control_heard": count,
    }
    return Unasked(source=source, **(usual | more))


def filtering(*tests: Unasked, transport: Transport = "udp") -> NatFiltering:
    return NatFiltering(
        id=f"nat-filtering-{transport}",
        at_s=0.1,
        took_s=0.3,
        transport=transport,
        local=LOCAL,
        mapped=f"{PUBLIC}:40000",
        tests=tests,
    )


def ports(pairs: Iterable[tuple[int, int | None]], public: str = PUBLIC) -> NatPorts:
    return NatPorts(
        id="nat-ports-udp",
        at_s=0.1,
        took_s=0.1,
        transport="udp",
        destination=A1,
        sockets=tuple(
            PortSeen(local=f"{OURS}:{local}", mapped=f"{public}:{seen}" if seen else None)
            for local, seen in pairs
        ),
    )


def hairpin(outcome: AttemptOutcome = "silent", count: int = 8, **more: Any) -> NatHairpin:
    usual: dict[str, Any] = {
        "target": f"{PUBLIC}:40000",
        "attempts": tries(*[outcome] * count),
        "heard": int(outcome == "answered"),
        "hop_limit": 8,
    }
    return NatHairpin(id="nat-hairpin", at_s=0.1, took_s=0.3, **(usual | more))


def lifetime(*trials: tuple[Any, ...], deep: bool = True) -> BindingLifetime:
    return BindingLifetime(
        id="binding-lifetime-udp",
        at_s=0.0,
        took_s=9.0,
        transport="udp",
        trials=tuple(
            LifetimeTrial(idle_s=t[0], alive=t[1], refreshed=t[2] if len(t) > 2 else "nothing")
            for t in trials
        ),
        deep=deep,
    )


def judged(*observations: AnyObservation) -> Nat:
    return nat.judge(Facts((*observations, loss())))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((1, 1, 1, 1), EIM),
        ((1, 1, 2, 2), ADM),
        ((1, 2, 3, 4), APDM),
        ((1, 2, 1, 2), APDM),  # by port alone: still not the same for one address
        ((1, 1, 2, 3), APDM),
        ((1, 2), APDM),  # the two ports of one address are enough for this
        ((1, 1), "unknown"),
        ((1, None, 1), EIM),
        ((1, None, 2), "unknown"),
        ((1, None, None, 1), EIM),
        ((1, None, None, 2), "unknown"),
        ((1, None, 2, 2), ADM),
        ((None, None, 2, 2), "unknown"),
        ((1,), "unknown"),
        ((), "unknown"),
    ],
)
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_mapping(seen: tuple[int | None, ...], expected: str, transport: Transport) -> None:
    found = judged(mapping(*seen, transport=transport))
    assert (found.mapping if transport == "udp" else found.tcp_mapping) == expected
    assert (found.tcp_mapping if transport == "udp" else found.mapping) == "unknown"


@pytest.mark.parametrize(
    ("from_port", "from_address", "expected"),
    [
        ("answered", "answered", EIM),
        ("answered", "silent", ADM),
        ("silent", "silent", APDM),
        ("silent", "answered", "unknown"),  # no NAT does this: something else is the matter
        ("untested", "answered", EIM),
        ("untested", "silent", "unknown"),
        ("silent", "untested", APDM),
        ("answered", "untested", "unknown"),
        ("untested", "untested", "unknown"),
        ("local-error", "local-error", "unknown"),
    ],
)
def test_filtering(from_port: str, from_address: str, expected: str) -> None:
    def test(source: str, outcome: Any) -> Unasked:
        if outcome == "untested":
            return Unasked(source=source, untested="no second address")  # type: ignore[arg-type]
        return unasked(source, outcome)

    found = filtering(test("other-port", from_port), test("other-address", from_address))
    assert judged(mapping(1, 1, 1, 1), found).filtering == expected


SILENT = (unasked("other-port"), unasked("other-address"))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((1, 1, 1, 1), APDM),
        ((1, 1), APDM),  # the other port is alive, and that is enough
        ((1, None, None, 1), "unknown"),
        ((1,), "unknown"),
    ],
)
def test_a_source_that_never_answered_may_be_dead(
    seen: tuple[int | None, ...], expected: str
) -> None:
    assert judged(mapping(*seen), filtering(*SILENT)).filtering == expected


def test_a_dead_second_address_is_no_filter() -> None:
    tests = (unasked("other-port", "answered"), unasked("other-address"))
    assert judged(mapping(1, 1), filtering(*tests)).filtering == "unknown"
    assert judged(mapping(1, 1, None, 1), filtering(*tests)).filtering == ADM


@pytest.mark.parametrize(
    ("lost", "count", "expected"), [(0, 8, APDM), (60, 8, "unknown"), (0, 5, "unknown")]
)
def test_loss_may_explain_silence(lost: int, count: int, expected: str) -> None:
    silent = (unasked("other-port", count=count), unasked("other-address", count=count))
    observations = (mapping(1, 1, 1, 1), filtering(*silent), loss(lost))
    assert nat.judge(Facts(observations)).filtering == expected


@pytest.mark.parametrize(("heard", "expected"), [(8, APDM), (3, APDM), (2, "unknown")])
def test_a_dead_moment_explains_silence(heard: int, expected: str) -> None:
    silent = [unasked(s, control_heard=heard) for s in ("other-port", "other-address")]
    assert judged(mapping(1, 1, 1, 1), filtering(*silent)).filtering == expected


@pytest.mark.parametrize(("count", "expected"), [(8, "unknown"), (12, APDM)])
def test_without_a_record_of_loss_the_controls_must_do(count: int, expected: str) -> None:
    silent = [unasked(s, count=count) for s in ("other-port", "other-address")]
    found = nat.judge(Facts((mapping(1, 1, 1, 1), filtering(*silent))))
    assert found.filtering == expected


@pytest.mark.parametrize(
    ("outcome", "count", "confirmed", "expected", "unsolicited"),
    [
        ("silent", 8, True, APDM, "silence"),
        ("silent", 8, False, "unknown", "unknown"),
        ("refused", 2, False, APDM, "reset"),
        ("refused", 1, True, "unknown", "unknown"),
        ("unreachable", 2, False, APDM, "icmp"),
        ("answered", 1, False, EIM, "unknown"),
        ("closed", 8, True, "unknown", "unknown"),
    ],
)
def test_tcp_filtering(
    outcome: AttemptOutcome, count: int, confirmed: bool, expected: str, unsolicited: str
) -> None:
    tests = [
        unasked(s, outcome, count, control_sent=0, control_heard=0)
        for s in ("other-port", "other-address")
    ]
    found = judged(filtering(*tests, transport="tcp"), control(confirmed_at_end=confirmed))
    assert found.tcp_filtering == expected
    assert found.tcp_unsolicited == unsolicited
    assert found.filtering == "unknown"


TWENTY = range(50000, 50020)


@pytest.mark.parametrize(
    ("pairs", "preservation", "parity", "contiguity"),
    [
        ([(p, p) for p in TWENTY], True, True, True),
        ([(p, p ^ 0x354) for p in TWENTY], False, True, True),
        ([(p, p - 7) for p in TWENTY], False, False, True),
        ([(p, p * 7 % 60000) for p in TWENTY], False, True, False),
        ([(p, p * 7 % 60001) for p in TWENTY], False, False, False),
        ([(p, p) for p in range(50000, 50010)], True, None, None),  # too few for these
        ([(p, p if p % 4 else p + 1000) for p in TWENTY], True, True, None),
        ([(p, p if p < 50004 else p + 1000) for p in TWENTY], None, True, True),
        # One or two of the wrong parity may be an accident; four are none.
        ([(p, p if p < 50018 else p + 1) for p in TWENTY], True, None, True),
        ([(p, p if p < 50016 else p + 1) for p in TWENTY], True, False, True),
        ([(p, None) for p in TWENTY], None, None, None),
        ([], None, None, None),
    ],
)
def test_ports(
    pairs: list[tuple[int, int | None]],
    preservation: bool | None,
    parity: bool | None,
    contiguity: bool | None,
) -> None:
    found = judged(ports(pairs))
    assert found.port_preservation is preservation
    assert found.port_parity is parity
    assert found.port_contiguity is contiguity


@given(st.lists(st.tuples(st.integers(0, 2**15), st.integers(1, 65535)), min_size=20, max_size=20))
def test_ports_by_chance_show_no_rule(seen: list[tuple[int, int]]) -> None:
    chosen = {2 * n % 65000 + 1024: port for n, port in seen}
    found = judged(ports(chosen.items()))
    if found.port_parity is True:
        assert all(local % 2 == port % 2 for local, port in chosen.items())
    if found.port_preservation is True:
        assert sum(local == port for local, port in chosen.items()) * 2 >= len(chosen)


def test_pooling() -> None:
    one = ports([(p, p) for p in TWENTY])
    assert judged(one).pooling == "paired"
    assert judged(ports([(p, p) for p in range(50000, 50010)])).pooling == "unknown"
    found = judged(one, mapping(1, 1, 1, 1, public="198.51.100.8"))
    assert found.pooling == "arbitrary"
    assert found.public_addresses == ["198.51.100.8", PUBLIC]


@pytest.mark.parametrize(
    ("observations", "present"),
    [
        ((), None),
        ((mapping(50000, 50000),), True),
        ((mapping(50000, 50000, public=OURS),), False),
        ((mapping(50001, 50001, public=OURS),), True),  # the port alone is translated
        ((mapping(1, 1, local=""),), None),
        ((mapping(1, 1, local="0.0.0.0:50000"),), None),
        ((mapping(None, None),), None),
        ((outbound_tcp(1863, tries("answered"), source=f"{PUBLIC}:1"), control()), True),
        ((outbound_tcp(1863, tries("answered"), source=f"{OURS}:1"), control()), False),
        ((control(observed_address=f"{PUBLIC}:1"),), True),
        ((control(observed_address=f"{PUBLIC}:1", via_proxy="http://proxy:1"),), None),
        ((control(observed_address="]]]<b>"),), None),  # said by a server that lies
        ((control(local_address=None),), None),
    ],
)
def test_presence(observations: tuple[AnyObservation, ...], present: bool | None) -> None:
    assert judged(*observations).present is present


def test_ipv6_addresses() -> None:
    found = judged(mapping(50000, 50000, local="[2001:db8::2]:50000", public="[2001:db8::2]"))
    assert found.present is False
    assert found.public_addresses == ["2001:db8::2"]


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (hairpin("answered", 1), True),
        (hairpin(), False),
        (hairpin(count=5), None),
        (hairpin("local-error"), None),
        (hairpin(count=0, untested="no address is translated"), None),
    ],
)
def test_hairpin(observation: NatHairpin, expected: bool | None) -> None:
    assert judged(observation).hairpin is expected
    assert nat.judge(Facts((observation, loss(100)))).hairpin in (expected or None, True)


@pytest.mark.parametrize(
    ("trials", "found", "at_least", "at_most", "refreshed"),
    [
        ((), None, None, None, None),
        (((4.0, True),), None, 4.0, None, None),
        (((4.0, False),), None, None, 4.0, None),
        (((4.0, None),), None, None, None, None),
        (((20.0, True), (30.0, True), (45.0, False), (60.0, False)), 30.0, None, None, None),
        (((20.0, False), (30.0, True)), None, None, None, None),  # they contradict each other
        (
            ((30.0, True), (31.0, False), (54.0, True, "outbound"), (54.0, False, "inbound")),
            30.0,
            None,
            None,
            ["outbound"],
        ),
        (
            ((30.0, True), (31.0, False), (54.0, True, "outbound"), (54.0, True, "inbound")),
            30.0,
            None,
            None,
            ["outbound", "inbound"],
        ),
        (
            ((30.0, True), (31.0, False), (54.0, False, "outbound"), (54.0, False, "inbound")),
            30.0,
            None,
            None,
            [],
        ),
        (((30.0, True), (31.0, False), (30.5, True, "outbound")), 30.0, None, None, None),
        (((30.0, True), (31.0, False), (54.0, False, "inbound")), 30.0, None, None, None),
        (((30.0, True), (54.0, True, "inbound")), None, 30.0, None, None),
    ],
)
def test_lifetimes(
    trials: tuple[tuple[Any, ...], ...],
    found: float | None,
    at_least: float | None,
    at_most: float | None,
    refreshed: list[str] | None,
) -> None:
    life = binding_lifetime.judge(Facts((lifetime(*trials),)))
    assert (life.found_s, life.at_least_s, life.at_most_s) == (found, at_least, at_most)
    assert life.refreshed_by == refreshed
    report = judged(lifetime(*trials))
    assert (report.binding_lifetime_s, report.binding_lifetime_min_s) == (found, at_least)
    assert report.refreshed_by == refreshed


@pytest.mark.parametrize("opened", [True, False, None])
@pytest.mark.parametrize("tests", [SILENT, ()], ids=["strict", "filtering-unknown"])
@pytest.mark.parametrize("mapped", [(1, 1, 1, 1), (1, 2, 3, 4)], ids=["one", "many"])
def test_a_peer_who_calls_at_the_same_time(
    mapped: tuple[int, ...], tests: tuple[Unasked, ...], opened: bool | None
) -> None:
    found = judged(
        Punched(id="punch", at_s=0.1, took_s=0.1, mapped=None, opened=opened),
        mapping(*mapped, transport="tcp"),
        filtering(*tests, transport="tcp"),
        control(confirmed_at_end=True),
    )
    many, strict = mapped != (1, 1, 1, 1), bool(tests)
    # What came about with our partner shows nothing of a peer who calls another mapping, but
    # what did not is no better for him.
    expected = False if many and strict else None if many and opened else opened
    assert found.simultaneous_open is expected


def test_other_facts() -> None:
    punched = Punched(id="punch", at_s=0.1, took_s=0.1, mapped=None, opened=True)
    found = judged(punched, mapping(50000, 50000, transport="tcp"))
    assert found.simultaneous_open is True
    assert found.tcp_port_preservation is True
    assert found.port_preservation is None
    assert found.evidence == ["nat-mapping-tcp", "punch"]
    assert judged(mapping(1, 2, transport="tcp")).tcp_port_preservation is False
    assert judged(mapping(50000, 2, transport="tcp")).tcp_port_preservation is None


def causes(*observations: AnyObservation) -> dict[str, dict[str, Any]]:
    facts = Facts((*observations, loss()))
    found = list(nat.clues(facts, nat.judge(facts)))
    assert all(clue.evidence for clue in found)
    assert {e for clue in found for e in clue.evidence} <= {o.id for o in facts.all}
    return {clue.cause: clue.parameters for clue in found}


@pytest.mark.parametrize(
    ("seen", "harm"), [((1, 1, 1, 1), False), ((1, 1, 2, 2), True), ((1, 2), True)]
)
def test_a_symmetric_mapping_is_named(seen: tuple[int, ...], harm: bool) -> None:
    expected: dict[str, Any] = {"transport": "udp", "public_addresses": [PUBLIC]}
    assert causes(mapping(*seen)) == ({"symmetric-mapping": expected} if harm else {})


def test_filters_that_need_the_peer_first_are_named() -> None:
    found = causes(mapping(1, 1, 1, 1), filtering(*SILENT))
    assert found == {"filtering-needs-peer-first": {"filtering": APDM}}
    welcome = filtering(unasked("other-port", "answered"), unasked("other-address", "answered"))
    assert causes(mapping(1, 1, 1, 1), welcome) == {}


def test_no_hairpin_is_named() -> None:
    assert causes(hairpin()) == {"no-hairpin": {}}
    assert causes(hairpin("answered", 1)) == {}


@pytest.mark.parametrize(
    ("trials", "seconds"),
    [
        (((30.0, True), (31.0, False)), 30),
        (((119.5, True), (121.0, False)), 119),
        (((120.0, True), (125.0, False)), None),
        (((4.0, True),), None),  # at least that long
        (((4.0, False),), 4),
        (((300.0, False),), None),  # somewhere below
        (((0.2, True), (0.3, False)), 1),
    ],
)
def test_short_lifetimes_are_named(trials: Any, seconds: int | None) -> None:
    expected = {"short-binding-lifetime": {"seconds": seconds, "transport": "udp"}}
    assert causes(lifetime(*trials)) == (expected if seconds else {})


@pytest.mark.parametrize(("lived", "died", "seconds"), [(300.0, 320.0, 300), (7440.0, 7500.0, 0)])
def test_tcp_lifetimes_have_a_standard_of_their_own(
    lived: float, died: float, seconds: int
) -> None:
    tcp = msgspec.structs.replace(
        lifetime((lived, True), (died, False)), id="binding-lifetime-tcp", transport="tcp"
    )
    assert judged(tcp).tcp_lifetime_s == lived
    assert judged(tcp).binding_lifetime_s is None
    named = {"short-binding-lifetime": {"seconds": seconds, "transport": "tcp"}}
    assert causes(tcp) == (named if seconds else {})


def test_two_sockets_with_one_public_port_are_overloading() -> None:
    assert judged(ports([(40000, 40000), (40001, 40000)])).port_overloading is True
    assert judged(ports([(40000, 40000), (40001, 40001)])).port_overloading is None
    # One socket towards many destinations is no overloading.
    assert judged(mapping(40000, 40000, 40000)).port_overloading is None


# properties

_ports = st.lists(st.none() | st.integers(1, 3), max_size=4)
_tests = st.builds(
    unasked,
    st.sampled_from(["other-port", "other-address"]),
    st.sampled_from(["answered", "silent", "refused", "unreachable", "closed", "local-error"]),
    st.integers(1, 24),
    control_sent=st.just(24),
    control_heard=st.integers(0, 24),
    untested=st.sampled_from(["", "", "no second address"]),
)
_anything: st.SearchStrategy[AnyObservation] = st.one_of(
    st.builds(lambda p, t: mapping(*p, transport=t), _ports, st.sampled_from(["udp", "tcp"])),
    st.builds(
        lambda t, tests: filtering(*tests, transport=t),
        st.sampled_from(["udp", "tcp"]),
        st.lists(_tests, max_size=2),
    ),
    st.builds(hairpin, st.sampled_from(["answered", "silent", "local-error"]), st.integers(0, 10)),
    st.builds(
        lambda trials: lifetime(*trials),
        st.lists(
            st.tuples(
                st.floats(0, 600),
                st.none() | st.booleans(),
                st.sampled_from(["nothing", "outbound", "inbound"]),
            ),
            max_size=8,
        ),
    ),
    st.builds(
        ports,
        st.lists(
            st.tuples(st.integers(1024, 65535), st.none() | st.integers(0, 65535)), max_size=20
        ),
    ),
)


@given(st.lists(_anything, max_size=6), st.integers(0, 200))
def test_any_observations_have_a_meaning(some: list[AnyObservation], lost: int) -> None:
    facts = Facts((*some, loss(lost)))
    found = nat.judge(facts)
    assert list(nat.clues(facts, found)) == list(nat.clues(facts, found))
    assert set(found.evidence) <= {o.id for o in some}


@given(st.lists(_anything, max_size=6))
def test_a_lossy_path_takes_no_silence_for_an_answer(some: list[AnyObservation]) -> None:
    """Where most of everything was lost, only what arrived, or was refused, means anything."""
    facts = Facts((*some, loss(140, 200)))
    found = nat.judge(facts)
    assert found.hairpin is not False
    if found.filtering != "unknown":
        outcomes = {a.outcome for o in facts.nat_filtering for t in o.tests for a in t.attempts}
        assert outcomes & {"answered", "refused", "unreachable"}


@given(_ports)
def test_leaving_an_answer_out_never_changes_the_class(seen: list[int | None]) -> None:
    """Less knowledge may make it unknown, never another one, but for what is a finer class."""
    whole = judged(mapping(*seen)).mapping
    for left_out in range(len(seen)):
        part = judged(mapping(*(None if n == left_out else p for n, p in enumerate(seen)))).mapping
        finer = {(APDM, ADM), (APDM, EIM), (ADM, EIM)}
        assert part in (whole, "unknown") or (whole, part) in finer


def test_every_combination_of_classes() -> None:
    shown: dict[Behaviour, tuple[int, ...]] = {
        EIM: (1, 1, 1, 1),
        ADM: (1, 1, 2, 2),
        APDM: (1, 2, 3, 4),
    }
    let: dict[Behaviour, tuple[AttemptOutcome, AttemptOutcome]] = {
        EIM: ("answered", "answered"),
        ADM: ("answered", "silent"),
        APDM: ("silent", "silent"),
    }
    for maps, filters in product(CLASSES, CLASSES):
        port, address = let[filters]
        found = judged(
            mapping(*shown[maps]),
            filtering(unasked("other-port", port), unasked("other-address", address)),
        )
        assert (found.mapping, found.filtering) == (maps, filters)
