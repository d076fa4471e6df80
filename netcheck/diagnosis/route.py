"""The way to the server: whose routers, which translate, what they lose, where it breaks (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from netcheck.address_kind import kind_of
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.sizes import fragments_pass, passes, path_mtu, pieces_are_too_large
from netcheck.report.model import Nat, PathHop, PortMapping
from probes import silence
from probes.observation import Hop, Hops, Transport

Place = Literal["computer", "router", "carrier", "beyond"]
HopPlace = Literal["router", "carrier", "beyond", "server", "unknown"]


def judge(facts: Facts, nat: Nat) -> tuple[Nat, list[PathHop]]:
    """``nat`` with what the route shows, and the devices on the way."""
    evidence = list(nat.evidence)

    def rests_on(*ids: str | None) -> None:
        evidence.extend(i for i in ids if i is not None and i not in evidence)

    home = _home(facts, nat)
    carrier, carrier_evidence = _carrier_grade(facts, nat, home)
    layers, layers_evidence = _layers(facts, nat, home, carrier)
    rests_on(*carrier_evidence, *layers_evidence)
    fragments = [f for f in facts.fragments if f.order == "in-order" and not f.untested]
    backwards = [f for f in facts.fragments if f.order == "out-of-order" and not f.untested]
    whole = fragments_pass(facts, fragments)
    rests_on(*(f.id for f in (*fragments, *backwards) if passes(facts, f) != "unknown"))
    mtu = path_mtu(facts, facts.path_mtu)
    backwards_whole = fragments_pass(facts, backwards)
    if whole == "dropped":
        # Whoever loses fragments in order loses them out of order too: that says nothing more.
        backwards_whole = "unknown"
        if pieces_are_too_large(facts.path_mtu, mtu):
            whole = "unknown"
    icmp = _icmp_errors(facts)
    rests_on(facts.path_mtu.id if facts.path_mtu and mtu else None)
    rests_on(facts.icmp_errors.id if facts.icmp_errors and icmp else None)
    prefixes = facts.nat64.prefixes if facts.nat64 and facts.nat64.outcome == "found" else ()
    rests_on(facts.nat64.id if facts.nat64 and prefixes else None)
    mappers = facts.port_mappers.found if facts.port_mappers else ()
    rests_on(facts.port_mappers.id if facts.port_mappers and mappers else None)
    judged = msgspec.structs.replace(
        nat,
        carrier_grade=carrier,
        layers=layers,
        fragments=whole,
        fragments_out_of_order=backwards_whole,
        path_mtu=mtu,
        icmp_errors=icmp,
        nat64_prefix=prefixes[0] if prefixes else None,
        port_mapping=[
            PortMapping(protocol=m.protocol, gateway=m.gateway, external_address=m.external_address)
            for m in mappers
        ],
        evidence=evidence,
    )
    return judged, _path(facts, home)


def clues(facts: Facts, nat: Nat) -> Iterator[Clue]:
    """What the route gives reason to say."""
    if nat.carrier_grade:
        yield Clue("carrier-grade-nat", _evidence(facts), parameters=_carrier_parameters(facts))
    elif nat.layers is not None and nat.layers > 1:
        outer = next((m.external_address for m in _claims(facts) if m.external_address), None)
        parameters: dict[str, Parameter] = {}
        router = _second_router(facts)
        if router is not None:
            parameters["outer_router"] = router
        if outer is not None:
            parameters["external_address"] = outer
        yield Clue("double-nat", _evidence(facts), parameters=parameters)
    if nat.fragments == "dropped":
        dropped = [f for f in facts.fragments if passes(facts, f) == "dropped"]
        in_order = [f for f in dropped if f.order == "in-order"]
        direction = "outbound" if any(f.direction == "outbound" for f in in_order) else "both"
        if direction == "both" and any(
            f.direction == "outbound" and passes(facts, f) == "pass" for f in facts.fragments
        ):
            direction = "inbound"
        yield Clue(
            "fragments-dropped",
            tuple(f.id for f in in_order),
            parameters={"direction": direction},
        )


def further_router(facts: Facts) -> str | None:
    """The router behind our own, where that one surely does not have the public address: what
    nobody outside gets through, ends there first."""
    own = next((h for h in facts.hops if h.aim == "own-address" and not h.untested), None)
    passed_on = own is not None and any(h.address and not h.end for h in own.hops)
    return _second_router(facts) if passed_on else None


def breaks_at(
    facts: Facts, transport: Transport, port: int
) -> tuple[Place, str | None, tuple[str, ...]] | None:
    """Which device loses packets to ``port`` of the server's, its address, and the evidence.

    It is the last one that still had the packet: it lost it itself, or the next one did before it
    looked at the hop limit, which few do.  None where the silence of those behind it may have
    other reasons.
    """
    blocked = next(
        (
            h
            for h in facts.hops
            if h.aim == "blocked" and h.transport == transport and h.port == port
        ),
        None,
    )
    if blocked is None or blocked.untested:
        return None
    if blocked.kept_back:
        return "computer", None, (blocked.id,)
    reference = next(
        (
            h
            for same in (True, False)
            for h in facts.hops
            if h.aim == "open" and not h.untested and (h.transport == transport) == same
        ),
        None,
    )
    if reference is None:
        return None
    evidence = (blocked.id, reference.id)
    home = _home(facts, Nat())
    places = {h.ttl: h for h in _places(facts, reference.hops, home)}
    end = next((h for h in blocked.hops if h.end), None)
    if end is not None:
        return _answered_instead(end, reference, places, evidence)
    last = max((h.ttl for h in blocked.hops if h.address is not None), default=0)
    if last == 0:
        # This computer, or a router that filters before it looks at hop limits: not known.
        return None
    behind = [h for h in reference.hops if h.ttl > last and h.address is not None]
    if not behind:
        return None
    here = next(h for h in blocked.hops if h.ttl == last)
    place = places[last].place if last in places else "unknown"
    known = place if places.get(last) and places[last].address == here.address else "unknown"
    if known == "beyond":
        return "beyond", here.address, evidence
    if behind[0].end or behind[0].ttl > last + 1 or not _silence_behind(facts, blocked, last):
        return None
    if known in ("router", "carrier"):
        return ("router" if known == "router" else "carrier"), here.address, evidence
    return None


def _answered_instead(
    end: Hop, reference: Hops, places: dict[int, PathHop], evidence: tuple[str, ...]
) -> tuple[Place, str | None, tuple[str, ...]] | None:
    """Somebody nearer than the server refused it."""
    server = next((h for h in reference.hops if h.end), None)
    there = places.get(end.ttl)
    if server is None or end.ttl >= server.ttl or there is None:
        return None
    match there.place:
        case "router" | "carrier" | "beyond":
            return there.place, there.address, evidence
        case _:
            return None


def _silence_behind(facts: Facts, blocked: Hops, last: int) -> bool:
    """Whether the router next to ``last`` would have answered, had the packet been there.  Those
    behind it say nothing more: they are silent if it lost the packet, too."""
    following = next((h for h in blocked.hops if h.ttl == last + 1), None)
    return following is not None and _kept_silent(facts, blocked.transport, following)


def _kept_silent(facts: Facts, transport: Transport, hop: Hop) -> bool:
    """Whether loss cannot explain the silence, as the packets that pass had it there."""
    lost = max(0, hop.control_sent - hop.control_answered)
    chance = max(
        facts.chance_of_silence(transport, hop.sent),
        silence.chance_of_silence(hop.sent, hop.control_sent, lost),
    )
    return hop.control_answered > 0 and silence.rules_out_loss(hop.sent, chance)


class Home(msgspec.Struct, frozen=True):
    """Where our public address lives.  ``at``: hops from here, if that is known; ``beyond``: surely
    so many hops are not it."""

    at: int | None = None
    beyond: int = 0
    evidence: tuple[str, ...] = ()


def _home(facts: Facts, nat: Nat) -> Home:
    """A router that has the address keeps the packet; one that has not passes it on, and so
    tells when its hop limit is used up there."""
    own = next((h for h in facts.hops if h.aim == "own-address" and not h.untested), None)
    if own is None or not own.hops:
        return Home()
    passed_on = max((h.ttl for h in own.hops if h.address and not h.end), default=0)
    end = next((h for h in own.hops if h.end), None)
    if end is not None and end.address == own.destination and end.ttl == passed_on + 1:
        return Home(end.ttl, passed_on, (own.id,))
    first = own.hops[0]
    if passed_on == 0 and end is None and _kept_silent(facts, own.transport, first):
        return Home(1, 0, (own.id,))
    return Home(None, passed_on, (own.id,) if passed_on else ())


def _claims(facts: Facts) -> list[PortMapping]:
    found = facts.port_mappers.found if facts.port_mappers else ()
    return [
        PortMapping(protocol=m.protocol, gateway=m.gateway, external_address=m.external_address)
        for m in found
        if m.external_address
    ]


def _carrier_grade(facts: Facts, nat: Nat, home: Home) -> tuple[bool | None, tuple[str, ...]]:
    """RFC 6598 addresses between us and where the public address lives."""
    if nat.present is False:
        return False, ()
    if nat.present is None:
        return None, ()
    mappers = (facts.port_mappers.id,) if facts.port_mappers else ()
    if any(_shared(m.external_address) for m in _claims(facts)):
        # A router that says so, and yet keeps what is sent to our public address: one is wrong.
        return (None, (*mappers, *home.evidence)) if home.at == 1 else (True, mappers)
    if home.at == 1:
        return False, home.evidence
    hop = _shared_hop(facts)
    # A carrier may number its own links like that too: then the address lives at our router.
    if hop is not None and home.beyond >= 1:
        route = _open_hops(facts)
        return True, (*((route.id,) if route else ()), *home.evidence)
    local = facts.control.local_address if facts.control else None
    if _shared(local) and not _through_vpn(facts, local):
        return True, (facts.control.id,) if facts.control else ()
    return None, ()


def _layers(
    facts: Facts, nat: Nat, home: Home, carrier: bool | None
) -> tuple[int | None, tuple[str, ...]]:
    """How many routers translate, one behind the other; two stands for two or more."""
    if nat.present is None:
        return None, ()
    if not nat.present:
        return 0, ()
    mappers = (facts.port_mappers.id,) if facts.port_mappers else ()
    for claim in _claims(facts):
        outer = claim.external_address
        if outer in nat.public_addresses:
            continue
        if _private(outer) or _shared(outer):
            return (None, (*mappers, *home.evidence)) if home.at == 1 else (2, mappers)
        if home.beyond >= 1:
            return 2, (*mappers, *home.evidence)
    if home.at == 1:
        return 1, home.evidence
    local = facts.control.local_address if facts.control else None
    if carrier and _private(local) and _shared_hop(facts) is not None:
        # A carrier's network has no way back to a home's private addresses (RFC 6598 section 4).
        route = _open_hops(facts)
        return 2, (*((route.id,) if route else ()), *home.evidence)
    return None, ()


def _open_hops(facts: Facts) -> Hops | None:
    opens = [h for h in facts.hops if h.aim == "open" and not h.untested and h.hops]
    return max(opens, key=lambda h: sum(hop.address is not None for hop in h.hops), default=None)


def _near(facts: Facts) -> list[Hop]:
    """The hops before the first public address, but for our own router's: whatever it has, what
    stands behind it may still be the carrier's."""
    route = _open_hops(facts)
    near: list[Hop] = []
    for hop in route.hops if route else ():
        public = bool(hop.address) and not (_private(hop.address) or _shared(hop.address))
        if hop.end or (public and hop.ttl > 1):
            break
        near.append(hop)
    return near


