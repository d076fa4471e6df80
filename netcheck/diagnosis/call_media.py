"""Who hears and sees whom in a call: each medium, each way, to where H.245 said (pure).

The streams of :mod:`netcheck.diagnosis.media` go back to where they came from, so they tell what
UDP does; these go to the addresses inside the messages, as NetMeeting's do (facts N5, N7, N8).
"""

from __future__ import annotations

import msgspec

from netcheck.cause import Cause
from netcheck.diagnosis import media
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import address_of, cut
from netcheck.diagnosis.media import Kind
from netcheck.report.model import CallSides, Direction
from probes import silence
from probes.observation import Call, CallMedia, Heard, Said

NOT_PROVEN = "not-proven"
"""Nothing was sent there: it is not known to be the receiver's own address."""

PER_S: dict[Kind, int] = {"audio": 25, "video": 15}
"""Packets a second of a call's media: how long so many lasted says what silence means."""

SENT_MIN = 10
"""From fewer packets nothing is said about a direction: two thirds of a second of pictures."""

SENSES: dict[Kind, tuple[str, str]] = {"audio": ("hear", "hears"), "video": ("see", "sees")}
WHAT: dict[Kind, str] = {"audio": "sound", "video": "the picture"}


UNREAD = "the call's control took a second connection, and an editor may read the first alone"


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One medium in one direction.  ``passed`` is about RTP, ``reports`` about RTCP, each None
    where that is not known.  ``why`` and ``cause`` are of what did not pass, or is not known.
    ``said``: the address in the message, as it was sent and as it arrived."""

    medium: CallMedia
    passed: bool | None
    reports: bool | None
    why: str = ""
    cause: Cause | None = None
    said: Said | None = None

    @property
    def kind(self) -> Kind:
        return self.medium.kind

    @property
    def direction(self) -> Direction:
        return self.medium.direction


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    """RTP or RTCP of one way: where to, and what became of it; ``passed`` by the counts alone."""

    to: str | None
    refused: str
    passed: bool | None


def ways(facts: Facts, call: Call) -> tuple[Way, ...]:
    return tuple(_way(facts, call, medium) for medium in call.media)


def who(found: tuple[Way, ...], kind: Kind) -> CallSides:
    """Whose sound arrives, or picture."""
    they, you = (_passed(found, kind, direction) for direction in ("outbound", "inbound"))
    match they, you:
        case True, True:
            return "both"
        case True, False:
            return "only-they"
        case False, True:
            return "only-you"
        case False, False:
            return "neither"
    return "unknown"


def sentences(kind: Kind) -> tuple[dict[bool, str], dict[bool, str]]:
    """Whether they hear us, and whether we hear them, by what is known of it."""
    sense, senses = SENSES[kind]
    they = {True: f"the other side {senses} you", False: f"the other side does not {sense} you"}
    you = {True: f"you {sense} the other side", False: f"you do not {sense} the other side"}
    return they, you


def way(found: tuple[Way, ...], kind: Kind, direction: str) -> Way | None:
    return next((w for w in found if (w.kind, w.direction) == (kind, direction)), None)


def _passed(found: tuple[Way, ...], kind: Kind, direction: str) -> bool | None:
    one = way(found, kind, direction)
    return one.passed if one else None


def _way(facts: Facts, call: Call, m: CallMedia) -> Way:
    sound = _Sent(to=m.rtp_to, refused=m.refused, passed=_arrived(facts, m))
    reports = _Sent(to=m.rtcp_to, refused=m.rtcp_refused, passed=_reported(facts, call, m))
    passed, why, cause = _judge(facts, call, m, sound)
    if passed is not True:
        return Way(
            medium=m,
            passed=passed,
            reports=None,
            why=why,
            cause=cause,
            said=_said(call, m, m.rtp_to),
        )
    known, why, cause = _judge(facts, call, m, reports)
    if cause in ("outbound-udp-blocked", "udp-reply-blocked"):
        cause = "udp-range-limited"  # UDP itself passes, on the port beside
    return Way(
        medium=m, passed=True, reports=known, why=why, cause=cause, said=_said(call, m, m.rtcp_to)
    )


def _judge(
    facts: Facts, call: Call, m: CallMedia, sent: _Sent
) -> tuple[bool | None, str, Cause | None]:
    if sent.refused == NOT_PROVEN and m.direction == "inbound" and is_unread(call):
        return None, UNREAD, None
    if (
        sent.refused == NOT_PROVEN
        and m.direction == "outbound"
        and meant(call.control.back, sent.to)
    ):
        return None, elsewhere(sent.to), None
    if sent.refused == NOT_PROVEN:
        return False, *_wrong_address(facts, call, m, sent.to)
    if sent.refused:
        return None, f"nothing was sent: {cut(sent.refused)}", None
    if sent.to is None:
        return None, "the message that says where to did not arrive", None
    if sent.passed is None:
        return None, _why_unknown(facts, m), None
    if sent.passed:
        return True, "", None
    if m.received and sent.to == m.rtp_to:
        return False, f"only {m.received} of {m.sent} packets arrive", None
    said = _said(call, m, sent.to)
    if m.direction == "inbound" and said is not None and said.sent != said.arrived:
        why = f"a router writes {_shown(sent.to)} into the call's messages, and lets nothing in"
        return False, why, "editor-pinhole-closed"
    if m.direction == "inbound":
        return False, "what they send (UDP) does not come in", "udp-reply-blocked"
    return False, "what you send (UDP) does not get out", "outbound-udp-blocked"


def _wrong_address(facts: Facts, call: Call, m: CallMedia, to: str | None) -> tuple[str, Cause]:
    if m.direction == "outbound":
        why = f"the address in the other side's messages is changed to {_shown(to)} on the way"
        return why, "embedded-address-mangled"
    if is_private(facts, call, to):
        why = (
            f"they send to {address_of(to or '')}, because that address inside the call's "
            "messages is not rewritten"
        )
        return why, "embedded-address-untouched"
    why = f"they send to {_shown(to)}, which is not your address as others see it"
    return why, "editor-pinhole-closed"


def meant(heard: Heard, to: str | None) -> bool:
    """Whether the other end's messages name ``to`` and were not changed on the way."""
    return any(s.sent == s.arrived == to for s in heard.said)


