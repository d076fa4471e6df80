"""How many calls the server makes at once, and how fast, to whomever."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict

from netcheck.server.limits import Bucket, ServerLimits
from netcheck.server.session import Session


class Switchboard:
    """What all sessions' calls share: a rate for each address that is called, whoever asks
    for it, and a ceiling for those under way."""

    def __init__(self, limits: ServerLimits) -> None:
        self._limits = limits
        self._rates: OrderedDict[str, Bucket] = OrderedDict()
        self.slots = asyncio.Semaphore(limits.calls_in_all)

    def rate_of(self, target: str) -> Bucket:
        bucket = self._rates.get(target)
        if bucket is None:
            limits = self._limits
            bucket = Bucket(limits.target_calls_per_s, limits.target_burst, time.monotonic())
            self._rates[target] = bucket
            if len(self._rates) > limits.target_records:
                self._rates.popitem(last=False)
        self._rates.move_to_end(target)
        return bucket

    async def pace(self, session: Session, target: str) -> None:
        """Wait for the session's turn and the target's, so that calls are never a flood."""
        for bucket in (session.call_bucket, self.rate_of(target)):
            while not bucket.take(now := time.monotonic()):  # noqa: ASYNC110 - a rate has no event
                await asyncio.sleep(bucket.wait_s(now))
