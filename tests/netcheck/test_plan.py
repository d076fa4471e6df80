"""From profiles to probes: everything that is needed, each port once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import plan, profile
from netcheck.profile import FeatureSpec, Profile, Requirement
from probes.errors import SetupError

WHOLE = plan.make(profile.built_in())
TRANSFER = tuple(range(6891, 6901))


def own(*needed: Requirement) -> Profile:
    feature = FeatureSpec(id="a", title="A", requires=list(needed))
    return Profile(id="p", title="P", features=[feature])


def test_the_built_in_profiles_need_the_articles_ports() -> None:
    articles = {1863, *TRANSFER, 6901, 389, 522, 1503, 1720, 1731}
    assert WHOLE.outbound_tcp == tuple(sorted(articles))
    assert WHOLE.from_local == ((6901, 6901),)
    assert WHOLE.inbound_tcp == (1503, 1720, *TRANSFER)
    assert WHOLE.udp == (plan.UdpPort(6901),)
    assert WHOLE.groups == (TRANSFER,)


def test_the_server_is_asked_for_what_is_probed() -> None:
    assert set(WHOLE.tcp_ports) == set(WHOLE.outbound_tcp)
    assert WHOLE.udp_ports == (6901,)


def test_a_port_that_two_features_need_is_probed_once() -> None:
    both = plan.make(
        [own(Requirement(probe="outbound-tcp", ports=[80, 443])),
         own(Requirement(probe="outbound-tcp", ports=[443, "440-445"]))]
    )  # fmt: skip
    assert both.outbound_tcp == (80, *range(440, 446))


def test_a_port_needed_from_a_local_port_is_also_reached_from_any() -> None:
    made = plan.make([own(Requirement(probe="outbound-tcp", ports=[80], local_port=81))])
    assert (made.outbound_tcp, made.from_local, made.tcp_ports) == ((80,), ((80, 81),), (80,))


def test_groups_that_share_a_port_become_one() -> None:
    needed = [
        Requirement(probe="outbound-tcp", ports=[entry], capacity=True)
        for entry in ("10-12", "20-22", "12-14", "30-31", "14-20")
    ]
    made = plan.make([own(*needed)])
    assert {frozenset(group) for group in made.groups} == {
        frozenset(range(10, 23)),
        frozenset((30, 31)),
    }


def test_what_is_only_shown_is_probed_too() -> None:
    made = plan.make([own(Requirement(probe="inbound-tcp", ports=[80], decides=False))])
    assert made.inbound_tcp == (80,)


def test_what_no_probe_measures_is_not_planned() -> None:
    made = plan.make([own(Requirement(probe="call", ports=[80]))])
    assert made.steps == 0
    assert made.tcp_ports == made.udp_ports == ()


@pytest.mark.parametrize(
    ("protocol", "calls"),
    [*((name, True) for name in ("h323", "h323-audio", "h323-video", "h323-in")), ("sip", False)],
)
def test_nobody_is_called_for_a_protocol_that_calls_do_not_speak(
    protocol: str, calls: bool
) -> None:
    made = plan.make([own(Requirement(probe="call", protocol=protocol))], "default")
    assert made.calls is calls


def test_nothing_needs_nothing() -> None:
    assert plan.make([]).steps == 0


def test_more_calls_than_a_server_makes_are_refused_in_one_sentence() -> None:
    def calls(low: int, high: int) -> Profile:
        return own(Requirement(probe="inbound-tcp", ports=[f"{low}-{high}"]))

    assert plan.make([calls(1001, 1032), calls(1033, 1064)])
    with pytest.raises(SetupError, match=r"^These profiles together need .*\.$"):
        plan.make([calls(1001, 1032), calls(1033, 1065)])
    udp = [own(Requirement(probe="udp", ports=[port])) for port in range(1001, 1034)]
    assert plan.make(udp[:32])
    with pytest.raises(SetupError):
        plan.make(udp)


_REQUIREMENTS = st.builds(
    Requirement,
    probe=st.sampled_from(["outbound-tcp", "inbound-tcp", "call"]),
    ports=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    capacity=st.booleans(),
) | st.builds(
    Requirement,
    probe=st.sampled_from(["outbound-tcp", "udp"]),
    ports=st.integers(1, 30).map(lambda port: [port]),
)


@given(st.lists(_REQUIREMENTS, max_size=8))
def test_everything_needed_is_planned_and_nothing_twice(needed: list[Requirement]) -> None:
    made = plan.make([own(*needed)] if needed else [])
    for probe, planned in (
        ("outbound-tcp", made.outbound_tcp),
        ("inbound-tcp", made.inbound_tcp),
        ("udp", made.udp_ports),
    ):
        wanted = {port for r in needed if r.probe == probe for port in r.port_numbers}
        assert planned == tuple(sorted(wanted))
    grouped = [port for group in made.groups for port in group]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) <= set(made.outbound_tcp)
    for r in needed:
        if r.probe == "outbound-tcp" and r.capacity:
            assert any(set(r.port_numbers) <= set(group) for group in made.groups)


def test_a_quick_check_is_the_ports_alone() -> None:
    assert plan.make(profile.built_in(), "quick").parts == {"ports"}


def test_dynamic_ports_and_media_only_for_profiles_that_talk_through_them() -> None:
    parts = {p.id: plan.make((p,), "default").parts for p in profile.built_in()}
    assert parts == {"msn-messenger": {"ports", "nat", "editors"}, "netmeeting": set(plan.PARTS)}


def test_only_names_the_parts_whatever_the_depth() -> None:
    made = plan.make(profile.built_in(), "deep", ["media", "nat"])
    assert made.parts == {"media", "nat"}
    assert made.deep


def test_every_part_adds_to_the_steps() -> None:
    steps = [plan.make(profile.built_in(), "default", [part]).steps for part in plan.PARTS]
    assert min(steps) > 0
    assert plan.make(profile.built_in(), "default").steps == sum(steps)
