"""Messages that did not arrive, whole or at all, on the port of their protocol (pure).

``blocked`` is said only where the same bytes arrived on another port, and neither loss, a server
that went nor this computer explains the difference.
"""

from __future__ import annotations

from collections import Counter

from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Outcome, Seen, cut
from netcheck.report.model import PortState
from probes import silence
from probes.observation import Talk

SHUT_IN_WORDS: dict[PortState, str] = {
    "blocked": "blocked",
    "refused": "refused",
    "intercepted": "answered by something else",
    "altered": "changed on the way",
}


def unheard(facts: Facts, own: Talk, control: Talk | None, seen: Seen) -> Outcome:
    """Nothing of it arrived."""
    name = f"{own.transport.upper()} {own.port}"
    shut = next(
        (
            SHUT_IN_WORDS[p.state]
            for p in seen.ports
            if (p.transport, p.direction, p.port) == (own.transport, "outbound", own.port)
            and p.local_port is None
            and p.state in SHUT_IN_WORDS
        ),
        None,
    )
    if shut:
        return Outcome("not-tested", f"{name} is {shut}, whatever goes there")
    if own.outcome in ("refused", "unreachable"):
        how = "was refused" if own.outcome == "refused" else "is said to be unreachable"
        return Outcome("not-tested", f"the connection to {name} {how}")
    strange = own.back.changed or own.back.faults
    if own.back.kinds and not facts.trusted_silence:
        why = "what arrived of it is not known; the echo server did not answer to the end"
        return Outcome("not-tested", why)
    if own.outcome == "talked" or (strange and not own.unread):
        return Outcome("not-tested", f"something else answers on {name}, whatever goes there")
    return missing(facts, own, control, [])


def lost(own: Talk, control: Talk | None) -> list[str]:
    """The kinds of messages that were sent, and arrived on the control port alone."""
    if control is None or own.out.expected <= len(own.out.kinds):
        return []
    return sorted((Counter(control.out.kinds) - Counter(own.out.kinds)).elements())


def is_behind(own: Talk, control: Talk | None) -> bool:
    """Whether the control port heard more of it, which was not even sent here."""
    return control is not None and len(own.out.kinds) < len(control.out.kinds)


def is_no_loss(facts: Facts, own: Talk) -> bool:
    """Whether so much was tried that loss does not explain what became of it."""
    if own.cut >= silence.REFUSALS_ENOUGH:
        return True
    chance = facts.chance_of_silence(own.transport, own.tries)
    return silence.rules_out_loss(own.tries, chance)


def missing(facts: Facts, own: Talk, control: Talk | None, lost: list[str]) -> Outcome:
    """Blocked, if nothing else explains that it did not arrive."""
    what, elsewhere = "no whole message of it arrives", "does on another port"
    if lost:
        what = f"{cut(lost[0])} does not arrive"
    elif own.out.kinds and own.out.expected <= len(own.out.kinds):
        what, elsewhere = f"it stops after {cut(own.out.kinds[-1])}", "not on another port"
    if control is None or not control.out.kinds:
        return Outcome("not-tested", f"{what}, and on another port nothing did either")
    if not facts.trusted_silence:
        return Outcome("not-tested", f"{what}; the echo server did not answer to the end")
    port = f"{own.transport.upper()} {own.port}"
    if not is_no_loss(facts, own):
        why = "; the connection was ended once, which may be chance" if own.cut else ""
        return Outcome("not-tested", f"{what}{why or ', which may be loss'}")
    if own.cut >= silence.REFUSALS_ENOUGH:
        why = f"{what}; the connection to {port} is ended in its middle each time"
        if control.cut >= silence.REFUSALS_ENOUGH:
            return Outcome("not-tested", f"{why}, and so is one to another port")
        return Outcome("blocked", f"{why}, and one to another port is not")
    if own.out.kinds or own.back.kinds:
        return Outcome("blocked", f"{what} on {port}, and {elsewhere}")
    return Outcome("blocked", f"nothing of it arrives on {port}, and it does on another port")


def unanswered(facts: Facts, own: Talk, control: Talk | None) -> Outcome | None:
    """What we say arrives, and an answer to it does not come back, which it does on another port;
    None if nothing else explains that no less."""
    if control is None or own.outcome != "broken-off" or control.outcome != "talked":
        return None
    missing = Counter(control.back.kinds) - Counter(own.back.kinds)
    if not missing or not facts.trusted_silence or not is_no_loss(facts, own):
        return None
    kind, port = cut(next(iter(missing))), f"{own.transport.upper()} {own.port}"
    why = f"the answer {kind} does not come back on {port}, and does on another port"
    if own.cut >= silence.REFUSALS_ENOUGH:
        why = f"the connection to {port} is ended each time before the answer {kind} comes back"
    return Outcome("blocked", why)
