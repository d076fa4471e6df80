"""Session descriptions: the offer of one audio stream, and the answer to any offer.

RFC 4566, 3264 (offer and answer), 3605 (a=rtcp) and 5761 (a=rtcp-mux: RTCP comes to the port of
RTP, so that what is announced is one port that somebody listens on).
"""

from __future__ import annotations

import re

from probes.editors.contract import Own
from probes.wire.frame import Endpoint

TYPE = "application/sdp"

_MEDIA_MAX = 8  # a video call with slides has three
_MEDIA = re.compile(
    r"m=([A-Za-z0-9-]{1,32}) ([0-9]{1,5})(?:/[0-9]{1,3})? ([A-Z/]{1,24}) ([0-9A-Za-z* -]{1,200})"
)
_PROFILES = ("RTP/AVP", "RTP/AVPF")  # no keys are exchanged here
_KNOWN = {"0": "PCMU/8000", "8": "PCMA/8000"}  # RFC 3551 table 4


def offer(own: Own) -> str:
    """One audio stream, to ``own.listening``."""
    place = _place(own.listening)
    return _head(own) + (
        f"m=audio {own.listening.port} RTP/AVP 0 8\r\n"
        f"a=rtcp:{own.listening.port} {place}\r\n"
        "a=rtcp-mux\r\n"
        "a=rtpmap:0 PCMU/8000\r\n"
        "a=rtpmap:8 PCMA/8000\r\n"
    )


def answer(own: Own, offered: str) -> str | None:
    """The first audio stream is taken and all others are not; None if there is none to take.
    Every stream has its line, in the order of the offer (RFC 3264 section 6)."""
    blocks = re.split(r"(?m)^(?=m=)", offered)[1:]
    if not blocks or len(blocks) > _MEDIA_MAX:
        return None
    taken = False
    lines: list[str] = []
    for block in blocks:
        rows = [row.removesuffix("\r") for row in block.split("\n")]
        media = _MEDIA.fullmatch(rows[0])
        if media is None:
            return None
        formats = media[4].split()
        if not formats:
            return None
        if taken or media[1] != "audio" or media[2] == "0" or media[3] not in _PROFILES:
            lines.append(f"m={media[1]} 0 {media[3]} {formats[0]}")
            continue
        taken = True
        lines += _audio(own, media[3], formats, rows)
    return _head(own) + "".join(f"{line}\r\n" for line in lines) if taken else None


def _audio(own: Own, profile: str, formats: list[str], rows: list[str]) -> list[str]:
    chosen = next((name for name in formats if name in _KNOWN), formats[0])
    lines = [f"m=audio {own.listening.port} {profile} {chosen}"]
    if "a=rtcp-mux" in rows:  # only who offers it may get it (RFC 5761 section 5.1.1)
        lines += [f"a=rtcp:{own.listening.port} {_place(own.listening)}", "a=rtcp-mux"]
    if name := _KNOWN.get(chosen):
        return [*lines, f"a=rtpmap:{chosen} {name}"]
    shape = re.compile(rf"a=rtpmap:{chosen} [A-Za-z0-9._/-]{{1,48}}")
    return lines + [row for row in rows if shape.fullmatch(row)][:1]


def _head(own: Own) -> str:
    number = int.from_bytes(own.random("sdp session", 4))
    place = _place(own.listening)
    return f"v=0\r\no=- {number} {number} {place}\r\ns=-\r\nc={place}\r\nt=0 0\r\n"


def _place(endpoint: Endpoint) -> str:
    return f"IN IP{6 if ':' in endpoint.address else 4} {endpoint.address}"
