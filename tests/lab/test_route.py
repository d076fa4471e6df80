"""Where things happen and where they break, in real networks: hops, sizes, fragments, ICMP."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from netcheck.diagnosis import route
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Nat
from probes.nat import fragments, hops, icmp_errors, path_mtu
from probes.observation import (
    AnyObservation,
    Control,
    ControlAttempt,
    LocalFacts,
    Loss,
    Observation,
)
from probes.session import Session
from probes.wire.link import Link, parse
from tests.conftest import open_sockets
from tests.lab.description import PUBLIC, Network, Node
from tests.lab.firewall import drop, reject_with_icmp, reject_with_reset
from tests.lab.network import Lab
from tests.lab.scenarios import served
from tests.lab.traffic import plain
from tests.netcheck.checking import session_with

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

CONTROL_PORT = 8463
BLOCKED = 1720
Probe = Callable[[Session], Awaitable[Observation | tuple[Observation, ...]]]

LOCAL_FIREWALL = f"""
add table inet local
add chain inet local out {{ type filter hook output priority filter; }}
add rule inet local out tcp dport {BLOCKED} drop
add rule inet local out udp dport {BLOCKED} drop
"""


async def _observed(lab: Lab, link: Link, probes: tuple[Probe, ...]) -> Facts:
    before = open_sockets()
    async with session_with(link) as session:
        await _settled(session)
        found: list[AnyObservation] = []
        for probe in await asyncio.gather(*(p(session) for p in probes)):
            for each in probe if isinstance(probe, tuple) else (probe,):
                assert isinstance(each, AnyObservation)
                found.append(each)
        facts = Facts([*found, *_surroundings(lab.network, session)])
        lab.set_loss(0)  # a goodbye that is lost is repeated for many seconds
    async with asyncio.timeout(5):  # TLS says goodbye before its socket closes
        while open_sockets() - before:  # noqa: ASYNC110
            await asyncio.sleep(0)
    return facts


async def _settled(session: Session) -> None:
    """Until the control connection has shown how much is lost; pings take 40 ms each."""
    async with asyncio.timeout(5):
        while session.control_tally.sent < 20:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _surroundings(network: Network, session: Session) -> tuple[AnyObservation, ...]:
    tally, udp, tcp = session.control_tally, session.tallies["udp"], session.tallies["tcp"]
    return (
        LocalFacts(
            id="local", at_s=0, took_s=0, hostname="lab", system="Linux", gateways=(network.router,)
        ),
        Control(
            id="control",
            at_s=0,
            took_s=0,
            host=session.server_address,
            attempts=(ControlAttempt(port=CONTROL_PORT, outcome="connected"),),
            connected=True,
            local_address=session.local_address,
            confirmed_at_end=True,
        ),
        Loss(
            id="loss",
            at_s=0,
            took_s=0,
            control_sent=tally.sent,
            control_lost=tally.lost,
            tcp_sent=tcp.sent,
            tcp_lost=tcp.lost,
            udp_sent=udp.sent,
            udp_lost=udp.lost,
        ),
    )


@contextmanager
def observed(
    network: Network, *probes: Probe, before: Callable[[Lab], None] | None = None
) -> Iterator[Facts]:
    """What ``probes`` see, run from the client against our own echo server."""
    with Lab(network) as lab, served(lab) as (_, link):
        if before is not None:
            before(lab)
        with lab.inside("client"):
            yield asyncio.run(_observed(lab, parse(link), probes))


async def open_udp(session: Session) -> Observation:
    assert session.stun is not None
    return await hops.run(session, "open", "udp", session.stun.address, session.stun.port)


async def open_tcp(session: Session) -> Observation:
    return await hops.run(session, "open", "tcp", session.server_address, CONTROL_PORT)


async def blocked_tcp(session: Session) -> Observation:
    return await hops.run(
        session, "blocked", "tcp", session.server_address, BLOCKED, open_port=CONTROL_PORT
    )


async def blocked_udp(session: Session) -> Observation:
    return await hops.run(session, "blocked", "udp", session.server_address, BLOCKED)


async def own_address(session: Session) -> Observation:
    return await hops.run(session, "own-address", "udp", PUBLIC)


BREAKS = (open_udp, open_tcp, blocked_tcp, blocked_udp)
TRANSLATED = Nat(present=True, public_addresses=[PUBLIC])


def _drop_at(node: Node) -> Callable[[Lab], None]:
    def rules(lab: Lab) -> None:
        for protocol in ("tcp", "udp"):
            lab.nft(
                node,
                f"insert rule inet lab forward {protocol} dport {BLOCKED} drop",
            )

    return rules


@pytest.mark.parametrize("loss", [0, 10])
@pytest.mark.parametrize(
    ("network", "node", "place", "address"),
    [
        (plain(), "router", "router", "192.168.77.1"),
        (plain(carrier=True), "router", "router", "192.168.77.1"),
        (plain(carrier=True), "carrier", "carrier", "100.64.0.1"),
        (plain(carrier=True), "internet", "beyond", "203.0.113.1"),
        (plain(nat=False), "router", "router", "192.0.2.1"),
    ],
    ids=["router", "router-of-two", "carrier", "beyond", "no-nat"],
)
def test_the_device_that_loses_packets_is_named(
    network: Network, node: Node, place: str, address: str, loss: int
) -> None:
    def before(lab: Lab) -> None:
        _drop_at(node)(lab)
        if loss:
            # Between the client and its router too, so that every hop's answers suffer.
            lab.nft(
                "client",
                "add table inet bad\n"
                "add chain inet bad in { type filter hook input priority -300; }\n"
                f"add rule inet bad in meta l4proto != tcp numgen random mod 100 < {2 * loss} drop",
            )

    with observed(network, *BREAKS, before=before) as facts:
        for transport in ("tcp", "udp"):
            found = route.breaks_at(facts, transport, BLOCKED)
            if found is None and loss:
                continue  # unknown is allowed where a fifth of the answers is lost; wrong is not
            assert found is not None, facts.hops
            assert found[:2] == (place, address), facts.hops


def test_this_computer_is_named() -> None:
    def before(lab: Lab) -> None:
        lab.nft("client", LOCAL_FIREWALL)

    with observed(plain(), *BREAKS, before=before) as facts:
        for transport in ("tcp", "udp"):
            found = route.breaks_at(facts, transport, BLOCKED)
            assert found is not None, facts.hops
            assert found[:2] == ("computer", None)


def test_a_router_that_filters_before_it_looks_at_hop_limits_is_not_taken_for_this_computer() -> (
    None
):
    def before(lab: Lab) -> None:
        lab.nft(
            "router",
            "add table inet early\n"
            "add chain inet early in { type filter hook prerouting priority -450; }\n"
            f"add rule inet early in meta l4proto {{ tcp, udp }} th dport {BLOCKED} drop",
        )

    with observed(plain(), *BREAKS, before=before) as facts:
        assert route.breaks_at(facts, "tcp", BLOCKED) is None
        assert route.breaks_at(facts, "udp", BLOCKED) is None


@pytest.mark.parametrize(
    "rule", [reject_with_icmp("udp", BLOCKED), reject_with_icmp("tcp", BLOCKED)], ids=["udp", "tcp"]
)
def test_who_refuses_with_icmp_is_named(rule: str) -> None:
    transport = "tcp" if "tcp" in rule else "udp"
    with observed(plain(firewall=(rule,)), *BREAKS) as facts:
        blocked = next(h for h in facts.hops if h.aim == "blocked" and h.transport == transport)
        assert any(h.end and h.address == "192.168.77.1" for h in blocked.hops), blocked


def test_who_resets_is_found_by_its_distance() -> None:
    with observed(plain(firewall=(reject_with_reset(BLOCKED),)), *BREAKS) as facts:
        blocked = next(h for h in facts.hops if h.aim == "blocked" and h.transport == "tcp")
        assert [h.ttl for h in blocked.hops if h.end] == [2], blocked


def test_a_network_that_tells_nothing_of_hop_limits_names_nobody() -> None:
    network = plain(time_exceeded=False, firewall=(drop("tcp", BLOCKED), drop("udp", BLOCKED)))
    with observed(network, *BREAKS, own_address) as facts:
        assert route.breaks_at(facts, "tcp", BLOCKED) is None
        assert route.breaks_at(facts, "udp", BLOCKED) is None
        judged, _ = route.judge(facts, TRANSLATED)
        assert judged.carrier_grade in (None, False)


@pytest.mark.parametrize("loss", [0, 10])
@pytest.mark.parametrize(
    ("network", "layers", "carrier", "places"),
    [
        (plain(), 1, False, ["router", "beyond", "server"]),
        (plain(hop=True), 1, False, ["router", "beyond", "beyond", "server"]),
        (plain(carrier=True), 2, True, ["router", "carrier", "beyond", "server"]),
        (
            plain(carrier=True, carrier_mapping="endpoint-independent", carrier_hairpin=True),
            2,
            True,
            ["router", "carrier", "beyond", "server"],
        ),
    ],
    ids=["one", "one-and-a-hop", "carrier", "carrier-with-hairpin"],
)
def test_layers(network: Network, layers: int, carrier: bool, places: list[str], loss: int) -> None:
    def before(lab: Lab) -> None:
        lab.set_loss(loss)

    with observed(network, open_udp, own_address, before=before) as facts:
        judged, path = route.judge(facts, TRANSLATED)
        assert (judged.layers, judged.carrier_grade) == (layers, carrier), facts.hops
        assert [h.place for h in path] == places, path
        causes = [c.cause for c in route.clues(facts, judged)]
        assert causes == (["carrier-grade-nat"] if carrier else [])


def test_without_translation_there_are_no_layers() -> None:
    with observed(plain(nat=False), open_udp) as facts:
        judged, path = route.judge(facts, Nat(present=False))
        assert (judged.layers, judged.carrier_grade) == (0, False)
        assert path[0].address == "192.0.2.1"
        assert path[0].place == "router"


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (plain(), 1500),
        (plain(mtu=1400), 1400),
        (plain(mtu=1400, mtu_icmp=False), 1400),
        (plain(mtu=1433, mtu_icmp=False), 1433),
        (plain(mtu=1433), 1433),
        (plain(mtu=1492, mtu_icmp=False, loss_percent=10), 1492),
        (plain(loss_percent=10), 1500),
    ],
    ids=["ethernet", "told", "black-hole", "odd-black-hole", "odd-told", "lossy", "lossy-ethernet"],
)
def test_path_mtu(network: Network, expected: int) -> None:
    with observed(network, path_mtu.run) as facts:
        judged, _ = route.judge(facts, TRANSLATED)
        found = judged.path_mtu
        assert found == expected or (network.loss_percent and found is None), facts.path_mtu


@pytest.mark.parametrize(
    ("network", "whole", "backwards"),
    [
        (plain(), "pass", "pass"),
        (plain(fragments="dropped"), "dropped", "unknown"),
        (plain(fragments="in-order"), "pass", "dropped"),
        (plain(loss_percent=10), "pass", "pass"),
        (plain(fragments="dropped", loss_percent=10), "dropped", "unknown"),
    ],
    ids=["pass", "dropped", "in-order", "lossy", "lossy-dropped"],
)
def test_fragments(network: Network, whole: str, backwards: str) -> None:
    with observed(network, fragments.run) as facts:
        judged, _ = route.judge(facts, TRANSLATED)
        allowed = ("unknown",) if network.loss_percent else ()
        assert judged.fragments in (whole, *allowed), facts.fragments
        assert judged.fragments_out_of_order in (backwards, *allowed), facts.fragments
        assert {f.direction for f in facts.fragments} == {"outbound", "both"}
        causes = [c.cause for c in route.clues(facts, judged)]
        assert ("fragments-dropped" in causes) == (judged.fragments == "dropped")


def test_icmp_errors_come_back() -> None:
    with observed(plain(), icmp_errors.run) as facts:
        assert route.judge(facts, TRANSLATED)[0].icmp_errors is True, facts.icmp_errors


def test_a_routers_own_refusal_is_not_the_servers() -> None:
    refuse = reject_with_icmp("udp", "33434-33533", code="port-unreachable")
    with observed(plain(firewall=(refuse,)), icmp_errors.run) as facts:
        assert route.judge(facts, TRANSLATED)[0].icmp_errors is None, facts.icmp_errors


def test_silence_about_a_closed_port_stays_unknown() -> None:
    def before(lab: Lab) -> None:
        lab.nft(
            "server",
            "add table inet quiet\n"
            "add chain inet quiet out { type filter hook output priority 0; }\n"
            "add rule inet quiet out icmp type destination-unreachable drop",
        )

    with observed(plain(), icmp_errors.run, before=before) as facts:
        assert route.judge(facts, TRANSLATED)[0].icmp_errors is None, facts.icmp_errors


IPV6 = plain(ipv4=False, ipv6=True)


def test_hops_and_sizes_over_ipv6() -> None:
    def before(lab: Lab) -> None:
        lab.router_rule(drop("tcp", BLOCKED), drop("udp", BLOCKED))

    with observed(IPV6, *BREAKS, path_mtu.run, icmp_errors.run, before=before) as facts:
        for transport in ("tcp", "udp"):
            found = route.breaks_at(facts, transport, BLOCKED)
            assert found is not None, facts.hops
            assert found[:2] == ("router", IPV6.router), facts.hops
        judged, path = route.judge(facts, Nat(present=False))
        assert [h.place for h in path] == ["router", "beyond", "server"]
        assert judged.path_mtu == 1500
        assert judged.icmp_errors is True


def test_fragments_over_ipv6() -> None:
    with observed(IPV6, fragments.run) as facts:
        judged, _ = route.judge(facts, Nat(present=False))
        assert (judged.fragments, judged.fragments_out_of_order) == ("pass", "unknown")


UNPRIVILEGED = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
AS_A_USER = """
import asyncio, sys
from netcheck.diagnosis import route
from probes.nat import fragments, hops
from probes.wire.link import parse
from tests.netcheck.checking import session_with

async def main():
    async with session_with(parse(sys.argv[1])) as session:
        found = await hops.run(session, "open", "tcp", session.server_address, 8463)
        print(*(hop.address for hop in found.hops))
        for each in await fragments.run(session):
            print(each.order, each.direction, each.answered > 0, each.untested)

asyncio.run(main())
"""


def test_a_user_without_privileges_sees_the_same_but_makes_no_packets_by_hand() -> None:
    with Lab(plain()) as lab, served(lab) as (_, link):
        done = lab.run("client", (*UNPRIVILEGED, sys.executable, "-c", AS_A_USER, link))
    assert done.stdout.splitlines() == [
        "192.168.77.1 203.0.113.1 198.51.100.5",
        "in-order outbound True ",
        "out-of-order outbound False this user may not make packets by hand",
        "in-order both True ",
    ], done.stderr
