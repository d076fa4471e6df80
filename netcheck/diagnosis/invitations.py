"""Can a contact fetch the files that the user offers, and how many at once (pure; M2, M3, M5)?

The echo server has read the invitations as the contact would, and went where they say, as they
arrived.  What it met there decides, and nothing else: not whether the ports are open to somebody
who knows them from elsewhere, nor what became of an invitation that was sent for another reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Judged, address_of
from netcheck.diagnosis.met import Met
from netcheck.diagnosis.spans import spans
from netcheck.profile import FeatureSpec, Requirement
from netcheck.report.model import Port
from probes import silence
from probes.observation import Invitation, Invited

VOICE_PORT = 6901
_PROTOCOL = "msn-file"

_Fate = Literal[
    "together",  # reached, at the same time as all others that are
    "busy",  # something else on this computer has the port
    "elsewhere",  # the invitation names an address that is not known to be the user's
    "shut",  # the address is right, and nobody gets in there
    "foreign",  # something else answers there
    "lost",  # the invitation does not arrive, or not as one
    "unknown",
]
_BAD: tuple[_Fate, ...] = ("lost", "elsewhere", "foreign", "shut", "busy")


class Found(NamedTuple):
    """What the requirement ``by`` comes to.  ``alone``: it says all that there is to say of those
    who follow an invitation, and what a port is to others says nothing more."""

    by: Requirement
    met: Met
    alone: bool
    ports: frozenset[int]

    def covers(self, other: Requirement) -> bool:
        """Whether nothing is left to be asked of ``other``."""
        if other is self.by:
            return True
        inside = other.probe == "inbound-tcp" and self.ports.issuperset(other.port_numbers)
        return self.alone and inside


def found(spec: FeatureSpec, facts: Facts, talked: Sequence[Judged]) -> Found | None:
    """What came of the invitations that this feature stands on; None if there were none."""
    invited = facts.invited
    by = next((r for r in spec.requires if r.protocol == _PROTOCOL), None)
    if invited is None or by is None:
        return None
    told = next((j for j in talked if j.dialogue == _PROTOCOL), None)
    return Found(
        by,
        met(by, facts, invited, told),
        any(i.arrived is not None for i in invited.invitations),
        frozenset(i.port for i in invited.invitations),
    )


def met(r: Requirement, facts: Facts, invited: Invited, told: Judged | None) -> Met:
    """How many at once.  ``told``: what became of such an invitation beside the same bytes on a
    port that no editor knows, which may say why."""
    if invited.untested:
        clause = f"not tested: {r.means}: {invited.untested}"
        return Met(outcome="unknown", clause=clause, used=(invited.id,))
    fates = {i.port: _fate(facts, invited, i, told) for i in invited.invitations}
    return _judged(r, facts, invited, fates, told)


def leads_to_voice(told: Judged, facts: Facts, ports: Sequence[Port]) -> bool:
    """Whether an invitation to talk is of use though nobody got in where it led.  It named a port
    of its own, to see what an editor opens; at that of the application (fact M4) others do get in
    without an editor's help, so that a right address is enough."""
    if (told.dialogue, told.verdict) != ("msn-voice", "edited-unreachable"):
        return False
    talk = next((t for t in facts.talks if t.id in told.evidence and t.aim == "own-port"), None)
    if talk is None or talk.source is None or told.received is None:
        return False
    if address_of(told.received) != address_of(talk.source):
        return False
    return any(
        (p.transport, p.direction, p.port, p.state) == ("udp", "inbound", VOICE_PORT, "open")
        and p.remote_port is None
        for p in ports
    )


