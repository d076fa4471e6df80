"""Each NAT of the lab is of the class it is named after, as plain sockets see it."""

from __future__ import annotations

import sys
import time
from typing import Any, get_args

import pytest

from tests.lab.description import (
    PUBLIC_POOL,
    Behaviour,
    Masquerade,
    NatMapping,
    Network,
    Policy,
    Protocol,
)
from tests.lab.network import Lab
from tests.lab.observed import FIRST, OTHER_ADDRESS, watching
from tests.lab.traffic import SILENCE_S, pair, plain, silent

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")


@pytest.mark.parametrize("filtering", BEHAVIOURS)
@pytest.mark.parametrize("mapping", BEHAVIOURS)
def test_mapping_and_filtering(mapping: Behaviour, filtering: Behaviour) -> None:
    with Lab(plain(mapping=mapping, filtering=filtering)) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                # twice each: what the first round leaves in the router must not alter the second
                found = [(watch.mapping(), watch.filtering()) for _ in range(2)]
            assert set(found) == {(mapping, filtering)}, protocol


@pytest.mark.parametrize("mapping", get_args(Masquerade))
def test_masquerade(mapping: Masquerade) -> None:
    by_name: dict[Masquerade, Behaviour] = {"preserve": "endpoint-independent"}
    with Lab(plain(mapping=mapping)) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                assert watch.mapping() == by_name.get(mapping, "address-and-port-dependent")
                assert watch.filtering() == "address-and-port-dependent"
                assert watch.ports().preserved == (mapping == "preserve")


def test_udp_and_tcp_may_differ() -> None:
    network = plain(
        mapping="endpoint-independent",
        filtering="endpoint-independent",
        tcp_mapping="address-and-port-dependent",
        tcp_filtering="address-dependent",
    )
    with Lab(network) as lab:
        with watching(lab, "udp") as udp:
            assert (udp.mapping(), udp.filtering()) == (network.mapping, network.filtering)
        with watching(lab, "tcp") as tcp:
            found = (tcp.mapping(), tcp.filtering())
            assert found == (network.tcp_mapping, network.tcp_filtering)


@pytest.mark.parametrize(
    ("mapping", "policy", "spoiled"),
    [
        ("preserve", "drop", False),
        ("preserve", "accept", True),
        ("endpoint-independent", "accept", False),
    ],
)
def test_an_unsolicited_packet_may_spoil_the_mapping(
    mapping: NatMapping, policy: Policy, spoiled: bool
) -> None:
    """Linux' router that takes the packet for its own holds the endpoint to be in use."""
    with Lab(plain(mapping=mapping, router_input=policy)) as lab, watching(lab, "udp") as watch:
        local = int(watch.client().getsockname()[1])
        before = watch.seen_from(local, FIRST)
        watch.far[OTHER_ADDRESS].sendto(b"unsolicited", before)
        assert (watch.seen_from(local, OTHER_ADDRESS) != before) == spoiled


@pytest.mark.parametrize("hairpin", [False, True])
@pytest.mark.parametrize("mapping", ["preserve", *BEHAVIOURS])
def test_hairpinning(mapping: NatMapping, hairpin: bool) -> None:
    with Lab(plain(mapping=mapping, hairpin=hairpin)) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                assert watch.hairpins() == hairpin, protocol
                assert watch.filtering() == "address-and-port-dependent", protocol


@pytest.mark.parametrize("hairpin", [False, True])
def test_hairpinning_at_the_carrier(hairpin: bool) -> None:
    traits = ("mapping", "filtering", "carrier_mapping", "carrier_filtering")
    open_nats = dict.fromkeys(traits, "endpoint-independent")
    with Lab(plain(carrier=True, carrier_hairpin=hairpin, **open_nats)) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                assert watch.hairpins() == hairpin
                assert (watch.mapping(), watch.filtering()) == ("endpoint-independent",) * 2


@pytest.mark.parametrize(
    ("choice", "preserved", "parity", "contiguous"),
    [
        ("preserved", True, True, True),
        ("contiguous", False, True, True),
        ("parity", False, True, False),
        ("parity-lost", False, False, False),
    ],
)
def test_port_choice(choice: str, preserved: bool, parity: bool, contiguous: bool) -> None:
    with Lab(plain(mapping="endpoint-independent", port_choice=choice)) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                ports = watch.ports()
                found = (ports.preserved, ports.parity, ports.contiguous)
                assert found == (preserved, parity, contiguous)
                assert watch.mapping() == "endpoint-independent"


@pytest.mark.parametrize("pooling", ["paired", "arbitrary"])
def test_pooling(pooling: str) -> None:
    network = plain(mapping="endpoint-independent", public_addresses=4, pooling=pooling)
    assert network.publics == PUBLIC_POOL
    with Lab(network) as lab:
        for protocol in PROTOCOLS:
            with watching(lab, protocol) as watch:
                used = watch.ports().addresses
                assert len(used) == 1 if pooling == "paired" else used == set(PUBLIC_POOL)
                # the address is a part of the mapping: it stays whatever the destination
                assert watch.mapping() == "endpoint-independent"
                assert watch.filtering() == "address-and-port-dependent"


# lifetimes; the shortest there is takes 1 s, and it is what is tested


def test_a_mapping_of_its_own_expires() -> None:
    network = plain(mapping="address-dependent", filtering="endpoint-independent", udp_timeout_s=1)
    with Lab(network) as lab, watching(lab, "udp") as watch:
        sock = watch.client()
        local = int(sock.getsockname()[1])
        before = watch.seen_from(local, FIRST)
        time.sleep(1.2)
        watch.far[OTHER_ADDRESS].sendto(b"late", before)
        assert silent(sock)
        assert watch.seen_from(local, FIRST) != before


@pytest.mark.parametrize("mapping", ["preserve", "endpoint-independent"])
@pytest.mark.parametrize("inbound_refresh", [True, False])
def test_which_packets_renew_a_mapping(mapping: NatMapping, inbound_refresh: bool) -> None:
    network = plain(mapping=mapping, udp_timeout_s=1, inbound_refresh=inbound_refresh)
    with Lab(network) as lab, pair(lab) as ends:
        ends.client.sendto(b"", ends.address)
        source = ends.server.recvfrom(1)[1]
        arrived = []
        for _ in range(3):
            time.sleep(0.6)
            ends.server.sendto(b"in", source)
            arrived.append(not silent(ends.client))
        assert arrived == ([True, True, True] if inbound_refresh else [True, False, False])


def test_an_idle_tcp_connection_expires() -> None:
    with Lab(plain(tcp_timeout_s=1)) as lab, watching(lab, "tcp") as watch:
        sock = watch.client()
        sock.connect(FIRST)
        accepted, _ = watch.far[FIRST].accept()
        with accepted:
            accepted.settimeout(SILENCE_S)
            sock.send(b"soon")
            assert accepted.recv(10) == b"soon"
            time.sleep(1.2)
            sock.send(b"late")
            with pytest.raises(TimeoutError):
                accepted.recv(10)


# descriptions that make no sense


@pytest.mark.parametrize(
    ("how", "what"),
    [
        ({"mapping": "random", "port_choice": "parity"}, "port_choice"),
        ({"public_addresses": 2}, "several public addresses"),
        ({"public_addresses": 5}, "1 to 4"),
        ({"jitter_ms": 1}, "rtt_ms"),
        ({"inbound_refresh": False}, "lifetime"),
        ({"miniupnpd": True, "nat": False}, "miniupnpd"),
    ],
)
def test_a_contradiction_is_refused(how: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        Network(**how)
