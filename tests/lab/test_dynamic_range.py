"""The dynamic ports through real firewalls: exactly what they let pass, and nothing more."""

from __future__ import annotations

import asyncio
import sys
import time

import pytest

from netcheck.diagnosis import dynamic_range as diagnosis
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Dynamic
from probes.observation import Control, DynamicRange, Transport
from probes.reach import dynamic_range
from probes.wire import link
from tests.lab import firewall
from tests.lab.network import Lab, Network
from tests.lab.scenarios import served
from tests.probes import live

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

DEFAULT_S = 8.0  # at 10 % loss each way; without loss a third of it is enough
IN_PARALLEL_S = 4.0  # what a default check has time for
CALL = [16384, 32767]
CONTROL = Control(
    id="control",
    at_s=0.0,
    took_s=1.0,
    host="",
    attempts=(),
    connected=True,
    confirmed_at_end=True,
)


def only(protocol: Transport, *ranges: str, answer: str = "drop") -> str:
    """Of the server's dynamic ports nothing passes but ``ranges``; its control port does."""
    passing = ", ".join(ranges)
    control = ", 8463" if protocol == "tcp" else ""
    return f'iifname "lan" {protocol} dport != {{ 1-1023, {passing}{control} }} {answer}'


def measure(
    network: Network,
    *transports: Transport,
    deep: bool = False,
    budget_s: float = DEFAULT_S,
) -> tuple[list[DynamicRange], float]:
    """Sample through ``network``, all transports at once; and how long that took."""

    async def probe(target: str) -> tuple[list[DynamicRange], float]:
        async with live.session(link.parse(target)) as session:
            began = time.monotonic()
            found = await asyncio.gather(
                *(
                    dynamic_range.run(session, transport, deep=deep, budget_s=budget_s)
                    for transport in transports
                )
            )
            assert session.control.alive
            return list(found), time.monotonic() - began

    with Lab(network) as lab, served(lab) as (_, target), lab.inside("client"):
        return asyncio.run(probe(target))


def judged(found: DynamicRange) -> Dynamic:
    dynamic = diagnosis.judge(Facts([CONTROL, found]), found.transport)
    assert dynamic is not None
    return dynamic


def assert_range(dynamic: Dynamic, *ranges: list[int], within: int) -> None:
    assert len(dynamic.open_ranges) == len(ranges)
    for seen, true in zip(dynamic.open_ranges, ranges, strict=True):
        assert seen == pytest.approx(true, abs=within)
    assert dynamic.edges_within is not None
    assert dynamic.edges_within <= within


@pytest.mark.parametrize("nat", [False, True], ids=["routed", "nat"])
@pytest.mark.parametrize("loss", [0, 10])
def test_the_range_that_a_firewall_passes(nat: bool, loss: int) -> None:
    rules = (only("udp", "16384-32767"), only("tcp", "16384-32767"))
    network = Network(nat=nat, firewall=rules, loss_percent=loss, dns=None)
    for found in measure(network, "udp", "tcp")[0]:
        dynamic = judged(found)
        assert_range(dynamic, CALL, within=64)
        assert dynamic.ci95[0] <= 0.254 <= dynamic.ci95[1]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_exactly_in_a_deep_check(transport: Transport) -> None:
    network = Network(firewall=(only(transport, "16384-32767"),), dns=None)
    (found,), _ = measure(network, transport, deep=True, budget_s=20.0)
    assert_range(judged(found), CALL, within=0)


def test_several_ranges() -> None:
    rules = (only("udp", "5000-9999", "20000-29999", "60000-65535"),)
    (found,), _ = measure(Network(firewall=rules, dns=None), "udp")
    assert_range(judged(found), [5000, 9999], [20000, 29999], [60000, 65535], within=64)


def test_both_within_the_time_of_a_default_check() -> None:
    rules = (only("udp", "16384-32767"), only("tcp", "16384-32767"))
    found, took_s = measure(
        Network(firewall=rules, rtt_ms=50, dns=None), "udp", "tcp", budget_s=IN_PARALLEL_S
    )
    assert took_s < IN_PARALLEL_S
    for each in found:
        assert_range(judged(each), CALL, within=64)


def test_a_firewall_that_says_no() -> None:
    rules = (
        only("udp", "16384-32767", answer="reject with icmpx type admin-prohibited"),
        only("tcp", "16384-32767", answer="reject with tcp reset"),
    )
    for found in measure(Network(nat=False, firewall=rules, dns=None), "udp", "tcp")[0]:
        assert {s.outcome for s in found.samples} == {"open", "refused"}
        assert_range(judged(found), CALL, within=64)


def test_replies_that_are_kept_back() -> None:
    rules = ('iifname "wan" udp sport 40000-65535 drop',)
    (found,), _ = measure(Network(nat=False, firewall=rules, dns=None), "udp")
    assert {s.outcome for s in found.samples} == {"open", "reply-lost"}
    assert_range(judged(found), [1024, 39999], within=64)


@pytest.mark.parametrize("loss", [0, 10])
def test_all_open(loss: int) -> None:
    found, _ = measure(Network(loss_percent=loss, dns=None), "udp", "tcp")
    for each in found:
        assert {s.outcome for s in each.samples} == {"open"}
        assert judged(each).open_ranges == [[1024, 65535]]


@pytest.mark.parametrize("loss", [0, 10])
def test_all_blocked(loss: int) -> None:
    rules = (firewall.drop("udp"),)
    (found,), _ = measure(Network(firewall=rules, loss_percent=loss, dns=None), "udp")
    blocked = sum(s.outcome == "blocked" for s in found.samples)
    if loss:  # the tries that found nothing may not rule it out for one port or another
        assert {s.outcome for s in found.samples} <= {"blocked", "undecided"}
        assert blocked > 0.9 * len(found.samples)
    else:
        assert blocked == len(found.samples)
    assert (judged(found).fraction, judged(found).open_ranges) == (0.0, [])
    assert list(diagnosis.clues(Facts([CONTROL, found]))) == []


def test_even_ports_only() -> None:
    rules = ('iifname "lan" udp dport & 1 == 1 drop',)
    (found,), _ = measure(Network(nat=False, firewall=rules, dns=None), "udp")
    dynamic = judged(found)
    assert all((s.outcome == "open") == (s.port % 2 == 0) for s in found.samples)
    assert dynamic.open_ranges == []
    assert 0.25 < dynamic.fraction < 0.75  # four deviations: 95 % would fail now and then
    assert dynamic.ci95[0] < dynamic.fraction < dynamic.ci95[1]
