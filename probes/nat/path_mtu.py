"""How large a packet may be on the way to the server (RFC 1191, RFC 8201, RFC 8899).

Datagrams that may not be fragmented go out in many sizes at once; the echo server answers each
with the same small one, so only the way there is measured.  A router that drops what is too
large should say so, and many do not: then silence decides, while small ones still pass.
"""

from __future__ import annotations

import asyncio
import time

from probes import hop_errors, silence
from probes.observation import PathMtu, SizeTried
from probes.pace import GAP_BESIDE_S
from probes.session import Session
from probes.sized_echo import SizedEcho, any_port

MTU_MAX = 1500
"""Ethernet's, and so the Internet's: larger ones are a local affair."""

LADDER = (576, 1280, 1340, 1380, 1400, 1420, 1440, 1454, 1464, 1472, 1480, 1488, 1492, 1500)
"""Sizes that links and tunnels are known to have (RFC 791, RFC 8200; WireGuard, IPsec, GRE, PPPoE),
close together where the answer usually is."""

BETWEEN = 8
"""Sizes tried at once between one that passes and one that does not: two such rounds find the
exact size between any two of the ladder's upper steps."""

ROUNDS_MAX = 4
"""Three between any two of the lower steps, and one more for a limit that is named late."""

TOLD_TRIES = 2
"""Tries that are enough where a router says that they are too large."""


async def run(session: Session, port: int | None = None) -> PathMtu:
    """Send to UDP ``port`` of the server's, or to one that it opens for us."""
    began = session.now()
    sizes: tuple[SizeTried, ...] = ()
    to = await any_port(session) if port is None else port
    if not hop_errors.available():
        untested = "this system may fragment what it is told not to"
    elif isinstance(to, str):
        untested = to
    else:
        untested, sizes = await _try(session, to)
    return PathMtu(
        id="path-mtu",
        at_s=began,
        took_s=round(session.now() - began, 4),
        sizes=sizes,
        untested=untested,
    )


async def _try(session: Session, port: int) -> tuple[str, tuple[SizeTried, ...]]:
    search = _Search(session, port)
    try:
        await search.run()
    except OSError as error:
        return f"this computer: {error.strerror or error}", ()
    if search.echo.altered:
        return "something on the way changes what is sent", ()
    return "", search.stated()


class _Search:
    def __init__(self, session: Session, port: int) -> None:
        self.echo = SizedEcho(session, port)
        self._session = session
        self._failed: set[int] = set()
        self._unknown = False

    async def run(self) -> None:
        echo = self.echo
        datagrams = await echo.open(hop_errors.never_fragment)
        try:
            limit = min(MTU_MAX, hop_errors.local_mtu(datagrams.sock) or MTU_MAX)
            sizes = [s for s in LADDER if echo.smallest < s < limit]
            await self._round([echo.smallest, *sizes, limit])
            for _ in range(ROUNDS_MAX):
                between = self._between()
                if not between or self._unknown:
                    return
                await self._round(between)
        finally:
            echo.close()

    @property
    def _passed(self) -> int:
        return max(self.echo.answered, default=0)

    def _between(self) -> list[int]:
        """What to try next: sizes between the largest that passes and the next that does not."""
        low, high = self._passed, min(self._failed, default=0)
        told = self._told()
        if not low or not high or low == told or high - low <= 1:
            return []
        step = (high - low) / (BETWEEN + 1)
        sizes = {low + 1, *(low + round(step * n) for n in range(1, BETWEEN + 1))}
        if told is not None:
            sizes |= {told, told + 1}
        return sorted(s for s in sizes if low < s < high)

    def _told(self) -> int | None:
        """The smallest limit that somebody has named and that is not disproved."""
        limits = (r.mtu for r in self.echo.too_big if r.mtu and r.mtu >= self._passed)
        return min(limits, default=None)

    async def _round(self, sizes: list[int]) -> None:
        """Send each once, then again the smallest one that is still in doubt, until none is."""
        session, echo = self._session, self.echo
        for each in sizes:
            echo.send(each)
        echo.send(echo.smallest)
        # A round trip, so that what was answered need not be sent again.
        await self._pause(max(GAP_BESIDE_S, 1.25 * session.pace.rtt_s))
        while (size := self._in_doubt()) is not None:
            if len(echo.sent[size]) < silence.ATTEMPTS_MAX:
                echo.send(size)
                echo.send(echo.smallest)
                await self._pause(GAP_BESIDE_S)
            elif time.monotonic() < echo.sent[size][-1] + session.pace.patience_s:
                await self._pause(GAP_BESIDE_S)
            else:
                self._unknown = True
                return

    def _in_doubt(self) -> int | None:
        """The smallest size above those that pass of which it is not known whether it does."""
        passed, failed = self._passed, min(self._failed, default=1 << 16)
        for size in sorted(self.echo.sent):
            if size > passed and size < failed:
                if not self._fails(size):
                    return size
                self._failed.add(size)
                return None
        return None

    def _fails(self, size: int) -> bool:
        echo, session = self.echo, self._session
        before = time.monotonic() - session.pace.patience_s
        told = self._told()
        if told is not None and told < size:
            rtt_ago = time.monotonic() - max(GAP_BESIDE_S, session.pace.rtt_s)
            return sum(at < rtt_ago for at in echo.sent[size]) >= TOLD_TRIES
        tries = sum(at < before for at in echo.sent[size])
        controls = sum(at < before for at in echo.sent[echo.smallest])
        lost = controls - echo.answered[echo.smallest]
        chance = silence.chance_beside(tries, session.loss, (controls, lost))
        return size > echo.smallest and silence.rules_out_loss(tries, chance)

    async def _pause(self, seconds: float) -> None:
        """So long, or less if every size is known by then."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self._in_doubt() is not None:
            self.echo.news.clear()
            try:
                async with asyncio.timeout(left):
                    await self.echo.news.wait()
            except TimeoutError:
                pass

    def stated(self) -> tuple[SizeTried, ...]:
        echo = self.echo
        said = next((r for r in echo.too_big if r.mtu and r.mtu == self._told()), None)
        tried = []
        for size in sorted(echo.sent):
            too_big = said is not None and said.mtu is not None and size > said.mtu
            silent = too_big and not echo.answered[size]
            tried.append(
                SizeTried(
                    size=size,
                    sent=len(echo.sent[size]),
                    answered=echo.answered[size],
                    detail=f"{said.address or 'this computer'}: {said.detail}"
                    if silent and said
                    else "",
                    limit=said.mtu if silent and said else None,
                )
            )
        return tuple(tried)
