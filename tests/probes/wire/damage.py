"""What a bad network, or an editor that is wrong, does to a message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st


def _flipped(data: bytes, at: int, some: bytes) -> bytes:
    return (
        data[:at]
        + bytes(a ^ b for a, b in zip(data[at:], some, strict=False))
        + (data[at + len(some) :])
    )


def _cut(data: bytes, at: int, some: bytes) -> bytes:
    return data[:at] + data[at + len(some) :]


def _inserted(data: bytes, at: int, some: bytes) -> bytes:
    return data[:at] + some + data[at:]


def _doubled(data: bytes, at: int, some: bytes) -> bytes:
    return data[: at + len(some)] + data[at:]


def _ended(data: bytes, at: int, some: bytes) -> bytes:
    return data[:at]


def damaged(messages: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of ``messages``, with one to three things done to it."""
    kinds = st.sampled_from((_flipped, _cut, _inserted, _doubled, _ended))
    harm = st.tuples(kinds, st.integers(0, 999), st.binary(min_size=1, max_size=9))

    def harmed(
        message: bytes, harms: list[tuple[Callable[[bytes, int, bytes], bytes], int, bytes]]
    ) -> bytes:
        for kind, at, some in harms:
            message = kind(message, at % (len(message) + 1), some)
        return message

    return st.builds(harmed, st.sampled_from(messages), st.lists(harm, min_size=1, max_size=3))
