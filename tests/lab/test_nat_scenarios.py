"""The truth that each NAT scenario states is what plain sockets see in its network."""

from __future__ import annotations

import dataclasses
import socket
import statistics
import struct
import sys
import time
import urllib.request
from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.lab import gateway, observed_path, topology
from tests.lab.description import CLIENT_V6, PUBLIC_OF_GATEWAY, SERVER, Dns, Protocol
from tests.lab.nat_scenarios import (
    MEDIA_SCENARIOS,
    NAT_SCENARIOS,
    MediaScenario,
    NatScenario,
    NatTruth,
    Range,
)
from tests.lab.network import Lab, Network
from tests.lab.observed import watching
from tests.lab.traffic import PATIENCE_S, pair, silent, udp

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

BY_NAME = {each.name: each for each in NAT_SCENARIOS}
# Silence takes its time: not asked of each network that has no rule for hairpinning.
WITHOUT_HAIRPIN = {"masquerade", "ei-mapping-ei-filtering", "carrier-open", "double-nat"}
PLAIN = BY_NAME["masquerade"].truth


def named(each: NatScenario | MediaScenario) -> str:
    return each.name


def without_resolver(network: Network) -> Lab:
    return Lab(dataclasses.replace(network, dns=None))


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(NAT_SCENARIOS)


@pytest.mark.parametrize("scenario", NAT_SCENARIOS, ids=named)
def test_loss_changes_nothing_else(scenario: NatScenario) -> None:
    lossless, lossy = (
        topology.plan(dataclasses.replace(scenario.network, loss_percent=percent))
        for percent in (0, 10)
    )
    assert lossy.links == lossless.links
    assert "numgen random mod 1000 < 100 drop" in lossy.nodes.pop("internet").rules
    lossless.nodes.pop("internet")
    assert lossy.nodes == lossless.nodes


@pytest.mark.parametrize("scenario", NAT_SCENARIOS, ids=named)
def test_translation(scenario: NatScenario) -> None:
    truth, client = scenario.truth, scenario.network.client
    udp_gets_through = truth.udp_answers and truth.udp_open
    protocols: list[Protocol] = ["tcp", "udp"] if udp_gets_through else ["tcp"]
    with without_resolver(scenario.network) as lab:
        for protocol in protocols:
            with watching(lab, protocol) as watch:
                ports = watch.ports()
                behaviour = (watch.mapping(), watch.filtering())
                if protocol == "udp":
                    assert behaviour == (truth.mapping, truth.filtering)
                else:
                    assert behaviour == (truth.tcp_mapping, truth.tcp_filtering)
                if truth.mapping == truth.tcp_mapping or protocol == "udp":
                    found = (ports.preserved, ports.parity, ports.contiguous)
                    assert found == (
                        truth.port_preservation,
                        truth.port_parity,
                        truth.port_contiguity,
                    )
                assert (client not in ports.addresses) == truth.present
                if truth.hairpin or scenario.name in WITHOUT_HAIRPIN:
                    assert watch.hairpins() == truth.hairpin
                if protocol == "tcp" and truth.simultaneous_open is not None:
                    assert watch.opens_simultaneously() == truth.simultaneous_open
                everywhere = truth.pooling == "arbitrary"
                assert ports.addresses <= set(truth.public_addresses)
                assert (len(ports.addresses) > 1) == everywhere


ON_THE_PATH = (
    *("fragments", "fragments_out_of_order", "path_mtu", "mtu_told", "hops", "icmp_errors"),
    *("tcp_unsolicited", "udp_open", "tcp_open"),
)


def differs_on_the_path(truth: NatTruth) -> bool:
    return any(getattr(truth, name) != getattr(PLAIN, name) for name in ON_THE_PATH)