def _shared_hop(facts: Facts) -> str | None:
    """A hop of a carrier's shared space behind our own router."""
    return next((h.address for h in _near(facts) if h.ttl > 1 and _shared(h.address)), None)


def _second_router(facts: Facts) -> str | None:
    return next((h.address for h in _near(facts) if h.ttl == 2 and h.address), None)


def _through_vpn(facts: Facts, address: str | None) -> bool:
    local = facts.local
    return local is not None and any(
        a.address == address and a.interface in local.vpn_interfaces for a in local.addresses
    )


def _path(facts: Facts, home: Home) -> list[PathHop]:
    route = _open_hops(facts)
    return _places(facts, route.hops, home) if route else []


def _places(facts: Facts, hops: Sequence[Hop], home: Home) -> list[PathHop]:
    """Whose each device is, as far as addresses and their order tell."""
    gateways = facts.local.gateways if facts.local else ()
    local = facts.control.local_address if facts.control else None
    found: list[PathHop] = []
    public = False  # a public address behind our own router was met
    for hop in hops:
        place: HopPlace = "unknown"
        ours = hop.address in gateways or (
            hop.ttl == 1 and _private(hop.address) and not _through_vpn(facts, local)
        )
        if hop.end:
            place = "server"
        elif public:
            place = "beyond"
        elif hop.address is None:
            place = "unknown"
        elif ours:
            place = "router"
        elif _shared(hop.address) and not _through_vpn(facts, hop.address):
            place = "carrier"
        elif _private(hop.address):
            # Somebody's second router or a carrier's: known where the public address is nearer.
            place = "carrier" if home.at is not None and hop.ttl > home.at else "unknown"
        else:
            place, public = "beyond", True
        found.append(PathHop(ttl=hop.ttl, address=hop.address, rtt_ms=hop.rtt_ms, place=place))
    return found


