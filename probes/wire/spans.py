"""A message of text whose addresses are cut out of it, so that what remains can be compared.

Protocols of text write addresses and lengths in the middle of lines.  What was found is cut out
where it stood; all else stays byte for byte, so that an editor which also changed something that
is no address shows.
"""

from __future__ import annotations

import ipaddress
import re

from probes.errors import WireError
from probes.wire.reading import FAULTS_MAX, READINGS_MAX, Carried, Reading

MARK = "\0"
"""Stands where something was cut out.  Text has no such byte; one that does is at fault."""

_LIKE_IPV4 = re.compile(r"[0-9]+(?:\.[0-9]+)*\.?", re.ASCII)


class Spans:
    """What was found in ``text``, which is bytes as Latin-1, so that positions are the same."""

    def __init__(self, place: str, text: str) -> None:
        self.text = text
        self._place = place
        self._cuts: list[tuple[int, int]] = []
        self._carried: list[tuple[int, Carried]] = []
        self._faults: list[str] = []
        if MARK in text:
            self.fault("a NUL byte in a text")

    def fault(self, sentence: str) -> None:
        if len(self._faults) < FAULTS_MAX and sentence not in self._faults:
            self._faults.append(sentence)

    def cut(self, start: int, end: int) -> None:
        self._cuts.append((start, end))

    def carry(self, start: int, end: int, carried: Carried) -> None:
        """``carried`` was found, and its address stands here.  Raises WireError if it is one
        too many."""
        if len(self._carried) == READINGS_MAX:
            raise WireError(self._place, f"more than {READINGS_MAX} addresses")
        self._carried.append((start, carried))
        self.cut(start, end)

    def address(self, field: str, host: str) -> str | None:
        """``host`` in its canonical form if it is an IP address; a name is none."""
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            address = None
        if address is not None and "%" not in host:
            return str(address)
        if _LIKE_IPV4.fullmatch(host) or ":" in host:
            self.fault(f"{field}: {host[:48]!r} is no address")
        return None

    def number(self, field: str, digits: str, most: int) -> int | None:
        """The number that ``digits`` are, if they are one; whether or not it is canonical."""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
            self.fault(f"{field}: {digits[:48]!r} is no number")
            return None
        value = int(digits)
        if value > most:
            self.fault(f"{field}: {digits} is more than {most}")
            return None
        if str(value) != digits:
            self.fault(f"{field}: {digits} begins with a zero")
        return value

    def port(self, field: str, digits: str) -> int | None:
        """A port that somebody can go to."""
        port = self.number(field, digits, 0xFFFF)
        if port == 0:
            self.fault(f"{field}: port 0")
        return port or None

    def reading(self, kind: str, label: bytes | None) -> Reading:
        parts: list[str] = []
        at = 0
        for start, end in sorted(self._cuts):
            if start >= at:
                parts += self.text[at:start], MARK
                at = end
        parts.append(self.text[at:])
        return Reading(
            kind=kind,
            label=label,
            carried=tuple(
                carried for _, carried in sorted(self._carried, key=lambda found: found[0])
            ),
            rest="".join(parts).encode("latin-1"),
            faults=tuple(self._faults),
        )
