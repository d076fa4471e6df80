"""A network's routers as nftables rulesets (pure)."""

from __future__ import annotations

from tests.lab.description import Network, Policy
from tests.lab.firewall import port_set

TABLE = "inet lab"
TRANSPARENT_BASE_PORT = 20080
"""Where the router's own transparent proxies listen; the first of one port each."""

_FINAL: dict[Policy, str] = {
    "drop": "drop",
    "accept": "accept",
    "reject": "meta l4proto tcp reject with tcp reset\n    reject with icmpx type port-unreachable",
}


def _table(*chains: str) -> str:
    return f"table {TABLE} {{\n" + "\n".join(chains) + "\n}\n"


def _chain(name: str, *rules: str) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {rule}\n" for rule in rules) + "  }"


def _filter(hook: str) -> str:
    return f"type filter hook {hook} priority filter; policy accept;"


def _input(policy: Policy) -> str:
    # Without neighbour discovery a dropping router would be unreachable rather than protected.
    return _chain(
        "input",
        _filter("input"),
        'iifname != "wan" accept',
        "ct state established,related accept",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",
        _FINAL[policy],
    )


def _forward(policy: Policy) -> str:
    return _chain(
        "forward",
        _filter("forward"),
        "jump scenario",
        "ct state established,related accept",
        'iifname "lan" accept',
        "ct status dnat accept",
        _FINAL[policy],
    )


def router(network: Network) -> str:
    """The home router: scenario rules first, then state, forwards and NAT."""
    hosts = {"client": network.client, "other": network.other_host}
    side = "" if network.hairpin else 'iifname "wan" '
    redirects = [
        f'iifname "lan" tcp dport {port_set(box.ports)} redirect to :{TRANSPARENT_BASE_PORT + i}'
        for i, box in enumerate(network.transparent)
    ]
    forwards = [
        f"{side}ip daddr {network.router_wan} {forward.protocol} dport {port_set(forward.ports)}"
        f" dnat ip to {hosts[forward.to]}"
        for forward in network.forwards
        if network.ipv4 and network.nat
    ]
    lan = f"{network.lan_v4}.0/24"
    masquerade = []
    if network.nat:
        how = "masquerade fully-random" if network.mapping == "random" else "masquerade"
        masquerade.append(f'meta nfproto ipv4 oifname "wan" {how}')
        if network.hairpin:
            masquerade.append(f'ip saddr {lan} ip daddr {lan} oifname "lan" masquerade')
    return _table(
        _chain("scenario", *network.firewall),
        _forward(network.inbound_policy),
        _input(network.router_input),
        _chain("to", "type nat hook prerouting priority dstnat;", *redirects, *forwards),
        _chain("from", "type nat hook postrouting priority srcnat;", *masquerade),
    )


def carrier(network: Network) -> str:
    """The provider's NAT (RFC 6598): nothing comes in over IPv4, IPv6 is only routed."""
    return _table(
        _chain("scenario"),
        _chain(
            "forward",
            _filter("forward"),
            "jump scenario",
            "ct state established,related accept",
            'iifname "lan" accept',
            "meta nfproto ipv6 accept",
            "drop",
        ),
        _input("drop"),
        _chain(
            "from",
            "type nat hook postrouting priority srcnat;",
            'meta nfproto ipv4 oifname "wan" masquerade',
        ),
    )


def internet(network: Network) -> str:
    """The loss: each packet passes this chain once, in each direction."""
    return _table(
        _chain("loss", *loss_rules(network.loss_percent)),
        _chain("forward", _filter("forward"), "jump loss"),
    )


def loss_rules(percent: float) -> tuple[str, ...]:
    """Rules that drop `percent` of the packets, to a tenth of a percent."""
    return (f"numgen random mod 1000 < {round(percent * 10)} drop",) if percent > 0 else ()
