"""Calls as NetMeeting makes them: how far each came, and why no further (pure; facts N3-N8).

A call goes out when its set-up is answered and the control channel is reached, on the dynamic TCP
port that both agreed on; it comes in when the other end gets as far, from the address in the
directory.  What then arrives of sound and picture is judged in
:mod:`netcheck.diagnosis.call_media`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from netcheck.cause import Cause
from netcheck.diagnosis import call_media
from netcheck.diagnosis.call_media import NOT_PROVEN, Way
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import cut
from netcheck.report.model import CallReached, Direction, PlacedCall, PlacedMedium
from probes import silence
from probes.observation import Call, CallConnection

PORT = 1720
"""Where calls are set up (fact N3)."""

AUDIO_PORT = 1731  # fact N4

_Connection = Literal["signalling", "control"]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a connection of a call did not come about.  ``protocol``: whose message is the reason;
    ``port``: of the connection; ``to``: where it went, or was to go."""

    at: _Connection
    why: str
    cause: Cause | None = None
    protocol: str = ""
    port: int | None = None
    to: str | None = None


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """One call.  ``set_up``: through to the control channel; None where that is not known, and
    ``why`` it is not."""

    call: Call
    reached: CallReached
    set_up: bool | None
    why: str = ""
    fault: Fault | None = None
    ways: tuple[Way, ...] = ()

    @property
    def direction(self) -> Direction:
        return self.call.direction

    @property
    def used(self) -> tuple[str, ...]:
        return (self.call.id,)


def judge(facts: Facts) -> tuple[Placed, ...]:
    """Every call that was made, or should have been."""
    return tuple(_placed(facts, call) for call in facts.calls)


def placed(calls: Sequence[Placed], direction: Direction) -> Placed | None:
    return next((c for c in calls if c.direction == direction), None)


def _placed(facts: Facts, call: Call) -> Placed:
    if call.untested:
        return Placed(call=call, reached="untested", set_up=None, why=call.untested)
    answered, fault = _signalling(facts, call)
    if answered is not True:
        return Placed(
            call=call, reached="nothing", set_up=answered, why=fault.why, fault=_if_failed(fault)
        )
    opened, fault = _control(facts, call)
    if opened is not True:
        return Placed(
            call=call, reached="answered", set_up=opened, why=fault.why, fault=_if_failed(fault)
        )
    reached: CallReached = "media" if call.control.over else "control"
    return Placed(call=call, reached=reached, set_up=True, ways=call_media.ways(facts, call))


def _if_failed(fault: Fault) -> Fault | None:
    return fault if fault.cause is not None else None


# ---- the connection that sets a call up ----


def _signalling(facts: Facts, call: Call) -> tuple[bool | None, Fault]:
    c = call.signalling
    if call.direction == "inbound":
        return _called(facts, call)
    passed, how = _came_about(facts, c)
    if passed is False and c.outcome in ("mute", "closed"):
        if c.out.faults:
            why = f"what sets up a call is damaged on the way: {cut(c.out.faults[0])}"
            return False, _fault("signalling", why, "embedded-address-mangled", "h323")
        if c.out.kinds and c.back.faults:
            why = f"the answer to a call is damaged on the way: {cut(c.back.faults[0])}"
            return False, _fault("signalling", why, "embedded-address-mangled", "h323")
        what = "the answer to a call" if c.out.kinds else "what sets up a call"
        why = f"{what} does not get through, though the connection does"
        return False, _fault("signalling", why, "protocol-filtered", "h323")
    cause: dict[str, Cause] = {
        "refused": "outbound-tcp-refused",
        "unreachable": "outbound-tcp-refused",
        "foreign": "outbound-tcp-intercepted",
        "altered": "payload-altered",
        "silent": "outbound-tcp-blocked",
    }
    return passed, Fault(
        at="signalling",
        why=f"the connection that sets up a call, TCP {PORT}, {how}",
        cause=cause.get(c.outcome or "") if passed is False else None,
        port=PORT,
        to=c.to,
    )


def _called(facts: Facts, call: Call) -> tuple[bool | None, Fault]:
    """From outside, to the address in the directory: a wrong one there is an answer by itself."""
    c = call.signalling
    where = cut(c.to or "")
    if c.outcome is None and c.refused == NOT_PROVEN:
        if call_media.is_private(facts, call, c.to):
            why = f"the directory names {where}, where nobody outside can reach you"
            return False, _fault("signalling", why, "embedded-address-untouched", "ldap", c.to)
        why = f"the directory names {where}, which is not your address as others see it"
        return False, _fault("signalling", why, "editor-pinhole-closed", "ldap", c.to)
    passed, how = _came_about(facts, c)
    why = f"a call to {where}, as the directory says, {how}"
    if passed is False and _rewritten(facts, call, c.to):
        return False, _fault("signalling", why, "editor-pinhole-closed", "ldap", c.to)
    cause: dict[str, Cause] = {
        "refused": "inbound-tcp-refused",
        "unreachable": "inbound-tcp-refused",
        "foreign": "inbound-wrong-host",
        "altered": "payload-altered",
        "silent": "inbound-tcp-blocked",
        "mute": "inbound-tcp-blocked",
        "closed": "inbound-wrong-host",
    }
    return passed, Fault(
        at="signalling",
        why=why,
        cause=cause.get(c.outcome or "") if passed is False else None,
        port=PORT,
        to=c.to,
    )


