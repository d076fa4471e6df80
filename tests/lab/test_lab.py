"""The lab is what it says: each promise of a `Network` is seen by real sockets."""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import sys
import time
from contextlib import suppress

import pytest

from tests.lab import topology
from tests.lab.description import CARRIER_WAN, CLIENT_V6, PUBLIC, SERVER, SERVER_2
from tests.lab.network import Forward, Lab, Network
from tests.lab.traffic import PATIENCE_S, PORT, SILENCE_S, connect, pair, plain, silent, udp

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")


# who is seen where


@pytest.mark.parametrize(
    "network",
    [
        plain(),
        plain(carrier=True),
        plain(nat=False),
        plain(nat=False, carrier=True),
        plain(other=True, ipv6=True),
        plain(rtt_ms=5),
    ],
    ids=str,
)
def test_server_sees_the_public_address(network: Network) -> None:
    with Lab(network) as lab, pair(lab) as ends:
        assert ends.exchange() == (network.public, b"hello", b"hello")


def test_addresses_of_the_kinds_of_network() -> None:
    assert plain().public == plain(carrier=True).public == "203.0.113.2"
    assert plain(nat=False).public == plain(nat=False).client == "192.0.2.2"
    assert plain(ipv4=False, ipv6=True).public == CLIENT_V6


@pytest.mark.parametrize("carrier", [False, True])
@pytest.mark.parametrize("ipv4", [False, True])
def test_ipv6_is_not_translated(ipv4: bool, carrier: bool) -> None:
    with (
        Lab(plain(ipv4=ipv4, ipv6=True, carrier=carrier, rtt_ms=2)) as lab,
        pair(lab, v6=True) as ends,
    ):
        assert ends.exchange()[0] == CLIENT_V6


def test_a_family_that_is_off_has_no_address() -> None:
    with Lab(plain(ipv4=False, ipv6=True)) as lab:
        assert "inet " not in lab.run("client", ["ip", "address", "show", "eth0"]).stdout
    with Lab(plain(ipv6=False)) as lab:
        assert "inet6" not in lab.run("client", ["ip", "address", "show", "eth0"]).stdout


@pytest.mark.parametrize("mapping", ["preserve", "random"])
def test_mapping_by_destination(mapping: str) -> None:
    with (
        Lab(plain(mapping=mapping)) as lab,
        pair(lab) as ends,
        lab.inside("server"),
        udp(SERVER_2, PORT) as second,
    ):
        ends.client.sendto(b"", (SERVER, PORT))
        ends.client.sendto(b"", (SERVER_2, PORT))
        ports = {ends.server.recvfrom(1)[1][1], second.recvfrom(1)[1][1]}
        own = ends.client.getsockname()[1]
    assert (ports == {own}) if mapping == "preserve" else (len(ports) == 2)


def test_udp_mapping_expires() -> None:
    with Lab(plain(udp_timeout_s=1)) as lab, pair(lab) as ends:
        ends.client.sendto(b"", ends.address)
        _, source = ends.server.recvfrom(1)
        ends.server.sendto(b"soon", source)
        assert ends.client.recv(10) == b"soon"
        time.sleep(1.2)  # the lifetime itself is what is tested, and 1 s is the shortest there is
        ends.server.sendto(b"late", source)
        assert silent(ends.client)


# inbound


def test_forwards_lead_to_the_client_and_to_another_host() -> None:
    forwards = (Forward("tcp", "6891-6900"), Forward("tcp", 1720, to="other"))
    with Lab(plain(forwards=forwards, other=True)) as lab:
        lab.accepting("client", [6891, 6901], "client")
        lab.accepting("other", [1720], "other")
        assert connect(lab, "server", PUBLIC, 6891) == b"client"
        assert connect(lab, "server", PUBLIC, 1720) == b"other"
        with pytest.raises(TimeoutError):
            connect(lab, "server", PUBLIC, 6901, timeout=SILENCE_S)
        with pytest.raises(ConnectionRefusedError):  # no hairpinning: it is the router itself
            connect(lab, "client", PUBLIC, 6891)


def test_hairpin() -> None:
    with Lab(plain(forwards=(Forward("tcp", 80),), hairpin=True, other=True)) as lab:
        lab.accepting("client", [80], "client")
        assert connect(lab, "other", PUBLIC, 80) == b"client"
        assert connect(lab, "client", PUBLIC, 80) == b"client"
        assert connect(lab, "server", PUBLIC, 80) == b"client"


def test_a_carrier_in_front_stops_the_forwards() -> None:
    with Lab(plain(carrier=True, forwards=(Forward("tcp", 80),))) as lab:
        lab.accepting("client", [80], "client")
        assert connect(lab, "carrier", CARRIER_WAN, 80) == b"client"
        with pytest.raises(TimeoutError):
            connect(lab, "server", PUBLIC, 80, timeout=SILENCE_S)


