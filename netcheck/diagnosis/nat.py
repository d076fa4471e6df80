"""How the NAT on the path behaves, in the terms of RFC 4787 and RFC 5382 (pure).

Where loss, or a server that may be at fault, explains what was seen, the answer is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from netcheck.diagnosis import binding_lifetime, dynamic_range
from netcheck.diagnosis.clue import Clue
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Behaviour, Nat
from probes import silence
from probes.observation import Mapped, NatMapping, Transport, Unasked
from probes.wire.link import is_address

SOCKETS_MIN = 19
"""So many ports have the right parity, or so many sockets the same one of two public
addresses, by chance: no more often than silence.CHANCE_MAX."""

BROKEN_MIN = 3
"""So many ports of the wrong parity are no accident, as where a port was taken already; and of
twenty random ports fewer are wrong once in five thousand times."""

PAIRS_MIN = 6
"""A port follows another by chance once in 64 000 times: a few pairs are enough."""

CONTROLS_HEARD = 1 / 3
"""Where fewer answers came from the known source, the silence of another says nothing of it:
the path or the server was out of order in that moment."""

_REQUIRED_S: dict[Transport, int] = {"udp": 120, "tcp": 7440}
"""How long an idle binding must live at least (RFC 4787 REQ-5, RFC 5382 REQ-5)."""

_Endpoint = tuple[str, int]
_Let = Literal["in", "silence", "reset", "icmp", "unknown"]


def judge(facts: Facts) -> Nat:
    """Presence and public addresses from every probe, behaviour from those of its own."""
    pairs = list(_translations(facts))
    public = list(dict.fromkeys([*_ordinary(facts), *(seen[0] for _, seen in pairs)]))
    life, tcp_life = (binding_lifetime.judge(facts, each) for each in ("udp", "tcp"))
    return Nat(
        present=_present(facts, pairs),
        public_addresses=public,
        mapping=_mapping(facts, "udp"),
        filtering=_filtering(facts, "udp"),
        tcp_mapping=_mapping(facts, "tcp"),
        tcp_filtering=_filtering(facts, "tcp"),
        tcp_unsolicited=_unsolicited(facts),
        hairpin=_hairpin(facts),
        port_preservation=_preservation(_sockets(facts)),
        port_parity=_parity(_sockets(facts)),
        port_contiguity=_contiguity(_sockets(facts)),
        port_overloading=_overloading(facts),
        tcp_port_preservation=_tcp_preservation(facts),
        pooling=_pooling(facts),
        binding_lifetime_s=life.found_s,
        binding_lifetime_min_s=life.at_least_s,
        refreshed_by=life.refreshed_by,
        tcp_lifetime_s=tcp_life.found_s,
        tcp_lifetime_min_s=tcp_life.at_least_s,
        simultaneous_open=_simultaneous(facts),
        evidence=_evidence(facts),
    )


def clues(facts: Facts, nat: Nat) -> Iterator[Clue]:
    """What of this does harm."""
    if nat.mapping in ("address-dependent", "address-and-port-dependent"):
        yield Clue(
            "symmetric-mapping",
            tuple(o.id for o in facts.nat_mapping if o.transport == "udp"),
            parameters={"transport": "udp", "public_addresses": [*nat.public_addresses]},
        )
    if nat.filtering in ("address-dependent", "address-and-port-dependent"):
        yield Clue(
            "filtering-needs-peer-first",
            tuple(o.id for o in facts.nat_filtering if o.transport == "udp"),
            parameters={"filtering": nat.filtering},
        )
    if nat.hairpin is False and facts.hairpin:
        yield Clue("no-hairpin", (facts.hairpin.id,))
    for transport, required_s in _REQUIRED_S.items():
        life = binding_lifetime.judge(facts, transport)
        shortest_s = life.found_s if life.found_s is not None else life.at_most_s
        if shortest_s is not None and shortest_s < required_s:
            yield Clue(
                "short-binding-lifetime",
                life.evidence,
                parameters={"seconds": max(1, int(shortest_s)), "transport": transport},
            )


def _endpoint(text: str) -> _Endpoint:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port) if port.isdecimal() else 0


def _ordinary(facts: Facts) -> list[str]:
    """Our public addresses as the echo server saw them."""
    control = facts.control
    if control is None or not control.local_address:
        return []
    seen = [_endpoint(o.source)[0] for o in (*facts.outbound_tcp, *facts.outbound_udp) if o.source]
    if not seen and control.observed_address and not control.via_proxy:
        told = _endpoint(control.observed_address)[0]
        seen = [told] if is_address(told) else []  # a server may say anything
    return seen


def _translations(facts: Facts) -> Iterator[tuple[_Endpoint, _Endpoint]]:
    """Every socket of the probes of NAT behaviour: its own address, and as it was seen."""
    for mapping in facts.nat_mapping:
        for one in mapping.seen:
            if seen := one.xored or one.plain:
                yield _endpoint(mapping.local), _endpoint(seen)
    for ports in facts.nat_ports:
        for sock in ports.sockets:
            if sock.mapped:
                yield _endpoint(sock.local), _endpoint(sock.mapped)
    for filtering in facts.nat_filtering:
        if filtering.mapped:
            yield _endpoint(filtering.local), _endpoint(filtering.mapped)


def _present(facts: Facts, pairs: Iterable[tuple[_Endpoint, _Endpoint]]) -> bool | None:
    own = facts.control.local_address if facts.control else None
    translated = [address != own for address in _ordinary(facts)]
    translated += [local != seen for local, seen in pairs if local[0] not in ("", "0.0.0.0", "::")]
    return any(translated) if translated else None


def _mapping(facts: Facts, transport: Transport) -> Behaviour:
    """RFC 4787 section 4.1: which destinations see the same address and port."""
    classes = [_mapping_class(o) for o in facts.nat_mapping if o.transport == transport]
    return next((c for c in classes if c != "unknown"), "unknown")


def _mapping_class(observation: NatMapping) -> Behaviour:
    seen = [
        (_endpoint(one.destination), mapped)
        for one in observation.seen
        if (mapped := one.xored or one.plain)
    ]
    pairs = [
        (to[0] == other_to[0], mapped == other)
        for n, (to, mapped) in enumerate(seen)
        for other_to, other in seen[n + 1 :]
    ]
    if (True, False) in pairs:  # to one address, and yet not the same
        return "address-and-port-dependent"
    if (False, False) in pairs:
        return "address-dependent" if (True, True) in pairs else "unknown"
    return "endpoint-independent" if (False, True) in pairs else "unknown"


def _filtering(facts: Facts, transport: Transport) -> Behaviour:
    """RFC 4787 section 5: from which sources a mapping lets packets in."""
    for observation in (o for o in facts.nat_filtering if o.transport == transport):
        found = {t.source: _let(facts, transport, t) for t in observation.tests}
        from_port = found.get("other-port", "unknown")
        from_address = found.get("other-address", "unknown")
        if from_address == "in" and from_port in ("in", "unknown"):
            return "endpoint-independent"
        if from_port == "in" and from_address != "unknown":
            return "address-dependent"
        if from_port not in ("in", "unknown") and from_address != "in":
            return "address-and-port-dependent"
    return "unknown"


def _let(facts: Facts, transport: Transport, test: Unasked) -> _Let:
    """What happened to packets from a source that the socket had not sent to."""
    if test.untested:
        return "unknown"
    if test.heard:
        return "in"
    outcomes = [a.outcome for a in test.attempts]
    if outcomes.count("refused") >= silence.REFUSALS_ENOUGH:
        return "reset"
    if outcomes.count("unreachable") >= silence.REFUSALS_ENOUGH:
        return "icmp"
    if set(outcomes) - {"silent"} or not test.asked:
        return "unknown"
    trusted = (
        facts.trusted_silence if transport == "tcp" else _alive(facts.nat_mapping, test.source)
    )
    return "silence" if trusted and _beyond_loss(facts, transport, test) else "unknown"


def _alive(mappings: Sequence[NatMapping], source: str) -> bool:
    """Whether the server does send from its other port or address: that is known where it
    answered there in this run."""

    def answered(one: Mapped) -> bool:
        return bool(one.xored or one.plain)

    for mapping in (m for m in mappings if m.transport == "udp" and m.seen):
        first = _endpoint(mapping.seen[0].destination)
        for one in filter(answered, mapping.seen[1:]):
            address, port = _endpoint(one.destination)
            if port != first[1] and (address == first[0]) == (source == "other-port"):
                return True
    return False


def _beyond_loss(facts: Facts, transport: Transport, test: Unasked) -> bool:
    """Whether loss cannot explain that nothing came."""
    if test.control_sent and test.control_heard < CONTROLS_HEARD * test.control_sent:
        return False
    if facts.loss is None:
        lost = test.control_sent - test.control_heard
        chance = silence.chance_of_silence(test.asked, test.control_sent, lost)
    else:
        chance = facts.chance_of_silence(transport, test.asked)
    return silence.rules_out_loss(test.asked, chance)


def _unsolicited(facts: Facts) -> Literal["silence", "reset", "icmp", "unknown"]:
    """What a SYN gets that no mapping lets in (RFC 5382 section 4.3)."""
    for observation in (o for o in facts.nat_filtering if o.transport == "tcp"):
        for test in sorted(observation.tests, key=lambda t: t.source):  # the other address first
            got = _let(facts, "tcp", test)
            if got != "in" and got != "unknown":
                return got
    return "unknown"


def _hairpin(facts: Facts) -> bool | None:
    """Whether two computers inside reach each other at their public addresses when both send
    (RFC 4787 REQ-9): it is the same to them whether a filter stops that or nothing leads it
    back."""
    found = facts.hairpin
    if found is None or found.untested:
        return None
    if found.heard:
        return True
    if any(a.outcome != "silent" for a in found.attempts):
        return None
    tries = len(found.attempts)
    chance = facts.chance_of_silence("udp", tries)
    return False if silence.rules_out_loss(tries, chance) else None


def _sockets(facts: Facts, transport: Transport = "udp") -> list[tuple[int, int]]:
    """The ports of many sockets, and as they were seen."""
    return [
        (_endpoint(sock.local)[1], _endpoint(sock.mapped)[1])
        for o in facts.nat_ports
        if o.transport == transport
        for sock in o.sockets
        if sock.mapped
    ]


def _preservation(ports: Sequence[tuple[int, int]]) -> bool | None:
    """Whether a NAT keeps port numbers where they are free: two or more by chance are rarer
    than once in ten thousand times."""
    if len(ports) < PAIRS_MIN:
        return None
    kept = sum(local == seen for local, seen in ports)
    return True if 2 * kept >= len(ports) else False if kept <= 1 else None


def _parity(ports: Sequence[tuple[int, int]]) -> bool | None:
    """RFC 4787 section 4.2.2.  Where a part keeps it, nobody can rely on it."""
    if len(ports) < SOCKETS_MIN:
        return None
    broken = sum((local - seen) % 2 for local, seen in ports)
    return True if broken == 0 else False if broken >= BROKEN_MIN else None


def _contiguity(ports: Sequence[tuple[int, int]]) -> bool | None:
    """RFC 4787 section 4.2.3: an even port and the next are seen as two such."""
    seen = dict(ports)
    pairs = [(seen[even], seen[even + 1]) for even in seen if even % 2 == 0 and even + 1 in seen]
    if len(pairs) < PAIRS_MIN:
        return None
    next_to = sum(odd == even + 1 for even, odd in pairs)
    return True if next_to == len(pairs) else False if 4 * next_to <= len(pairs) else None


def _overloading(facts: Facts) -> bool | None:
    """RFC 4787 REQ-1b: whether two sockets got the same address and port at the same time.
    That none did says little: a NAT may do it to two computers only."""
    sockets: dict[_Endpoint, set[_Endpoint]] = {}
    for mapping in (o for o in facts.nat_mapping if o.transport == "udp"):
        for one in mapping.seen:
            if seen := one.xored or one.plain:
                sockets.setdefault(_endpoint(seen), set()).add(_endpoint(mapping.local))
    for ports in (o for o in facts.nat_ports if o.transport == "udp"):
        for sock in ports.sockets:
            if sock.mapped:
                sockets.setdefault(_endpoint(sock.mapped), set()).add(_endpoint(sock.local))
    return True if any(len(owners) > 1 for owners in sockets.values()) else None


def _tcp_preservation(facts: Facts) -> bool | None:
    ports = _sockets(facts, "tcp")
    if len(ports) >= PAIRS_MIN:
        return _preservation(ports)
    kept = {
        _endpoint(o.local)[1] == _endpoint(seen)[1]
        for o in facts.nat_mapping
        if o.transport == "tcp"
        for one in o.seen
        if (seen := one.xored or one.plain)
    }
    return kept.pop() if len(kept) == 1 else None


def _simultaneous(facts: Facts) -> bool | None:
    """Whether a peer anywhere can open a connection while we do (RFC 5382 REQ-2).

    The partner is called from the address that the mapping is for.  Where another address has
    another mapping, a peer there calls one that lets nothing of his in, whatever came about
    with our partner: such a NAT is known without him."""
    mapping = _mapping(facts, "tcp")
    dependent = mapping not in ("endpoint-independent", "unknown")
    if dependent and _filtering(facts, "tcp") in (
        "address-dependent",
        "address-and-port-dependent",
    ):
        return False
    if facts.punched is None:
        return None
    if facts.punched.opened:
        return None if dependent else True
    ports = dynamic_range.judge(facts, "tcp")
    if ports is not None and ports.fraction < 1:
        return None  # the partner's port may be one that does not pass at all
    return facts.punched.opened


def _pooling(facts: Facts) -> Literal["paired", "arbitrary", "unknown"]:
    """RFC 4787 section 4.1: whether all sockets have one public address."""
    pairs = list(_translations(facts))
    if len({seen[0] for _, seen in pairs}) > 1:
        return "arbitrary"
    return "paired" if len({local for local, _ in pairs}) >= SOCKETS_MIN else "unknown"


def _evidence(facts: Facts) -> list[str]:
    single = (facts.hairpin, facts.punched)
    several = (facts.nat_mapping, facts.nat_filtering, facts.nat_ports, facts.lifetimes)
    return [*(o.id for many in several for o in many), *(o.id for o in single if o is not None)]
