"""A network as links, addresses and routes, and the commands that make them (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from tests.lab import diversion, ruleset
from tests.lab.description import (
    CLIENT_V6,
    HOP,
    HOP_V6,
    OTHER_V6,
    PUBLIC,
    PUBLIC_OF_GATEWAY,
    PUBLIC_POOL,
    RESOLVER,
    RESOLVER_V6,
    ROUTER_V6,
    SERVER,
    SERVER_2,
    SERVER_2_V6,
    SERVER_V6,
    Network,
)

# Fixed so that both ends of the delayed link know each other from the start: a lookup would add
# a round trip to the first packet.
_MAC = {("internet", "east"): "02:00:00:00:00:01", ("server", "eth0"): "02:00:00:00:00:05"}


@dataclass(frozen=True)
class End:
    """One end of a link: its node, interface name, addresses with prefix length, and MTU."""

    node: str
    interface: str
    addresses: tuple[str, ...] = ()
    mtu: int | None = None


@dataclass
class NodePlan:
    """All that one namespace is set up with, beside its links."""

    routes: list[str] = field(default_factory=list)
    neighbours: list[str] = field(default_factory=list)
    policies: tuple[str, ...] = ()
    forwards: bool = False
    bridge: tuple[str, ...] = ()
    rules: str = ""


@dataclass(frozen=True)
class Plan:
    """All namespaces and the links between them."""

    network: Network
    nodes: dict[str, NodePlan]
    links: list[tuple[End, End]]

    def interfaces(self, node: str) -> list[str]:
        """The names of a node's interfaces, without the loopback."""
        ends = [end for link in self.links for end in link if end.node == node]
        return [end.interface for end in ends] + (["lan"] if self.nodes[node].bridge else [])

    def creation(self, prefix: str) -> str:
        """The `ip -batch` text that makes the namespaces and links, named after `prefix`."""
        lines = [f"netns add {prefix}{node}" for node in self.nodes]
        for left, right in self.links:
            ends = [
                f"name {end.interface} {_mac(end)} netns {prefix}{end.node}"
                for end in (left, right)
            ]
            lines.append(f"link add {ends[0]} type veth peer {ends[1]}")
        for node, plan in self.nodes.items():
            if plan.bridge:
                lines.append(f"link add name lan netns {prefix}{node} type bridge")
        return "\n".join(lines) + "\n"

    def set_up(self, node: str) -> str:
        """The shell script that sets up one namespace from inside."""
        plan = self.nodes[node]
        ends = [end for link in self.links for end in link if end.node == node]
        interfaces = self.interfaces(node)
        devices = {e: "lan" if e.interface in plan.bridge else e.interface for e in ends}
        addressed = {device for end, device in devices.items() if end.addresses}
        ip = [f"link set {port} master lan" for port in plan.bridge]
        ip += [f"link set {interface} up" for interface in ["lo", *interfaces]]
        for end in ends:
            if end.mtu is not None:
                ip.append(f"link set {end.interface} mtu {end.mtu}")
            for address in end.addresses:
                dad = " nodad" if ":" in address else ""
                ip.append(f"address add {address} dev {devices[end]}{dad}")
        ip += [f"route add {route}" for route in plan.routes]
        ip += [f"rule add {policy}" for policy in plan.policies]
        ip += [f"neigh add {neighbour} nud permanent" for neighbour in plan.neighbours]
        script = _sysctls(self.network, plan, {name: name in addressed for name in interfaces})
        script += "ip -batch - <<'END'\n" + "\n".join(ip) + "\nEND\n"
        if plan.rules:
            script += f"nft -f - <<'END'\n{plan.rules}END\n"
        return script


def _mac(end: End) -> str:
    mac = _MAC.get((end.node, end.interface))
    return f"address {mac}" if mac else ""


