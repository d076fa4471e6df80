"""What befell the addresses in one dialogue with the echo server (pure; facts M5, M7, M8).

Two talks of the same bytes are compared: on the protocol's own port, where editors look for it,
and on one where none does.  What both suffered, the content brought about; what only the first
did, the port.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from netcheck.diagnosis import unheard
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import DETAIL_MAX, ActsOn, Judged, Outcome, Seen, address_of, cut
from probes import silence
from probes.observation import Followed, Heard, Said, Talk

_Fate = Literal["kept", "rewritten", "elsewhere", "wrong"]
"""``rewritten`` to an address of ours as it is seen from outside; ``elsewhere``: to one that is
not known to be ours; ``wrong``: changed, and yet no other address."""

_NOBODY_GOES = frozenset({"pptp", "snmp", "ipsec", "rpc"})
"""Who reads an address in these does not connect to it because of that."""

_MAY_STAY: dict[str, frozenset[str]] = {"sip": frozenset({"Via", "From", "o=", "a=rtcp"})}
"""Fields that good editors leave alone: answers and media find their way without (RFC 3581,
4961), and Linux's is one of these.  In all other protocols a part of the fields is half a job."""


def judge(facts: Facts, own: Talk, control: Talk | None, seen: Seen) -> Judged:
    """The dialogue ``own`` on the protocol's own port, beside ``control`` on another."""
    fates = _Fates(own, seen)
    found = _outcome(facts, own, control, seen, fates)
    altered = found.verdict in ("edited", "edited-unreachable", "mangled")
    shown = found.shown or fates.telling
    return Judged(
        protocol=own.protocol,
        dialogue=own.dialogue,
        transport=own.transport,
        port=own.port,
        verdict=found.verdict,
        reason=found.reason,
        field=shown.field if shown else None,
        sent=_shown(shown.sent) if shown else None,
        received=_shown(shown.arrived) if shown and shown.arrived else None,
        pinhole=found.pinhole,
        acts_on=_acts_on(control, seen) if altered else None,
        own_address_only=fates.spares_others if altered else None,
        quiet=found.quiet,
        answered=bool(own.back.kinds),
        evidence=(own.id, *((control.id,) if control and not control.untested else ())),
    )


def _shown(place: str) -> str:
    """A number that is no port is one of its own: PPTP's call ID."""
    return place.removeprefix(":")[:DETAIL_MAX]


class _Fates:
    """Each address of ours that the client's messages carry, and what befell it."""

    def __init__(self, talk: Talk, seen: Seen) -> None:
        local = address_of(talk.local or "")
        carried = talk.out.said
        self.all = tuple(s for s in carried if address_of(s.sent) in ("", local))
        self._others = tuple(s for s in carried if s.arrived is not None and s not in self.all)
        public = seen.public | ({address_of(talk.source)} if talk.source else set())
        self.by: dict[_Fate, list[Said]] = {
            "kept": [], "rewritten": [], "elsewhere": [], "wrong": [],
        }  # fmt: skip
        may_stay = _MAY_STAY.get(talk.protocol, frozenset())
        for said in self.all:
            if said.arrived is None:
                continue
            fate = _fate(said, local, public, translated=_translated(talk, seen) is not False)
            if fate != "kept" or said.field not in may_stay:
                self.by[fate].append(said)

    @property
    def arrived(self) -> bool:
        return any(said.arrived is not None for said in self.all)

    @property
    def changed(self) -> list[Said]:
        return [*self.by["wrong"], *self.by["elsewhere"], *self.by["rewritten"]]

    @property
    def telling(self) -> Said | None:
        """The one to show: where somebody is meant to go, rather than not."""
        inside = [s for s in (*self.changed, *self.by["kept"], *self.all) if s.arrived is not None]
        return next((s for s in inside if s.announced), next(iter(inside or self.all), None))

    @property
    def spares_others(self) -> bool | None:
        """Whether an address that is not ours was left as it is where ours was not."""
        if not self.changed or not self._others:
            return None
        return all(s.arrived == s.sent for s in self._others)


def _fate(said: Said, local: str, public: frozenset[str] | set[str], *, translated: bool) -> _Fate:
    if said.arrived == said.sent:
        return "kept"
    if not translated:
        return "wrong"
    address = address_of(said.arrived or "")
    if not address_of(said.sent):
        return "wrong" if address else "rewritten"
    if address in public:
        return "rewritten"
    return "wrong" if address in ("", local) else "elsewhere"


