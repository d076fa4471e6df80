"""A stream of bytes, which comes in any pieces, taken apart into whole messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from probes.errors import WireError
from probes.wire.reading import MESSAGE_MAX

Measure = Callable[[bytearray, int], tuple[int, bool]]
"""Where the first message in these bytes ends.

It gets all that has not been read, and how many bytes of it were looked at before.  It gives a
size and True when it knows the message's, though not all of that need be there; else how many
bytes it has looked at, and False.  It raises WireError for what begins no message.
"""


class Stream:
    """The messages of one direction.  ``place`` is what a WireError names; a message that is
    ``idle`` says nothing, and is passed over."""

    def __init__(
        self, place: str, measure: Measure, idle: Callable[[bytes], bool] | None = None
    ) -> None:
        self._place = place
        self._measure = measure
        self._idle = idle
        self._unread = bytearray()
        self._looked = 0
        self._size: int | None = None
        self._broken: WireError | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are whole now, each when it is asked for.  After them it raises
        WireError if what follows is no message, and from then on always."""
        if self._broken is None:
            self._unread += data
        return self._whole()

    def _whole(self) -> Iterator[bytes]:
        try:
            while (message := self._next()) is not None:
                if self._idle is None or not self._idle(message):
                    yield message
        except WireError as error:
            self._broken = error
            self._unread.clear()
            raise

    def _next(self) -> bytes | None:
        if self._broken is not None:
            raise self._broken
        unread = self._unread
        if self._size is None and unread:
            looked, known = self._measure(unread, self._looked)
            size = looked if known else len(unread)
            if size > MESSAGE_MAX:
                raise WireError(self._place, f"{size} bytes, more than {MESSAGE_MAX}")
            self._looked, self._size = looked, looked if known else None
        if self._size is None or self._size > len(unread):
            return None
        message = bytes(unread[: self._size])
        del unread[: self._size]
        self._looked, self._size = 0, None
        return message


def line(unread: bytearray, looked: int) -> tuple[int, bool]:
    """Lines with their ends.  LF alone ends one too, as every server takes it."""
    end = unread.find(b"\n", looked)
    return (len(unread), False) if end < 0 else (end + 1, True)


def head_and_body(end: re.Pattern[bytes], longest: int, body_of: Callable[[bytes], int]) -> Measure:
    """Messages whose head, which ``end`` ends in at most ``longest`` bytes, announces how many
    bytes follow it: what ``body_of`` reads in the head.  ``body_of`` may raise WireError."""

    def measure(unread: bytearray, looked: int) -> tuple[int, bool]:
        found = end.search(unread, looked)
        if found is None:
            return max(len(unread) - longest + 1, 0), False
        if found.end() > MESSAGE_MAX:
            return found.end(), True
        return found.end() + body_of(bytes(unread[: found.end()])), True

    return measure


def headed(size: int, size_of: Callable[[bytes], int]) -> Measure:
    """Messages that begin with ``size`` bytes in which ``size_of`` reads the whole length.
    ``size_of`` may raise WireError."""

    def measure(unread: bytearray, looked: int) -> tuple[int, bool]:
        return (size_of(bytes(unread[:size])), True) if len(unread) >= size else (0, False)

    return measure
