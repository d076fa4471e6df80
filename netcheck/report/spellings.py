"""How a known address stands in messages, and in what programs say of them (pure).

Each text is read once, however many addresses are known.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from netcheck.address_kind import Address

_STUN_COOKIE = 0x2112A442
"""XOR-MAPPED-ADDRESS holds an IPv4 address in this form (RFC 8489 section 14.2)."""

_MAY_HOLD = re.compile(r"[0-9A-Fa-f](?:.{0,6}?[0-9A-Fa-f]){3}|\\x", re.DOTALL)
"""The least that an address takes; most texts do not."""

_HEX_RUN = re.compile(r"[0-9A-Fa-f](?:[\s:.,\-_]{0,2}(?:\\x|0x|%)?[0-9A-Fa-f]){7,}")
_HEX_DIGIT = re.compile(r"\\x|0x|([0-9A-Fa-f])")
_NUMBER_RUN = re.compile(
    r"(?<![0-9])[0-9]{1,5}(?P<between>\[?\.\]?|, ?|-|_| )[0-9]{1,5}"
    r"(?:(?P=between)[0-9]{1,5}){2,}(?![0-9])"
)
_DIGITS = re.compile(r"[0-9]+")
_SIX_IN_NAME = re.compile(
    r"(?<![0-9A-Fa-f-])[0-9A-Fa-f]{0,4}(?:-[0-9A-Fa-f]{0,4}){2,7}(?![0-9A-Fa-f-])"
)
_BYTE = re.compile(r"\\x([0-9A-Fa-f]{2})|\\([nrt\\'])|([\x20-\x5b\x5d-\x7e])")
_SHORT = {"n": 10, "r": 13, "t": 9, "\\": 92, "'": 39}


class Found(NamedTuple):
    start: int
    end: int
    placeholder: str


class Spellings:
    """Learns addresses by ``add`` and numbers of network cards by ``add_mac``; ``find`` finds
    them in whatever form."""

    def __init__(self) -> None:
        self._addresses: dict[Address, str] = {}
        self._quads: dict[bytes, str] = {}
        self._packed: dict[bytes, str] = {}
        self._hex: dict[int, dict[str, str]] = {}  # by their length

    def add(self, address: Address, placeholder: str) -> None:
        self._addresses[address] = placeholder
        if address.version == 4:
            self._quads[address.packed] = placeholder
            self._quads.setdefault(address.packed[::-1], placeholder)  # as in names of hosts
        if address.version == 4 and not address.packed[0]:
            return  # no host has such an address, and many numbers begin with noughts
        self._pack(address.packed, placeholder)
        if address.version == 4:
            self._pack(address.packed[::-1], placeholder)  # as some programs store it
            self._pack((int(address) ^ _STUN_COOKIE).to_bytes(4), placeholder)

    def add_mac(self, digits: str, placeholder: str) -> None:
        """``digits``: twelve or sixteen; of twelve also what an IPv6 address is made of
        (RFC 4291 appendix A)."""
        forms = [digits]
        if len(digits) == 12:
            longer = f"{digits[:6]}fffe{digits[6:]}"
            forms += [longer, f"{int(digits[:2], 16) ^ 2:02x}{longer[2:]}"]
        for form in forms:
            self._hex.setdefault(len(form), {}).setdefault(form, placeholder)

    def _pack(self, packed: bytes, placeholder: str) -> None:
        self._packed.setdefault(packed, placeholder)
        self._hex.setdefault(2 * len(packed), {}).setdefault(packed.hex(), placeholder)

    def find(self, text: str) -> list[Found]:
        """In the order in which they are to be taken: from left to right, and of those that begin
        together the longest first.  They may overlap."""
        if not _MAY_HOLD.search(text):
            return []
        found = [*self._in_hex(text), *self._in_numbers(text), *self._in_names(text)]
        if "\\x" in text:
            found += self._in_bytes(text)
        return sorted(found, key=lambda one: (one.start, -one.end))

    def _in_hex(self, text: str) -> Iterator[Found]:
        for run in _HEX_RUN.finditer(text):
            digits = [one for one in _HEX_DIGIT.finditer(text, *run.span()) if one[1]]
            whole = "".join(one[1] for one in digits).lower()
            for length, known in self._hex.items():
                for at in range(len(whole) - length + 1):
                    if placeholder := known.get(whole[at : at + length]):
                        end = digits[at + length - 1].end()
                        yield Found(digits[at].start(), end, placeholder)

    def _in_numbers(self, text: str) -> Iterator[Found]:
        """192-168-1-20, its reverse as in the names of hosts, and one number of all four."""
        begin = 0
        while run := _NUMBER_RUN.search(text, begin):
            numbers = list(_DIGITS.finditer(text, *run.span()))
            begin = numbers[-1].start()  # which may be the first of another: 1 2 3 4 1,2,3,4
            values = [int(one[0]) for one in numbers]
            for at in range(len(values) - 3):
                four = values[at : at + 4]
                if max(four) < 256 and (placeholder := self._quads.get(bytes(four))):
                    yield Found(numbers[at].start(), numbers[at + 3].end(), placeholder)
        for one in _DIGITS.finditer(text):
            if not 8 <= len(one[0]) <= 12:
                continue
            if len(one[0]) == 12:
                parts = [int(part) for part in re.findall("...", one[0])]
                placeholder = self._quads.get(bytes(parts)) if max(parts) < 256 else None
            else:
                value = int(one[0])
                known = 1 << 24 <= value < 1 << 32
                placeholder = self._packed.get(value.to_bytes(4)) if known else None
            if placeholder:
                yield Found(*one.span(), placeholder)

    def _in_names(self, text: str) -> Iterator[Found]:
        """2001-db8--1, as names of hosts have it."""
        for run in _SIX_IN_NAME.finditer(text):
            try:
                address = ipaddress.IPv6Address(run[0].replace("-", ":"))
            except ValueError:
                continue
            if placeholder := self._addresses.get(address):
                yield Found(*run.span(), placeholder)

    def _in_bytes(self, text: str) -> Iterator[Found]:
        r"""As Python writes bytes: \xc0\xa8\x01A."""
        spelled = list(_BYTE.finditer(text))
        values = bytes(
            int(one[1], 16) if one[1] else _SHORT[one[2]] if one[2] else ord(one[3])
            for one in spelled
        )
        for length in (4, 16):
            for at in range(len(values) - length + 1):
                first, last = spelled[at], spelled[at + length - 1]
                placeholder = self._packed.get(values[at : at + length])
                # Four letters alone are a word.
                if placeholder and "\\x" in text[first.start() : last.end()]:
                    yield Found(first.start(), last.end(), placeholder)
