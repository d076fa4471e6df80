"""What a feature needs of a call: that it is set up, and that sound or picture flows (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from netcheck.diagnosis import call_media
from netcheck.diagnosis.call_media import SENSES, WHAT, Way
from netcheck.diagnosis.calls import Placed, placed
from netcheck.diagnosis.judged import Judged, cut
from netcheck.diagnosis.media import Kind
from netcheck.diagnosis.met import Met
from netcheck.profile import Requirement

DIRECTORY_PORT = 389  # fact N1

OUTBOUND, INBOUND = "h323", "h323-in"
"""What profiles ask of calls; and of those that they make, sound and picture."""

_KINDS: dict[str, Kind] = {"h323-audio": "audio", "h323-video": "video"}


def met(r: Requirement, calls: Sequence[Placed], talked: Sequence[Judged] = ()) -> Met:
    """How far a requirement of the probe ``call`` is met; ``protocol`` says which part of which
    call.  Where no call was made, the dialogues of the same protocols may still tell."""
    if r.protocol == INBOUND:
        return _called_in(r, placed(calls, "inbound"), talked)
    out = placed(calls, "outbound")
    if r.protocol == OUTBOUND or out is None or out.set_up is not True:
        return _called_out(r, out, talked)
    kind = _KINDS.get(r.protocol)
    if kind is None:
        return Met(outcome="unknown", clause=f"not tested: {r.means or r.protocol}")
    return _flows(out, kind)


def _called_out(r: Requirement, out: Placed | None, talked: Sequence[Judged]) -> Met:
    means = r.means or "a call"
    if out is not None and out.set_up is not None:
        return Met(outcome="met" if out.set_up else "unmet", clause=out.why, used=out.used)
    used = out.used if out else ()
    told = next((j for j in talked if j.dialogue == "h323"), None)
    if told is not None and told.verdict == "blocked":
        clause = "what sets up a call does not get through, though other data does"
        return Met(outcome="unmet", clause=clause, used=(*used, *told.evidence))
    if told is not None and told.verdict == "mangled" and not told.answered:
        clause = f"what sets up a call is damaged on the way: {told.reason}"
        return Met(outcome="unmet", clause=clause, used=(*used, *told.evidence))
    if out is None:
        return Met(outcome="unknown", clause=f"not tested: {means}")
    clause = f"not tested: {means}: {out.why}" if out.call.untested else out.why
    return Met(outcome="unknown", clause=clause, used=used)


def _called_in(r: Requirement, call: Placed | None, talked: Sequence[Judged]) -> Met:
    if call is not None and call.set_up is not None:
        return Met(outcome="met" if call.set_up else "unmet", clause=call.why, used=call.used)
    used = call.used if call else ()
    entry = directory(talked)
    if entry is not None and (clause := _of_entry(entry)):
        return Met(outcome="unmet", clause=clause, used=(*used, *entry.evidence))
    means = r.means or "a call from outside"
    if call is None:
        return Met(outcome="unknown", clause=f"not tested: {means}")
    clause = f"not tested: {means}: {call.why}" if call.call.untested else call.why
    return Met(outcome="unknown", clause=clause, used=used)


def directory(talked: Sequence[Judged]) -> Judged | None:
    """How registering in a directory went, where NetMeeting does so."""
    entries = [j for j in talked if j.dialogue == "ldap"]
    return next((j for j in entries if j.port == DIRECTORY_PORT), next(iter(entries), None))


def _of_entry(entry: Judged) -> str:
    match entry.verdict:
        case "untouched":
            return f"the directory names {entry.received}, where nobody outside can reach you"
        case "edited-unreachable":
            return f"the directory names {entry.received}, and nobody gets in there"
        case "blocked":
            return "registering in the directory does not get through, though other data does"
        case "mangled" if entry.received != entry.sent:  # else it is the directory's answer
            return f"registering in the directory is damaged on the way: {entry.reason}"
    return ""


def _flows(out: Placed, kind: Kind) -> Met:
    """A medium of a call that is set up, both ways."""
    to_them, to_us = (call_media.way(out.ways, kind, d) for d in ("outbound", "inbound"))
    if out.reached == "control" and out.call.control.out.faults:
        fault = cut(out.call.control.out.faults[0])
        clause = (
            f"{WHAT[kind]} cannot be agreed on, as the messages are damaged on the way: {fault}"
        )
        return Met(outcome="unmet", clause=clause, used=out.used)
    if to_them is None or to_us is None:
        clause = f"{WHAT[kind]} was not tested in the call: its channels were not agreed on"
        return Met(outcome="unknown", clause=clause, used=out.used)
    sense, senses = SENSES[kind]
    match to_them.passed, to_us.passed:
        case True, True:
            return _reported(out, kind, to_them, to_us)
        case True, False:
            clause = f"the other side {senses} you, but you do not {sense} them: {to_us.why}"
            return Met(outcome="partly", clause=clause, used=out.used)
        case False, True:
            clause = f"you {sense} the other side, but they do not {sense} you: {to_them.why}"
            return Met(outcome="partly", clause=clause, used=out.used)
        case False, False:
            clause = f"neither side {senses} the other: {to_us.why}; {to_them.why}"
            return Met(outcome="unmet", clause=clause, used=out.used)
    they, you = call_media.sentences(kind)
    clauses = [_known(they, to_them), _known(you, to_us)]
    return Met(outcome="unknown", clause="; ".join(clauses), used=out.used)


def _known(said: dict[bool, str], way: Way) -> str:
    if way.passed is None:
        return f"whether {said[True]} is not known: {way.why}"
    return said[way.passed]


def _reported(out: Placed, kind: Kind, to_them: Way, to_us: Way) -> Met:
    """Sound without the reports on it (RTCP) is heard, and not as it is meant to be."""
    lead = f"{WHAT[kind]} passes both ways"
    named = ((to_us, "the other side's reports on it"), (to_them, "your reports on it"))
    for way, reports in named:
        if way.reports is False:
            clause = f"{lead}, but {reports} (RTCP) do not arrive: {way.why}"
            return Met(outcome="partly", clause=clause, used=out.used)
    for way, reports in named:
        if way.reports is None:
            clause = f"{lead}; whether {reports} (RTCP) do is not known: {way.why}"
            return Met(outcome="unknown", clause=clause, used=out.used)
    return Met(outcome="met", used=out.used)
