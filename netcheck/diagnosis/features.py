"""From ports to features: what a user can do, and in one sentence why not (pure).

A feature *fails* as soon as one thing it needs is known not to pass, is *unknown*
when something could not be tested, *limited* when a part passes, and else *works*.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from netcheck.diagnosis import call_media, call_needs, calls, editors, invitations, media, udp
from netcheck.diagnosis.calls import Placed
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.findings import WHOLE_CHECK
from netcheck.diagnosis.judged import Judged
from netcheck.diagnosis.met import Met, Outcome
from netcheck.diagnosis.shut import SHUT
from netcheck.diagnosis.spans import spans
from netcheck.profile import FeatureSpec, Profile, Requirement
from netcheck.report.model import Feature, Finding, Port, Verdict

_STREAMS: dict[str, media.Kind] = {"rtp-audio": "audio", "rtp-video": "video"}
_NOTHING_KNOWN = frozenset({"unknown", "untested", "unavailable"})
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


class Known(NamedTuple):
    """What all features are judged by."""

    facts: Facts
    ports: list[Port]
    talked: Sequence[Judged] = ()
    placed: Sequence[Placed] = ()


def judge(
    profiles: Iterable[Profile],
    facts: Facts,
    ports: list[Port],
    findings: list[Finding],
    talked: Sequence[Judged] = (),
    placed: Sequence[Placed] = (),
) -> list[Feature]:
    """Every feature of every profile with its verdict."""
    known = Known(facts, _proved(ports, placed), talked, placed)
    return [
        _feature(profile, spec, known, findings)
        for profile in profiles
        for spec in profile.features
    ]


def _feature(profile: Profile, spec: FeatureSpec, known: Known, findings: list[Finding]) -> Feature:
    deciding = _deciding(spec, known)
    verdict = verdict_of(m.outcome for m in deciding)
    used = {o for m in deciding if m.outcome != "met" for o in m.used}
    capacity = next((m.capacity for m in deciding if m.capacity is not None), None)
    whole = _whole_check(known.facts, findings)
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
        evidence=list(dict.fromkeys(o for m in deciding for o in m.used)),
    )


def _deciding(spec: FeatureSpec, known: Known) -> list[Met]:
    """What the feature needs and how far it is met.  Where somebody followed what was announced,
    in a message or in a directory, that tells whether others get in: whether they would at a port
    that they know from elsewhere does not."""
    needs = [r for r in spec.requires if r.decides]
    called = calls.placed(known.placed, "inbound")
    if (
        called is not None
        and called.set_up
        and any(r.protocol == call_needs.INBOUND for r in needs)
    ):
        needs = [r for r in needs if r.probe != "inbound-tcp"]
    invited = invitations.found(spec, known.facts, known.talked)
    if invited is not None:
        rest = [requirement(r, known) for r in needs if not invited.covers(r)]
        return [_invited(invited, known), *rest]
    met = [(r, _beside_a_call(r, requirement(r, known), needs, known)) for r in needs]
    if _way_is_opened(spec, known.talked):
        met = [(r, _where_opened(m) if r.probe == "inbound-tcp" else m) for r, m in met]
    return [m for _, m in met]


def _beside_a_call(r: Requirement, met: Met, needs: list[Requirement], known: Known) -> Met:
    """Streams that go back to where they came from cannot say that nobody hears anybody where those
    of a call, which go to where its messages say, did arrive; and are not missed where they did."""
    kind = _STREAMS.get(r.protocol) if r.probe == "media" else None
    out = calls.placed(known.placed, "outbound")
    if kind is None or out is None or f"h323-{kind}" not in {n.protocol for n in needs}:
        return met
    who = call_media.who(out.ways, kind)
    if who == "unknown":
        return met
    if met.outcome == "unknown":
        return Met(outcome="met")
    if met.outcome == "unmet" and who != "neither":
        clause = f"on other ports than the call's, {met.clause}" if who == "both" else ""
        return Met(outcome="partly", clause=clause, used=met.used)
    return met


def _invited(invited: invitations.Found, known: Known) -> Met:
    """One invitation that went wrong is enough, where the ten could not be tried."""
    if invited.met.outcome == "unknown":
        one = requirement(invited.by, known)
        return one if one.outcome == "unmet" and not invited.alone else invited.met
    return invited.met


def _proved(ports: list[Port], placed: Sequence[Placed]) -> list[Port]:
    """A call that was answered shows that its port is open, where nothing else was found out."""
    out = calls.placed(placed, "outbound")
    if out is None or out.reached in ("untested", "nothing"):
        return ports
    return [
        msgspec.structs.replace(p, state="open", observation=out.call.id)
        if (p.transport, p.direction, p.port) == ("tcp", "outbound", calls.PORT)
        and p.local_port is None
        and p.state in _NOTHING_KNOWN
        else p
        for p in ports
    ]


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
        return f"Not known, as {whole}."
    known = clauses("partly")
    return _sentence(_open_questions(clauses("unknown"))) + (
        " " + _sentence(f"at best limited: {known[0]}") if known else ""
    )


def _open_questions(clauses: list[str]) -> str:
    """Why it is not known, as a person would say it: what was not tested is counted up once."""
    untested = [c.removeprefix(_UNTESTED) for c in clauses if c.startswith(_UNTESTED)]
    others = [c for c in clauses if not c.startswith(_UNTESTED)]
    if not untested:
        return f"not known: {'; '.join(others)}"
    counted = "this was"
    if len(untested) > 1:
        counted = f"{_COUNTED.get(len(untested), 'several')} things were"
    # Two that have no commas of a list and no reason after them need no semicolon between.
    mark = "," if len(untested) == 2 and not any(":" in each for each in untested) else ";"
    *most, last = untested
    listed = f"{f'{mark} '.join(most)}{mark} and {last}" if most else last
    said = f"{counted} not tested: {listed}"
    return f"not known: {'; '.join(others)}, and {said}" if others else f"not known, as {said}"


_UNTESTED = "not tested: "
_COUNTED = {2: "two", 3: "three", 4: "four"}


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:].rstrip(".") + "."


def _way_is_opened(spec: FeatureSpec, talked: Sequence[Judged]) -> bool:
    """Whether an editor lets those in who follow an invitation, and only those."""
    told = [editors.held(talked, r.protocol) for r in spec.requires if r.probe == _EMBEDDED]
    return any(j is not None and j.verdict == "edited" for j in told)


def _where_opened(met: Met) -> Met:
    """Calls that no invitation announced say little then of those that one does."""
    if met.outcome in ("met", "unknown"):
        return met
    clause = "one contact was let in where the router opened the way; not tested: several at once"
    return Met(outcome="unknown", clause=clause, used=met.used)


def requirement(r: Requirement, known: Known) -> Met:
    """How far one requirement is met."""
    facts, ports, talked, placed = known
    match r.probe:
        case "outbound-tcp":
            return _outbound_tcp(r, facts, ports)
        case "inbound-tcp":
            return _inbound_tcp(r, ports)
        case "udp":
            return udp.met(r.port_numbers[0], ports)
        case "media":
            return _media(r, facts)
        case "call":
            return call_needs.met(r, placed, talked)
        case "embedded-address" if told := editors.held(talked, r.protocol):
            if invitations.leads_to_voice(told, facts, ports):
                return Met(outcome="met", used=told.evidence)
            return _embedded(r, told)
        case "embedded-address":
            clause = f"not tested: {r.means or r.protocol}"
            if talked:
                clause += f": there is no test named {r.protocol!r}"
            return Met(outcome="unknown", clause=clause)


_EMBEDDED = "embedded-address"


def _embedded(r: Requirement, told: Judged) -> Met:
    """The message as it arrived: can whoever reads it go to where it says (fact M5)?"""
    invites = told.protocol == "msn"
    message, reader = ("invitation", "your contact") if invites else ("message", "its reader")
    match told.verdict:
        case "not-needed" | "edited":
            return Met(outcome="met", used=told.evidence)
        case "not-tested":
            clause = f"not tested: {r.means}: {told.reason}"
            return Met(outcome="unknown", clause=clause, used=told.evidence)
        case "untouched":
            clause = f"the {message} names {told.received}, where {reader} cannot reach you"
        case "edited-unreachable":
            clause = f"a router has the {message} {told.reason}"
        case "mangled":
            clause = f"the {message} is damaged on the way: {told.reason}"
        case "blocked":
            clause = f"the {message} does not get through, though other data does"
    return Met(outcome="unmet", clause=clause, used=told.evidence)


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
            clause += f": {_which(chosen, SHUT)}"
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
    bad = [p for p in chosen if p.state in SHUT]
    total = len(r.port_numbers)
    if len(passed) == total:
        return Met(outcome="met", used=used)
    open_questions = total - len(passed) - len(bad)
    lead = f"{r.means} does not get through: " if r.means else ""
    unmet = Met(outcome="unmet", clause=f"{lead}{way} {_which(chosen, SHUT)}", used=used)
    if bad and r.at_least is None:
        return unmet
    if bad and r.at_least is not None and len(passed) >= r.at_least:
        what = "at the same time" if r.capacity else "gets through"
        clause = f"only {len(passed)} of {total} {what}: {way} {_which(chosen, SHUT)}"
        return Met(outcome="partly", clause=clause, used=used)
    if bad and not open_questions:
        return unmet
    undecided = {p.state for p in chosen} - SHUT - {"open"}
    clause = f"{way} {_which(chosen, undecided)}"
    if undecided <= {"untested"}:
        ports_ = spans(p.port for p in chosen if p.state == "untested") or spans(r.port_numbers)
        source = f" from local port {r.local_port}" if r.local_port else ""
        clause = f"{_UNTESTED}{way} TCP {ports_}{source}"
    return Met(outcome="unknown", clause=clause, used=used)


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
    return ", ".join(parts)