def plan(network: Network) -> Plan:
    """The namespaces, links, addresses and routes of `network`."""

    def both(v4: str, v6: str) -> tuple[str, ...]:
        return ((v4,) if network.ipv4 else ()) + ((v6,) if network.ipv6 else ())

    def default(v4: str, v6: str) -> list[str]:
        return [f"default via {gateway}" for gateway in both(v4, v6)]

    lan = network.lan_v4
    lan_gateway = default(f"{lan}.1", ROUTER_V6)
    nodes = {
        "client": NodePlan(routes=list(lan_gateway)),
        "router": NodePlan(forwards=True, rules=ruleset.router(network)),
        "internet": NodePlan(forwards=True, rules=ruleset.internet(network)),
        "server": NodePlan(routes=default("198.51.100.1", "2001:db8:51::1")),
    }
    links = [
        (
            End("client", "eth0", both(f"{lan}.2/24", f"{CLIENT_V6}/64")),
            End("router", "lan", both(f"{lan}.1/24", f"{ROUTER_V6}/64")),
        )
    ]
    if network.other:
        nodes["other"] = NodePlan(routes=list(lan_gateway))
        nodes["router"].bridge = ("lan0", "lan1")
        links = [
            (links[0][0], replace(links[0][1], interface="lan0")),
            (
                End("other", "eth0", both(f"{lan}.3/24", f"{OTHER_V6}/64")),
                End("router", "lan1"),
            ),
        ]

    if network.rewriting:
        nodes["router"].policies = diversion.RULES
        nodes["router"].routes += diversion.ROUTES

    # From the outside in: who is behind the WAN address, and how the inner networks are reached.
    lan_routes = [f"{lan}.0/24"] if network.ipv4 and not network.nat else []
    publics = PUBLIC_POOL[: network.public_addresses]
    outside = both(f"{PUBLIC}/24", "2001:db8:203::2/64")
    outside += tuple(f"{public}/24" for public in publics[1:] if network.ipv4)
    if network.public == PUBLIC_OF_GATEWAY:
        outside += (f"{PUBLIC_OF_GATEWAY}/32",)
        lan_routes.append(f"{PUBLIC_OF_GATEWAY}/32")
    inner_v6 = ["2001:db8:77::/64"] if network.ipv6 else []
    border = "carrier" if network.carrier else "router"
    if network.carrier:
        links.append(
            (
                End("router", "wan", both(f"{network.router_wan}/24", "2001:db8:100::2/64")),
                End("carrier", "lan", both(f"{network.carrier_v4}.1/24", "2001:db8:100::1/64")),
            )
        )
        nodes["router"].routes += default(f"{network.carrier_v4}.1", "2001:db8:100::1")
        nodes["carrier"] = NodePlan(
            routes=[f"{route} via {network.router_wan}" for route in lan_routes]
            + [f"{route} via 2001:db8:100::2" for route in inner_v6],
            forwards=True,
            rules=ruleset.carrier(network),
        )
        lan_routes = []
        inner_v6 = inner_v6 and [*inner_v6, "2001:db8:100::/64"]
    inward = [f"{route} via {PUBLIC}" for route in lan_routes]
    inward += [f"{route} via 2001:db8:203::2" for route in inner_v6]
    wan = End(border, "wan", outside, network.mtu)
    resolver = both(RESOLVER, RESOLVER_V6)
    if network.hop:
        # The resolver's address is one of the access network, and the resolver behind the hop.
        west = both("198.18.0.1/30", "2001:db8:18::1/64")
        west += both(f"{RESOLVER}/32", f"{RESOLVER_V6}/128")
        gateways = both(HOP, HOP_V6)
        far_side, near_side = (both(f"198.18.0.{n}", f"2001:db8:18::{n}") for n in (1, 2))
        links += [
            (wan, End("hop", "lan", both(f"{HOP}/24", f"{HOP_V6}/64"), network.mtu)),
            (
                End("hop", "wan", both("198.18.0.2/30", "2001:db8:18::2/64")),
                End("internet", "west", west),
            ),
        ]
        nodes["hop"] = NodePlan(
            routes=default("198.18.0.1", "2001:db8:18::1")
            + [f"{to} via {by}" for to, by in zip(resolver, far_side, strict=True)]
            + inward,
            forwards=True,
            rules=ruleset.hop(network),
        )
        nodes[border].routes += default(HOP, HOP_V6)
        nodes[border].routes += [
            f"{to} via {by}" for to, by in zip(resolver, gateways, strict=True)
        ]
        behind = ["203.0.113.0/24", "2001:db8:203::/64", *lan_routes, *inner_v6]
        nodes["internet"].routes = [
            f"{route} via {by}"
            for by in near_side
            for route in behind
            if (":" in by) == (":" in route)
        ]
    else:
        addresses = both(f"{RESOLVER}/24", f"{RESOLVER_V6}/64")
        links.append((wan, End("internet", "west", addresses, network.mtu)))
        nodes[border].routes += default(RESOLVER, RESOLVER_V6)
        nodes["internet"].routes = inward

    far = End("internet", "east", both("198.51.100.1/24", "2001:db8:51::1/64"))
    server = End(
        "server",
        "eth0",
        both(f"{SERVER}/24", f"{SERVER_V6}/64") + both(f"{SERVER_2}/24", f"{SERVER_2_V6}/64"),
    )
    if network.rtt_ms:
        nodes["wire"] = NodePlan()
        links += [(far, End("wire", "west")), (End("wire", "east"), server)]
        for here, there in ((far, server), (server, far)):
            mac = _MAC[there.node, there.interface]
            nodes[here.node].neighbours = [
                f"{address.partition('/')[0]} lladdr {mac} dev {here.interface}"
                for address in there.addresses
            ]
    else:
        links.append((far, server))
    return Plan(network, nodes, links)


