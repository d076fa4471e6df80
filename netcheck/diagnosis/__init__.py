"""From observations to verdicts and findings: pure, so that saved observations can be
diagnosed again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from netcheck.diagnosis import (
    calls,
    dynamic_range,
    editors,
    features,
    findings,
    media,
    nat,
    ports,
    route,
)
from netcheck.diagnosis.facts import Facts
from netcheck.plan import Plan
from netcheck.profile import Profile
from netcheck.report.model import (
    Dynamic,
    Editor,
    Feature,
    Finding,
    Host,
    Nat,
    PathHop,
    PlacedCall,
    Port,
    Server,
    Stream,
    Verdict,
)
from netcheck.report.verdicts import WORST_FIRST
from probes.observation import AnyObservation


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What the observations mean."""

    overall: Verdict
    features: list[Feature]
    ports: list[Port]
    findings: list[Finding]
    dynamic_udp: Dynamic | None
    dynamic_tcp: Dynamic | None
    nat: Nat
    path: list[PathHop]
    media: list[Stream]
    editors: list[Editor]
    calls: list[PlacedCall]
    host: Host
    server: Server


def diagnose(
    profiles: Sequence[Profile],
    plan: Plan,
    observations: Iterable[AnyObservation],
    *,
    cancelled: bool = False,
) -> Diagnosis:
    """The whole meaning of one check's observations."""
    facts = Facts(observations)
    judged = ports.judge(facts, plan)
    behaviour, path = route.judge(facts, nat.judge(facts))
    talked = editors.dialogues(facts, judged, behaviour)
    placed = calls.judge(facts)
    found = findings.find(facts, judged, behaviour, talked, placed, cancelled=cancelled)
    verdicts = features.judge(profiles, facts, judged, found, talked, placed)
    return Diagnosis(
        overall=overall(f.verdict for f in verdicts),
        features=verdicts,
        ports=judged,
        findings=findings.graded(found, verdicts),
        dynamic_udp=dynamic_range.judge(facts, "udp"),
        dynamic_tcp=dynamic_range.judge(facts, "tcp"),
        nat=behaviour,
        path=path,
        media=media.judge(facts),
        editors=editors.judge(facts, talked, behaviour, path),
        calls=calls.told(placed),
        host=_host(facts),
        server=_server(facts),
    )


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict; unknown is worse than works and better than any known harm."""
    seen = set(verdicts)
    return next((v for v in WORST_FIRST if v in seen), "unknown")


def _host(facts: Facts) -> Host:
    local = facts.local
    if local is None:
        return Host(name="", system="")
    own = facts.control.local_address if facts.control else None
    addresses = [a.address for a in local.addresses]
    return Host(
        name=local.hostname,
        system=local.system,
        addresses=list(dict.fromkeys([*([own] if own else []), *addresses])),
        gateways=list(local.gateways),
        dns_servers=list(local.dns_servers),
        vpn_interfaces=list(local.vpn_interfaces),
        proxies=dict(local.proxies),
    )


def _server(facts: Facts) -> Server:
    control = facts.control
    if control is None:
        return _stun_server(facts)
    known = [control.server_address] if control.server_address else []
    return Server(
        host=control.host,
        embedded=False,
        reached=control.connected,
        addresses=list(dict.fromkeys([*known, *control.server_addresses])),
        rtt_ms=control.rtt_ms,
        software=control.software,
        via_proxy=control.via_proxy,
        certificate=control.certificate,
        fingerprint=control.fingerprint,
    )


def _stun_server(facts: Facts) -> Server:
    """Where a check had no echo server, the STUN server in its place."""
    seen = next(iter(facts.stun), None)
    if seen is None:
        names = [lookup.name for lookup in facts.lookups]
        return Server(host=names[0] if names else "", embedded=False, reached=False)
    return Server(
        host=seen.server,
        embedded=False,
        reached=any(attempt.outcome == "answered" for attempt in seen.attempts),
        rtt_ms=seen.rtt_ms,
        software=seen.software,
    )
