"""How every NAT of the lab behaves, by the real command: its verdicts are the truth.

Without loss everything is known but what nobody can know there; with loss a verdict that rests
on silence may be unknown, and none is wrong.
Here each network is checked once; `make accuracy` checks each with loss and without, many times.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import NamedTuple

import pytest

from tests.lab.description import Forward, Network
from tests.lab.nat_reports import DEEP_ENDS_S, Foreign, Report, check, parts, report_in, stun_server
from tests.lab.nat_scenarios import ADM, APDM, EIM, NAT_SCENARIOS, NatScenario, truth_of
from tests.lab.nat_verdicts import Judged, Judgement, judge, rests_on_silence, unsayable
from tests.lab.network import Lab

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

LOSSES = (0, 10)


class Asked(NamedTuple):
    """A report that a test is about; ``name`` is its own among all of this module."""

    name: str
    make: Callable[[], Report]
    scenario: NatScenario | None = None


def of(scenario: NatScenario, loss: int) -> Asked:
    network = replace(scenario.network, loss_percent=loss)
    name = f"{scenario.name}-at-{loss}-percent"
    return Asked(name, lambda: report_in(network, *parts(scenario)), scenario)


def named(value: object) -> str:
    return value.name if isinstance(value, Asked) else "-"


def said(found: list[Judged], judgement: Judgement) -> list[Judged]:
    return [each for each in found if each.judgement == judgement]


def shown(report: Report) -> str:
    """What the verdicts rest on."""
    evidence = {*report["nat"]["evidence"], "loss"}
    return "\n".join(json.dumps(o) for o in report["observations"] if o["id"] in evidence)


@pytest.mark.parametrize(
    "asked",
    [of(each, LOSSES[number % 2]) for number, each in enumerate(NAT_SCENARIOS)],
    ids=named,
)
def test_every_verdict_is_true(asked: Asked) -> None:
    report, scenario = asked.make(), asked.scenario
    assert scenario is not None
    found = judge(scenario.truth, report)
    assert said(found, "wrong") == [], shown(report)
    silent = unsayable(scenario.truth)
    if not asked.name.endswith("-at-0-percent"):
        silent |= rests_on_silence(scenario.truth)
    unknown = [each for each in said(found, "unknown") if each.field not in silent]
    assert unknown == [], shown(report)


# other people's STUN servers

NETWORKS = {
    "no-nat": Network(nat=False, dns=None),
    "plain": Network(dns=None),
    "random": Network(mapping="random", dns=None),
    "full-cone": Network(forwards=(Forward("udp", "1-65535"),), dns=None),
}
FIRST = ("--stun", Network().server)
BOTH = (*FIRST, "--stun", Network().server_2)
QUICK = ("mapping", "filtering", "hairpin", "port_preservation")

Quick = tuple[str | bool | None, ...]


def by(server: Foreign, network: str, *options: str, addresses: int = 2) -> Asked:
    """A check with somebody else's server, which has so many addresses."""

    def make() -> Report:
        with Lab(NETWORKS[network]) as lab, stun_server(lab, server, addresses=addresses):
            return check(lab, *options)

    depth = "quick" if "--quick" in options else "default"
    named = options.count("--stun")
    return Asked(f"{server}-{network}-{depth}-{named}-of-{addresses}-addresses", make)


@pytest.mark.parametrize(
    ("asked", "network", "expected"),
    [
        (by(server, network, "--quick", *BOTH), network, expected)
        for server in ("coturn", "stund")
        for network, expected in (
            ("no-nat", (EIM, EIM, None, True)),
            ("plain", (EIM, APDM, False, True)),
            ("random", (APDM, APDM, False, False)),
            ("full-cone", (EIM, EIM, False, True)),
        )
    ],
    ids=named,
)
def test_the_servers_of_others_show_the_same(asked: Asked, network: str, expected: Quick) -> None:
    nat = asked.make()["nat"]
    assert tuple(nat[name] for name in QUICK) == expected
    assert nat["present"] is NETWORKS[network].nat
    assert nat["public_addresses"] == [NETWORKS[network].public]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        # That two ports of one address see the same says nothing of another address.
        (by("coturn", "plain", "--quick", *FIRST), ("unknown", APDM, False, True)),
        (by("coturn", "random", "--quick", *FIRST), (APDM, APDM, False, False)),
        (by("coturn", "full-cone", "--quick", *FIRST), ("unknown", EIM, False, True)),
    ],
    ids=named,
)
def test_a_second_address_that_nobody_vouches_for_is_not_asked(
    asked: Asked, expected: Quick
) -> None:
    nat = asked.make()["nat"]
    assert tuple(nat[name] for name in QUICK) == expected


