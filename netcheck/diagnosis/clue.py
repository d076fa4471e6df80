"""One reason for a finding, before those of the same cause are put together."""

from __future__ import annotations

import msgspec

from netcheck.cause import Cause

Parameter = str | int | list[str | int]


class Clue(msgspec.Struct, frozen=True):
    """``evidence`` are ids of observations; ``parameters`` fill in the article."""

    cause: Cause
    evidence: tuple[str, ...]
    port: int | None = None
    parameters: dict[str, Parameter] = {}
