"""The networks a scenario can ask for, as data.

client -- (lan) router (wan) -- [carrier] -- [hop] -- internet -- [delay] -- server
other  --/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Node = Literal["client", "other", "router", "carrier", "hop", "internet", "server"]
Protocol = Literal["tcp", "udp"]
Policy = Literal["drop", "accept", "reject", "icmp"]
"""`reject` answers TCP with a reset and the rest with ICMP, `icmp` answers all with ICMP."""
Direction = Literal["out", "in", "both"]
Behaviour = Literal["endpoint-independent", "address-dependent", "address-and-port-dependent"]
"""RFC 4787 sections 4.1 and 5, and RFC 5382 sections 4.1 and 4.3."""
Masquerade = Literal["preserve", "random", "fully-random"]
"""What Linux does by itself: see `Network.mapping`."""
NatMapping = Masquerade | Behaviour
PortChoice = Literal["preserved", "contiguous", "parity", "parity-lost"]
"""How an endpoint-independent mapping chooses its port (RFC 4787 section 4.2).

`preserved` keeps it. `contiguous` takes another one of the same parity, and N + 1 for the odd
port after an even one that got N. `parity` keeps even and odd, but breaks up such pairs.
`parity-lost` makes even odd and odd even.
"""
Editor = Literal["ftp", "pptp", "h323", "snmp", "sip", "irc", "tftp", "amanda"]
"""The NAT editors of the kernel: see kernel_editors.py."""
EDITORS: tuple[Editor, ...] = get_args(Editor)
Flavour = Literal["right", "no-way", "wrong-length", "half", "drop", "search-and-replace"]
Fragments = Literal["pass", "in-order", "dropped"]
"""`in-order` loses the fragments that arrive before the first one of their datagram."""
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
PUBLIC_POOL = ("203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5")
PUBLIC_OF_GATEWAY = "192.0.1.2"
"""The public address of a router with miniupnpd, which maps no ports of a documentation address.

RFC 1166 gave this block to a test network. Like all others it does not leave the namespaces.
"""
CARRIER_WAN = "100.64.0.2"
HOP = "203.0.113.254"
HOP_V6 = "2001:db8:203::fe"
CLIENT_V6 = "2001:db8:77::2"
OTHER_V6 = "2001:db8:77::3"
ROUTER_V6 = "2001:db8:77::1"
NAT64_HOSTS = {
    "ipv4only.arpa": ("192.0.0.170", "192.0.0.171", "64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171")
}
"""What a resolver beside a NAT64 with the well-known prefix answers (RFC 7050 section 2.2).

