"""Networks of every kind that a check must understand, each with the truth about it.

`dataclasses.replace(scenario.network, loss_percent=10)` is the same network with loss: the truth
stays.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

from tests.lab import firewall
from tests.lab.description import (
    NAT64_HOSTS,
    PUBLIC,
    PUBLIC_OF_GATEWAY,
    RESOLVER,
    Behaviour,
    Dns,
    NatMapping,
    Network,
)

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

Range = tuple[int, int]
EVERY_PORT: tuple[Range, ...] = ((1024, 65535),)
EIM: Behaviour = "endpoint-independent"
ADM: Behaviour = "address-dependent"
APDM: Behaviour = "address-and-port-dependent"
ABBREVIATIONS: dict[Behaviour, str] = {EIM: "ei", ADM: "ad", APDM: "apd"}
# Ports of a server's own that a range-limited firewall must let out, or nothing could be asked.
SERVICES = ("1863", "3478-3480", "8463")


@dataclass(frozen=True)
class NatTruth:
    """What is really so, in the report's words (netcheck.report.model.Nat).

    `udp_open` and `tcp_open` are the server's ports from 1024 to 65535 that the client can call,
    `udp_open_in` and `tcp_open_in` the client's that the server can call, as far as that does
    not depend on mappings. `services` are single ports that are open beside them.
    `simultaneous_open` is that of a server which calls first, None where its call is answered
    (then it depends on who is faster).
    `binding_lifetime_s` and `tcp_lifetime_s` are None where only the kernel's own hold (30 s or
    more). `mtu_told`: the client's system learns the path MTU from ICMP. `hops` are those who
    answer when a TTL ends, None for silence; the server is not among them. `upnp` is the address
    that UPnP, NAT-PMP and PCP claim; "" when they know none, None without them.
    """

    present: bool = True
    public_addresses: tuple[str, ...] = (PUBLIC,)
    mapping: Behaviour = EIM
    filtering: Behaviour = APDM
    tcp_mapping: Behaviour = EIM
    tcp_filtering: Behaviour = APDM
    hairpin: bool | None = False
    port_preservation: bool = True
    port_parity: bool = True
    port_contiguity: bool = True
    pooling: Literal["paired", "arbitrary"] = "paired"
    binding_lifetime_s: int | None = None
    tcp_lifetime_s: int | None = None
    refreshed_by: tuple[Literal["outbound", "inbound"], ...] = ("outbound", "inbound")
    carrier_grade: bool = False
    layers: int | None = 1
    tcp_unsolicited: Literal["silence", "reset", "icmp"] = "silence"
    simultaneous_open: bool | None = True
    icmp_errors: bool = True
    udp_open: tuple[Range, ...] = EVERY_PORT
    tcp_open: tuple[Range, ...] = EVERY_PORT
    udp_open_in: tuple[Range, ...] | None = None
    tcp_open_in: tuple[Range, ...] | None = None
    services: tuple[str, ...] = ()
    udp_answers: bool = True
    fragments: Literal["pass", "dropped"] = "pass"
    fragments_out_of_order: Literal["pass", "dropped"] = "pass"
    path_mtu: int = 1500
    mtu_told: bool = True
    hops: tuple[str | None, ...] = (Network().router, RESOLVER)
    nat64_prefix: str | None = None
    upnp: str | None = None


class NatScenario(NamedTuple):
    name: str
    network: Network
    truth: NatTruth


def truth_of(network: Network, **different: Any) -> NatTruth:
    """The truth that follows from the description itself; `different` is what does not."""

    def stricter(one: Behaviour, other: Behaviour) -> Behaviour:
        return max(one, other, key=(EIM, ADM, APDM).index)

    def named(mapping: NatMapping) -> Behaviour:
        match mapping:
            case "preserve":
                return EIM
            case "random" | "fully-random":
                return APDM
        return mapping

    mapping, filtering = network.mapping, network.filtering
    tcp_mapping, tcp_filtering = (
        network.tcp_mapping or mapping,
        network.tcp_filtering or filtering,
    )
    beyond, beyond_filters = EIM, EIM
    if network.carrier:
        beyond, beyond_filters = named(network.carrier_mapping), network.carrier_filtering
    chosen = named(mapping) == beyond == EIM
    facts: dict[str, Any] = {
        "public_addresses": network.publics,
        "mapping": stricter(named(mapping), beyond),
        "filtering": stricter(filtering, beyond_filters),
        "tcp_mapping": stricter(named(tcp_mapping), beyond),
        "tcp_filtering": stricter(tcp_filtering, beyond_filters),
        # At the carrier it is the router that must let the packet in again.
        "hairpin": network.carrier_hairpin and filtering == EIM
        if network.carrier
        else network.hairpin,
        "port_preservation": chosen and network.port_choice == "preserved",
        "port_parity": chosen and network.port_choice != "parity-lost",
        "port_contiguity": chosen and network.port_choice in ("preserved", "contiguous"),
        "pooling": network.pooling,
        "binding_lifetime_s": network.udp_timeout_s,
        "tcp_lifetime_s": network.tcp_timeout_s,
        "refreshed_by": ("outbound", "inbound") if network.inbound_refresh else ("outbound",),
        "carrier_grade": network.carrier and network.carrier_space == "shared",
        "layers": 1 + network.carrier,
        "fragments": "dropped" if network.fragments == "dropped" else "pass",
        "fragments_out_of_order": "pass" if network.fragments == "pass" else "dropped",
        "path_mtu": network.mtu or 1500,
        "mtu_told": network.mtu_icmp,
        "hops": tuple(a if network.time_exceeded else None for a in network.hops[:-1]),
    }
    truth = NatTruth(**(facts | different))
    if truth.tcp_unsolicited != "silence" or truth.tcp_filtering != APDM:
        return replace(truth, simultaneous_open=None)
    return replace(truth, simultaneous_open=truth.tcp_mapping == EIM)


def _scenario(name: str, network: Network, **different: Any) -> NatScenario:
    return NatScenario(name, network, truth_of(network, **different))


def _classes() -> list[NatScenario]:
    """Mapping and filtering, all nine (RFC 4787 sections 4.1 and 5)."""
    return [
        _scenario(
            f"{ABBREVIATIONS[mapping]}-mapping-{ABBREVIATIONS[filtering]}-filtering",
            Network(mapping=mapping, filtering=filtering),
        )
        for mapping, filtering in product(get_args(Behaviour), repeat=2)
    ]


def _limited(protocol: Literal["udp", "tcp"], ports: str) -> Network:
    return Network(firewall=(firewall.only_ports(protocol, ports, besides=SERVICES),))


_NO_NAT: dict[str, Any] = {"present": False, "layers": 0, "hairpin": None}
_OPEN = Network(mapping=EIM, filtering=EIM)
_OPEN_CARRIER = replace(_OPEN, carrier=True, carrier_mapping=EIM, carrier_filtering=EIM)
_ONLY_IN = tuple(firewall.only_ports(p, "16384-32767", "in") for p in ("udp", "tcp"))
_MIDDLE: tuple[Range, ...] = ((16384, 32767),)

NAT_SCENARIOS: tuple[NatScenario, ...] = (
    _scenario(
        "routed-and-open",
        Network(nat=False),
        **_NO_NAT,
        filtering=EIM,
        tcp_filtering=EIM,
        tcp_unsolicited="reset",
        udp_open_in=EVERY_PORT,
        tcp_open_in=EVERY_PORT,
    ),
    _scenario("routed-and-guarded", Network(nat=False, inbound="drop"), **_NO_NAT),
    _scenario("masquerade", Network()),
    # The trap of a router that takes unsolicited packets for its own: see Translation.filtered.
    _scenario(
        "masquerade-without-input-rule", Network(router_input="accept"), tcp_unsolicited="reset"
    ),
    _scenario("masquerade-rejecting", Network(router_input="reject"), tcp_unsolicited="reset"),
    _scenario("masquerade-with-icmp", Network(router_input="icmp"), tcp_unsolicited="icmp"),
    _scenario("masquerade-random", Network(mapping="random")),
    _scenario("masquerade-fully-random", Network(mapping="fully-random")),
    *_classes(),
    _scenario(
        "tcp-stricter-than-udp",
        Network(mapping=EIM, filtering=EIM, tcp_mapping=APDM, tcp_filtering=APDM),
    ),
    _scenario(
        "udp-stricter-than-tcp",
        Network(mapping=APDM, filtering=APDM, tcp_mapping=EIM, tcp_filtering=EIM),
    ),
    _scenario("hairpin", Network(hairpin=True)),
    _scenario("ei-mapping-ei-filtering-hairpin", Network(mapping=EIM, filtering=EIM, hairpin=True)),
    _scenario(
        "apd-mapping-apd-filtering-hairpin", Network(mapping=APDM, filtering=APDM, hairpin=True)
    ),
    _scenario("pool-paired", Network(mapping=EIM, public_addresses=4)),
    _scenario("pool-arbitrary", Network(mapping=EIM, public_addresses=4, pooling="arbitrary")),
    *(
        _scenario(f"udp-lifetime-{seconds}", Network(udp_timeout_s=seconds))
        for seconds in (10, 30, 120)
    ),
    _scenario(
        "udp-lifetime-10-ei-mapping-ei-filtering",
        Network(mapping=EIM, filtering=EIM, udp_timeout_s=10),
    ),
    _scenario("udp-lifetime-10-outbound-only", Network(udp_timeout_s=10, inbound_refresh=False)),
    _scenario("tcp-lifetime-10", Network(tcp_timeout_s=10)),
    _scenario("ports-contiguous", Network(mapping=EIM, port_choice="contiguous")),
    _scenario("ports-of-same-parity", Network(mapping=EIM, port_choice="parity")),
    _scenario("ports-of-other-parity", Network(mapping=EIM, port_choice="parity-lost")),
    _scenario("carrier", Network(carrier=True)),
    _scenario("carrier-random", Network(carrier=True, carrier_mapping="random")),
    _scenario("carrier-open", _OPEN_CARRIER),
    _scenario("carrier-hairpin", replace(_OPEN_CARRIER, carrier_hairpin=True)),
    _scenario("carrier-with-a-hop-behind", Network(carrier=True, hop=True)),
    _scenario("carrier-without-nat-at-home", Network(carrier=True, nat=False), layers=1),
    _scenario("double-nat", Network(carrier=True, carrier_space="private")),
    _scenario("hop-behind-the-router", Network(hop=True)),
    _scenario("only-udp-16384-32767", _limited("udp", "16384-32767"), udp_open=_MIDDLE),
    _scenario("only-tcp-16384-32767", _limited("tcp", "16384-32767"), tcp_open=_MIDDLE),
    _scenario("only-udp-49152-65535", _limited("udp", "49152-65535"), udp_open=((49152, 65535),)),
    _scenario(
        "only-in-16384-32767",
        Network(nat=False, firewall=_ONLY_IN),
        # The ports that systems choose themselves (32768 and above) are outside of it.
        **_NO_NAT,
        udp_open_in=_MIDDLE,
        tcp_open_in=_MIDDLE,
    ),
    _scenario("fragments-dropped", Network(fragments="dropped")),
    _scenario("fragments-in-order-only", Network(fragments="in-order")),
    _scenario("path-mtu-1400", Network(mtu=1400)),
    _scenario("path-mtu-1400-black-hole", Network(mtu=1400, mtu_icmp=False)),
    _scenario("ttl-errors-dropped", Network(time_exceeded=False)),
    _scenario(
        "icmp-errors-dropped",
        Network(firewall=(firewall.drop_icmp_errors(),)),
        icmp_errors=False,
        hops=(Network().router, None),
    ),
    _scenario(
        "udp-blocked-outbound", Network(firewall=(firewall.drop("udp", "1024-65535"),)), udp_open=()
    ),
    _scenario(
        "udp-blocked-inbound",
        Network(firewall=(firewall.drop_udp_replies(),)),
        udp_answers=False,
    ),
    _scenario("miniupnpd", Network(miniupnpd=True), upnp=PUBLIC_OF_GATEWAY),
    _scenario("miniupnpd-behind-a-carrier", Network(miniupnpd=True, carrier=True), upnp=""),
    # Names alone: see NAT64_HOSTS.
    _scenario(
        "nat64-names", Network(ipv6=True, dns=Dns(hosts=NAT64_HOSTS)), nat64_prefix="64:ff9b::/96"
    ),
)


@dataclass(frozen=True)
class MediaTruth:
    """What happens to a stream: shares from 0 to 1 of each direction, milliseconds for jitter.

    `jitter_ms` is the width of an even distribution, without overtaking. RFC 3550's estimate is
    the mean difference of two of its values: a third of it, or less for packets that follow each
    other faster than that.
    """

    loss_out: float = 0
    loss_in: float = 0
    jitter_ms: float = 0
    reordered: float = 0
    duplicated: float = 0


class MediaScenario(NamedTuple):
    name: str
    network: Network
    truth: MediaTruth


_CALL = replace(_OPEN, rtt_ms=50)
MEDIA_SCENARIOS: tuple[MediaScenario, ...] = (
    MediaScenario("good", _CALL, MediaTruth()),
    MediaScenario(
        "lossy-both-ways",
        replace(_CALL, loss_percent=10),
        MediaTruth(loss_out=0.1, loss_in=0.1),
    ),
    MediaScenario(
        "lossy-out",
        replace(_CALL, loss_percent=10, loss_direction="out"),
        MediaTruth(loss_out=0.1),
    ),
    MediaScenario(
        "lossy-in",
        replace(_CALL, loss_percent=10, loss_direction="in"),
        MediaTruth(loss_in=0.1),
    ),
    MediaScenario("jittery", replace(_CALL, jitter_ms=40), MediaTruth(jitter_ms=40)),
    MediaScenario(
        "reordered",
        replace(_CALL, reorder_percent=5),
        MediaTruth(reordered=0.05),
    ),
    MediaScenario(
        "duplicated",
        replace(_CALL, duplicate_percent=5),
        MediaTruth(duplicated=0.05),
    ),
    MediaScenario(
        "silent-out",
        replace(_CALL, firewall=(firewall.drop("udp", "1024-65535"),)),
        MediaTruth(loss_out=1, loss_in=1),
    ),
    MediaScenario(
        "routed-and-silent-out",
        Network(nat=False, rtt_ms=50, firewall=(firewall.drop("udp", "1024-65535"),)),
        MediaTruth(loss_out=1),
    ),
    MediaScenario(
        "silent-in",
        replace(_CALL, firewall=(firewall.drop_udp_replies(),)),
        MediaTruth(loss_in=1),
    ),
)
