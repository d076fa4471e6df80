"""Media: RTP to the client and from it, at the same time, counted at this end.

Only for a session, only to an address that has proved to be the client's own, no more than
the client says it sends itself, and for no longer than its control connection lives.  A port
of that address may be somebody else's, behind a carrier's NAT: a stream on which nothing of
the client's arrives from there is soon given up.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from netcheck.server import media_budget
from netcheck.server.limits import ServerLimits
from netcheck.server.media_budget import MediaBudget
from netcheck.server.permission import forbidden
from netcheck.server.rtp_stream import Stream, bound
from netcheck.server.session import Session, canonical, neighbourhood
from probes.wire import media
from probes.wire.messages import (
    MediaPorts,
    MediaReady,
    MediaReport,
    MediaRequest,
    MediaSpec,
    Refusal,
)


class Media:
    """The media of all sessions, one request of each at a time, and bounded in all."""

    def __init__(self, limits: ServerLimits, budget: MediaBudget) -> None:
        self._limits = limits
        self._budget = budget
        self._busy: set[Session] = set()
        self._per_source: Counter[str] = Counter()

    async def carry_out(self, session: Session, request: MediaRequest) -> None:
        """Exchange the streams of ``request`` and tell the client what was counted; never
        raises for what the network does."""
        refusal = refuse(session, request) or self._no_room(session, request)
        if refusal:
            session.tell(refusal)
            return
        source = neighbourhood(session.source)
        self._busy.add(session)
        self._per_source[source] += 1
        try:
            await _exchange(session, request, self._limits.media_unheard_s)
        finally:
            self._busy.discard(session)
            self._per_source[source] -= 1
            self._per_source += Counter()  # drops the sources that have none

    def _no_room(self, session: Session, request: MediaRequest) -> Refusal | None:
        limits = self._limits
        detail = ""
        if session in self._busy:
            detail = "media of this session is under way"
        elif self._per_source[neighbourhood(session.source)] >= limits.media_per_source:
            detail = "too much media for your address at once"
        elif len(self._busy) >= limits.media_in_all:
            detail = "the server exchanges media with too many others"
        else:
            detail = self._budget.take(session, request.streams, request.duration_ms / 1000)
        return Refusal(id=request.id, reason="limit", detail=detail) if detail else None


def refuse(session: Session, request: MediaRequest) -> Refusal | None:
    """Whether ``request`` may be carried out at all."""

    def because(detail: str) -> Refusal:
        return Refusal(id=request.id, reason="bad-request", detail=detail)

    try:
        target = canonical(request.address)
    except ValueError:
        return because("not an address")
    specs = request.streams
    if twice := media_budget.named_twice(specs):
        return because(twice)
    if len({spec.client_port for spec in specs}) != len(specs):
        return because("a port is named twice")
    if any(spec.client_port % 2 or spec.client_port < 1024 for spec in specs):
        return because("RTP ports are even, and from 1024 on")
    if target not in session.proven:
        return Refusal(
            id=request.id, reason="not-proven", detail="no exchange came from that address"
        )
    why = forbidden(target, session.local_address)
    return Refusal(id=request.id, reason="forbidden-address", detail=why) if why else None


async def _exchange(session: Session, request: MediaRequest, unheard_s: float) -> None:
    duration_s, patience_s = request.duration_ms / 1000, request.patience_ms / 1000
    streams: list[Stream] = []
    complete = asyncio.Event()

    def heard() -> None:
        if all(stream.complete for stream in streams):
            complete.set()

    try:
        try:
            for spec in request.streams:
                streams.append(_stream(session, request.address, spec, duration_s, heard))
            for stream in streams:
                await stream.listen()
        except OSError:
            session.tell(
                Refusal(id=request.id, reason="limit", detail="the server has no ports left")
            )
            return
        session.tell(
            MediaReady(
                id=request.id,
                streams=tuple(MediaPorts(number=s.number, port=s.port) for s in streams),
            )
        )
        began = time.monotonic()
        for due in media.schedule([stream.end.shape for stream in streams], duration_s):
            if (wait := began + due.at_s - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            stream = streams[due.stream]
            if stream.confirmed or due.at_s < unheard_s:
                stream.send(due, began)
        # The client's last packets are under way; all of them, or its patience, ends the wait.
        last = max(time.monotonic(), began + duration_s) + patience_s
        try:
            async with asyncio.timeout_at(last):
                await complete.wait()
        except TimeoutError:
            pass
        session.tell(
            MediaReport(id=request.id, streams=tuple(stream.counted() for stream in streams))
        )
    finally:
        for stream in streams:
            stream.close()


def _stream(
    session: Session,
    address: str,
    spec: MediaSpec,
    duration_s: float,
    heard: Callable[[], None],
) -> Stream:
    """Raises OSError."""
    pair = media.even_pair(
        lambda port: bound(session.local_address, port), lambda sock: int(sock.getsockname()[1])
    )
    stream = Stream(session, spec, pair, duration_s, heard, latches=True)
    target = canonical(address)
    # Where a call's messages would have said that the client is, until it is heard itself.
    stream.rtp_to = target, spec.client_port
    stream.rtcp_to = target, spec.client_port + 1
    return stream