@pytest.mark.parametrize(
    "scenario",
    [
        each
        for each in NAT_SCENARIOS
        if each.name == "masquerade" or differs_on_the_path(each.truth)
    ],
    ids=named,
)
def test_path(scenario: NatScenario) -> None:
    truth = scenario.truth
    with without_resolver(scenario.network) as lab:
        assert observed_path.unsolicited_syn(lab) == truth.tcp_unsolicited
        edges(lambda port: observed_path.accepts(lab, port), truth.tcp_open)
        edges(lambda port: observed_path.passes(lab, port), truth.udp_open)
        if truth.udp_open != PLAIN.udp_open:
            return  # the rest needs datagrams to a port of its own
        # Only a router that answers is one: the server is behind the last.
        seen = tuple(observed_path.hop(lab, ttl) for ttl in range(1, len(truth.hops) + 1))
        assert seen == truth.hops
        assert observed_path.port_unreachable(lab) == truth.icmp_errors
        for node in ("client", "server"):
            for in_order, state in (
                (True, truth.fragments),
                (False, truth.fragments_out_of_order),
            ):
                arrived = observed_path.fragments_arrive(lab, in_order=in_order, node=node)
                assert arrived == (state == "pass"), (node, in_order)
        for to_client in (False, True):
            assert observed_path.fits(lab, truth.path_mtu, to_client=to_client)
        if truth.path_mtu < 1500:
            for to_client in (False, True):
                assert not observed_path.fits(lab, truth.path_mtu + 1, to_client=to_client)
            assert observed_path.mtu_told(lab) == (truth.path_mtu if truth.mtu_told else 1500)


def edges(passes: Callable[[int], bool], ranges: tuple[Range, ...]) -> None:
    """The first and last port of each range pass, and their neighbours outside do not."""
    for low, high in ranges:
        for port in (low, high):
            assert passes(port), port
        for port in (low - 1, high + 1):
            if 1024 <= port <= 65535:
                assert not passes(port), port
    if not ranges:
        assert not passes(20000)


def test_a_firewall_of_ranges_for_calls_from_outside() -> None:
    scenario = BY_NAME["only-in-16384-32767"]
    with without_resolver(scenario.network) as lab, lab.inside("server"), udp(SERVER) as caller:
        with lab.inside("client"):
            outside = udp(scenario.network.client, 40000)

        def passes(port: int) -> bool:
            with lab.inside("client"):
                target = udp(scenario.network.client, port)
            with target:
                caller.sendto(b"in", target.getsockname())
                return not silent(target)

        assert scenario.truth.udp_open_in is not None
        edges(passes, scenario.truth.udp_open_in)
        with outside, udp(SERVER, 20000) as called:
            outside.sendto(b"out", (SERVER, 20000))
            called.sendto(b"answer", called.recvfrom(10)[1])
            assert outside.recv(10) == b"answer"


def test_udp_that_is_blocked_one_way() -> None:
    with without_resolver(BY_NAME["udp-blocked-inbound"].network) as lab, pair(lab) as ends:
        ends.client.sendto(b"out", ends.address)
        _, source = ends.server.recvfrom(10)
        ends.server.sendto(b"in", source)
        assert silent(ends.client)


@pytest.mark.parametrize(
    "scenario",
    [each for each in NAT_SCENARIOS if each.truth.binding_lifetime_s or each.truth.tcp_lifetime_s],
    ids=named,
)
def test_lifetimes_are_the_kernels(scenario: NatScenario) -> None:
    """That they are kept is shown with a lifetime of 1 s in test_nat_classes.py."""
    settings = {
        "udp_timeout": scenario.truth.binding_lifetime_s,
        "udp_timeout_stream": scenario.truth.binding_lifetime_s,
        "tcp_timeout_established": scenario.truth.tcp_lifetime_s,
    }
    with without_resolver(scenario.network) as lab:
        for name, value in settings.items():
            if value is not None:
                said = lab.run("router", ["sysctl", "-n", f"net.netfilter.nf_conntrack_{name}"])
                assert int(said.stdout) == value
        tables = lab.run("router", ["nft", "list", "maps"]).stdout
        if "ei-mapping" in scenario.name:
            assert f"timeout {scenario.truth.binding_lifetime_s}s" in tables


# port mapping protocols


