"""What is done to genuine messages: a few harms each, from one source of chance (pure)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

Case = tuple[bytes, ...]
"""What is fed one after the other: a message alone, or the segments of a dialogue."""

SIZE_MAX = 20_000
"""Bytes of a message: more than twice of what any decoder takes (probes.wire.reading)."""

HARMS_MAX = 4

_BYTES = (0, 1, 2, 4, 9, 10, 13, 32, 0x30, 0x7F, 0x80, 0x81, 0x84, 0xC0, 0xFE, 0xFF)
_NUMBERS = (0, 1, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
_WORDS = (
    *(b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\x01", b" ", b"\t", b":", b";", b",", b"|", b'"'),
    *(b"\\", b"\\u0000", b"\xc3\xa9", b"\xed\xa0\x80", b"\xff\xfe", b"%s", b"::", b"[", b"]"),
    *(
        b"0.0.0.0",
        b"255.255.255.255",
        b"256.1.1.1",
        b"2001:db8::1",
        b"fe80::1%lo",
        b"1e999",
        b"NaN",
    ),
)
_TEXT_NUMBERS = (
    *(b"0", b"-1", b"00", b"007", b"65535", b"65536", b"2147483648", b"4294967296"),
    *(b"9" * 20, b"9" * 400, b"1_0", b"+1", b"0x10", b" 1", "٣".encode()),
)
_DIGITS = re.compile(rb"[0-9]+")


def mutated(random: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """``data`` with some harm done to it, at times with pieces of ``others``."""
    made = bytearray(data)
    for _ in range(random.randint(1, HARMS_MAX)):
        random.choice(_HARMS)(random, made, others)
        del made[SIZE_MAX:]
    return bytes(made)


def torn(random: Random, case: Case) -> Case:
    """The same bytes in other segments, as TCP may deliver them."""
    whole = b"".join(case)
    cuts = sorted(random.randrange(len(whole) + 1) for _ in range(random.randint(0, 6)))
    return tuple(whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))


def _place(random: Random, made: bytearray) -> int:
    return random.randrange(len(made) + 1)


def _size(random: Random) -> int:
    """Mostly a few bytes."""
    return random.choice((1, 1, 1, 2, 2, 3, 4, 8, 16, random.randint(1, 300)))


def _flip(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    if made:
        made[random.randrange(len(made))] ^= 1 << random.randrange(8)


def _set(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    if made:
        made[random.randrange(len(made))] = random.choice((*_BYTES, random.randrange(256)))


def _number(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    """A length, a count or an offset, perhaps."""
    at, size = _place(random, made), random.choice((1, 2, 2, 4))
    value = random.choice((*_NUMBERS, len(made), len(made) - at)) % 256**size
    made[at : at + size] = value.to_bytes(size, random.choice(("big", "little")))


def _step(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    """A length that is off by a little."""
    if made:
        at = random.randrange(len(made))
        made[at] = (made[at] + random.choice((-4, -2, -1, 1, 2, 4))) % 256


def _digits(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    if found := list(_DIGITS.finditer(made)):
        chosen = random.choice(found)
        made[chosen.start() : chosen.end()] = random.choice(_TEXT_NUMBERS)


def _word(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, made)
    made[at : at + random.choice((0, 0, 1))] = random.choice(_WORDS)


def _cut(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, made)
    del made[at : at + _size(random)]


def _end(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    del made[_place(random, made) :]


def _insert(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, made)
    made[at:at] = random.randbytes(_size(random))


def _repeat(random: Random, made: bytearray, _: Sequence[bytes]) -> None:
    """Once more, and at times so often that it is as long as can be."""
    at = _place(random, made)
    piece = bytes(made[at : at + _size(random)])
    often = random.choice((1, 1, 1, 2, 5, 70, 300, SIZE_MAX))
    made[at:at] = piece * min(often, SIZE_MAX // max(1, len(piece)))


def _graft(random: Random, made: bytearray, others: Sequence[bytes]) -> None:
    other = random.choice(others)
    start = random.randrange(len(other) + 1)
    at = _place(random, made)
    made[at : at + random.choice((0, 8, len(made)))] = other[
        start : start + random.choice((8, 40, 8192))
    ]


_HARMS: tuple[Callable[[Random, bytearray, Sequence[bytes]], None], ...] = (
    *(_flip, _flip, _set, _set, _number, _step, _step, _digits, _word),
    *(_cut, _end, _insert, _repeat, _graft),
)
