"""How the router hands what the LAN says to the program that rewrites it (pure).

The program stands between two connections with the same addresses and ports, so nobody notices it
by these.  Connection tracking must not see both: the LAN's side is kept from it.  Packets go to
the program instead of on their way by a mark, for which there is a routing table of its own.
"""

from __future__ import annotations

from tests.lab.description import Network, Protocol, Rewriting
from tests.lab.firewall import port_set

PORT = 20079
"""Where the program waits, for TCP and UDP."""

_TABLE = 100
RULES = (f"fwmark {PORT} lookup {_TABLE}",)
ROUTES = (f"local default dev lo table {_TABLE}",)

_DIVERT = f"meta mark set {PORT} accept"
_OPENING = "tcp flags & (syn | ack) == syn"


def ports(rewriting: Rewriting) -> dict[Protocol, str]:
    """The ports of each transport that it looks at, as nftables sets."""
    if rewriting.flavour == "search-and-replace":
        return {"tcp": "1-65535", "udp": "1-65535"}
    return {"tcp": port_set(rewriting.ports)}


def tables(network: Network) -> list[str]:
    """What the program fills: ports of the router's that lead to a host of the LAN."""
    if network.rewriting is None:
        return []
    return [f"map opened_{p} {{ type inet_service : ipv4_addr; }}" for p in ("tcp", "udp")]


def destinations(network: Network) -> list[str]:
    """Rules for the NAT: the ways that the program opened."""
    if network.rewriting is None:
        return []
    return [
        f'iifname "wan" ip daddr {network.router_wan} dnat ip to {p} dport map @opened_{p}'
        for p in ("tcp", "udp")
    ]


def untracked(network: Network) -> list[str]:
    """Rules of a chain in prerouting, before connection tracking."""
    return [f"{match} notrack" for match in _taken(network)]


def diverted(network: Network) -> list[str]:
    """Rules of a chain in prerouting, before the NAT."""
    if network.rewriting is None:
        return []
    known, *openings = _taken(network)
    return [f"{known} {_DIVERT}", *(f"{each} tproxy ip to :{PORT} {_DIVERT}" for each in openings)]


def _taken(network: Network) -> list[str]:
    """Which packets of the LAN: those of a connection that is the program's, and the first ones.

    A host that answers a caller from outside sends to any port, too, but never opens.
    """
    if network.rewriting is None:
        return []
    beyond = f'iifname "lan" ip daddr != {{ {network.router}, {network.router_wan}, 224.0.0.0/3 }}'
    first = {"tcp": f" {_OPENING}", "udp": ""}
    return [
        f"{beyond} meta l4proto tcp socket transparent 1",
        *(f"{beyond} {p} dport {which}{first[p]}" for p, which in ports(network.rewriting).items()),
    ]


def answered(network: Network) -> list[str]:
    """Rules of a chain in output, before connection tracking: what the program tells the LAN."""
    if network.rewriting is None:
        return []
    return [f'oifname "lan" ip saddr != {network.router} meta l4proto {{ tcp, udp }} notrack']


def returned(network: Network) -> list[str]:
    """Rules of a chain in prerouting, after the NAT: what comes back to the program."""
    if network.rewriting is None:
        return []
    return [f'iifname "wan" meta l4proto {{ tcp, udp }} socket transparent 1 {_DIVERT}']
