"""The editor matrix: what befell the addresses inside the messages of each protocol (pure).

One row for each protocol of the article (fact M8) and for the applications' own formats (M5).
A row is the worst of its protocol's dialogues; what could not be tested makes none worse or better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from netcheck.cause import Cause
from netcheck.diagnosis import call_talk, dialogue, passing
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Judged, Seen, address_of
from netcheck.protocols import PROTOCOLS
from netcheck.report.model import Editor, EditorDialogue, EditorVerdict, Nat, PathHop, Port
from probes.observation import Talk

WORST_FIRST: tuple[EditorVerdict, ...] = (
    "mangled", "blocked", "edited-unreachable", "untouched", "edited", "not-needed", "not-tested",
)  # fmt: skip

_CAUSES: dict[EditorVerdict, Cause] = {
    "untouched": "embedded-address-untouched",
    "mangled": "embedded-address-mangled",
    "edited-unreachable": "editor-pinhole-closed",
    "blocked": "protocol-filtered",
}

_NO_HARM = frozenset({("untouched", "pptp"), ("untouched", "ipsec")})
"""A call ID may stay as it is where one computer uses PPTP; IPsec allows no other."""

_APART = frozenset({"msn", "h323", "ldap"})
"""Protocols of the profiles: the harm that befalls them is a finding of its own."""

_DECIDE_AS_THEY_ARE = frozenset({"msn", "ldap"})
"""Left as they are, an invitation of MSN Messenger's and an entry in a NetMeeting directory decide
a feature by themselves.  H.323 does so where it harmed a call."""

_WAYS = {
    "ftp-port": "PORT",
    "ftp-eprt": "EPRT",
    "ftp-pasv": "PASV",
    "snmp-v1": "version 1",
    "snmp-v2c": "version 2c",
    "msn-file": "offering a file",
    "msn-voice": "inviting to talk",
    "sip-udp": "over UDP",
    "sip-tcp": "over TCP",
    "irc-send": "offering a file",
    "irc-chat": "inviting to talk",
    "h323": "call set-up",
    "h245": "call control",
    "t120": "shared data",
}
_IPSEC_IN_UDP = 4500
"""Where IPsec goes behind a NAT (RFC 3948)."""


def dialogues(facts: Facts, ports: Sequence[Port], nat: Nat) -> list[Judged]:
    """Every dialogue that was held or should have been, judged by itself."""
    own: dict[tuple[str, int], Talk] = {}
    controls: dict[str, Talk] = {}
    for talk in facts.talks:
        if talk.aim == "own-port":
            own.setdefault((talk.dialogue, talk.port), talk)
        else:
            controls.setdefault(talk.dialogue, talk)
    seen = Seen(_public(facts, nat), nat.present, tuple(ports))
    in_order = sorted((*own.values(), *call_talk.talks(facts)), key=_order)
    return [dialogue.judge(facts, talk, controls.get(talk.dialogue), seen) for talk in in_order]


def _order(talk: Talk) -> tuple[int, int]:
    """Whichever was over first, the rows of two checks look alike."""
    known = list(_WAYS)
    return known.index(talk.dialogue) if talk.dialogue in known else len(known), talk.port


def _public(facts: Facts, nat: Nat) -> frozenset[str]:
    proven = facts.ledger.proven_addresses if facts.ledger else ()
    sources = [t.source for t in facts.talks if t.source]
    known = (*nat.public_addresses, *proven, *sources)
    return frozenset(address_of(place) for place in known) - {""}


def judge(
    facts: Facts, judged: Sequence[Judged], nat: Nat, path: Sequence[PathHop]
) -> list[Editor]:
    """The rows; none at all where the check did not ask."""
    if not facts.talks:
        return []
    names = dict.fromkeys((*PROTOCOLS, *(t.protocol for t in facts.talks)))
    return [
        _icmp(facts, nat, path)
        if name == "icmp"
        else _row(facts, name, [j for j in judged if j.protocol == name])
        for name in names
    ]


def _row(facts: Facts, protocol: str, judged: list[Judged]) -> Editor:
    if not judged:
        told = next((t.untested for t in facts.talks if t.protocol == protocol and t.untested), "")
        why = told or "it was not tried"
        return Editor(protocol=protocol, verdict="not-tested", reason=why)
    # That what has no address came through does not stand for what has one, and was not tested.
    telling = [j for j in judged if not _says_nothing(j)] or [j for j in judged if not _quiet(j)]
    worst = min(telling or judged, key=lambda j: WORST_FIRST.index(j.verdict))
    return Editor(
        protocol=protocol,
        verdict=worst.verdict,
        sent=worst.sent,
        received=worst.received,
        pinhole=worst.pinhole,
        reason=(_ipsec(worst, judged) if protocol == "ipsec" else _reason(worst, judged))
        + passing.sentence(facts, protocol),
        field=worst.field,
        acts_on=worst.acts_on,
        own_address_only=worst.own_address_only,
        dialogues=[_part(j, judged) for j in judged] if len(judged) > 1 else [],
        evidence=list(dict.fromkeys((*_evidence(judged), *passing.evidence(facts, protocol)))),
    )


def _evidence(judged: list[Judged]) -> Iterator[str]:
    return (e for j in judged for e in j.evidence)


def _says_nothing(judged: Judged) -> bool:
    return judged.verdict == "not-tested" or (judged.quiet and judged.verdict == "not-needed")


def _part(judged: Judged, all_of_it: list[Judged]) -> EditorDialogue:
    return EditorDialogue(
        name=_way(judged, all_of_it),
        verdict=judged.verdict,
        sent=judged.sent,
        received=judged.received,
        pinhole=judged.pinhole,
        reason=judged.reason,
    )


def _way(judged: Judged, all_of_it: list[Judged]) -> str:
    """What tells this dialogue from the others of its protocol."""
    ports = {j.port for j in all_of_it if j.dialogue == judged.dialogue}
    way = _WAYS.get(judged.dialogue, judged.dialogue)
    if len(ports) < 2:
        return way
    where = f"{judged.transport.upper()} {judged.port}"
    alone = len({j.dialogue for j in all_of_it}) == 1
    return f"on {where}" if alone else f"{way} on {where}"


def _reason(worst: Judged, judged: list[Judged]) -> str:
    """The worst one's, and by how much the others fare otherwise."""
    others = [j for j in judged if j.verdict != worst.verdict]
    if len(judged) < 2 or not others:
        return worst.reason
    said = [f"{_way(worst, judged)}: {worst.reason}"]
    for verdict in WORST_FIRST:
        ways = [_way(j, judged) for j in others if j.verdict == verdict and not _quiet(j)]
        if ways:
            said.append(f"{', '.join(ways)}: {verdict.replace('-', ' ')}")
    return "; ".join(said) if len(said) > 1 else worst.reason


