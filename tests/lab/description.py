"""The networks a scenario can ask for, as data.

client -- (lan) router (wan) -- [carrier] -- internet -- [delay] -- server
other  --/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Node = Literal["client", "other", "router", "carrier", "internet", "server"]
Protocol = Literal["tcp", "udp"]
Policy = Literal["drop", "accept", "reject"]
Direction = Literal["out", "in", "both"]
Ports = int | str | tuple[int | str, ...]
"""One port, a range as nftables writes it ("6891-6900"), or several of these."""

# RFC 5737 and RFC 3849 documentation blocks play the public Internet, RFC 6598 the carrier's
# shared space.
SERVER = "198.51.100.5"
SERVER_2 = "198.51.100.6"
SERVER_V6 = "2001:db8:51::5"
SERVER_2_V6 = "2001:db8:51::6"
PUBLIC = "203.0.113.2"
RESOLVER = "203.0.113.1"
RESOLVER_V6 = "2001:db8:203::1"
CARRIER_WAN = "100.64.0.2"
CLIENT_V6 = "2001:db8:77::2"
OTHER_V6 = "2001:db8:77::3"
ROUTER_V6 = "2001:db8:77::1"
PROXY_PORT = 8888
PROXY_CONNECT_PORTS = (443, 8463)


@dataclass(frozen=True)
class Forward:
    """A port forwarding on the router: `ports` of its WAN address lead to a host of the LAN.

    All UDP ports to the client make the filtering endpoint-independent (RFC 4787 section 5).
    """

    protocol: Protocol
    ports: Ports
    to: Literal["client", "other"] = "client"


@dataclass(frozen=True)
class Dns:
    """What the network's resolver knows and how it behaves; other names are NXDOMAIN.

    `hosts` gives the addresses of a name (both families), `services` the SRV records of a name
    as (priority, weight, port, target). `hijack_to` answers each unknown name with that address.
    """

    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    services: Mapping[str, tuple[tuple[int, int, int, str], ...]] = field(default_factory=dict)
    mode: Literal["answer", "servfail", "silent"] = "answer"
    hijack_to: str | None = None


@dataclass(frozen=True)
class Transparent:
    """A middlebox on the router that takes over the TCP connections the LAN makes to `ports`.

    `answer` sends an HTTP 400 page to whatever arrives, `swallow` reads and says nothing,
    `alter` relays to the true destination and alters the bytes of `direction`: each occurrence
    of `replace[0]` becomes `replace[1]`; without `replace`, `upper` makes ASCII letters capitals
    and `xor` flips the lowest bit of every byte.
    """

    ports: Ports
    action: Literal["answer", "alter", "swallow"]
    direction: Direction = "both"
    alteration: Literal["upper", "xor"] = "upper"
    replace: tuple[bytes, bytes] | None = None


@dataclass(frozen=True)
class Network:
    """A network, from the client to the server.

    `nat` False gives the LAN public addresses. `mapping` "random" takes a new port for each
    destination (RFC 4787: address and port-dependent). `inbound` is what the router does with
    connections from outside to hosts of the LAN, by default "drop" behind NAT and "accept"
    without; `router_input` with those to its own WAN address. `firewall` are rules in front of
    everything else the router forwards (see firewall.py). `udp_timeout_s` is the lifetime of a
    UDP mapping in seconds. `loss_percent` drops packets between the router and the server, in
    each direction alike; the resolver is before that point.
    """

    nat: bool = True
    mapping: Literal["preserve", "random"] = "preserve"
    hairpin: bool = False
    carrier: bool = False
    forwards: tuple[Forward, ...] = ()
    inbound: Policy | None = None
    router_input: Policy = "drop"
    firewall: tuple[str, ...] = ()
    udp_timeout_s: int | None = None
    rtt_ms: float = 0
    loss_percent: float = 0
    ipv4: bool = True
    ipv6: bool = False
    other: bool = False
    http_proxy: bool = False
    dns: Dns | None = Dns()
    transparent: tuple[Transparent, ...] = ()

    def __post_init__(self) -> None:
        if not (self.ipv4 or self.ipv6):
            raise ValueError("a network needs IPv4 or IPv6")

    @property
    def lan_v4(self) -> str:
        """The first three octets of the LAN."""
        return "192.168.77" if self.nat else "192.0.2"

    @property
    def client(self) -> str:
        """The client's own address: IPv4 where the network has it, otherwise IPv6."""
        return f"{self.lan_v4}.2" if self.ipv4 else CLIENT_V6

    @property
    def other_host(self) -> str:
        return f"{self.lan_v4}.3" if self.ipv4 else OTHER_V6

    @property
    def router(self) -> str:
        """The router's address in the LAN."""
        return f"{self.lan_v4}.1" if self.ipv4 else ROUTER_V6

    @property
    def router_wan(self) -> str:
        """The router's own IPv4 address on its WAN side."""
        return CARRIER_WAN if self.carrier else PUBLIC

    @property
    def public(self) -> str:
        """The client's address as the server sees it."""
        return PUBLIC if self.ipv4 and (self.nat or self.carrier) else self.client

    @property
    def server(self) -> str:
        return SERVER if self.ipv4 else SERVER_V6

    @property
    def server_2(self) -> str:
        return SERVER_2 if self.ipv4 else SERVER_2_V6

    @property
    def resolver(self) -> str:
        return RESOLVER if self.ipv4 else RESOLVER_V6

    @property
    def http_proxy_url(self) -> str:
        host = self.router if self.ipv4 else f"[{self.router}]"
        return f"http://{host}:{PROXY_PORT}"

    @property
    def inbound_policy(self) -> Policy:
        return self.inbound or ("drop" if self.nat else "accept")