# ---- the control channel ----


def _control(facts: Facts, call: Call) -> tuple[bool | None, Fault]:
    c = call.control
    where = cut(c.to or "")
    if c.outcome is None and c.refused == NOT_PROVEN:
        if call.direction == "outbound" and call_media.meant(call.signalling.back, c.to):
            return None, Fault(at="control", why=call_media.elsewhere(c.to), to=c.to)
        return False, _wrong_control(facts, call)
    passed, how = _came_about(facts, c)
    port = call_media.port_of(c.to)
    named = f"the further connection that it agrees on, TCP {port}," if port else "its control"
    why = f"the call is answered, and {named} {how}"
    cause: Cause | None = None
    if passed is False and call.direction == "outbound":
        return False, _outbound_control(c, why, port)
    if passed is False:
        if _rewritten(facts, call, c.to):
            why = f"a router writes {where} into your answer to a call, and lets nobody in"
            return False, _fault("control", why, "editor-pinhole-closed", "h323", c.to)
        refused = c.outcome in ("refused", "unreachable")
        cause = "inbound-tcp-refused" if refused else "inbound-tcp-blocked"
    return passed, Fault(at="control", why=why, cause=cause, port=port, to=c.to)


def _outbound_control(c: CallConnection, why: str, port: int | None) -> Fault:
    match c.outcome:
        case "foreign":
            cause: Cause = "outbound-tcp-intercepted"
        case "altered":
            cause = "payload-altered"
        case "mute" | "closed":
            why = "the call is answered, and what it is controlled by does not get through"
            return _fault("control", why, "protocol-filtered", "h323", c.to)
        case _:
            cause = "tcp-range-limited"
    return Fault(at="control", why=why, cause=cause, port=port, to=c.to)


def _wrong_control(facts: Facts, call: Call) -> Fault:
    to = call.control.to
    where = cut(to or "")
    if call.direction == "outbound":
        why = f"the call is answered, and where it goes on is changed to {where} on the way"
        return _fault("control", why, "embedded-address-mangled", "h323", to)
    if call_media.is_private(facts, call, to):
        why = f"your answer to a call names {where}, where nobody outside can reach you"
        return _fault("control", why, "embedded-address-untouched", "h323", to)
    why = f"your answer to a call names {where}, which is not your address as others see it"
    return _fault("control", why, "editor-pinhole-closed", "h323", to)


def _fault(at: _Connection, why: str, cause: Cause, protocol: str, to: str | None = None) -> Fault:
    return Fault(at=at, why=why, cause=cause, protocol=protocol, to=to)


# ---- connections ----


def _came_about(facts: Facts, c: CallConnection) -> tuple[bool | None, str]:
    """Whether the other end spoke the protocol there, and how not, after "the connection"."""
    match c.outcome:
        case "answered":
            return True, ""
        case None:
            return None, f"was not tried: {_reason(c)}"
        case "local-error":
            return None, f"was not tried: it was not sent: {_reason(c)}"
    if not facts.trusted_silence:
        return None, "is undecided: the echo server did not answer to the end of the check"
    if c.outcome == "altered":
        return False, "is changed on the way"
    if c.outcome == "foreign":
        return False, "is answered by something else"
    if c.outcome in ("refused", "unreachable", "closed"):
        how = "is ended before the answer" if c.outcome == "closed" else "is refused"
        if c.attempts >= silence.REFUSALS_ENOUGH:
            return False, how
        return None, f"{how}, which may be a passing overload"
    chance = facts.chance_of_silence("tcp", c.attempts)
    if not silence.rules_out_loss(c.attempts, chance):
        return None, "is not answered, which may be loss"
    return False, "is blocked" if c.outcome == "silent" else "is not answered"


def _reason(c: CallConnection) -> str:
    return cut(c.detail or c.refused or "the reason is not known")


def _rewritten(facts: Facts, call: Call, to: str | None) -> bool:
    """Whether an address of ours arrived as the one that others see."""
    known = facts.control is not None and facts.control.local_address is not None
    return known and not call_media.is_private(facts, call, to)


# ---- the report ----


def told(calls: Sequence[Placed]) -> list[PlacedCall]:
    """Every call, for the report; ``only-they``: the other side hears, or sees, and you do not."""
    return [
        PlacedCall(
            direction=c.direction,
            reached=c.reached,
            set_up=c.set_up,
            reason=c.why,
            signalling=c.call.signalling.to,
            control=c.call.control.to,
            data=c.call.data.target if c.call.data else None,
            data_reached=_data_reached(c.call),
            sound=call_media.who(c.ways, "audio"),
            picture=call_media.who(c.ways, "video"),
            media=[_medium(way) for way in c.ways],
            evidence=list(c.used),
        )
        for c in calls
    ]


def _data_reached(call: Call) -> bool | None:
    data = call.data
    if data is None:
        return None
    if data.heard:
        return True
    return False if data.refused == NOT_PROVEN else None


def _medium(way: Way) -> PlacedMedium:
    m = way.medium
    return PlacedMedium(
        kind=m.kind,
        direction=m.direction,
        to=m.rtp_to,
        rtcp_to=m.rtcp_to,
        sent=m.sent,
        received=m.received,
        reports=m.reports,
        arrives=way.passed,
        reports_arrive=way.reports,
        reason=way.why,
    )
