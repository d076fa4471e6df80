"""The messages of other protocols that arrived for a session: told to it, and kept for it.

What comes beyond the session's limits is neither told nor kept.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from netcheck.server.limits import ServerLimits
from netcheck.server.repertoire import Language
from probes.wire.frame import Endpoint
from probes.wire.messages import OVERHEARD_MAX, Overheard


class Sender(Protocol):
    """A UDP port of the server's."""

    def send(self, data: bytes, address: str, port: int) -> None:
        """Raises OSError if this machine does not let it out."""


class Place(msgspec.Struct, frozen=True):
    """Where a message came: ``port`` is the server's, ``sender`` what sends from it over UDP."""

    language: Language
    port: int
    source: Endpoint
    sender: Sender | None


class Kept(msgspec.Struct, frozen=True):
    place: Place
    message: bytes
    number: int


class Overhearing:
    """What one session has overheard."""

    def __init__(self, limits: ServerLimits) -> None:
        self._messages_left = limits.overheard
        self._bytes_left = limits.overheard_bytes
        self._kept: list[Kept] = []

    def add(self, message: bytes, number: int, place: Place) -> Overheard | None:
        """What to tell the session of it; None for nothing."""
        size = len(message)
        if self._messages_left < 1 or size > self._bytes_left or size > OVERHEARD_MAX:
            return None
        self._messages_left -= 1
        self._bytes_left -= size
        self._kept.append(Kept(place, message, number))
        return Overheard(
            index=len(self._kept) - 1,
            number=number,
            dialogue=place.language.name,
            transport=place.language.transport,
            port=place.port,
            source=str(place.source),
            data=message.hex(),
        )

    def of(self, number: int) -> tuple[Kept, ...]:
        """What came in one dialogue."""
        return tuple(kept for kept in self._kept if kept.number == number)

    def get(self, index: int) -> Kept | None:
        return self._kept[index] if index < len(self._kept) else None