def _translated(talk: Talk, seen: Seen) -> bool | None:
    """Of this very socket, where that is known."""
    if talk.local and talk.source:
        return talk.local != talk.source
    return seen.translated


def _outcome(facts: Facts, own: Talk, control: Talk | None, seen: Seen, fates: _Fates) -> Outcome:
    if own.untested or own.outcome == "untested":
        return Outcome("not-tested", own.untested or "it was not tried")
    if own.outcome == "local-error":
        return Outcome("not-tested", "this computer did not send it")
    harm = _harm(own, control, fates, seen) if own.out.kinds else None
    if harm is None and own.unread and (own.outcome == "talked" or unheard.is_no_loss(facts, own)):
        harm = Outcome("mangled", "what arrived of it is not a whole message", _at_fault(fates))
    if harm is not None:
        return harm
    if not own.out.kinds:
        return unheard.unheard(facts, own, control, seen)
    lost = unheard.lost(own, control)
    stopped = own.outcome == "broken-off" and not fates.all and unheard.is_behind(own, control)
    if lost or stopped or (fates.all and not fates.arrived):
        found = unheard.missing(facts, own, control, lost)
        if found.verdict == "blocked" or not fates.arrived:
            return found
    unanswered = unheard.unanswered(facts, own, control)
    if unanswered is not None:
        return unanswered
    translated = _translated(own, seen)
    if translated is None or not own.local:
        return Outcome("not-tested", "whether addresses are translated is not known")
    if not fates.all:
        if control is not None and _came_further(control, own, seen):
            return _ended_early(own)
        if translated and own.protocol == "ipsec":  # it says whose it is in its headers alone
            return Outcome("untouched", "it came through unchanged")
        return Outcome("not-needed", "it came through unchanged", quiet=translated)
    if not translated:
        return Outcome("not-needed", "your address is not translated on the way")
    if not fates.changed:
        reached = [_followed(facts, each)[0] for each in own.followed]
        if address_of(own.local) in seen.public and reached and all(reached):
            return Outcome("not-needed", "your address stays, and is reached as it is written")
        return Outcome("untouched", _left(fates.telling))
    return _rewritten(facts, own, fates)


def _left(said: Said | None) -> str:
    if said is None:
        return "nothing was changed"
    if not address_of(said.sent):
        return f"the {said.field} is as it was sent: another computer may use the same one"
    return f"{said.field} still says {said.arrived}, where nobody outside can reach you"


def _harm(own: Talk, control: Talk | None, fates: _Fates, seen: Seen) -> Outcome | None:
    """What is no longer right by itself, or was rewritten in part."""
    if own.out.faults:
        return Outcome("mangled", cut(own.out.faults[0]), _at_fault(fates))
    if own.out.changed:
        return Outcome("mangled", "more than addresses was changed", _at_fault(fates))
    if fates.by["wrong"]:
        said = fates.by["wrong"][0]
        return Outcome("mangled", f"{said.field} was changed to {cut(said.arrived or '')}", said)
    if fates.changed and (fates.by["kept"] or (fates.by["elsewhere"] and fates.by["rewritten"])):
        done, left = fates.changed[-1], (fates.by["kept"] or fates.by["elsewhere"])[0]
        where = f"{done.field} was rewritten, and {left.field} was not"
        if done.field == left.field:
            where = f"{done.field} was rewritten in one message, and not in another"
        return Outcome("mangled", where, left)
    back = _harm_back(own, control, fates, seen)
    return Outcome("mangled", back) if back else None


def _at_fault(fates: _Fates) -> Said | None:
    return next(iter(fates.changed), None)


def _harm_back(own: Talk, control: Talk | None, fates: _Fates, seen: Seen) -> str:
    """What befell the server's messages.  Only what it says itself on the two ports is compared:
    it may have reasons of its own to say other addresses than those known here."""
    if own.back.faults:
        return f"in the answer, {cut(own.back.faults[0])}"
    if control is None or own.outcome != "talked" or control.outcome != "talked":
        return ""
    if own.back.changed and not control.back.changed:
        return "more than addresses was changed in the answer"
    if own.protocol == "pptp":
        return _call_id_back(own)
    ours = seen.public | {address_of(t.local or "") for t in (own, control)} | {""}
    here, there = (_told(talk.back, ours) for talk in (own, control))
    other = sorted((field, address) for field, address in here - there)
    if other and there and {f for f, _ in here} == {f for f, _ in there}:
        return f"in the answer, {other[0][0]} was changed to {cut(other[0][1])}"
    return ""


