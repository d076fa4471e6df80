"""Why something does not work, as a person would say it: which device, and what it does (pure).

The article of a finding says what to do; here is the half sentence that comes before.  A device is
blamed only where the report knows that it was this one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from netcheck.cause import Cause
from netcheck.report.model import Feature, Finding, Report
from netcheck.report.page import clean

REASON_MAX = 160
"""Characters: what is longer is no part of a sentence; the finding's article says it all."""

_MOST_TELLING: tuple[Cause, ...] = (
    "captive-portal",
    "dns-rewritten",
    "dns-failure",
    "server-unreachable",
    "proxy-required",
    "local-port-in-use",
    "outbound-tcp-blocked",
    "outbound-tcp-refused",
    "outbound-tcp-intercepted",
    "payload-altered",
    "protocol-filtered",
    "calls-without-media",
    "outbound-udp-blocked",
    "udp-reply-blocked",
    "udp-range-limited",
    "tcp-range-limited",
    "embedded-address-mangled",
    "editor-pinhole-closed",
    "embedded-address-untouched",
    "inbound-wrong-host",
    "inbound-tcp-refused",
    "inbound-tcp-blocked",
    "calls-only-outward",
    "one-way-media",
    "inbound-udp-blocked",
)
"""What comes first explains a feature's verdict where several findings concern it: what stops the
program itself before what stops others from reaching it."""

_DEVICES: Mapping[str, str] = {
    "computer": "a firewall on this computer",
    "router": "your router",
    "carrier": "your Internet provider",
    "beyond": "something beyond your Internet provider",
}


def telling(report: Report, feature: Feature) -> Finding | None:
    """The finding that explains this feature's verdict best; None where there is none."""
    found = [each for each in report.findings if each.id in feature.findings]
    first = min(found, key=lambda each: _rank(each.cause), default=None)
    if (
        first is not None
        and report.nat.carrier_grade
        and (
            first.cause in _INWARD
            or (first.cause == "editor-pinhole-closed" and _elsewhere(report, first))
        )
    ):
        shared = next((f for f in report.findings if f.cause == "carrier-grade-nat"), None)
        return shared or first
    return first


_INWARD: tuple[Cause, ...] = ("inbound-tcp-blocked", "calls-only-outward")


def of_feature(report: Report, feature: Feature) -> str:
    """Why it has the verdict that it has; empty where only the verdict is known."""
    found = telling(report, feature)
    if found is not None:
        return of(report, found)
    if feature.verdict in ("works", "unknown"):
        return ""
    return _inside(feature.summary.partition(": ")[0])  # the rest are its particulars


def of(report: Report, finding: Finding) -> str:
    """The finding in half a sentence, as after "because"."""
    made = _SAID.get(finding.cause)
    if made is None:
        return _inside(finding.title)
    return made if isinstance(made, str) else made(report, finding)


def _rank(cause: Cause) -> int:
    return _MOST_TELLING.index(cause) if cause in _MOST_TELLING else len(_MOST_TELLING)


def _device(finding: Finding) -> str:
    """Who it was, where packets were followed to the device that loses them."""
    return _DEVICES.get(str(finding.parameters.get("device")), "something on the way")


def _router(report: Report) -> str:
    """Who rewrites: where two do, or it is not known how many, it may be any."""
    return "your router" if _only_router(report) else "something on the way"


def _only_router(report: Report) -> bool:
    """Whether nobody else on the way translates addresses."""
    nat = report.nat
    return bool(nat.present) and nat.layers == 1 and not nat.carrier_grade


def _messages(finding: Finding) -> str:
    """What the address stands in."""
    said = finding.parameters.get("protocols")
    only = str(said[0]) if isinstance(said, list) and len(said) == 1 else ""
    return {
        "msn": "MSN Messenger's invitations",
        "h323": "the messages of calls",
        "ldap": "your entry in the directory",
    }.get(only, "the messages of some programs")


def _untouched(report: Report, finding: Finding) -> str:
    where = _messages(finding)
    if finding.parameters.get("protocols") == ["ldap"]:
        return "the directory gives others an address that only works in your own network"
    if report.nat.carrier_grade:
        return f"neither your router nor your provider rewrites the address inside {where}"
    if _only_router(report):
        return f"your router does not rewrite the address inside {where}"
    who = "no router on the way rewrites" if report.nat.present else "nothing rewrites"
    return f"{who} the address inside {where}"


def _mangled(report: Report, finding: Finding) -> str:
    return f"{_router(report)} damages {_messages(finding)}"


