"""Rules people put on routers, as nftables text for `Network.firewall` and `Lab.router_rule`.

`ports` are destination ports of the packet; "out" is a packet the LAN sends, "in" one it would
get, "both" is either. Answers to a connection carry its ports the other way round.
"""

from __future__ import annotations

from typing import Literal

from tests.lab.description import Direction, Ports, Protocol

Icmp = Literal["port-unreachable", "admin-prohibited", "host-unreachable", "no-route"]

_FROM = {"out": 'iifname "lan" ', "in": 'iifname "wan" ', "both": ""}


def port_set(ports: Ports) -> str:
    """`ports` as an nftables set."""
    several = ports if isinstance(ports, tuple) else (ports,)
    return "{ " + ", ".join(str(each) for each in several) + " }"


def _match(protocol: Protocol, ports: Ports | None, direction: Direction) -> str:
    which = f"{protocol} dport {port_set(ports)}" if ports else f"meta l4proto {protocol}"
    return _FROM[direction] + which


def drop(protocol: Protocol, ports: Ports | None = None, direction: Direction = "out") -> str:
    """Silence. Without `ports`: the whole protocol."""
    return _match(protocol, ports, direction) + " drop"


def reject_with_reset(ports: Ports | None = None, direction: Direction = "out") -> str:
    """TCP refused as if the far end had done it."""
    return _match("tcp", ports, direction) + " reject with tcp reset"


def reject_with_icmp(
    protocol: Protocol,
    ports: Ports | None = None,
    direction: Direction = "out",
    code: Icmp = "admin-prohibited",
) -> str:
    """Refused by the router with an ICMP message (RFC 1812 section 5.2.7.1), on both families."""
    return _match(protocol, ports, direction) + f" reject with icmpx type {code}"


def drop_udp_replies() -> str:
    """UDP leaves and nothing comes back."""
    return drop("udp", direction="in")


def only_ports(
    protocol: Protocol, ports: Ports, direction: Direction = "out", besides: Ports = ()
) -> str:
    """Of the ports 1024-65535 only `ports` and `besides` can be called; answers always pass."""
    several = (ports if isinstance(ports, tuple) else (ports,)) + (
        besides if isinstance(besides, tuple) else (besides,)
    )
    called = f"ct direction original {protocol} dport 1024-65535"
    return f"{_FROM[direction]}{called} {protocol} dport != {port_set(several)} drop"


def drop_icmp_errors() -> str:
    """No router and no host outside can tell the LAN why a packet was lost (RFC 5508 REQ-3)."""
    return f"{_FROM['in']}icmp type {{ destination-unreachable, time-exceeded }} drop"


def drop_source_ports(protocol: Protocol, ports: Ports) -> str:
    """Packets the LAN sends from `ports` vanish."""
    return f'iifname "lan" {protocol} sport {port_set(ports)} drop'


def drop_address(address: str) -> str:
    """Packets to one destination vanish."""
    return f"{'ip6' if ':' in address else 'ip'} daddr {address} drop"


def drop_longer_than(octets: int, direction: Direction = "out") -> str:
    """Packets above `octets` vanish without an ICMP message: a path MTU black hole (RFC 2923)."""
    return _FROM[direction] + f"meta length > {octets} drop"


def overwrite_udp_payload(ports: Ports, direction: Direction = "out") -> str:
    """The first 4 octets of the payload of datagrams from or to the server's `ports` become "LAB!".

    For "in" the server's port is the source.
    """
    if direction == "both":
        raise ValueError("one rule alters one direction")
    end = "dport" if direction == "out" else "sport"
    return f"{_FROM[direction]}udp {end} {port_set(ports)} @th,64,32 set {0x4C414221:#x}"