def _carrier_parameters(facts: Facts) -> dict[str, Parameter]:
    claims = (m.external_address for m in _claims(facts) if _shared(m.external_address))
    claimed = next(claims, None)
    inner = _shared_hop(facts) or claimed
    parameters: dict[str, Parameter] = {}
    if inner is not None:
        parameters["carrier_address"] = inner
    if claimed is not None:
        parameters["external_address"] = claimed
    return parameters


def _evidence(facts: Facts) -> tuple[str, ...]:
    """The observations that say where translation happens."""
    own = [h.id for h in facts.hops if h.aim == "own-address" and not h.untested]
    route = _open_hops(facts)
    mappers = [facts.port_mappers.id] if facts.port_mappers and _claims(facts) else []
    local = [facts.control.id] if facts.control else []
    return tuple(dict.fromkeys([*([route.id] if route else []), *own, *mappers] or local))


def _icmp_errors(facts: Facts) -> bool | None:
    """Only an error that came proves anything: the server's own firewall may be silent."""
    found = facts.icmp_errors
    if found is not None and any(a.outcome == "refused" for a in found.attempts):
        return True
    return None


def _shared(address: str | None) -> bool:
    return kind_of(address) == "carrier"


def _private(address: str | None) -> bool:
    return kind_of(address) in ("private", "link-local")
