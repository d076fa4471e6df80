"""How far something that a feature needs is met."""

from __future__ import annotations

from typing import Literal

import msgspec

Outcome = Literal["met", "partly", "unmet", "unknown"]


class Met(msgspec.Struct, frozen=True, kw_only=True):
    """How far a requirement is met.  ``clause`` says it as part of a sentence; ``used``
    are the observations it rests on."""

    outcome: Outcome
    clause: str = ""
    capacity: int | None = None
    used: tuple[str, ...] = ()
