"""A check that is under way, written down as it goes, and read again if it never ended."""

from __future__ import annotations

import queue
import secrets
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from netcheck import __version__, plan
from netcheck.history import History, HistoryError, network_of
from netcheck.profile import Profile
from netcheck.report.model import Report, Tool
from probes.observation import (
    AnyObservation,
    Call,
    Control,
    Invited,
    LocalFacts,
    Loss,
    NameLookup,
    Nat64,
    Talk,
)

EVERY_S = 0.5
"""At most so often are observations written: what a kill can lose."""

NOTE = "netcheck ended before this check did; what was not reached is unknown."


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """What the observations of a check are diagnosed with."""

    started_at: str
    profiles: tuple[Profile, ...]
    depth: plan.Depth = "default"
    only: frozenset[plan.Part] = frozenset()
    embedded: bool = False


class Keeper:
    """Keeps one check: ``observe`` each observation, then ``finish``.

    A thread of its own writes: the check measures round trips, and must not wait for a disk or
    for another program's transaction.  What goes wrong is tried again with the next observations,
    and told by ``finish`` if the report cannot be kept either.
    """

    def __init__(self, history: History, begun: Begun) -> None:
        self.id = secrets.token_hex(8)
        self._history = history
        self._begun = begun
        self._seen: queue.SimpleQueue[AnyObservation | None] = queue.SimpleQueue()
        self._begun_there = False
        self._wrote = 0.0  # when, on the monotonic clock
        self._network: tuple[Sequence[str], list[str]] = ((), [])
        self._server = ""
        self._thread = threading.Thread(target=self._write, name="netcheck-history", daemon=True)
        self._thread.start()

    def observe(self, observation: AnyObservation) -> None:
        """Returns at once."""
        self._seen.put(observation)

    def finish(self, report: Report) -> bool:
        """Keep the report in place of its observations, but not if it ``found_nothing``; whether
        it is kept.  Raises HistoryError.

        That some of these could not be written does not matter any more: it is tried anew."""
        self._end()
        if found_nothing(report):
            self._history.discard(self.id)
            return False
        self._history.add(report, instead_of=self.id)
        return True

    def discard(self) -> None:
        """Forget it: the check could not be made at all.  Raises HistoryError."""
        self._end()
        self._history.discard(self.id)

    def _end(self) -> None:
        self._seen.put(None)
        self._thread.join()

    def _write(self) -> None:
        batch: list[AnyObservation] | None = []
        left: list[AnyObservation] = []
        while batch is not None:
            left += batch
            try:
                self._write_down(left)
            except HistoryError:
                pass  # a full disk may have room again; what is lost in the end, `finish` tells
            else:
                left = []
            batch = self._next()

    def _write_down(self, batch: list[AnyObservation]) -> None:
        if not self._begun_there:
            begun = msgspec.json.encode(self._begun, order="deterministic")
            self._history.begin(self.id, self._begun.started_at, begun)
            self._begun_there = True
        if batch:
            self._note(batch)
            network = network_of(*self._network)
            self._history.observed(self.id, msgspec.json.encode(batch), network, self._server)

    def _next(self) -> list[AnyObservation] | None:
        """What is next observed, and until the time to write; None when no more is to come."""
        first = self._seen.get()
        if first is None:
            return None
        batch = [first]
        until = self._wrote + EVERY_S
        while (left := until - time.monotonic()) > 0:
            try:
                more = self._seen.get(timeout=left)
            except queue.Empty:
                break
            if more is None:
                self._seen.put(None)  # for the next call
                break
            batch.append(more)
        self._wrote = time.monotonic()
        return batch

    def _note(self, batch: list[AnyObservation]) -> None:
        """Where it is made, for the list."""
        gateways, public = self._network
        for each in batch:
            if isinstance(each, LocalFacts):
                gateways = each.gateways
            elif isinstance(each, Control):
                self._server = each.host
                if each.observed_address:
                    public = [each.observed_address.rpartition(":")[0].strip("[]")]
        self._network = (gateways, public)


def found_nothing(report: Report) -> bool:
    """Whether the check was cancelled before it knew anything of the network: nobody looks for it
    among past checks, and nothing can be compared with it."""
    return not report.complete and not any(map(_tells, report.observations))


def _tells(observation: AnyObservation) -> bool:
    """Whether it is more than what this computer says of itself, and what was not tested."""
    if isinstance(observation, Control):
        return observation.connected or bool(observation.attempts)
    if isinstance(observation, Talk | Call | Invited):
        return not observation.untested
    if isinstance(observation, NameLookup):
        return observation.outcome != "resolved"
    return not isinstance(observation, LocalFacts | Nat64 | Loss)


def begun_now(profiles: tuple[Profile, ...], **more: Any) -> Begun:
    """A check that begins at this moment."""
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Begun(started_at=started_at, profiles=profiles, **more)


def as_report(check: str, begun: bytes, batches: Sequence[bytes]) -> Report:
    """What the observations of an unfinished check mean.

    Raises msgspec.DecodeError (and msgspec.ValidationError, which is one).
    """
    from netcheck import diagnosis

    known = msgspec.json.decode(begun, type=Begun)
    observations = [
        each for batch in batches for each in msgspec.json.decode(batch, type=list[AnyObservation])
    ]
    depth: plan.Depth = "quick" if known.embedded else known.depth
    whole = plan.make(known.profiles, depth, known.only)
    found = diagnosis.diagnose(known.profiles, whole, observations, cancelled=True)
    meaning = {name: getattr(found, name) for name in type(found).__struct_fields__}
    meaning["server"] = msgspec.structs.replace(found.server, embedded=known.embedded)
    return Report(
        id=check,
        started_at=known.started_at,
        duration_s=max((o.at_s + o.took_s for o in observations), default=0.0),
        tool=Tool(name="netcheck", version=__version__),
        complete=False,
        note=NOTE,
        observations=observations,
        **meaning,
    )
