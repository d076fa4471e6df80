"""Is what a report says of a NAT true?  Held against the truth of its network (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tests.lab.nat_scenarios import EIM, EVERY_PORT, NatTruth, Range

Judgement = Literal["right", "wrong", "unknown"]

RANGE_WITHIN = 64  # ports: what a default check promises of an end of a range
KERNEL_HOLDS_S = 30  # nf_conntrack_udp_timeout, where a network has no lifetime of its own
EARLY_S = 1.0  # the search ends when it is so near
LATE_S = 2.0  # the kernel counts whole seconds, and the search ends within one

PLAIN = (
    *("present", "mapping", "filtering", "tcp_mapping", "tcp_filtering", "hairpin"),
    *("port_preservation", "port_parity", "port_contiguity", "carrier_grade", "layers"),
    *("simultaneous_open", "icmp_errors", "fragments", "fragments_out_of_order", "path_mtu"),
    "nat64_prefix",
)
"""Said and meant in the same words.  A truth of None states nothing."""

OF_ANSWERS = (
    *("mapping", "filtering", "hairpin", "port_preservation", "port_parity", "port_contiguity"),
    *("pooling", "carrier_grade", "layers", "icmp_errors", "fragments", "fragments_out_of_order"),
    *("path_mtu", "binding_lifetime_min_s", "hops"),
)
"""What only answers over UDP can show."""

OF_SIZED = ("icmp_errors", "fragments", "fragments_out_of_order", "path_mtu")
"""What is asked at a dynamic port of the server."""


class Judged(NamedTuple):
    """One field of the report; ``said`` and ``truth`` are as the report writes them."""

    field: str
    judgement: Judgement
    said: Any
    truth: Any


def judge(truth: NatTruth, report: Mapping[str, Any], *, deep: bool = False) -> list[Judged]:
    """Every field that the truth states and that a check of this depth can find."""
    return [*_of_nat(truth, report["nat"], deep), *_of_path(truth, report), *_ranges(truth, report)]


def unsayable(truth: NatTruth) -> frozenset[str]:
    """What no check can know in this network, so that ``unknown`` is the right word."""
    fields: set[str] = set()
    if not (truth.udp_answers and truth.udp_open):
        fields.update(OF_ANSWERS)
    elif truth.udp_open != EVERY_PORT:
        fields.update(OF_SIZED)
    if truth.pooling == "arbitrary":
        # no packet is sent where only some of several addresses may be ours
        fields.update(("hairpin", "binding_lifetime_min_s"))
    if not truth.icmp_errors:
        fields.add("icmp_errors")  # the server's own firewall would be as silent
    if truth.fragments == "dropped":
        fields.add("fragments_out_of_order")  # their order makes no difference then
    if truth.tcp_open != EVERY_PORT:
        # the server's new ports may all be ones that do not pass
        fields.update(("tcp_filtering", "tcp_unsolicited", "simultaneous_open"))
    if truth.present and truth.layers != 1 and not truth.carrier_grade:
        fields.update(("carrier_grade", "layers"))  # private addresses: whose, nothing shows
    if truth.carrier_grade and truth.layers == 1:
        fields.add("layers")  # whether our own router translates as well, nothing shows
    return frozenset(fields)


def rests_on_silence(truth: NatTruth) -> frozenset[str]:
    """What is known by silence alone, which loss may explain: ``unknown`` is right with it."""
    fields = {"simultaneous_open", "path_mtu", "layers", "carrier_grade"}
    if truth.filtering != EIM:
        fields.add("filtering")
    if truth.tcp_filtering != EIM:
        fields.add("tcp_filtering")
    if not truth.hairpin:
        fields.add("hairpin")
    if truth.tcp_unsolicited == "silence":
        fields.add("tcp_unsolicited")
    for name in ("fragments", "fragments_out_of_order"):
        if getattr(truth, name) == "dropped":
            fields.add(name)
    if None in truth.hops:
        fields.add("hops")
    return frozenset(fields)


def _of_nat(truth: NatTruth, nat: Mapping[str, Any], deep: bool) -> Iterator[Judged]:
    for name in PLAIN:
        if (true := getattr(truth, name)) is not None:
            yield _equal(name, nat[name], true)
    if truth.present:
        yield _equal("pooling", nat["pooling"], truth.pooling)
    if truth.tcp_filtering != EIM:  # else no SYN is unsolicited
        yield _equal("tcp_unsolicited", nat["tcp_unsolicited"], truth.tcp_unsolicited)
    yield _addresses(truth, nat["public_addresses"])
    yield from _lifetime(truth, nat, deep)
    if truth.upnp is not None:
        offered = nat["port_mapping"]
        claimed = {each["external_address"] for each in offered if each["external_address"]}
        right = offered and claimed == ({truth.upnp} if truth.upnp else set())
        judgement: Judgement = "right" if right else "wrong" if claimed else "unknown"
        yield Judged("upnp", judgement, sorted(claimed), truth.upnp)


def _equal(name: str, said: Any, true: Any) -> Judged:
    if said is None or said == "unknown":
        return Judged(name, "unknown", said, true)
    return Judged(name, "right" if said == true else "wrong", said, true)


def _addresses(truth: NatTruth, said: Sequence[str]) -> Judged:
    """All that were seen are true ones; an arbitrary pool shows more than one."""
    several = truth.pooling == "arbitrary"
    right = set(said) <= set(truth.public_addresses) and (len(said) > 1) == several
    judgement: Judgement = "unknown" if not said else "right" if right else "wrong"
    return Judged("public_addresses", judgement, said, truth.public_addresses)


def _lifetime(truth: NatTruth, nat: Mapping[str, Any], deep: bool) -> Iterator[Judged]:
    """What was found is near the truth, and "at least" is no more than it."""
    lives_s = truth.binding_lifetime_s
    for name, lifetime_s in (("binding", lives_s), ("tcp", truth.tcp_lifetime_s)):
        found, least = nat[f"{name}_lifetime_s"], nat[f"{name}_lifetime_min_s"]
        if lifetime_s is not None and (deep or found is not None):
            near = found is not None and -EARLY_S <= found - lifetime_s <= LATE_S
            known: Judgement = "unknown" if found is None else "right" if near else "wrong"
            yield Judged(f"{name}_lifetime_s", known, found, lifetime_s)
        if least is not None and lifetime_s is not None and least > lifetime_s + LATE_S:
            yield Judged(f"{name}_lifetime_min_s", "wrong", least, lifetime_s)
    least = nat["binding_lifetime_min_s"]
    if nat["binding_lifetime_s"] is None and least is None:
        yield Judged("binding_lifetime_min_s", "unknown", None, lives_s or KERNEL_HOLDS_S)
    if deep and lives_s is not None:
        said = None if nat["refreshed_by"] is None else sorted(nat["refreshed_by"])
        yield _equal("refreshed_by", said, sorted(truth.refreshed_by))


def _of_path(truth: NatTruth, report: Mapping[str, Any]) -> Iterator[Judged]:
    """The devices on the way, without the server itself."""
    path = report["path"]
    said = [hop["address"] for hop in path if hop["place"] != "server"]
    # Those that are silent at the end cannot be told from the server.
    true = [*truth.hops]
    matched = len(said) >= len(true) if path else False
    wrong = any(s is not None and s != t for s, t in zip(said, true, strict=False))
    wrong = wrong or any(each is not None for each in said[len(true) :])
    missing = any(s is None and t is not None for s, t in zip(said, true, strict=False))
    judgement: Judgement = "wrong" if wrong else "right" if matched and not missing else "unknown"
    yield Judged("hops", judgement, said, true)


def _ranges(truth: NatTruth, report: Mapping[str, Any]) -> Iterator[Judged]:
    """The server's ports that can be called, where the check sampled them."""
    for name, true in (("dynamic_udp", truth.udp_open), ("dynamic_tcp", truth.tcp_open)):
        if (dynamic := report[name]) is None:
            continue
        said: list[list[int]] = dynamic["open_ranges"]
        right = len(said) == len(true) and all(map(_near, said, true))
        judgement: Judgement = "unknown" if not dynamic["sampled"] else "wrong"
        yield Judged(name, "right" if right else judgement, said, true)


def _near(said: Sequence[int], true: Range) -> bool:
    return all(abs(s - t) <= RANGE_WITHIN for s, t in zip(said, true, strict=True))