def _call_id_back(own: Talk) -> str:
    """RFC 2637 section 2.8: the answer names the call by the client's own number."""
    mine = {s.sent for s in own.out.said if s.field == "Call ID"}
    named = [s.arrived for s in own.back.said if s.field == "Peer's Call ID" and s.arrived]
    if mine and named and named[0] not in mine:
        return f"the answer names call {_shown(named[0])}, which is not this computer's"
    return ""


def _told(heard: Heard, ours: Iterable[str]) -> set[tuple[str, str]]:
    told = ((s.field, address_of(s.arrived or "")) for s in heard.said)
    return {(field, address) for field, address in told if address not in ours}


def _came_further(control: Talk, own: Talk, seen: Seen) -> bool:
    """Whether an address of ours, or an answer, was said there, and not here."""
    unheard = own.outcome == "talked" and Counter(control.back.kinds) - Counter(own.back.kinds)
    return bool(unheard or _Fates(control, seen).all)


def _ended_early(own: Talk) -> Outcome:
    """Both ends were done before all was said that was on another port."""
    at = f" after {cut(own.out.kinds[-1])}"
    if own.outcome == "talked" and len(own.back.kinds) < own.back.expected:
        return Outcome("mangled", f"in the answer{at}, something else arrives than was said")
    return Outcome("not-tested", f"it stops{at}, and does not on another port")


def _rewritten(facts: Facts, own: Talk, fates: _Fates) -> Outcome:
    """Rightly as far as the message goes: is it any use?"""
    said = fates.telling
    to = cut(said.arrived or "") if said else ""
    if fates.by["elsewhere"]:
        why = f"rewritten to {to}, which is not your address as others see it"
        return Outcome("edited-unreachable", why, pinhole=False)
    if own.protocol in _NOBODY_GOES or not any(s.announced for s in fates.changed):
        number = said is not None and not address_of(said.sent)
        words = f"{said.field} was rewritten" if said and number else f"rewritten to {to}"
        return Outcome("edited", words)
    results = [_followed(facts, each) for each in own.followed]
    for each, (reached, how) in zip(own.followed, results, strict=True):
        if reached is False:
            shut = next((s for s in fates.changed if s.arrived == each.target), None)
            why = f"rewritten to {cut(each.target)}; {how}"
            return Outcome("edited-unreachable", why, shut, pinhole=False)
    unknown = next((r[1] for r in results if r[0] is None), "")
    if unknown or not results:
        return Outcome("not-tested", f"rewritten to {to}; {unknown or 'nobody went there'}")
    return Outcome("edited", f"rewritten to {to}, and reached there", pinhole=True)


def _followed(facts: Facts, followed: Followed) -> tuple[bool | None, str]:
    """Whether the server got in; None where that is not known."""
    if followed.heard:
        return True, ""
    if followed.refused:
        if followed.refused == "not-proven":
            return False, "that is not known to be your address"
        return None, f"the echo server did not go there: {cut(followed.refused)}"
    outcomes = Counter(a.outcome for a in followed.attempts)
    if outcomes["answered"]:
        return None, "the echo server was answered, and nothing arrived here"
    if outcomes["foreign"] or outcomes["closed"]:
        return False, "something else answers there"
    if outcomes["refused"] + outcomes["unreachable"] >= silence.REFUSALS_ENOUGH:
        return False, "who goes there is refused"
    silent = outcomes["silent"] + outcomes["mute"]
    chance = max(facts.chance_of_silence("tcp", silent), facts.chance_of_silence("udp", silent))
    if facts.trusted_silence and silence.rules_out_loss(silent, chance):
        return False, "nobody gets in there"
    return None, "whether somebody gets in there is not known"


def _acts_on(control: Talk | None, seen: Seen) -> ActsOn | None:
    """Whether the same befell the same bytes on the control port."""
    if control is None or not (control.out.kinds or control.unread):
        return None
    harmed = control.unread or control.out.changed or control.out.faults or control.back.faults
    return "content" if harmed or _Fates(control, seen).changed else "port"
