"""From ports and circumstances to findings: each a cause, its evidence and its article (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from netcheck import kb
from netcheck.cause import Cause
from netcheck.diagnosis import call_findings, dynamic_range, editors, media, nat, route
from netcheck.diagnosis.calls import Placed
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Judged
from netcheck.report.model import Feature, Finding, Nat, Port, Severity
from probes.observation import (
    Control,
    ControlAttempt,
    InboundTcp,
    InboundUdp,
    OutboundTcp,
    OutboundUdp,
    Transport,
)

HIGH_LOSS = 0.05
"""Round trips lost from which on voice suffers noticeably (ITU-T G.107: G.723.1 loses
about half a point of MOS at 5 %); less than three lost packets are an accident."""

_LOST_MIN = 3
_SENT_MIN = 15  # from fewer, nothing is said about the loss of a path

WHOLE_CHECK: tuple[Cause, ...] = (
    "server-unreachable",
    "captive-portal",
    "dns-failure",
    "dns-rewritten",
)
"""What keeps the whole check from being made, and so concerns every feature."""

_TCP_OUT: dict[str, Cause] = {
    "blocked": "outbound-tcp-blocked",
    "refused": "outbound-tcp-refused",
    "intercepted": "outbound-tcp-intercepted",
}
_TCP_IN: dict[str, Cause] = {
    "blocked": "inbound-tcp-blocked",
    "refused": "inbound-tcp-refused",
    "intercepted": "inbound-wrong-host",
}


def find(
    facts: Facts,
    ports: list[Port],
    behaviour: Nat,
    talked: Sequence[Judged] = (),
    placed: Sequence[Placed] = (),
    *,
    cancelled: bool,
) -> list[Finding]:
    """All findings, without their severity: that follows from the features."""
    clues = [
        *_circumstances(facts, ports, cancelled),
        *(clue for port in ports for clue in _port(facts, port, ports)),
        *_taken(facts, ports),
        *_translated(facts, ports),
        *nat.clues(facts, behaviour),
        *route.clues(facts, behaviour),
        *dynamic_range.clues(facts),
        *media.clues(facts),
        *call_findings.clues(facts, placed, ports),
        *editors.clues(talked, call_findings.harmed(placed)),
    ]
    return [_located(facts, finding) for finding in _together(clues)]


_OUTWARD: dict[Cause, Transport] = {
    "outbound-tcp-blocked": "tcp",
    "outbound-udp-blocked": "udp",
}


def _located(facts: Facts, finding: Finding) -> Finding:
    """The same, with the device at which packets get lost, where all that were followed were
    lost at the same."""
    transport = _OUTWARD.get(finding.cause)
    ports = finding.parameters.get("ports", [])
    if transport is None or not isinstance(ports, list):
        return finding
    found = [route.breaks_at(facts, transport, p) for p in ports if isinstance(p, int)]
    known = [each for each in found if each is not None]
    if len({(place, address) for place, address, _ in known}) != 1:
        return finding
    place, address, evidence = known[0]
    where: dict[str, Parameter] = {"device": place}
    if address is not None:
        where["last_hop"] = address
    return msgspec.structs.replace(
        finding,
        evidence=list(dict.fromkeys((*finding.evidence, *evidence))),
        parameters={**finding.parameters, **where},
    )


_NO_HARM: frozenset[Cause] = frozenset(
    {
        "inbound-udp-blocked",  # replies come in
        "source-port-translated",
        "server-port-unavailable",  # the server is at fault
        "filtering-needs-peer-first",  # as most home networks
        "no-hairpin",
    }
)
_HARM: frozenset[Cause] = frozenset(
    {
        "high-loss",
        "poor-media",
        "one-way-media",
        "calls-without-media",
        "udp-range-limited",
        "symmetric-mapping",
        "short-binding-lifetime",
        "embedded-address-mangled",
        "editor-pinhole-closed",
    }
)
"""Worth a warning even where no feature's verdict hangs on it."""

_SHARED: frozenset[Cause] = frozenset({"carrier-grade-nat", "double-nat"})
"""Without harm by themselves, and where calls from outside do not get in, the reason for that."""


def graded(findings: list[Finding], features: list[Feature]) -> list[Finding]:
    """The findings with their severity, the gravest first."""

    def severity(finding: Finding) -> Severity:
        verdicts = {f.verdict for f in features if finding.id in f.findings}
        if "fails" in verdicts or finding.cause in WHOLE_CHECK:
            return "error"
        if finding.cause in _NO_HARM:
            return "info"
        if "limited" in verdicts or "unknown" in verdicts:
            return "warning"
        shared = finding.cause in _SHARED and kept_out
        return "warning" if shared or finding.cause in _HARM else "info"

    kept_out = any(finding.cause in _TCP_IN.values() for finding in findings)
    order: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
    done = [msgspec.structs.replace(f, severity=severity(f)) for f in findings]
    return sorted(done, key=lambda f: order[f.severity])


