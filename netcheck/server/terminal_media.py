"""Sound and picture of a call, at the server's end of it.

They go to exactly where the client's H.245 messages say, as these arrived, if that may be sent
to; and never to where its packets come from, as the other end of a call would not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from socket import socket

from netcheck.server.permission import forbidden
from netcheck.server.rtp_stream import Address, Stream
from netcheck.server.session import Session, canonical
from probes.editors.h323.channels import Kind
from probes.editors.h323.control import Agreed
from probes.wire import media
from probes.wire.frame import Endpoint
from probes.wire.messages import RefusalReason, TerminalRequest, TerminalStream

Pair = tuple[socket, socket]


def refused(session: Session, to: Endpoint) -> RefusalReason | None:
    """Why no media go to ``to``, if so."""
    target = canonical(to.address)
    if target not in session.proven:
        return "not-proven"
    if forbidden(target, session.local_address):
        return "forbidden-address"
    return None if to.port >= _PORT_MIN else "bad-request"


_PORT_MIN = 1024  # below are services, which no media are for


class _Medium:
    """One kind of media.  ``begun``: the client has said where it is to go."""

    def __init__(self, stream: Stream, reports: int) -> None:
        self.stream = stream
        self.begun = False
        self.sender: asyncio.Task[None] | None = None
        self._reports = reports
        self._to: tuple[Endpoint | None, Endpoint | None] = None, None
        self._refused: tuple[RefusalReason | None, RefusalReason | None] = None, None

    @property
    def sending(self) -> bool:
        return self.sender is not None and not self.sender.done()

    @property
    def complete(self) -> bool:
        """Whether everything of the client's has come."""
        return self.stream.complete and self.stream.end.reports_heard >= self._reports

    def aim(self, session: Session, rtp: Endpoint | None, rtcp: Endpoint | None) -> None:
        self.begun = True
        self._to = rtp, rtcp
        reasons = [None if to is None else refused(session, to) for to in (rtp, rtcp)]
        self._refused = reasons[0], reasons[1]
        self.stream.rtp_to = _address(rtp, reasons[0])
        self.stream.rtcp_to = _address(rtcp, reasons[1])

    def counted(self) -> TerminalStream:
        (rtp, rtcp), (why, rtcp_why) = self._to, self._refused
        return TerminalStream(
            count=self.stream.counted(),
            rtp_to=None if rtp is None else str(rtp),
            rtcp_to=None if rtcp is None else str(rtcp),
            refused=why,
            rtcp_refused=rtcp_why,
        )


class TerminalMedia:
    """Both kinds.  ``pairs`` are bound sockets for RTP and RTCP, which are closed with this."""

    def __init__(
        self, session: Session, request: TerminalRequest, pairs: Mapping[Kind, Pair]
    ) -> None:
        self._session = session
        self._duration_s = request.duration_ms / 1000
        self._patience_s = request.patience_ms / 1000
        self._unheard_s = session.limits.media_unheard_s
        self._news = asyncio.Event()
        self._until: float | None = None  # when no more is waited for
        self._hung_up = False
        self._media: dict[Kind, _Medium] = {}
        for (kind, pair), spec in zip(pairs.items(), request.streams, strict=True):
            stream = Stream(session, spec, pair, self._duration_s, self._heard, latches=False)
            due = _schedule(stream, self._duration_s)
            self._media[kind] = _Medium(stream, sum(each.index is None for each in due))

    async def listen(self) -> None:
        for medium in self._media.values():
            await medium.stream.listen()

    def close(self) -> None:
        self._hung_up = True
        self._silence()
        for medium in self._media.values():
            medium.stream.close()

    def begin(self, agreed: Agreed) -> None:
        """The client has said where media of one kind are to go, which counts the first time."""
        medium = self._media[agreed.kind]
        if medium.begun or self._hung_up:
            return
        medium.aim(self._session, agreed.rtp, agreed.rtcp)
        self._wait_for(self._duration_s + self._patience_s)
        if medium.stream.rtp_to or medium.stream.rtcp_to:
            medium.sender = asyncio.create_task(self._send(medium.stream))
            medium.sender.add_done_callback(lambda _: self._wait_for(self._patience_s))

    def hang_up(self) -> None:
        """The client wants no more, and what it has sent is under way at most."""
        if self._hung_up:
            return
        self._hung_up = True
        self._silence()
        heard = any(medium.stream.end.count.received for medium in self._media.values())
        under_way = heard or any(medium.begun for medium in self._media.values())
        self._until = time.monotonic() + (self._patience_s if under_way else 0.0)
        self._news.set()

    async def over(self) -> None:
        """Wait until all has been sent and all of the client's has come, or has had its time."""
        while not self._done():
            self._news.clear()
            sending = any(medium.sending for medium in self._media.values())
            left = None if self._until is None or sending else self._until - time.monotonic()
            if left is not None and left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                pass

    def counted(self) -> tuple[TerminalStream, ...]:
        return tuple(medium.counted() for medium in self._media.values())

    def _done(self) -> bool:
        return all(
            medium.complete and (medium.begun or self._hung_up) and not medium.sending
            for medium in self._media.values()
        )

    def _silence(self) -> None:
        for medium in self._media.values():
            if medium.sender:
                medium.sender.cancel()

    def _heard(self) -> None:
        if self._until is None:  # its media have begun, whether or not ours have
            self._wait_for(self._duration_s + self._patience_s)
        if self._done():
            self._news.set()

    def _wait_for(self, seconds: float) -> None:
        if not self._hung_up:
            self._until = max(self._until or 0.0, time.monotonic() + seconds)
        self._news.set()

    async def _send(self, stream: Stream) -> None:
        began = time.monotonic()
        for due in _schedule(stream, self._duration_s):
            if (wait := began + due.at_s - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            # A port of the client's address may be somebody else's, behind a carrier's NAT.
            if stream.confirmed or due.at_s < self._unheard_s:
                stream.send(due, began)


def _schedule(stream: Stream, duration_s: float) -> list[media.Due]:
    return media.schedule((stream.end.shape,), duration_s, media.CALL_REPORT_S)


def _address(to: Endpoint | None, why_not: RefusalReason | None) -> Address | None:
    return None if to is None or why_not else (canonical(to.address), to.port)
