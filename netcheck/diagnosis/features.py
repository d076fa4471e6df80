"""From ports to features: what a user can do, and in one sentence why not (pure).

A feature *fails* as soon as one thing it needs is known not to pass, is *unknown*
when something could not be tested, *limited* when a part passes, and else *works*.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from netcheck.diagnosis import media
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.findings import WHOLE_CHECK
from netcheck.profile import FeatureSpec, Profile, Requirement
from netcheck.report.model import Feature, Finding, Port, Verdict

Outcome = Literal["met", "partly", "unmet", "unknown"]

_BAD = frozenset({"refused", "blocked", "intercepted", "altered"})
_HOW = {
    "refused": "refused",
    "blocked": "blocked",
    "intercepted": "answered by something else",
    "altered": "changed on the way",
    "busy": "in use on this computer",
    "unavailable": "not offered by the echo server",
    "untested": "not tested",
    "unknown": "undecided",
}


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """How far a requirement is met.  ``clause`` says it as part of a sentence; ``used``
    are the observations it rests on."""

    outcome: Outcome
    clause: str = ""
    capacity: int | None = None
    used: tuple[str, ...] = ()


def judge(
    profiles: Iterable[Profile], facts: Facts, ports: list[Port], findings: list[Finding]
) -> list[Feature]:
    """Every feature of every profile with its verdict."""
    return [
        _feature(profile, spec, facts, ports, findings)
        for profile in profiles
        for spec in profile.features
    ]


def _feature(
    profile: Profile, spec: FeatureSpec, facts: Facts, ports: list[Port], findings: list[Finding]
) -> Feature:
    met = [(r, requirement(r, facts, ports)) for r in spec.requires]
    deciding = [m for r, m in met if r.decides]
    verdict = verdict_of(m.outcome for m in deciding)
    used = {o for m in deciding if m.outcome != "met" for o in m.used}
    capacity = next((m.capacity for m in deciding if m.capacity is not None), None)
    whole = _whole_check(facts, findings)
    return Feature(
        profile=profile.id,
        feature=spec.id,
        title=spec.title,
        verdict=verdict,
        summary=_summary(verdict, deciding, capacity, whole),
        findings=[
            f.id
            for f in findings
            if used.intersection(f.evidence) or (verdict == "unknown" and f.cause in WHOLE_CHECK)
        ],
        capacity=capacity if verdict in ("works", "limited") else None,
    )


def verdict_of(outcomes: Iterable[Outcome]) -> Verdict:
    """The verdict of a feature from what it needs."""
    seen = set(outcomes)
    if "unmet" in seen:
        return "fails"
    if "unknown" in seen or not seen:
        return "unknown"
    return "limited" if "partly" in seen else "works"


def _whole_check(facts: Facts, findings: list[Finding]) -> str:
    """What kept the whole check from being made, or nothing."""
    if facts.control is not None and facts.control.connected:
        return ""
    if facts.control is None and facts.stun:
        return "this needs a netcheck echo server"
    if any(f.cause in WHOLE_CHECK for f in findings):
        return "the echo server could not be reached"
    return "the check ended before the echo server was reached"


def _summary(verdict: Verdict, deciding: list[Met], capacity: int | None, whole: str) -> str:
    def clauses(outcome: Outcome) -> list[str]:
        return list(dict.fromkeys(m.clause for m in deciding if m.outcome == outcome and m.clause))

    if verdict == "works":
        at_once = f", {capacity} at the same time" if capacity else ""
        return f"Everything it needs gets through{at_once}."
    if verdict == "fails":
        return _sentence(clauses("unmet")[0])
    if verdict == "limited":
        return _sentence(clauses("partly")[0])
    if whole:
        return f"Not decided: {whole}."
    open_questions = "; ".join(clauses("unknown"))
    known = clauses("partly")
    return _sentence(f"not decided; {open_questions}") + (
        " " + _sentence(f"at best limited: {known[0]}") if known else ""
    )


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."


def requirement(r: Requirement, facts: Facts, ports: list[Port]) -> Met:
    """How far one requirement is met."""
    match r.probe:
        case "outbound-tcp":
            return _outbound_tcp(r, facts, ports)
        case "inbound-tcp":
            return _inbound_tcp(r, ports)
        case "udp":
            return _udp(r.port_numbers[0], ports)
        case "media":
            return _media(r, facts)
        case _:
            means = r.means or f"{r.probe} ({r.protocol})"
            return Met(outcome="unknown", clause=f"not tested: {means}")


def _media(r: Requirement, facts: Facts) -> Met:
    outcome, clause, used = media.met("video" if r.protocol == "rtp-video" else "audio", facts)
    if outcome == "unknown":
        clause = clause or f"not tested: {r.means or r.protocol}"
    return Met(outcome=outcome, clause=clause, used=used)


def _outbound_tcp(r: Requirement, facts: Facts, ports: list[Port]) -> Met:
    chosen = [
        p
        for p in ports
        if (p.transport, p.direction) == ("tcp", "outbound")
        and p.port in r.port_numbers
        and p.local_port == r.local_port
    ]
    met = _by_states(r, chosen, "outgoing")
    if not r.capacity or met.outcome not in ("met", "partly"):
        return met
    at_once = next((a for a in facts.at_once if set(r.port_numbers) <= set(a.ports)), None)
    if at_once is None or not at_once.settled:
        return met
    together = len(set(at_once.carried).intersection(r.port_numbers))
    total = len(r.port_numbers)
    used = (*met.used, at_once.id)
    if together < total and not facts.trusted_silence:
        return met  # a server that goes ends every connection itself
    if together < total:
        clause = f"only {together} of {total} can be on the way at the same time"
        if met.outcome == "partly":
            clause += f": {_which(chosen, _BAD)}"
        enough = together >= (r.at_least or total)
        return Met(
            outcome="partly" if enough else "unmet", clause=clause, capacity=together, used=used
        )
    return Met(outcome=met.outcome, clause=met.clause, capacity=together, used=used)


def _inbound_tcp(r: Requirement, ports: list[Port]) -> Met:
    chosen = [
        p
        for p in ports
        if (p.transport, p.direction) == ("tcp", "inbound") and p.port in r.port_numbers
    ]
    return _by_states(r, chosen, "incoming")


def _by_states(r: Requirement, chosen: list[Port], way: str) -> Met:
    used = tuple(p.observation for p in chosen if p.observation)
    passed = [p for p in chosen if p.state == "open"]
    bad = [p for p in chosen if p.state in _BAD]
    total = len(r.port_numbers)
    if len(passed) == total:
        return Met(outcome="met", used=used)
    open_questions = total - len(passed) - len(bad)
    lead = f"{r.means} does not get through: " if r.means else ""
    unmet = Met(outcome="unmet", clause=f"{lead}{way} {_which(chosen, _BAD)}", used=used)
    if bad and r.at_least is None:
        return unmet
    if bad and r.at_least is not None and len(passed) >= r.at_least:
        what = "at the same time" if r.capacity else "gets through"
        clause = f"only {len(passed)} of {total} {what}: {way} {_which(chosen, _BAD)}"
        return Met(outcome="partly", clause=clause, used=used)
    if bad and not open_questions:
        return unmet
    undecided = frozenset(_HOW) - _BAD
    return Met(outcome="unknown", clause=f"{way} {_which(chosen, undecided)}", used=used)


def _which(chosen: list[Port], states: Iterable[str]) -> str:
    """``TCP 1863 is blocked``, grouped by state."""
    wanted = set(states)
    parts = []
    for state in dict.fromkeys(p.state for p in chosen if p.state in wanted):
        numbers = [p.port for p in chosen if p.state == state]
        verb = "is" if len(numbers) == 1 else "are"
        source = f" from local port {chosen[0].local_port}" if chosen[0].local_port else ""
        name = f"{chosen[0].transport.upper()} {spans(numbers)}{source}"
        parts.append(f"{name} {verb} {_HOW[state]}")
    return ", ".join(parts) or "it was not tested"


def spans(numbers: Iterable[int]) -> str:
    """``389, 6891–6900``: consecutive ports together."""
    groups: list[list[int]] = []
    for number in sorted(set(numbers)):
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{g[0]}–{g[-1]}" if len(g) > 1 else f"{g[0]}" for g in groups)


def _udp(port: int, ports: list[Port]) -> Met:
    """UDP with ``port`` as source and as destination, each direction of travel (M4).

    A reply that comes back to our port travels in with it as destination; one that
    comes from the server's travels in with it as source.
    """
    udp = [p for p in ports if p.transport == "udp"]
    source_out = _find(udp, "outbound", local_port=port)
    destination_out = _find(udp, "outbound", port=port)
    destination_in = _find(udp, "inbound", port=port)
    source_in = _find(udp, "inbound", remote_port=port)
    out = _both(_left(source_out), _left(destination_out))
    back = _both(_came(source_out, destination_in), _came(destination_out, source_in))
    used = tuple(
        p.observation
        for p in (source_out, destination_out, destination_in, source_in)
        if p and p.observation
    )
    name = f"UDP {port}"
    if out and back:
        return Met(outcome="met", used=used)
    if out is None or back is None:
        return Met(outcome="unknown", clause=f"{name} is undecided", used=used)
    if out:
        return Met(
            outcome="partly",
            clause=f"others hear you, you do not hear them: {name} does not come in",
            used=used,
        )
    if back:
        return Met(
            outcome="partly",
            clause=f"you hear others, they do not hear you: {name} does not get out",
            used=used,
        )
    return Met(outcome="unmet", clause=f"{name} gets through in neither direction", used=used)


def _find(
    ports: list[Port],
    direction: str,
    *,
    port: int | None = None,
    local_port: int | None = None,
    remote_port: int | None = None,
) -> Port | None:
    return next(
        (
            p
            for p in ports
            if p.direction == direction
            and (port is None or p.port == port)
            and p.local_port == local_port
            and p.remote_port == remote_port
        ),
        None,
    )


def _left(probe: Port | None) -> bool | None:
    """Whether packets of this probe arrived at the server."""
    if probe is None:
        return None
    if probe.state == "open" or probe.reached_server:
        return True
    return False if probe.state in _BAD else None


def _came(probe: Port | None, call: Port | None) -> bool | None:
    """Whether packets come in: as the answer to a probe, or unasked."""
    states = {p.state for p in (probe, call) if p is not None}
    if "open" in states:
        return True
    return False if states and states <= _BAD and probe is not None else None


def _both(one: bool | None, other: bool | None) -> bool | None:
    if one is False or other is False:
        return False
    return True if one and other else None