def _judged(
    r: Requirement, facts: Facts, invited: Invited, fates: dict[int, _Fate], told: Judged | None
) -> Met:
    total = len(fates)
    good = sum(fate == "together" for fate in fates.values())
    bad = [port for port, fate in fates.items() if fate in _BAD]
    why = _why(facts, invited, fates, told)
    used = _used(facts, invited, fates, told)
    if good == total:
        return Met(outcome="met", capacity=good, used=used)
    if good and bad:
        clause = f"only {good} of {total} at the same time: {why}"
        return Met(outcome="partly", clause=clause, capacity=good, used=used)
    if len(bad) == total and set(fates.values()) != {"busy"}:
        return Met(outcome="unmet", clause=why, used=used)
    if good:
        clause = f"whether more than {good} of {total} get through at the same time is not known"
        return Met(outcome="unknown", clause=clause, capacity=good, used=used)
    clause = why if bad else "whether your contact gets in where the invitation says is not known"
    return Met(outcome="unknown", clause=clause, used=used)


def _fate(facts: Facts, invited: Invited, one: Invitation, told: Judged | None) -> _Fate:
    if one.port in invited.together:
        return "together"
    if one.busy:
        return "busy"
    if one.arrived is None:
        return "lost" if told and told.verdict in ("mangled", "blocked") else "unknown"
    if one.refused == "not-proven":
        # The address from which the invitation came is the user's, whoever has proved it.
        ours = address_of(one.arrived) == address_of(invited.source or "")
        return "unknown" if ours else "elsewhere"
    return _way_in(facts, one)


def _way_in(facts: Facts, one: Invitation) -> _Fate:
    outcomes = Counter(a.outcome for a in one.attempts)
    if one.heard or one.refused or outcomes["answered"]:
        return "unknown"
    if outcomes["foreign"] or outcomes["closed"] >= silence.REFUSALS_ENOUGH:
        return "foreign"
    if outcomes["refused"] + outcomes["unreachable"] >= silence.REFUSALS_ENOUGH:
        return "shut" if facts.trusted_silence else "unknown"
    silent = outcomes["silent"] + outcomes["mute"]
    sure = silence.rules_out_loss(silent, facts.chance_of_silence("tcp", silent))
    return "shut" if sure and facts.trusted_silence else "unknown"


def _why(facts: Facts, invited: Invited, fates: dict[int, _Fate], told: Judged | None) -> str:
    """The worst, as part of a sentence."""
    fate = next((f for f in _BAD if f in fates.values()), None)
    ports = [port for port, found in fates.items() if found == fate]
    at = next((i for i in invited.invitations if i.port in ports), None)
    if fate is None or at is None:
        return ""
    names = f"TCP {spans(ports)}"
    rewritten = at.arrived != at.sent
    match fate:
        case "busy":
            verb = "is" if len(ports) == 1 else "are"
            return f"{names} {verb} in use on this computer"
        case "lost" if told and told.verdict == "mangled":
            return f"the invitation is damaged on the way: {told.reason}"
        case "lost":
            return "the invitation does not get through, though other data does"
        case "elsewhere" if rewritten:
            return f"a router writes {at.arrived} into the invitation, which is not your address"
        case "elsewhere":
            return f"the invitation names {at.arrived}, where your contact cannot reach you"
        case "foreign":
            return f"the invitation names {at.arrived}, where something else answers"
        case _ if "together" in fates.values() and _each_gets_in(facts, ports):
            return "no more connections are let in at once"
        case _ if rewritten:
            return f"a router writes {at.arrived} into the invitation, and lets nobody in there"
    return f"the invitation names the right address, and incoming {names} is blocked there"


def _each_gets_in(facts: Facts, ports: Sequence[int]) -> bool:
    """Whether these ports were open at another moment."""
    heard = {o.port for o in facts.inbound_tcp if o.heard}
    return heard.issuperset(ports)


def _used(
    facts: Facts, invited: Invited, fates: dict[int, _Fate], told: Judged | None
) -> tuple[str, ...]:
    """What it rests on: where nobody gets in, also the ports as they are without invitations."""
    shut = {port for port, fate in fates.items() if fate in ("shut", "foreign", "busy")}
    ports = [o.id for o in facts.inbound_tcp if o.port in shut]
    message = told.evidence if told and {"lost", "elsewhere", "shut"} & set(fates.values()) else ()
    return tuple(dict.fromkeys((invited.id, *message, *ports)))
