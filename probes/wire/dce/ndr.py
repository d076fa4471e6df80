"""Parameters of a call: NDR, the transfer syntax of DCE RPC (C706 chapter 14).

Every value stands at a multiple of its size, counted from the first parameter.  A reader puts up
with either byte order, as the sender says in its message; a writer is little-endian.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from probes.errors import WireError
from probes.wire.reading import READINGS_MAX, Carried

NIL = bytes(16)
"""The UUID of nothing."""

ADDRESS, NUMBER, PADDING, REMAINDER = b"@", b"#", b"~", b"."
"""Marks in ``Reading.rest``."""


def uuid_of(text: str) -> bytes:
    """The 16 bytes of a UUID as a little-endian sender writes it."""
    return uuid.UUID(text).bytes_le


class Writer:
    """Parameters, one after the other.

    ``taken`` are the pointers of the request that this answers: a full pointer that is the same
    as one of those points to what that one did (C706 section 14.3.11).
    """

    def __init__(self, taken: Collection[int] = ()) -> None:
        self._data = bytearray()
        self._taken = taken
        self._referent = 0

    def written(self) -> bytes:
        return bytes(self._data)

    def raw(self, data: bytes) -> None:
        self._data += data

    def align(self, size: int) -> None:
        self._data += bytes(-len(self._data) % size)

    def number(self, size: int, *values: int) -> None:
        """Numbers of ``size`` bytes each."""
        self.align(size)
        for value in values:
            self._data += value.to_bytes(size, "little")

    def uuid(self, data: bytes) -> None:
        self.align(4)
        self._data += data

    def pointer(self, present: bool = True) -> None:
        """A pointer to what follows now or later, or to nothing.  The first is 1 and the second
        2: an endpoint mapper of Windows 2003 takes no others in its requests."""
        if present:
            self._referent += 1
            while self._referent in self._taken:
                self._referent += 1
        self.number(4, self._referent if present else 0)


class Reader:
    """Parameters, and what is found while they are read.

    What is read goes into ``rest`` as it is, each piece with its length; only what ``taken``
    and ``count`` give does not.  Every method raises WireError for what is not there.
    """

    def __init__(self, place: str, data: bytes, *, little: bool = True) -> None:
        self._place = place
        self._data = data
        self._at = 0
        self._little = little
        self._rest: list[bytes] = []
        self.label: bytes | None = None
        self.pointers: set[int] = set()
        self.carried: list[Carried] = []
        self.faults: list[str] = []

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    @property
    def rest(self) -> bytes:
        return b"".join(self._rest)

    def inner(self, place: str, data: bytes) -> Reader:
        """A reader of bytes among the parameters, always little-endian, that adds to what is
        found here."""
        reader = Reader(place, data)
        reader._rest, reader.carried, reader.faults = self._rest, self.carried, self.faults
        return reader

    def wrong(self, reason: str) -> WireError:
        return WireError(self._place, reason)

    def fault(self, reason: str) -> None:
        self.faults.append(f"{self._place}: {reason}")

    def carry(self, found: Carried) -> None:
        if len(self.carried) == READINGS_MAX:
            raise self.wrong(f"more than {READINGS_MAX} addresses")
        self.carried.append(found)
        self.note(b"", ADDRESS)

    def note(self, data: bytes, mark: bytes = b"=") -> None:
        """Put into the rest what was taken, or only the ``mark`` of what it was."""
        self._rest.append(mark + len(data).to_bytes(2, "big") + data)

    def taken(self, size: int) -> bytes:
        if size > self.left:
            raise self.wrong(f"{size} bytes do not fit into the {self.left} that are left")
        self._at += size
        return self._data[self._at - size : self._at]

    def kept(self, size: int) -> bytes:
        data = self.taken(size)
        self.note(data)
        return data

    def align(self, size: int) -> None:
        """Pass over the padding, which depends on lengths, and means nothing."""
        padding = self.taken(min(-self._at % size, self.left))
        if any(padding):
            self.note(padding, PADDING)

    def number(self, size: int) -> int:
        self.align(size)
        return self._integer(self.kept(size))

    def packed(self, size: int) -> int:
        """A number where it stands, not in the rest."""
        return self._integer(self.taken(size))

    def count(self, size: int) -> int:
        """A number that depends on the length of addresses."""
        self.align(size)
        return self.packed(size)

    def shorts(self, count: int) -> tuple[int, ...]:
        """So many numbers of two bytes, not in the rest."""
        data = self.taken(2 * count)
        return tuple(self._integer(data[at : at + 2]) for at in range(0, 2 * count, 2))

    def uuid(self) -> bytes:
        """Its bytes as a little-endian sender writes them (C706 section 14.2.10)."""
        self.align(4)
        data = self.kept(16)
        if self._little:
            return data
        return data[3::-1] + data[5:3:-1] + data[7:5:-1] + data[8:]

    def pointer(self) -> bool:
        """Whether it points to anything."""
        referent = self.number(4)
        self.pointers.add(referent)
        return referent != 0

    def remainder(self) -> None:
        """What follows the parameters: nothing, or what newer clients check them with
        ([MS-RPCE] section 2.2.2.13)."""
        self.note(self.taken(self.left), REMAINDER)

    def _integer(self, data: bytes) -> int:
        return int.from_bytes(data, "little" if self._little else "big")