def _port(facts: Facts, port: Port, ports: list[Port]) -> Iterator[Clue]:
    cause = _cause_of(facts, port)
    if cause is None or port.observation is None:
        return
    parameters: dict[str, Parameter] = {"transport": port.transport}
    shown: int | None = port.port
    if port.state == "busy":
        parameters["program"] = _program(facts, port)
        shown = port.local_port or port.port
    elif port.direction == "inbound":
        parameters["called_address"] = _called_address(facts, port)
        if port.state == "blocked" and (further := route.further_router(facts)):
            parameters["outer_router"] = further
        if port.remote_port:
            shown = None  # the local port was any that was free
            if not _so_is_the_rest(port, ports):
                parameters["remote_port"] = port.remote_port
    elif port.local_port:
        if port.transport == "udp":
            shown = port.local_port  # the server's port was any
        if not _so_is_the_rest(port, ports):
            parameters["local_port"] = port.local_port
    yield Clue(cause, (port.observation,), shown, parameters)


def _so_is_the_rest(port: Port, ports: list[Port]) -> bool:
    """Whether what befell packets from a certain port befalls those from any other as well:
    then their source is not the reason.  UDP from a certain port went to any port."""
    return any(
        other.local_port is None
        and other.remote_port is None
        and (other.transport, other.direction) == (port.transport, port.direction)
        and (port.transport == "udp" or other.port == port.port)
        and other.state == port.state
        for other in ports
    )


def _cause_of(facts: Facts, port: Port) -> Cause | None:
    match port.state:
        case "open" | "untested" | "unknown":
            return None
        case "busy":
            return "local-port-in-use"
        case "unavailable":
            return "server-port-unavailable"
        case "altered":
            return "payload-altered"
    if port.direction == "inbound":
        return _TCP_IN[port.state] if port.transport == "tcp" else "inbound-udp-blocked"
    if port.transport == "tcp":
        return _TCP_OUT[port.state]
    if port.state == "intercepted":
        return "payload-altered"
    return "udp-reply-blocked" if port.reached_server else "outbound-udp-blocked"


def _program(facts: Facts, port: Port) -> str:
    return next((o.busy_by or "" for o in _reaches(facts) if o.id == port.observation), "")


def _called_address(facts: Facts, port: Port) -> str:
    calls = (*facts.inbound_tcp, *facts.inbound_udp)
    return next((o.address or "" for o in calls if o.id == port.observation), "")


def _reaches(facts: Facts) -> tuple[OutboundTcp | OutboundUdp | InboundTcp | InboundUdp, ...]:
    return (*facts.outbound_tcp, *facts.outbound_udp, *facts.inbound_tcp, *facts.inbound_udp)


def _taken(facts: Facts, ports: list[Port]) -> Iterator[Clue]:
    """Ports that were in use when files were offered, though not when they were tested."""
    if (invited := facts.invited) is None:
        return
    known = {p.port for p in ports if p.direction == "inbound" and p.state == "busy"}
    for one in invited.invitations:
        if one.busy and one.port not in known:
            told: dict[str, Parameter] = {"transport": "tcp", "program": ""}
            yield Clue("local-port-in-use", (invited.id,), one.port, told)


def _translated(facts: Facts, ports: list[Port]) -> Iterator[Clue]:
    """A required source port that arrived as another one (M4)."""
    for o in (*facts.outbound_tcp, *facts.outbound_udp):
        if o.local_port and o.source:
            text = o.source.rpartition(":")[2]
            seen = int(text) if text.isdecimal() and len(text) < 6 else o.local_port
            if seen != o.local_port:
                yield Clue(
                    "source-port-translated",
                    (o.id,),
                    o.local_port,
                    {"local_port": o.local_port, "seen_port": seen},
                )