def _pinhole(report: Report, finding: Finding) -> str:
    where = _messages(finding)
    if _elsewhere(report, finding):
        names = "names" if finding.parameters.get("protocols") == ["ldap"] else "name"
        return f"{where} {names} an address that is not your public one"
    return f"{_router(report)} writes an address into {where} where it lets nobody in"


def _elsewhere(report: Report, finding: Finding) -> bool:
    """Whether the address that was written is not the one others see: another NAT stands behind."""
    written, colon, _ = str(finding.parameters.get("received", "")).rpartition(":")
    public = report.nat.public_addresses
    return bool(colon and public) and written.strip("[]") not in public


def _inbound(report: Report, finding: Finding) -> str:
    """What drops them may also be a firewall of this computer: seen from outside it is the same."""
    if _only_router(report):
        return "connections from outside do not get through your router to this computer"
    if report.nat.present is False:
        return "a firewall keeps connections from outside away from this computer"
    return "connections from outside do not reach this computer"


def _calls_silent(report: Report, finding: Finding) -> str:
    return f"calls connect, but {_device(finding)} blocks their sound and picture"


def _one_way(report: Report, finding: Finding) -> str:
    verb = "see" if finding.parameters.get("kind") == "video" else "hear"
    if finding.parameters.get("direction") == "outbound":
        return f"you {verb} the others, but they do not {verb} you"
    return f"the others {verb} you, but you do not {verb} them"


def _proved_wrong(report: Report) -> bool:
    return any(
        attempt.outcome == "wrong-certificate"
        for each in report.observations
        for attempt in getattr(each, "attempts", ())
        if each.__struct_config__.tag == "control"
    )


def _unreachable(report: Report, finding: Finding) -> str:
    host = clean(report.server.host)[:REASON_MAX]
    server = f"the echo server {host}" if host else "the echo server"
    if _proved_wrong(report):
        return f"{server} could not prove who it is"
    if report.server.reached:
        return f"the connection to {server} was lost during the check"
    return f"{server} could not be reached"


def _named(report: Report, finding: Finding) -> str:
    name = clean(str(finding.parameters.get("name", report.server.host)))[:REASON_MAX]
    return f"the name {name}" if name else "the echo server's name"


_SAID: Mapping[Cause, str | Callable[[Report, Finding], str]] = {
    "captive-portal": "this network wants you to sign in first",
    "dns-failure": lambda r, f: f"{_named(r, f)} could not be looked up",
    "dns-rewritten": lambda r, f: f"the network gives a false address for {_named(r, f)}",
    "server-unreachable": _unreachable,
    "server-port-unavailable": "the echo server does not offer what this test needs",
    "proxy-required": "this network lets programs out only through its proxy server",
    "local-port-in-use": "another program on this computer uses what this needs",
    "outbound-tcp-blocked": lambda r, f: f"{_device(f)} blocks the connections that this needs",
    "outbound-tcp-refused": lambda r, f: f"{_device(f)} refuses the connections that this needs",
    "outbound-tcp-intercepted": "something on the way answers in place of the other side",
    "payload-altered": "something on the way changes what is sent",
    "protocol-filtered": lambda r, f: f"something on the way keeps back {_messages(f)}",
    "calls-without-media": _calls_silent,
    "outbound-udp-blocked": lambda r, f: (
        f"{_device(f)} blocks the sound or picture that this sends"
    ),
    "udp-reply-blocked": "sound and picture go out, but nothing comes back",
    "udp-range-limited": "only some of the sound and picture gets through",
    "tcp-range-limited": "only some of the connections that calls agree on get through",
    "embedded-address-untouched": _untouched,
    "embedded-address-mangled": _mangled,
    "editor-pinhole-closed": _pinhole,
    "inbound-wrong-host": "connections from outside reach another machine, not this computer",
    "inbound-tcp-refused": "connections from outside are turned away",
    "inbound-tcp-blocked": _inbound,
    "inbound-udp-blocked": "sound and picture sent from outside do not arrive",
    "calls-only-outward": "calls from outside do not get through to this computer",
    "carrier-grade-nat": "your Internet provider shares one public address among many customers,"
    " so nobody outside can reach you",
    "one-way-media": _one_way,
    "poor-media": "sound or picture are too bad for a good conversation",
    "high-loss": "too much is lost on the way for good sound and picture",
}


def _inside(words: str) -> str:
    """Within a sentence, and no longer than one."""
    said = clean(words).rstrip(".")[:REASON_MAX]
    return said[:1].lower() + said[1:] if said[1:2].islower() else said
