"""What a message of another protocol says, and how much of one is looked at."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.errors import WireError

Transport = Literal["tcp", "udp"]

MESSAGE_MAX = 8192
"""Bytes of one message: the longest that is sent here has 700, and an editor may add some."""

READINGS_MAX = 64
"""Addresses in one message; a call's set-up has six."""

FAULTS_MAX = 16
"""Faults told of one message: the first ones say what happened."""


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """An address in a message.  ``field`` is its name in the protocol's own words.

    ``port`` is None where the field has none.  ``reached_by`` is how the other end of the
    protocol would go there; None where it does not, or not by this field.
    """

    field: str
    address: str
    port: int | None = None
    reached_by: Transport | None = None


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says.

    ``kind`` is its name.  ``rest`` is all of it but for the addresses, and for the lengths
    that depend on them: where only addresses were rewritten, it is as it was sent.
    ``faults`` are what does not agree with itself, such as a length with what it counts.
    """

    kind: str
    label: bytes | None
    carried: tuple[Carried, ...]
    rest: bytes
    faults: tuple[str, ...] = ()


def bounded(place: str, data: bytes, most: int = MESSAGE_MAX) -> bytes:
    """``data`` if it is no longer than ``most`` bytes.  Raises WireError."""
    if len(data) > most:
        raise WireError(place, f"{len(data)} bytes, more than {most}")
    return data