def _quiet(judged: Judged) -> bool:
    return judged.quiet and judged.verdict == "not-needed"


def _ipsec(worst: Judged, judged: list[Judged]) -> str:
    """What IPsec through this NAT would do (RFC 3947, 3948; RFC 7296 section 2.23)."""
    if worst.verdict != "untouched":
        return _reason(worst, judged)
    in_udp = next((j for j in judged if j.port == _IPSEC_IN_UDP), None)
    if in_udp is None or in_udp.verdict == "not-tested":
        return "both ends notice the translation and go on in UDP 4500, which was not tested"
    return "both ends notice the translation and go on in UDP 4500, which passes"


def _icmp(facts: Facts, nat: Nat, path: Sequence[PathHop]) -> Editor:
    """The header inside an ICMP error has to be mapped back as well (RFC 5508 REQ-4, REQ-5):
    else no system knows which socket an error is for, and none hears of it."""
    errors = facts.icmp_errors
    back = errors is not None and any(a.outcome == "refused" for a in errors.attempts)
    evidence = [errors.id] if errors and back else []
    routes = [h.id for h in facts.hops if h.aim == "open" and not h.untested]
    if not back and routes and any(h.address and h.place in ("beyond", "server") for h in path):
        back, evidence = True, routes
    if not back:
        why = "no ICMP error came back, which may be the server's own firewall"
        if errors is None or errors.untested:
            why = (errors.untested if errors else "") or "it was not tried"
        return Editor(protocol="icmp", verdict="not-tested", reason=why)
    if nat.present is None:
        why = "whether addresses are translated is not known"
        return Editor(protocol="icmp", verdict="not-tested", reason=why, evidence=evidence)
    if not nat.present:
        why = "your address is not translated on the way"
        return Editor(protocol="icmp", verdict="not-needed", reason=why, evidence=evidence)
    why = "an error came back to the socket that it was about, so the header inside was mapped back"
    return Editor(protocol="icmp", verdict="edited", reason=why, evidence=evidence)


def clues(judged: Sequence[Judged], harmed: Sequence[Judged] = ()) -> Iterator[Clue]:
    """What harms, the protocols that no profile asks for together.  ``harmed`` is what harmed
    calls in particular, which says more than the dialogues of the same protocol."""
    mangled = {j.protocol for j in judged if j.verdict == "mangled"}
    harmed = [
        msgspec.structs.replace(j, verdict="mangled") if j.protocol in mangled else j
        for j in harmed
    ]
    for verdict, cause in _CAUSES.items():
        bad = [
            j
            for j in (*harmed, *judged)
            if j.verdict == verdict and (verdict, j.protocol) not in _NO_HARM
        ]
        apart = _APART
        if verdict == "untouched":
            apart = _DECIDE_AS_THEY_ARE | {j.protocol for j in harmed}
        for name in dict.fromkeys(j.protocol for j in bad if j.protocol in apart):
            yield _clue(cause, [j for j in bad if j.protocol == name])
        if rest := [j for j in bad if j.protocol not in apart]:
            yield _clue(cause, rest)


def _clue(cause: Cause, bad: list[Judged]) -> Clue:
    protocols = list(dict.fromkeys(j.protocol for j in bad))
    parameters: dict[str, Parameter] = {"protocols": [*protocols]}
    if len(protocols) == 1:
        first = bad[0]
        shown = {"field": first.field, "sent": first.sent, "received": first.received}
        parameters |= {
            "protocol": first.protocol,
            "detail": first.reason,
            **{name: value for name, value in shown.items() if value},
        }
        if first.acts_on:
            parameters["acts_on"] = first.acts_on
    evidence = tuple(dict.fromkeys(e for j in bad for e in j.evidence))
    return Clue(cause, evidence, None, parameters)


def held(judged: Sequence[Judged], name: str) -> Judged | None:
    """The dialogue of this name, if it was held, or was to be."""
    return next((j for j in judged if j.dialogue == name), None)