def elsewhere(to: str | None) -> str:
    """A server behind a NAT of its own names the address that it has there."""
    return (
        f"the echo server itself says that it is at {_shown(to)}, which is not the address that "
        "it is reached at (its operator may advertise that one)"
    )


def is_unread(call: Call) -> bool:
    """Whether addresses in H.245 may have been left as they are by chance.  An editor that
    rewrote where the control channel is expects one connection there; Linux's reads no second."""
    edited = any(s.arrived not in (None, s.sent) for s in call.signalling.out.said)
    left = all(s.arrived in (None, s.sent) for s in call.control.out.said)
    return call.control.attempts > 1 and edited and left


def is_private(facts: Facts, call: Call, to: str | None) -> bool:
    """Whether an address of ours that arrived is the one that this computer itself has."""
    said = [*call.signalling.out.said, *call.control.out.said]
    if any(s.arrived == to and s.sent == to for s in said):
        return True
    local = facts.control.local_address if facts.control else None
    known = {local, *(a.address for a in (facts.local.addresses if facts.local else ()))}
    return address_of(to or "") in {address_of(a) for a in known if a}


def port_of(to: str | None) -> int | None:
    """Of address:port, which another end may have made up."""
    text = (to or "").rpartition(":")[2]
    return int(text) if text.isdecimal() and 0 < int(text[:6]) <= 0xFFFF else None


def _said(call: Call, m: CallMedia, to: str | None) -> Said | None:
    """The field that the address was read in: the receiver writes it."""
    heard = call.control.out if m.direction == "inbound" else call.control.back
    return next((s for s in heard.said if to is not None and s.arrived == to), None)


def _arrived(facts: Facts, m: CallMedia) -> bool | None:
    if m.received is None:
        return None
    return media.enough(facts, m.sent, m.received, PER_S[m.kind], SENT_MIN)


def _reported(facts: Facts, call: Call, m: CallMedia) -> bool | None:
    """Whether RTCP arrives.  There is little of it: silence counts where the RTP of the same
    moments came through, which would have been lost as well (:func:`silence.chance_beside`)."""
    if m.reports:
        return True
    if m.reports is None or m.received is None or not facts.trusted_silence:
        return None
    beside = (m.sent, max(0, m.sent - m.received))
    chance = silence.chance_beside(m.reports_sent, facts.path_loss, beside)
    return False if silence.rules_out_loss(m.reports_sent, chance) else None


def _why_unknown(facts: Facts, m: CallMedia) -> str:
    if m.received is None:
        return "the other end's count did not arrive"
    if m.sent < SENT_MIN:
        return "too few packets were sent to tell"
    if not facts.trusted_silence:
        return "the echo server did not answer to the end of the check"
    return "loss may explain why so little arrived"


def _shown(to: str | None) -> str:
    return cut(to or "")
