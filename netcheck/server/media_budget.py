"""How much media a session may have, by whatever request."""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

from netcheck.server.limits import ServerLimits
from netcheck.server.session import Session
from probes.wire import rtp
from probes.wire.messages import MediaSpec


class MediaBudget:
    """Of all sessions."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._spent_s: WeakKeyDictionary[Session, float] = WeakKeyDictionary()

    def take(self, session: Session, streams: Sequence[MediaSpec], seconds: float) -> str:
        """Why ``session`` cannot have ``seconds`` of ``streams``; empty if it now has them."""
        if _bytes_per_s(streams) > self._limits.media_bytes_per_s:
            return "more bytes a second than the server sends"
        spent = self._spent_s.get(session, 0.0) + seconds
        if spent > self._limits.media_s:
            return "this session's seconds of media are used up"
        self._spent_s[session] = spent
        return ""


def named_twice(streams: Sequence[MediaSpec]) -> str:
    """What two of ``streams`` share and must not; empty if nothing."""
    sources = [ssrc for spec in streams for ssrc in (spec.ssrc, spec.server_ssrc)]
    if len({spec.number for spec in streams}) != len(streams):
        return "a number is named twice"
    if len(set(sources)) != len(sources):
        return "an SSRC is named twice"
    return ""


def _bytes_per_s(streams: Sequence[MediaSpec]) -> int:
    return sum((rtp.HEADER_SIZE + s.payload_bytes) * s.packets_per_s for s in streams)