def _sysctls(network: Network, plan: NodePlan, interfaces: dict[str, bool]) -> str:
    """Kernel settings; `interfaces` tells which have addresses.

    Those a kernel keeps from a user namespace are left as they are.
    """
    settings: dict[str, int] = {
        "ipv4/icmp_ratelimit": 0,
        "ipv4/icmp_msgs_per_sec": 1_000_000,
        "ipv6/icmp/ratelimit": 0,
        "ipv4/conf/all/rp_filter": 0,
    }
    for interface, addressed in interfaces.items():
        settings[f"ipv4/conf/{interface}/rp_filter"] = 0
        settings[f"ipv6/conf/{interface}/accept_ra"] = 0
        settings[f"ipv6/conf/{interface}/accept_dad"] = 0
        # Not on the loopback: ::1 exists on every host, connected or not.
        settings[f"ipv6/conf/{interface}/disable_ipv6"] = int(not (network.ipv6 and addressed))
    if plan.bridge:
        # otherwise netfilter sees frames before they are routed, and hairpinning fails
        for family in ("ip", "ip6", "arp"):
            settings[f"bridge/bridge-nf-call-{family}tables"] = 0
    if plan.forwards:
        settings["ipv4/ip_forward"] = 1
        settings["ipv6/conf/all/forwarding"] = 1
    if network.udp_timeout_s is not None and plan.rules:
        settings["netfilter/nf_conntrack_udp_timeout"] = network.udp_timeout_s
        settings["netfilter/nf_conntrack_udp_timeout_stream"] = network.udp_timeout_s
    if network.tcp_timeout_s is not None and plan.rules:
        settings["netfilter/nf_conntrack_tcp_timeout_established"] = network.tcp_timeout_s
        # the next packet of a connection that has timed out must not bring it back
        settings["netfilter/nf_conntrack_tcp_loose"] = 0
    lines = [f"put {path} {value}" for path, value in settings.items()]
    define = 'put() { { echo "$2" > "/proc/sys/net/$1"; } 2>/dev/null || :; }'
    return "\n".join([define, *lines]) + "\n"