def test_miniupnpd_claims_the_address_and_maps_what_it_is_asked_to() -> None:
    with without_resolver(BY_NAME["miniupnpd"].network) as lab:
        router = lab.network.router
        with lab.inside("client"), udp("0.0.0.0") as sock, udp("0.0.0.0", 6901) as mapped:
            sock.sendto(bytes(2), (router, 5351))  # RFC 6886 section 3.2
            answer = sock.recv(100)
            assert (answer[:4], socket.inet_ntoa(answer[8:12])) == (
                b"\x00\x80\x00\x00",
                PUBLIC_OF_GATEWAY,
            )
            own = b"\xff\xff" + socket.inet_aton(lab.network.client)
            sock.sendto(b"\x02" + bytes(17) + own, (router, 5351))  # RFC 6887 section 14.1
            assert sock.recv(100)[:4] == b"\x02\x80\x00\x00"
            url = f"http://{router}:{gateway.HTTP_PORT}/rootDesc.xml"
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as page:
                assert b"InternetGatewayDevice" in page.read()
            with lab.inside("server"), udp(SERVER) as caller:
                caller.sendto(b"early", (PUBLIC_OF_GATEWAY, 6901))
                assert silent(mapped)
                sock.sendto(struct.pack("!BBHHHI", 0, 1, 0, 6901, 6901, 600), (router, 5351))
                assert sock.recv(100)[2:4] == b"\x00\x00"
                caller.sendto(b"called", (PUBLIC_OF_GATEWAY, 6901))
                assert mapped.recv(10) == b"called"


def test_miniupnpd_knows_no_address_behind_a_carrier() -> None:
    network = BY_NAME["miniupnpd-behind-a-carrier"].network
    with without_resolver(network) as lab, lab.inside("client"), udp("0.0.0.0") as sock:
        sock.sendto(bytes(2), (lab.network.router, 5351))
        # result 3, "network failure": RFC 6886 section 3.5
        assert sock.recv(100)[:4] == b"\x00\x80\x00\x03"


def test_nat64_is_announced_by_name() -> None:
    with Lab(BY_NAME["nat64-names"].network) as lab:
        code = "import socket; print(socket.getaddrinfo('ipv4only.arpa', 1, socket.AF_INET6))"
        assert "64:ff9b::c000:aa" in lab.run("client", [sys.executable, "-c", code]).stdout


# media

COUNT = 400


def stream(
    source: socket.socket, sink: socket.socket, target: tuple[str, int]
) -> list[tuple[int, float]]:
    """Of COUNT numbered datagrams, 2 ms apart: those that arrive, with their times under way."""
    sent: list[float] = []
    got: list[tuple[int, float]] = []
    sink.settimeout(0.002)

    def collect() -> None:
        try:
            number = int.from_bytes(sink.recv(10), "big")
        except TimeoutError:
            return
        got.append((number, time.monotonic() - sent[number]))

    for number in range(COUNT):
        sent.append(time.monotonic())
        source.sendto(number.to_bytes(2, "big"), target)
        collect()
    deadline = time.monotonic() + 0.3
    while time.monotonic() < deadline:
        collect()
    return got


@pytest.mark.parametrize("scenario", MEDIA_SCENARIOS, ids=named)
def test_media(scenario: MediaScenario) -> None:
    truth = scenario.truth
    with without_resolver(scenario.network) as lab, pair(lab) as ends:
        back = (lab.network.public, ends.client.getsockname()[1])
        there = stream(ends.client, ends.server, ends.address)
        again = stream(ends.server, ends.client, back)
    for got, loss in ((there, truth.loss_out), (again, truth.loss_in)):
        numbers = [number for number, _ in got]
        lost = COUNT - len(set(numbers))
        # five standard deviations of a binomial distribution
        spread = 5 * (COUNT * loss * (1 - loss)) ** 0.5
        assert abs(lost - COUNT * loss) <= spread
        if loss == 1:
            continue
        overtaken = sum(b < a for a, b in pairwise(numbers))
        assert (overtaken > 0) == (truth.reordered > 0)
        assert (len(numbers) > len(set(numbers))) == (truth.duplicated > 0)
        width = statistics.quantiles([way for _, way in got], n=20)
        if truth.jitter_ms:
            assert 1000 * (width[-1] - width[0]) > truth.jitter_ms / 4


# what only topology could break


@pytest.mark.parametrize("carrier", [False, True])
@pytest.mark.parametrize("nat", [False, True])
def test_a_hop_routes_both_families_and_to_the_resolver(carrier: bool, nat: bool) -> None:
    network = Network(
        hop=True, carrier=carrier, nat=nat, ipv6=True, dns=Dns(hosts={"known.test": (SERVER,)})
    )
    with Lab(network) as lab, pair(lab) as v4, pair(lab, v6=True) as v6:
        assert v4.exchange()[0] == network.public
        assert v6.exchange()[0] == CLIENT_V6
        code = "import socket; print(socket.gethostbyname('known.test'))"
        assert SERVER in lab.run("client", [sys.executable, "-c", code]).stdout
