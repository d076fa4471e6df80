"""The control channel of a call as dialogues of the editor matrix (pure; facts M5, M8, N3).

An editor reads H.245 only on the connection that H.225.0 has agreed on, so no dialogue on a port
of its own shows what it does: that of a real call does.  The addresses of media and that of T.120
are two dialogues: an editor may do the one and not the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from netcheck.diagnosis import call_media
from netcheck.diagnosis.facts import Facts
from probes.observation import Attempt, Call, Followed, Heard, Talk
from probes.pace import GAP_MIN_S

H245, T120 = "h245", "t120"

_DATA_FIELD = "separateStack"  # of H.245: where T.120 waits


def talks(facts: Facts) -> Iterator[Talk]:
    """Those of the call that we made, if it came so far."""
    for call in facts.calls:
        if call.direction == "outbound" and call.control.out.kinds and not call.untested:
            yield _talk(facts, call, H245, lambda field: _DATA_FIELD not in field, _media(call))
            if any(_DATA_FIELD in said.field for said in call.control.out.said):
                data = (call.data,) if call.data else ()
                yield _talk(facts, call, T120, lambda field: _DATA_FIELD in field, data)


def _talk(
    facts: Facts,
    call: Call,
    dialogue: str,
    belongs: Callable[[str], bool],
    followed: tuple[Followed, ...],
) -> Talk:
    whole = dialogue == H245
    local, source = _socket(facts)
    return Talk(
        id=call.id,
        at_s=call.at_s,
        took_s=call.took_s,
        protocol="h323",
        dialogue=dialogue,
        transport="tcp",
        port=call_media.port_of(call.control.to) or 0,
        aim="own-port",
        outcome="talked" if call.control.over else "broken-off",
        local=local,
        source=source,
        out=_part(call.control.out, belongs, whole=whole),
        back=_part(call.control.back, belongs, whole=whole),
        followed=followed,
        untested=call_media.UNREAD if call_media.is_unread(call) else "",
    )


def _socket(facts: Facts) -> tuple[str | None, str | None]:
    """A socket that spoke H.323 as this computer knew it, and as the server saw it: they tell
    whether the addresses of a call are translated."""
    for talk in facts.talks:
        if talk.dialogue == "h323" and talk.local and talk.source:
            return talk.local, talk.source
    return facts.control.local_address if facts.control else None, None


def _part(heard: Heard, belongs: Callable[[str], bool], *, whole: bool) -> Heard:
    """What harms all of the messages is said once, of H.245."""
    said = tuple(each for each in heard.said if belongs(each.field))
    if whole:
        return msgspec.structs.replace(heard, said=said)
    return msgspec.structs.replace(heard, said=said, changed=False, faults=())


def _media(call: Call) -> tuple[Followed, ...]:
    """Sound and picture that came, or did not, as one going to where our messages said."""
    return tuple(
        Followed(
            field="mediaChannel",
            target=m.rtp_to,
            heard=m.received or 0,
            attempts=() if m.received is None else _silent(m.sent, call_media.PER_S[m.kind]),
            refused=m.refused,
        )
        for m in call.media
        if m.direction == "inbound" and m.rtp_to is not None
    )


def _silent(sent: int, packets_per_s: int) -> tuple[Attempt, ...]:
    """As many tries as that many packets are worth: those close together share one outage."""
    tries = min(sent, int(sent / packets_per_s / GAP_MIN_S + 1e-9))
    return tuple(Attempt(at_s=GAP_MIN_S * n, outcome="silent") for n in range(tries))