def _circumstances(facts: Facts, ports: list[Port], cancelled: bool) -> Iterator[Clue]:
    """What concerns the check as a whole: names, the server, proxies, loss."""
    control = facts.control
    reached = control is not None and control.connected
    for lookup in facts.lookups:
        if lookup.outcome != "resolved" and not reached:
            yield Clue(
                "dns-failure", (lookup.id,), None, {"name": lookup.name, "detail": lookup.detail}
            )
        # Name servers that invent addresses for names that do not exist may know this one.
        if lookup.invented in lookup.addresses and not reached:
            yield Clue(
                "dns-rewritten",
                (lookup.id,),
                None,
                {"name": lookup.name, "address": lookup.invented},
            )
    portal = facts.portal
    if portal and portal.outcome in ("redirected", "login-required") and not reached:
        yield Clue("captive-portal", (portal.id,), None, {"location": portal.location})
    if control is None:
        yield from _stun_silent(facts)
        return
    if _given_up(control) if cancelled else not (control.connected and control.confirmed_at_end):
        resolved = not any(lookup.outcome != "resolved" for lookup in facts.lookups)
        if resolved or control.attempts:
            yield Clue(
                "server-unreachable",
                (control.id,),
                None,
                {
                    "server_host": control.host,
                    "ports": sorted({a.port for a in control.attempts}),
                    "detail": _why_unreachable(control.attempts, control.lost_reason),
                },
            )
    outbound = [p for p in ports if (p.transport, p.direction) == ("tcp", "outbound")]
    if (
        control.via_proxy
        and control.connected
        and any(p.state in _TCP_OUT for p in outbound)
        and not any(p.state == "open" for p in outbound)
    ):
        evidence = (control.id, *(p.observation for p in outbound if p.observation))
        yield Clue("proxy-required", evidence, None, {"proxy": control.via_proxy})
    loss = facts.loss
    if loss is not None:
        # Of the control connection's alone: its repeats are counted, where a probe's tries
        # may have been but slow, on a computer that was busy with other things.
        sent, lost = loss.control_sent, loss.control_lost
        lossy = sent >= _SENT_MIN and lost >= _LOST_MIN and lost / sent >= HIGH_LOSS
        if lossy and not media.shows_little_loss(facts, HIGH_LOSS):
            yield Clue("high-loss", (loss.id,), None, {"loss_percent": round(100 * lost / sent)})


def _stun_silent(facts: Facts) -> Iterator[Clue]:
    """A check that had a STUN server only, and it did not answer."""
    for seen in facts.stun:
        if not any(attempt.outcome == "answered" for attempt in seen.attempts):
            host, _, port = seen.server.rpartition(":")
            detail = "; ".join(dict.fromkeys(a.detail or a.outcome for a in seen.attempts))
            told: dict[str, Parameter] = {
                "server_host": host.strip("[]"), "detail": detail, "transport": "udp",
            }  # fmt: skip
            if port.isdecimal():
                told["ports"] = [int(port)]
            yield Clue("server-unreachable", (seen.id,), None, told)


def _given_up(control: Control) -> bool:
    """Whether a check that was cancelled had found before that the server cannot be reached."""
    failed = control.attempts and all(a.outcome != "connected" for a in control.attempts)
    return not control.connected and bool(failed or control.lost_reason)


_IN_WORDS = {
    "refused": "the connection was refused",
    "silent": "there was no answer",
    "unreachable": "the network says that it cannot be reached",
    "wrong-certificate": "its certificate is not the expected one",
    "not-netcheck": "what answers there is not a netcheck server",
    "busy": "the server is busy with other checks",
    "other-version": "the server speaks another version of the protocol",
    "proxy-refused": "the proxy did not let the connection through",
}


def _why_unreachable(attempts: tuple[ControlAttempt, ...], lost_reason: str) -> str:
    if lost_reason:
        return lost_reason
    parts = []
    for attempt in attempts:
        words = _IN_WORDS.get(attempt.outcome)
        if words:
            through = " through the proxy" if attempt.via_proxy else ""
            detail = f" ({attempt.detail})" if attempt.detail else ""
            parts.append(f"port {attempt.port}{through}: {words}{detail}")
    return "; ".join(dict.fromkeys(parts)) or "its address is not known"


def _together(clues: list[Clue]) -> list[Finding]:
    """Clues of one cause and the same parameters become one finding about all their ports."""
    groups: dict[tuple[object, ...], list[Clue]] = {}
    for clue in clues:
        groups.setdefault((clue.cause, msgspec.json.encode(clue.parameters)), []).append(clue)
    counts: dict[str, int] = {}
    findings = []
    for group in groups.values():
        cause = group[0].cause
        counts[cause] = counts.get(cause, 0) + 1
        parameters = dict(group[0].parameters)
        numbers = sorted({clue.port for clue in group if clue.port is not None})
        if numbers:
            parameters["ports"] = list(numbers)
        article = kb.article_for(cause)
        findings.append(
            Finding(
                id=f"{cause}-{counts[cause]}",
                cause=cause,
                severity="info",
                article=article.id,
                title=article.title,
                evidence=list(dict.fromkeys(e for clue in group for e in clue.evidence)),
                parameters=parameters,
            )
        )
    return findings
