"""A home router's UPnP IGD, NAT-PMP and PCP by miniupnpd: its configuration and rules (pure)."""

from __future__ import annotations

from tests.lab.description import Network

TABLE = "inet gateway"
HTTP_PORT = 5555
READY = "Listening for NAT-PMP/PCP traffic"
"""What it says when all three services answer."""


def configuration(network: Network) -> str:
    """miniupnpd.conf(5).  In secure mode a host maps ports to itself alone."""
    name = TABLE.partition(" ")[2]
    lines = [
        "ext_ifname=wan",
        # Behind a carrier it finds out by itself that its address is not a public one.
        *([] if network.carrier else [f"ext_ip={network.public}"]),
        "listening_ip=lan",
        f"http_port={HTTP_PORT}",
        "ipv6_disable=yes",
        "enable_upnp=yes",
        "enable_natpmp=yes",
        "secure_mode=yes",
        f"upnp_table_name={name}",
        f"upnp_nat_table_name={name}",
        "uuid=6e657463-6865-636b-8000-6c6162000001",
        f"allow 1024-65535 {network.lan_v4}.0/24 1024-65535",
        "deny 0-65535 0.0.0.0/0 0-65535",
    ]
    return "\n".join(lines) + "\n"


def rules() -> str:
    """The chains that it fills, under the names it expects."""
    hooks = {
        "forward": ("filter hook forward priority filter - 1", "miniupnpd"),
        "prerouting": ("nat hook prerouting priority dstnat - 1", "prerouting_miniupnpd"),
        "postrouting": ("nat hook postrouting priority srcnat - 1", "postrouting_miniupnpd"),
    }
    chains = [f"chain {filled} {{ }}" for _, filled in hooks.values()]
    chains += [
        f"chain {name} {{ type {hook}; jump {filled}; }}" for name, (hook, filled) in hooks.items()
    ]
    return f"table {TABLE} {{\n" + "\n".join(chains) + "\n}\n"
