"""Checking again only what a remedy concerns, and what it changed (pure).

The parts that are not run again keep the observations of the check before, and all of them are
diagnosed together: so the answer is about every feature, and what was just remedied is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from netcheck import diagnosis, plan
from netcheck.cause import Cause
from netcheck.plan import PARTS, Part
from netcheck.profile import Profile
from netcheck.report import check_again
from netcheck.report.model import Finding, Report
from probes.errors import LinkError
from probes.observation import (
    AnyObservation,
    AtOnce,
    BindingLifetime,
    Call,
    Control,
    DynamicRange,
    Fragments,
    Hops,
    IcmpErrors,
    InboundTcp,
    InboundUdp,
    Ledger,
    MediaStream,
    Nat64,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    OutboundTcp,
    OutboundUdp,
    PathMtu,
    PortMappers,
    Punched,
    StunSeen,
    Talk,
)
from probes.wire import link
from probes.wire.link import Link

_INWARD: frozenset[Part] = frozenset({"ports", "editors"})
_UDP: frozenset[Part] = frozenset({"ports", "range", "media"})
_NAT: frozenset[Part] = frozenset({"nat"})
_WHOLE_NAT: frozenset[Part] = frozenset({"nat", "ports", "editors"})

_CONCERNED: Mapping[Cause, frozenset[Part]] = {
    "outbound-tcp-blocked": _INWARD,
    "outbound-tcp-refused": _INWARD,
    "outbound-tcp-intercepted": _INWARD,
    "payload-altered": _INWARD,
    "outbound-udp-blocked": _UDP,
    "udp-reply-blocked": _UDP,
    "udp-range-limited": frozenset({"range", "media"}),
    "tcp-range-limited": frozenset({"range", "editors"}),
    "inbound-tcp-blocked": _INWARD,
    "inbound-tcp-refused": _INWARD,
    "inbound-wrong-host": _INWARD,
    "inbound-udp-blocked": _INWARD,
    "local-port-in-use": _INWARD,
    "source-port-translated": _INWARD,
    "server-port-unavailable": _INWARD,
    "embedded-address-untouched": _INWARD,
    "embedded-address-mangled": _INWARD,
    "editor-pinhole-closed": _INWARD,
    "protocol-filtered": _INWARD,
    "calls-without-media": _INWARD,
    "calls-only-outward": _INWARD,
    "symmetric-mapping": _NAT,
    "filtering-needs-peer-first": _NAT,
    "no-hairpin": _NAT,
    "short-binding-lifetime": _NAT,
    "fragments-dropped": _NAT,
    "carrier-grade-nat": _WHOLE_NAT,
    "double-nat": _WHOLE_NAT,
    "one-way-media": frozenset({"media"}),
    "poor-media": frozenset({"media"}),
}
"""What of a check shows whether a cause is gone; any other cause concerns all of it."""

_SEEN_BY: Mapping[type, Part] = {
    OutboundTcp: "ports", OutboundUdp: "ports", AtOnce: "ports", InboundTcp: "ports",
    InboundUdp: "ports", Hops: "ports", Ledger: "ports",
    StunSeen: "nat", NatMapping: "nat", NatPorts: "nat", NatFiltering: "nat", NatHairpin: "nat",
    BindingLifetime: "nat", Punched: "nat", PathMtu: "nat", Fragments: "nat", IcmpErrors: "nat",
    PortMappers: "nat", Nat64: "nat",
    Talk: "editors", Call: "editors",
    DynamicRange: "range", MediaStream: "media",
}  # fmt: skip
"""The part whose run makes an observation; every check makes the others anew."""


def concerned(finding: Finding, report: Report) -> frozenset[Part]:
    """The parts to run again for a finding; empty for all of the check, as where this computer
    alone was tested or the server was not reached."""
    if report.server.embedded or not report.server.reached:
        return frozenset()
    wanted = _CONCERNED.get(finding.cause, frozenset())
    return frozenset() if wanted >= _tested(report) else wanted & _tested(report)


def link_of(report: Report) -> Link | None:
    """The server that a report was made against, as far as the report vouches for it; None for
    this computer alone.  Raises LinkError where the report does not say."""
    if report.server.embedded:
        return None
    options = check_again.options(report)
    if options is None:
        return link.parse(report.server.host)
    if not check_again.is_safe(options) or not options.startswith("--server "):
        raise LinkError("The report does not say which echo server it was made with.")
    return link.parse(options.removeprefix("--server ").split(" ")[0].strip('"'))


def joined(
    before: Report, after: Report, profiles: Iterable[Profile], parts: frozenset[Part]
) -> Report:
    """``after``, in which only these parts were run, with what ``before`` saw of the others.

    Where the network is another one by now, or the server was not reached, ``after`` alone.
    """
    if not parts or not _comparable(before, after):
        return after
    chosen = tuple(profiles)
    names = {each.id for each in after.observations}
    old = (each for each in kept(before.observations, parts) if each.id not in names)
    observations = [*old, *after.observations]
    whole = plan.make(chosen, "default", parts | _tested(before))
    found = diagnosis.diagnose(chosen, whole, observations)
    meaning = {name: getattr(found, name) for name in type(found).__struct_fields__}
    meaning["server"] = msgspec.structs.replace(found.server, embedded=after.server.embedded)
    note = (
        f"Only part of it was checked again ({', '.join(sorted(parts))}); the rest was found by"
        f" the check of {before.started_at[:16].replace('T', ' ')}."
    )
    return msgspec.structs.replace(after, observations=observations, note=note, **meaning)


def kept(observations: Iterable[AnyObservation], parts: frozenset[Part]) -> list[AnyObservation]:
    """What was seen by other parts than these."""
    return [
        each
        for each in observations
        if (part := _SEEN_BY.get(type(each))) is not None and part not in parts
    ]


def _tested(report: Report) -> frozenset[Part]:
    seen = {_SEEN_BY.get(type(each)) for each in report.observations}
    return frozenset(part for part in PARTS if part in seen)


def _comparable(before: Report, after: Report) -> bool:
    ends = [_control(report) for report in (before, after)]
    if not after.complete or not all(end is not None and end.connected for end in ends):
        return False
    return _place(before) == _place(after)


def _place(report: Report) -> tuple[object, ...]:
    control = _control(report)
    assert control is not None
    seen_as = (control.observed_address or "").rpartition(":")[0]
    return (control.host, seen_as, control.local_address, tuple(report.host.gateways))


def _control(report: Report) -> Control | None:
    return next((each for each in report.observations if isinstance(each, Control)), None)
