"""The check: plan, measure, diagnose.  The one object that every face of netcheck calls."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from netcheck import __version__, plan
from netcheck.measure.record import Event, Observed, Progress, Record
from netcheck.measure.surroundings import Surroundings
from netcheck.profile import Profile
from netcheck.report.model import Report, Tool
from netcheck.server import files
from probes.errors import SetupError
from probes.wire.link import Link

if TYPE_CHECKING:
    from netcheck.measure.with_server import ServerCheck
    from netcheck.measure.with_stun import StunCheck

__all__ = ["Check", "Event", "Observed", "Options", "Progress"]


FILES = 512
"""Files and sockets that a check must be able to have open at the same time: 440 were, where a
network dropped everything.  With fewer, calls that arrive would not be taken, and look blocked."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to check and against which server.

    ``link``: the echo server; None where only ``stun`` servers are at hand, given as
    HOST or HOST:PORT.  ``embedded``: the server is this very program.  ``bind``: the
    local address to test from.  ``insecure``: take any certificate; the report says so.
    ``only``: the parts to run, instead of those that ``depth`` and the profiles ask for.
    """

    link: Link | None
    profiles: tuple[Profile, ...]
    embedded: bool = False
    insecure: bool = False
    bind: str | None = None
    depth: plan.Depth = "default"
    only: frozenset[plan.Part] = frozenset()
    stun: tuple[Link, ...] = ()


class Check:
    """One check.  ``await run()`` gives the report, whatever the network does."""

    def __init__(self, options: Options, tell: Callable[[Event], None] = lambda _: None) -> None:
        self._options = options
        depth: plan.Depth = "quick" if options.embedded else options.depth
        self._plan = plan.make(options.profiles, depth, options.only)
        self._tell = tell
        self._cancelled = asyncio.Event()

    def cancel(self) -> None:
        """End the check now; ``run`` then gives what was found so far."""
        self._cancelled.set()

    async def run(self) -> Report:
        """Measure and diagnose.  Raises nothing for what the network does, and SetupError for
        what this computer or the options do not allow."""
        if (few := files.available()) < FILES:
            raise SetupError(
                f"This computer lets netcheck open only {few} files at the same time, and a check "
                f"needs {FILES}: raise the limit with ulimit -n {FILES}."
            )
        record = Record(self._plan, self._tell)
        started_at = datetime.now(UTC)
        measuring = asyncio.create_task(self._measure(record))
        stop = asyncio.create_task(self._cancelled.wait())
        try:
            await asyncio.wait({measuring, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
            complete = measuring.done()
            measuring.cancel()
            await asyncio.gather(stop, measuring, return_exceptions=True)
        if complete:
            measuring.result()  # a fault of our own is not to be hidden
            record.finish()
        return self._report(record, started_at, complete)

    async def _measure(self, record: Record) -> None:
        record.say("Looking at this computer's network settings")
        around = Surroundings(record, self._plan, alone=self._options.embedded)
        facts = asyncio.create_task(around.look())
        against: ServerCheck | StunCheck | None = None
        try:
            await around.stood()
            against = self._against(record)
            await against.measure()
            await facts  # a fault of our own in it is not to be hidden
        finally:
            facts.cancel()
            try:
                await asyncio.gather(facts, return_exceptions=True)
            finally:
                against = against or self._against(record)
                against.conclude()
                await against.close()

    def _against(self, record: Record) -> ServerCheck | StunCheck:
        # Loaded here: a check has one of the two, and what this computer says of itself is
        # shown before either is there.
        options = self._options
        if options.link is None:
            from netcheck.measure.with_stun import StunCheck

            return StunCheck(options.stun, options.bind, self._plan, record)
        from netcheck.measure.with_server import ServerCheck, Where

        where = Where(
            link=options.link,
            embedded=options.embedded,
            insecure=options.insecure,
            bind=options.bind,
        )
        return ServerCheck(where, self._plan, record)

    def _report(self, record: Record, started_at: datetime, complete: bool) -> Report:
        # Loaded here: while a check starts, every import delays its first packet.
        from netcheck import diagnosis

        found = diagnosis.diagnose(
            self._options.profiles, self._plan, record.observations, cancelled=not complete
        )
        note = ""
        if not complete:
            note = "The check was cancelled; what was not reached is unknown."
        elif self._options.link is None:
            note = (
                "This was tested with a STUN server: it shows how the NAT behaves. "
                "Ports, dynamic ports, voice and video need a netcheck echo server."
            )
        return Report(
            id=secrets.token_hex(8),
            started_at=started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            duration_s=round(time.monotonic() - record.began, 3),
            tool=Tool(name="netcheck", version=__version__),
            host=found.host,
            server=msgspec.structs.replace(found.server, embedded=self._options.embedded),
            overall=found.overall,
            complete=complete,
            note=note,
            features=found.features,
            ports=found.ports,
            dynamic_udp=found.dynamic_udp,
            dynamic_tcp=found.dynamic_tcp,
            nat=found.nat,
            path=found.path,
            media=found.media,
            editors=found.editors,
            calls=found.calls,
            findings=found.findings,
            observations=list(record.observations),
        )
