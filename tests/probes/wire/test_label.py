"""Labels: the number comes back with the right secret, and with no other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.wire import frame, label

sessions = st.binary(min_size=frame.SESSION_SIZE, max_size=frame.SESSION_SIZE)
secrets = st.binary(min_size=16, max_size=32)
numbers = st.integers(0, 0xFFFF)


@given(sessions, numbers, secrets)
def test_a_label_says_whose_message_it_is(session: bytes, number: int, secret: bytes) -> None:
    made = label.write(session, number, secret)
    assert len(made) == label.SIZE
    assert label.session_of(made) == session
    assert label.number(made, secret) == number
    assert label.of_text(made.hex()) == made


@given(sessions, numbers, secrets, st.integers(0, 8 * label.SIZE - 1))
def test_no_other_label_is_taken(session: bytes, number: int, secret: bytes, bit: int) -> None:
    made = label.write(session, number, secret)
    other = int.from_bytes(made) ^ 1 << bit
    assert label.number(other.to_bytes(label.SIZE), secret) is None
    assert label.number(made, secret + b"x") is None


def test_the_layout() -> None:
    made = label.write(bytes(range(8)), 0x0102, b"secret")
    assert made[:10] == bytes(range(8)) + b"\x01\x02"


@given(st.binary(max_size=40))
def test_any_bytes_are_no_label(data: bytes) -> None:
    assert label.number(data, b"secret") is None


@pytest.mark.parametrize("text", ["0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "²" * 32, ""])
def test_a_label_is_small_hexadecimal(text: str) -> None:
    assert label.of_text(text) is None