def test_forwarding_every_udp_port_is_a_full_cone() -> None:
    with (
        Lab(plain(forwards=(Forward("udp", "1-65535"),))) as lab,
        pair(lab) as ends,
        lab.inside("server"),
        udp(SERVER_2) as stranger,
    ):
        ends.client.sendto(b"", ends.address)
        _, source = ends.server.recvfrom(1)
        stranger.sendto(b"stranger", source)
        assert ends.client.recv(10) == b"stranger"


@pytest.mark.parametrize("policy", ["drop", "reject", "accept"])
def test_router_input(policy: str) -> None:
    with Lab(plain(router_input=policy)) as lab:
        lab.accepting("router", [80], "router")
        for port in (80, 81):
            if policy == "drop":
                with pytest.raises(TimeoutError):
                    connect(lab, "server", PUBLIC, port, timeout=SILENCE_S)
            elif policy == "accept" and port == 80:
                assert connect(lab, "server", PUBLIC, port) == b"router"
            else:
                with pytest.raises(ConnectionRefusedError):
                    connect(lab, "server", PUBLIC, port)


@pytest.mark.parametrize("policy", ["drop", "reject", "accept"])
def test_inbound_to_routed_hosts(policy: str) -> None:
    network = plain(nat=False, ipv6=True, inbound=policy)
    with Lab(network) as lab:
        lab.accepting("client", [80], "client")
        for address in (network.client, CLIENT_V6):
            if policy == "drop":
                with pytest.raises(TimeoutError):
                    connect(lab, "server", address, 80, timeout=SILENCE_S)
            elif policy == "accept":
                assert connect(lab, "server", address, 80) == b"client"
            else:
                with pytest.raises(ConnectionRefusedError):
                    connect(lab, "server", address, 80)


# time and loss


@pytest.mark.parametrize("v6", [False, True])
def test_round_trip_time(v6: bool) -> None:
    with Lab(plain(rtt_ms=50, ipv6=True)) as lab, pair(lab, v6=v6) as ends:
        times = []
        for _ in range(10):
            start = time.perf_counter()
            ends.exchange()
            times.append(1000 * (time.perf_counter() - start))
    assert statistics.median(times) == pytest.approx(50, rel=0.2)
    assert min(times) >= 49


def test_delayed_link_keeps_a_burst_in_order() -> None:
    with Lab(plain(rtt_ms=20)) as lab, pair(lab) as ends:
        # 200 fit the receive buffers the kernel gives an unprivileged program
        for number in range(200):
            ends.client.sendto(number.to_bytes(2, "big"), ends.address)
        got = [int.from_bytes(ends.server.recv(10), "big") for _ in range(200)]
    assert got == list(range(200))


def test_delayed_link_carries_bulk_data_intact() -> None:
    data = os.urandom(4 << 20)
    with Lab(plain(rtt_ms=4)) as lab:
        with lab.inside("server"):
            listener = socket.create_server((SERVER, 80))
        with lab.inside("client"):
            client = socket.create_connection((SERVER, 80), timeout=PATIENCE_S)
        server, _ = listener.accept()
        with listener, client, server:
            received, sent = bytearray(), memoryview(data)
            client.setblocking(False)
            server.settimeout(PATIENCE_S)
            while len(received) < len(data):
                with suppress(BlockingIOError):
                    sent = sent[client.send(sent[: 1 << 18]) :] if sent else sent
                received += server.recv(1 << 20)
    assert received == data


def _lost(lab: Lab, count: int) -> tuple[int, int]:
    """Of `count` datagrams each: how many were lost on the way there, and on the way back."""
    lost = []
    with pair(lab) as ends:
        ends.server.settimeout(SILENCE_S)
        ends.client.sendto(b"", ends.address)
        try:
            _, back = ends.server.recvfrom(1)
        except TimeoutError:
            back = (PUBLIC, ends.client.getsockname()[1])
        for source, sink, target in (
            (ends.client, ends.server, ends.address),
            (ends.server, ends.client, back),
        ):
            sink.setblocking(False)
            missing = 0
            for number in range(count):
                source.sendto(number.to_bytes(2, "big"), target)
                # without delay the datagram is there when sendto returns, or never
                try:
                    sink.recv(10)
                except BlockingIOError:
                    missing += 1
            lost.append(missing)
    return lost[0], lost[1]


def test_loss_each_way() -> None:
    with Lab(plain(loss_percent=10)) as lab:
        # 1000 trials of 0.1: mean 100, standard deviation 9.5; five of them is one in 2 million
        for lost in _lost(lab, 1000):
            assert 52 <= lost <= 148
        lab.set_loss(0)
        assert _lost(lab, 1000) == (0, 0)


# the plan, without a kernel


def test_creation_names_every_node_once() -> None:
    plan = topology.plan(plain(carrier=True, other=True, ipv6=True, rtt_ms=1))
    text = plan.creation("x-")
    assert [line for line in text.splitlines() if line.startswith("netns")] == [
        f"netns add x-{node}" for node in plan.nodes
    ]
    assert shutil.which("nft"), "the nftables package is missing"


def test_a_network_without_addresses_is_refused() -> None:
    with pytest.raises(ValueError, match="IPv4 or IPv6"):
        plain(ipv4=False, ipv6=False)
