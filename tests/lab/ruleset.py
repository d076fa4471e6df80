"""A network's routers as nftables rulesets (pure)."""

from __future__ import annotations

from tests.lab import diversion, kernel_editors
from tests.lab.description import Direction, Editor, Network, Policy
from tests.lab.firewall import port_set
from tests.lab.translation import Translation, of_carrier, of_router

TABLE = "inet lab"
TRANSPARENT_BASE_PORT = 20080
"""Where the router's own transparent proxies listen; the first of one port each."""

_FINAL: dict[Policy, str] = {
    "drop": "drop",
    "accept": "accept",
    "reject": "meta l4proto tcp reject with tcp reset\n    reject with icmpx type port-unreachable",
    "icmp": "reject with icmpx type port-unreachable",
}


_WAYS: dict[Direction, str] = {"out": 'iifname "west" ', "in": 'iifname "east" ', "both": ""}


def _table(*chains: str) -> str:
    return f"table {TABLE} {{\n" + "\n".join(chains) + "\n}\n"


def _chain(name: str, *rules: str) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {rule}\n" for rule in rules) + "  }"


def _filter(hook: str, priority: str = "filter") -> str:
    return f"type filter hook {hook} priority {priority}; policy accept;"


def _input(policy: Policy, *first: str) -> str:
    # Without neighbour discovery a dropping router would be unreachable rather than protected.
    return _chain(
        "input",
        _filter("input"),
        'iifname != "wan" accept',
        "ct state established,related accept",
        "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",
        *first,
        _FINAL[policy],
    )


def _forward(policy: Policy, *first: str) -> str:
    return _chain(
        "forward",
        _filter("forward"),
        *first,
        "jump scenario",
        "ct state established,related accept",
        'iifname "lan" accept',
        "ct status dnat accept",
        _FINAL[policy],
    )


def _translation(nat: Translation | None, first: list[str]) -> list[str]:
    """The chains of a NAT; `first` are destination rules in front of its own."""
    destinations = "type nat hook prerouting priority dstnat;"
    sources = "type nat hook postrouting priority srcnat;"
    if nat is None:
        return [_chain("to", destinations, *first), _chain("from", sources)]
    return [
        *(f"  {table}" for table in nat.tables()),
        _chain("expired", _filter("prerouting", "mangle"), *nat.expired()),
        _chain("to", destinations, *first, *nat.destinations()),
        _chain("from", sources, *nat.sources()),
        _chain("learned", _filter("postrouting", "srcnat + 1"), *nat.learned()),
    ]


def _errors(network: Network) -> list[str]:
    """Rules for the ICMP errors which a router of this network does not send or pass on."""
    rules = []
    if not network.time_exceeded:
        rules += ["icmp type time-exceeded drop", "icmpv6 type time-exceeded drop"]
    if network.mtu is not None and not network.mtu_icmp:
        rules.append("icmp type destination-unreachable icmp code frag-needed drop")
        rules.append("icmpv6 type packet-too-big drop")
    return rules


def _fragments(network: Network) -> list[str]:
    """A set and a chain in front of the kernel's reassembly (priority -400), which would hide them.

    The fragment offset's field carries the flag "more fragments" as 0x2000 (RFC 791).
    """
    before = _filter("prerouting", "-450")
    if network.fragments == "dropped":
        return [
            _chain("fragments", before, "ip frag-off & 0x3fff != 0 drop", "exthdr frag exists drop")
        ]
    if network.fragments == "in-order":
        datagram = "ip saddr . ip daddr . ip id"
        return [
            f"  set begun {{ typeof {datagram}; flags dynamic,timeout; timeout 30s; }}",
            _chain(
                "fragments",
                before,
                f"ip frag-off & 0x3fff == 0x2000 update @begun {{ {datagram} }}",
                f"ip frag-off & 0x1fff != 0 {datagram} != @begun drop",
            ),
        ]
    return []


def _clamp(network: Network) -> list[str]:
    """What every router with a small MTU does to TCP, without which a black hole stops the web."""
    if network.mtu is None:
        return []
    return ["tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu"]


def _editors(editors: tuple[Editor, ...]) -> list[str]:
    """The kernel's, attached before the NAT."""
    if not editors:
        return []
    declared = [f"  {each}" for each in kernel_editors.declarations(editors)]
    attached = kernel_editors.attachments(editors)
    return [*declared, _chain("editors", _filter("prerouting", "mangle"), *attached)]


def _diversion(network: Network) -> list[str]:
    """What leads to the router's own editor (see diversion.py)."""
    if network.rewriting is None:
        return []
    return [
        *(f"  {table}" for table in diversion.tables(network)),
        _chain("untracked", _filter("prerouting", "raw"), *diversion.untracked(network)),
        _chain("answered", _filter("output", "raw"), *diversion.answered(network)),
        _chain("diverted", _filter("prerouting", "mangle"), *diversion.diverted(network)),
        _chain("returned", _filter("prerouting", "dstnat + 5"), *diversion.returned(network)),
    ]


def router(network: Network) -> str:
    """The home router: scenario rules first, then state, forwards and NAT."""
    hosts = {"client": network.client, "other": network.other_host}
    nat = of_router(network) if network.nat else None
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
    errors = _errors(network)
    # A connection that has timed out would otherwise go out with the LAN's address.
    # Likewise what comes after the end of a connection that the router's own editor had.
    strays = network.tcp_timeout_s or network.rewriting
    invalid = ["meta l4proto tcp ct state invalid drop"] if strays else []
    return _table(
        *_fragments(network),
        *_editors(network.editors),
        *_diversion(network),
        _chain("scenario", *network.firewall),
        _forward(network.inbound_policy, *errors, *invalid, *_clamp(network)),
        _chain("output", _filter("output"), *errors),
        _input(network.router_input, *(nat.filtered() if nat else [])),
        *_translation(nat, [*redirects, *forwards, *diversion.destinations(network)]),
    )


def carrier(network: Network) -> str:
    """The provider's NAT (RFC 6598): IPv6 is only routed."""
    errors = _errors(network)
    return _table(
        *_editors(network.carrier_editors),
        _chain("scenario"),
        _chain(
            "forward",
            _filter("forward"),
            *errors,
            "jump scenario",
            "ct state established,related accept",
            'iifname "lan" accept',
            "ct status dnat accept",
            "meta nfproto ipv6 accept",
            "drop",
        ),
        _chain("output", _filter("output"), *errors),
        _input("drop"),
        *_translation(of_carrier(network), []),
    )


def hop(network: Network) -> str:
    """A router that only routes."""
    errors = _errors(network)
    return _table(
        _chain("forward", _filter("forward"), *errors), _chain("output", _filter("output"), *errors)
    )


def internet(network: Network) -> str:
    """The loss: each packet passes this chain once, in each direction."""
    return _table(
        _chain("loss", *loss_rules(network.loss_percent, network.loss_direction)),
        _chain("forward", _filter("forward"), *_errors(network), "jump loss"),
        _chain("output", _filter("output"), *_errors(network)),
    )


def loss_rules(percent: float, direction: Direction = "both") -> tuple[str, ...]:
    """Rules that drop `percent` of the packets, to a tenth of a percent."""
    if percent <= 0:
        return ()
    return (f"{_WAYS[direction]}numgen random mod 1000 < {round(percent * 10)} drop",)