Names alone: the kernel translates between IPv4 and IPv6 only with a module from outside (Jool), so
no lab has a NAT64 that carries packets.
"""
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
class Rewriting:
    """An editor on the router for what the kernel has none for: it looks for the client's address
    in what the LAN says on TCP connections that it made to `ports`, and writes the router's.

    `right` corrects the lengths too, and lets in whoever comes to the address and port, as long as
    the connection lasts. `no-way` lets nobody in. `wrong-length` writes the address in more octets
    than it had, and corrects no length. `half` edits the first address of a connection and none
    of the others. `drop` loses each message that has one in it. `search-and-replace` knows no
    protocol: on all ports, TCP and UDP, it replaces four octets or the text, and nothing else.
    """

    flavour: Flavour
    ports: Ports = (135, 389, 1002, 1863)


@dataclass(frozen=True)
class Network:
    """A network, from the client to the server.

    `nat` False gives the LAN public addresses. `inbound` is what the router does with
    connections from outside to hosts of the LAN, by default "drop" behind NAT and "accept"
    without; `router_input` with those to its own WAN address. `firewall` are rules in front of
    everything else the router forwards (see firewall.py).

    `mapping` "preserve" is Linux' masquerade: it keeps the port, and takes another one for the
    destination where that clashes. "random" and "fully-random" take a new port for each
    destination. A behaviour of RFC 4787 is that one whatever clashes. `filtering` is who may
    send to a mapping; `tcp_mapping` and `tcp_filtering` are as for UDP when not given.
    `port_choice` is for endpoint-independent mapping alone. `hairpin` leads packets of the LAN
    to a mapping of the LAN, whatever the filtering. `pooling` shares out `public_addresses`
    (RFC 4787 section 4.1): to each host one of them, or to each new mapping the next.
    The carrier's NAT has such traits too, named `carrier_...`; its `carrier_space` is shared
    (RFC 6598) or private, as of a second router in the house.

    `editors` are those of the router's NAT, `carrier_editors` those of the carrier's, and
    `rewriting` is one more on the router.

    `udp_timeout_s` and `tcp_timeout_s` are the lifetimes in seconds of a UDP mapping and of an
    idle TCP connection; packets from inside renew a mapping, and those from outside do so if
    `inbound_refresh` is true.

    `hop` is one more router on the way, which does nothing else. `mtu` is that of the
    access link in octets, and `mtu_icmp` False makes it a black hole (RFC 2923).
    `time_exceeded` False drops the ICMP errors that a TTL's end causes. `fragments` is what the
    router does with them. `miniupnpd` offers UPnP IGD, NAT-PMP and PCP on the router.

    `loss_percent` drops packets between the router and the server, in `loss_direction`; the
    resolver is before that point. The delayed link (`rtt_ms` above 0) holds a frame back by up to
    `jitter_ms` more (with `jitter_frames`: only so many of the first ones each way), lets
    `reorder_percent` be overtaken, and doubles `duplicate_percent`.
    """

    nat: bool = True
    mapping: NatMapping = "preserve"
    filtering: Behaviour = "address-and-port-dependent"
    tcp_mapping: NatMapping | None = None
    tcp_filtering: Behaviour | None = None
    port_choice: PortChoice = "preserved"
    hairpin: bool = False
    public_addresses: int = 1
    pooling: Literal["paired", "arbitrary"] = "paired"
    carrier: bool = False
    carrier_mapping: NatMapping = "preserve"
    carrier_filtering: Behaviour = "address-and-port-dependent"
    carrier_hairpin: bool = False
    carrier_space: Literal["shared", "private"] = "shared"
    hop: bool = False
    editors: tuple[Editor, ...] = ()
    carrier_editors: tuple[Editor, ...] = ()
    rewriting: Rewriting | None = None
    forwards: tuple[Forward, ...] = ()
    inbound: Policy | None = None
    router_input: Policy = "drop"
    firewall: tuple[str, ...] = ()
    fragments: Fragments = "pass"
    time_exceeded: bool = True
    mtu: int | None = None
    mtu_icmp: bool = True
    udp_timeout_s: int | None = None
    tcp_timeout_s: int | None = None
    inbound_refresh: bool = True
    rtt_ms: float = 0
    jitter_ms: float = 0
    jitter_frames: int | None = None
    reorder_percent: float = 0
    duplicate_percent: float = 0
    loss_percent: float = 0
    loss_direction: Direction = "both"
    ipv4: bool = True
    ipv6: bool = False
    other: bool = False
    http_proxy: bool = False
    miniupnpd: bool = False
    dns: Dns | None = Dns()
    transparent: tuple[Transparent, ...] = ()

    def __post_init__(self) -> None:
        if not (self.ipv4 or self.ipv6):
            raise ValueError("a network needs IPv4 or IPv6")
        if not 1 <= self.public_addresses <= len(PUBLIC_POOL):
            raise ValueError(f"a network has 1 to {len(PUBLIC_POOL)} public addresses")
        if self.miniupnpd and not (self.nat and self.ipv4 and self.public_addresses == 1):
            raise ValueError("miniupnpd is for an IPv4 NAT with one address")
        if self.carrier and self.public_addresses > 1:
            raise ValueError("the router behind a carrier has one address, the carrier's")
        independent = {self.mapping, self.tcp_mapping or self.mapping} == {"endpoint-independent"}
        if self.port_choice != "preserved" and not independent:
            raise ValueError("only an endpoint-independent mapping has a port_choice")
        if self.public_addresses > 1 and not independent:
            # anything else takes the address by destination: no pooling has a name for that
            raise ValueError("only an endpoint-independent mapping has several public addresses")
        if (self.jitter_ms or self.reorder_percent or self.duplicate_percent) and not self.rtt_ms:
            raise ValueError("only a delayed link (rtt_ms) has jitter, reordering or duplicates")
        if self.carrier_editors and not self.carrier:
            raise ValueError("carrier_editors are the carrier's")
        if self.rewriting and not (self.ipv4 and self.nat):
            raise ValueError("what is rewritten is the address of an IPv4 NAT")
        if not self.inbound_refresh and self.udp_timeout_s is None:
            raise ValueError("inbound_refresh needs the lifetime that is not renewed")

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
        return f"{self.carrier_v4}.2" if self.carrier else self._border

    @property
    def _border(self) -> str:
        return PUBLIC_OF_GATEWAY if self.miniupnpd and not self.carrier else PUBLIC

    @property
    def carrier_v4(self) -> str:
        """The first three octets of the network between the router and the carrier."""
        return CARRIER_WAN.rpartition(".")[0] if self.carrier_space == "shared" else "10.64.0"

    @property
    def public(self) -> str:
        """The client's address as the server sees it."""
        return self._border if self.ipv4 and (self.nat or self.carrier) else self.client

    @property
    def publics(self) -> tuple[str, ...]:
        """All addresses that the server may see the client at."""
        return PUBLIC_POOL[: self.public_addresses] if self.public == PUBLIC else (self.public,)

    @property
    def hops(self) -> tuple[str, ...]:
        """The IPv4 addresses that answer when a packet's TTL ends on the way to the server."""
        return (
            self.router,
            *([f"{self.carrier_v4}.1"] if self.carrier else []),
            *([HOP, "198.18.0.1"] if self.hop else [RESOLVER]),
            SERVER,
        )

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