@pytest.mark.parametrize(
    ("asked", "keeps"),
    [
        (by("coturn", network, "--quick", *FIRST, addresses=1), network != "random")
        for network in ("plain", "random", "full-cone")
    ],
    ids=named,
)
def test_a_server_of_one_address_and_port_leaves_most_unknown(asked: Asked, keeps: bool) -> None:
    nat = asked.make()["nat"]
    assert tuple(nat[name] for name in QUICK) == ("unknown", "unknown", None, keeps)
    assert nat["present"] is True


@pytest.mark.parametrize("asked", [by("coturn", "plain", *BOTH)], ids=named)
def test_what_a_stun_server_cannot_show_is_unknown(asked: Asked) -> None:
    """It neither calls nor keeps a record, whatever the depth."""
    report = asked.make()
    nat = report["nat"]
    assert (nat["mapping"], nat["tcp_mapping"]) == (EIM, EIM)
    assert (nat["tcp_filtering"], nat["tcp_unsolicited"]) == ("unknown", "unknown")
    assert (nat["simultaneous_open"], nat["icmp_errors"], nat["path_mtu"]) == (None, None, None)
    assert {feature["verdict"] for feature in report["features"]} == {"unknown"}
    assert (report["overall"], report["dynamic_udp"], report["media"]) == ("unknown", None, [])


# how long a binding lives: what takes ten seconds to forget takes a minute to find

_SHORT = Network(udp_timeout_s=10, tcp_timeout_s=10, inbound_refresh=False)
DEEP = Asked(
    "lifetimes-of-10-s",
    lambda: report_in(_SHORT, "--only", "nat", "--deep", ends_s=DEEP_ENDS_S),
    NatScenario("lifetimes-of-10-s", _SHORT, truth_of(_SHORT)),
)


@pytest.mark.long
@pytest.mark.parametrize("asked", [DEEP], ids=named)
def test_a_deep_check_finds_how_long_a_binding_lives(asked: Asked) -> None:
    report, scenario = asked.make(), asked.scenario
    assert scenario is not None
    found = judge(scenario.truth, report, deep=True)
    assert [each for each in found if each.judgement != "right"] == [], shown(report)
    fields = {each.field for each in found}
    assert {"binding_lifetime_s", "tcp_lifetime_s", "refreshed_by"} <= fields


# the judging itself

TRUE = truth_of(Network(udp_timeout_s=10))


@pytest.mark.parametrize(
    ("field", "value", "judgement"),
    [
        ("mapping", EIM, "right"),
        ("mapping", ADM, "wrong"),
        ("mapping", "unknown", "unknown"),
        ("hairpin", None, "unknown"),
        ("hairpin", True, "wrong"),
        ("layers", 2, "wrong"),
        ("public_addresses", [], "unknown"),
        ("public_addresses", ["192.0.2.9"], "wrong"),
        ("public_addresses", [*TRUE.public_addresses, "192.0.2.9"], "wrong"),
        ("binding_lifetime_min_s", None, "unknown"),
        ("binding_lifetime_s", 9.6, "right"),
        ("binding_lifetime_s", 30.0, "wrong"),
    ],
)
def test_a_verdict_is_right_wrong_or_unknown(
    field: str, value: object, judgement: Judgement
) -> None:
    nat = asdict(TRUE) | {
        "public_addresses": [*TRUE.public_addresses],
        "binding_lifetime_s": None,
        "binding_lifetime_min_s": 1.0,
        "tcp_lifetime_min_s": 1.0,
        "port_mapping": [],
    }
    path = [{"address": hop, "place": "unknown"} for hop in TRUE.hops]
    report = {"nat": nat, "path": path, "dynamic_udp": None, "dynamic_tcp": None}
    assert said(judge(TRUE, report), "right") == judge(TRUE, report)
    nat[field] = value
    others = [each for each in judge(TRUE, report) if each.judgement != "right"]
    assert [(each.field, each.judgement) for each in others] == (
        [] if judgement == "right" else [(field, judgement)]
    )


def test_in_a_plain_network_nothing_may_stay_unknown_but_by_loss() -> None:
    assert unsayable(TRUE) == frozenset()
    assert not rests_on_silence(TRUE) & {"present", "mapping", "tcp_mapping", "port_preservation"}
    assert "filtering" not in rests_on_silence(truth_of(Network(mapping=EIM, filtering=EIM)))
    assert "hairpin" not in rests_on_silence(truth_of(Network(hairpin=True)))
