"""Where on the way a finding says that it breaks, as far as that is known (pure).

A place is the first and the last device that it may be at: the same twice where it is known.
"""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

from netcheck.cause import Cause
from netcheck.report.model import Finding, Report
from probes.observation import Control

Device = Literal["computer", "router", "outer", "carrier", "internet", "server"]
"""``outer`` is a second router at home, behind the first."""

Place = tuple[Device, Device]
Flow = Literal["outward", "inward", ""]

ORDER: tuple[Device, ...] = get_args(Device)

_NAMED: dict[str, Device] = {
    "computer": "computer",
    "router": "router",
    "carrier": "carrier",
    "beyond": "internet",
    "server": "server",
}
_SURE: dict[Cause, Device] = {
    "local-port-in-use": "computer",
    "server-port-unavailable": "server",
    "carrier-grade-nat": "carrier",
}
_OUTSIDE: frozenset[Cause] = frozenset(
    {
        "outbound-tcp-intercepted",  # the echo server did not write it
        "payload-altered",
        "dns-failure",
        "dns-rewritten",
        "proxy-required",
        "one-way-media",
        "udp-reply-blocked",
    }
)
"""Surely not at the echo server; of the rest not even that is known."""

_TRANSLATION: frozenset[Cause] = frozenset(
    {"source-port-translated", "symmetric-mapping", "short-binding-lifetime"}
)
_AT_THE_SERVER = frozenset({"busy", "other-version"})
"""What only a netcheck server says."""

_FLOWS: dict[Cause, Flow] = {
    "outbound-tcp-blocked": "outward",
    "outbound-tcp-refused": "outward",
    "outbound-udp-blocked": "outward",
    "protocol-filtered": "outward",
    "captive-portal": "outward",
    "embedded-address-mangled": "outward",
    "embedded-address-untouched": "inward",
    "editor-pinhole-closed": "inward",
    "inbound-tcp-blocked": "inward",
    "inbound-tcp-refused": "inward",
    "inbound-udp-blocked": "inward",
    "inbound-wrong-host": "inward",
    "filtering-needs-peer-first": "inward",
    "calls-only-outward": "inward",
}


def flow(cause: Cause) -> Flow:
    """Which way what is lost was going: it came as far as the device where it breaks."""
    return _FLOWS.get(cause, "")


def devices(report: Report) -> list[tuple[Device, str]]:
    """Those of which the report knows, from this computer on, each with its address or name."""
    if report.server.embedded:
        return [("computer", report.host.name)]
    places: dict[str, str] = {}
    for hop in report.path:
        places.setdefault(hop.place, hop.address or "")
    nat = report.nat
    found: list[tuple[Device, str]] = [("computer", next(iter(report.host.addresses), ""))]
    if "router" in places or report.host.gateways or nat.present:
        router = places.get("router") or next(iter(report.host.gateways), "")
        found.append(("router", router))
    if _has_outer(report):
        found.append(("outer", _outer_address(report)))
    if "carrier" in places or nat.carrier_grade:
        found.append(("carrier", places.get("carrier", "")))
    found.append(("internet", next(iter(nat.public_addresses), "") if nat.present else ""))
    found.append(("server", report.server.host))
    return found


def where(finding: Finding, report: Report) -> Place:
    """Only among the devices that :func:`devices` gives."""
    first, last = _where(finding, report)
    known = [device for device, _ in devices(report)]
    at = ORDER.index
    return (
        next((d for d in reversed(known) if at(d) <= at(first)), known[0]),
        next((d for d in known if at(d) >= at(last)), known[-1]),
    )


def _where(finding: Finding, report: Report) -> Place:
    said = finding.parameters.get("device")
    if isinstance(said, str) and said in _NAMED:
        return _NAMED[said], _NAMED[said]
    cause = finding.cause
    if cause in _SURE:
        return _SURE[cause], _SURE[cause]
    if cause in _TRANSLATION:
        return _translators(report)
    if cause in _OUTSIDE:
        return "computer", "internet"
    match cause:
        case "double-nat":
            return ("outer", "outer") if _has_outer(report) else ("router", "internet")
        case "embedded-address-untouched":
            return _first_translator(report)
        case "embedded-address-mangled" | "editor-pinhole-closed":
            return _translators(report)
        case "no-hairpin":
            return _public_end(report)
        case "inbound-tcp-blocked" | "inbound-udp-blocked":
            return _from_outside(report)
        case "calls-only-outward":
            # Calls come in where the port is open: the directory or the answer names another place.
            named = finding.parameters.get("entry") or finding.parameters.get("answer")
            return _first_translator(report) if named else _from_outside(report)
        case "inbound-tcp-refused" | "filtering-needs-peer-first":
            # This computer's own firewall may do the same.
            return "computer", _from_outside(report)[1]
        case "inbound-wrong-host":
            return _wrong_host(report)
        case "captive-portal":
            return _portal(finding, report)
        case "server-unreachable":
            return _unreachable(finding, report)
    return "computer", "server"


def _has_outer(report: Report) -> bool:
    nat = report.nat
    if nat.carrier_grade:
        return False  # the second one that translates is the carrier's
    return (nat.layers is not None and nat.layers > 1) or bool(_outer_address(report))


def _outer_address(report: Report) -> str:
    """Of the router behind our own; not if it is the carrier's, or anybody's on the Internet."""
    if report.nat.carrier_grade:
        return ""
    places = {hop.address: hop.place for hop in report.path}
    for finding in report.findings:
        said = finding.parameters.get("outer_router")
        if isinstance(said, str) and said and places.get(said, "unknown") == "unknown":
            return said
    return ""


def _translators(report: Report) -> Place:
    """Whichever of those that translate it is."""
    nat = report.nat
    if nat.carrier_grade:
        return "router", "carrier"
    if nat.layers == 1:
        return "router", "router"
    if _has_outer(report):
        return "router", "outer"
    return ("computer" if nat.present is None else "router"), "internet"


def _first_translator(report: Report) -> Place:
    """Who left an address as it was.  Where layers were counted, our own router is one."""
    if report.nat.layers:
        return "router", "router"
    return _translators(report)


def _public_end(report: Report) -> Place:
    """Who has the public address."""
    nat = report.nat
    if nat.carrier_grade:
        return "carrier", "carrier"
    if nat.layers == 1:
        return "router", "router"
    if _has_outer(report):
        return "outer", "outer"
    return "router", "internet"


def _from_outside(report: Report) -> Place:
    """Who gets what nobody asked for: the holder of the public address, if it translates."""
    return _public_end(report) if report.nat.present else ("computer", "internet")


def _wrong_host(report: Report) -> Place:
    """Behind one NAT its router has sent it astray, or answered itself."""
    nat = report.nat
    if not nat.present:
        return "computer", "internet"
    return "router", _public_end(report)[1]


def _portal(finding: Finding, report: Report) -> Place:
    said = finding.parameters.get("location")
    try:
        host = urlsplit(said if isinstance(said, str) else "").hostname
    except ValueError:
        host = None
    if host and host in report.host.gateways:
        return "router", "router"
    return "router", "internet"


def _unreachable(finding: Finding, report: Report) -> Place:
    controls = (
        o for o in report.observations if isinstance(o, Control) and o.id in finding.evidence
    )
    outcomes = {attempt.outcome for control in controls for attempt in control.attempts}
    return ("server", "server") if outcomes & _AT_THE_SERVER else ("computer", "server")
