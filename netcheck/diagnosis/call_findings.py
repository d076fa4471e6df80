"""What harms calls, as findings (pure): what kept a call from coming about, sound that nobody
hears, and the article's two cases, calls without sound (N7) and calls only outward (N8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import msgspec

from netcheck.cause import Cause
from netcheck.diagnosis import call_media, calls, dynamic_range, media
from netcheck.diagnosis.call_media import Way
from netcheck.diagnosis.calls import Placed
from netcheck.diagnosis.clue import Clue, Parameter
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.judged import Judged, address_of
from netcheck.report.model import Direction, EditorVerdict, Port
from probes.observation import DynamicRange

SETUP_PORTS = (calls.PORT, calls.AUDIO_PORT)
CLOSED_SAMPLES_MIN = 10
"""Random ports none of which passes: a range of which a quarter is open looks so in 6 %."""

_ANY = ("1024-65535",)
"""What calls agree on: to open the one port of this call helps no other (fact N5)."""

_REFUSED = frozenset({"refused", "blocked", "intercepted"})
_BAD = _REFUSED | {"altered"}

_VERDICTS: dict[Cause, EditorVerdict] = {
    "embedded-address-untouched": "untouched",
    "embedded-address-mangled": "mangled",
    "editor-pinhole-closed": "edited-unreachable",
    "protocol-filtered": "blocked",
}


def harmed(placed: Sequence[Placed]) -> list[Judged]:
    """What befell addresses in the messages of calls so that it harmed them, for the findings
    about editors: there what the dialogues of the same protocol say is put beside it."""
    found = []
    for call in placed:
        fault = call.fault
        if fault is not None and fault.protocol and fault.cause in _VERDICTS:
            found.append(_harmed(call, fault.cause, fault.protocol, fault.why, fault.to))
        for way in _failed(call):
            if way.cause in _VERDICTS:
                to = way.said.arrived if way.said else None
                judged = _harmed(call, way.cause, "h323", _who_fails(way), to or way.medium.rtp_to)
                said = way.said
                found.append(judged if said is None else _with(judged, said.field, said.sent))
    return found


def _harmed(call: Placed, cause: Cause, protocol: str, why: str, to: str | None) -> Judged:
    return Judged(
        protocol=protocol,
        dialogue=f"call-{call.direction}",
        transport="tcp",
        port=calls.PORT,
        verdict=_VERDICTS[cause],
        reason=why,
        received=to,
        evidence=call.used,
    )


def _with(judged: Judged, field: str, sent: str) -> Judged:
    return msgspec.structs.replace(judged, field=field, sent=sent)


def _failed(call: Placed) -> list[Way]:
    return [w for w in call.ways if w.passed is False or w.reports is False]


def _who_fails(way: Way) -> str:
    they, you = call_media.sentences(way.kind)
    said = they if way.direction == "outbound" else you
    if way.passed:
        return f"reports on the {call_media.WHAT[way.kind]} (RTCP) do not arrive: {way.why}"
    return f"{said[False]}: {way.why}"


def clues(facts: Facts, placed: Sequence[Placed], ports: Sequence[Port]) -> Iterator[Clue]:
    """What ports and dialogues do not say already."""
    for call in placed:
        yield from _connection(facts, call, ports)
        for way in _failed(call):
            yield from _stream(facts, call, way)
    yield from _without_media(facts, placed, ports)
    yield from _only_outward(facts, placed, ports)


def _connection(facts: Facts, call: Placed, ports: Sequence[Port]) -> Iterator[Clue]:
    fault = call.fault
    if fault is None or fault.protocol or fault.cause is None:
        return
    at_port = _tcp(ports, call.direction, calls.PORT)
    if fault.at == "signalling" and at_port is not None and at_port.state in _BAD:
        return  # that is a finding by itself
    parameters: dict[str, Parameter] = {"transport": "tcp"}
    port = fault.port
    if fault.cause == "tcp-range-limited":
        parameters = _of_sample(facts, fault.cause)
    elif call.direction == "inbound":
        parameters["called_address"] = address_of(fault.to or "")
        if fault.at == "control":  # the next call agrees on another port
            port, parameters["ports"] = None, [*_ANY]
    yield Clue(fault.cause, call.used, port, parameters)


def _stream(facts: Facts, call: Placed, way: Way) -> Iterator[Clue]:
    """UDP that does not pass, where the streams that go back to where they came from do."""
    if way.cause == "udp-range-limited":
        yield Clue(way.cause, call.used, None, _of_sample(facts, way.cause))
        return
    if way.cause not in ("outbound-udp-blocked", "udp-reply-blocked"):
        return
    if _is_told_of(facts, call, way):
        return
    other = call_media.way(call.ways, way.kind, "outbound")
    if way.cause == "udp-reply-blocked" and (other is None or not other.passed):
        return  # what does not get out has no answers
    parameters: dict[str, Parameter] = {"transport": "udp"}
    if way.direction == "inbound":
        parameters["sound"] = "one-way"
    yield Clue(way.cause, call.used, None, parameters)  # the next call has other ports


def _of_sample(facts: Facts, cause: Cause) -> dict[str, Parameter]:
    """What a sample of the range says, if there is one, so that both are one finding."""
    sampled = (c for c in dynamic_range.clues(facts) if c.cause == cause)
    return next((c.parameters for c in sampled), {})


def _is_told_of(facts: Facts, call: Placed, way: Way) -> bool:
    """Whether it is a finding already, about the streams or about calls without any media."""
    if media.carried(facts, media.stream(facts, way.kind, way.direction)) is not False:
        return False
    streams = [media.stream(facts, way.kind, d) for d in get_args(Direction)]
    neither = all(media.carried(facts, o) is False for o in streams)
    return not neither or call_media.who(call.ways, way.kind) == "neither"


def _without_media(facts: Facts, placed: Sequence[Placed], ports: Sequence[Port]) -> Iterator[Clue]:
    """N7: calls connect, and nobody hears anything, for want of UDP."""
    setup = [p for number in SETUP_PORTS if (p := _tcp(ports, "outbound", number))]
    if not setup or setup[0].port != calls.PORT or any(p.state != "open" for p in setup):
        return
    out = calls.placed(placed, "outbound")
    if out is not None and out.set_up is False:
        return
    heard = {o.id: media.carried(facts, o) for o in facts.media}
    if True in heard.values() or (out and any(w.passed for w in out.ways)):
        return
    sound = [heard[o.id] for o in facts.media if o.kind == "audio"]
    ranges = [r for r in facts.dynamic_ranges if r.transport == "udp" and _closed(facts, r)]
    streamed = sound == [False, False]
    called = out is not None and _silent(out)
    if not (streamed or called or ranges):
        return
    evidence = [name for name, known in heard.items() if known is False] if streamed else []
    evidence += [r.id for r in ranges]
    evidence += [p.observation for p in setup if p.observation]
    evidence += out.used if out and called else ()
    numbers: list[str | int] = [p.port for p in setup]
    yield Clue("calls-without-media", tuple(evidence), None, {"ports": numbers})


def _silent(call: Placed) -> bool:
    """Whether nobody hears anything, and what we sent was sent in vain to the right address."""
    sound = call_media.way(call.ways, "audio", "outbound")
    lost = sound is not None and sound.cause == "outbound-udp-blocked"
    return lost and call_media.who(call.ways, "audio") == "neither"


def _only_outward(facts: Facts, placed: Sequence[Placed], ports: Sequence[Port]) -> Iterator[Clue]:
    """N8: calls from inside work with sound, calls from outside do not come in."""
    out_port, in_port = (_tcp(ports, d, calls.PORT) for d in ("outbound", "inbound"))
    if out_port is None or out_port.state != "open":
        return
    shut = in_port is not None and in_port.state in _REFUSED
    called = calls.placed(placed, "inbound")
    known = called is not None and called.set_up is not None
    if (called is not None and called.set_up) or not (known or shut):
        return
    sound = _sound_outward(facts, calls.placed(placed, "outbound"))
    if sound is None:
        return
    words, evidence = sound
    parameters: dict[str, Parameter] = {"sound": words} if words else {}
    port: int | None = calls.PORT
    if called is not None and known:
        evidence = (*called.used, *evidence)
        fault = called.fault
        if fault is not None and fault.cause == "embedded-address-untouched" and fault.to:
            parameters["answer" if fault.protocol == "h323" else "entry"] = fault.to
        if fault is not None and fault.at == "control" and not fault.protocol:
            port, parameters["ports"] = None, [*_ANY]
    if port is None:
        pass  # calls do come in at theirs
    elif in_port is not None and in_port.state == "open":
        parameters["opened"] = calls.PORT
    elif shut:
        evidence = (*_ids(in_port), *evidence)
    yield Clue("calls-only-outward", (*_ids(out_port), *evidence), port, parameters)


def _sound_outward(facts: Facts, out: Placed | None) -> tuple[str, tuple[str, ...]] | None:
    """How calls that we make sound, in a word, and by what; None where they do not, or it is not
    known.  A call whose sound is one-sided is another finding's, which its evidence is left to."""
    streams = [media.stream(facts, "audio", d) for d in get_args(Direction)]
    ids = tuple(o.id for o in streams if o)
    flows = all(media.carried(facts, o) for o in streams)
    if out is None or out.call.untested:
        return ("", ids) if flows else None
    if not out.set_up:
        return None
    match call_media.who(out.ways, "audio"):
        case "both":
            return "", out.used
        case "only-they" | "only-you":
            return "one-way", ids if flows else ()
        case "neither":
            return None
    return ("", ids) if flows else None


def _ids(port: Port | None) -> tuple[str, ...]:
    return (port.observation,) if port and port.observation else ()


def _tcp(ports: Sequence[Port], direction: Direction, number: int) -> Port | None:
    return next(
        (
            p
            for p in ports
            if (p.transport, p.direction, p.port) == ("tcp", direction, number)
            and p.local_port is None
        ),
        None,
    )


def _closed(facts: Facts, seen: DynamicRange) -> bool:
    """Whether a random sample of ports says that none of them passes."""
    first = seen.samples[: seen.first]
    outcomes = {sample.outcome for sample in first}
    enough = not seen.untested and len(first) >= CLOSED_SAMPLES_MIN
    # Nothing open later either: what was tried after the first sample counts against it.
    none_open = all(sample.outcome != "open" for sample in seen.samples)
    return (
        enough
        and none_open
        and facts.trusted_silence
        and outcomes <= {"blocked", "refused", "reply-lost"}
    )
