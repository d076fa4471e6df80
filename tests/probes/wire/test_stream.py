"""Streams: the same messages wherever they are cut, bounded, and nothing lost before junk."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire.reading import MESSAGE_MAX
from probes.wire.stream import Measure, Stream, head_and_body, headed, line

END = re.compile(rb"\r?\n\r?\n")


def size_in(head: bytes) -> int:
    digits = head.split()[-1] if head.split() else b"0"
    if not digits.isdigit():
        raise WireError("test", "no number")
    return int(digits)


def size_of(head: bytes) -> int:
    if head[0]:
        raise WireError("test", "it begins with no zero")
    return 2 + head[1]


LINES = line, [b"\n", b"a\r\n", b"\r\r\n", b"bc\n"]
PREFIXED = headed(2, size_of), [b"\0\0", b"\0\x01\0", b"\0\x03\0\x01\0"]
BODIES = (
    head_and_body(END, 4, size_in),
    [b"a: 0\r\n\r\n", b"\n\n", b"b: 5\n\r\n\r\n\n\na", b"c\nd: 2\r\n\r\n\r\n"],
)
kinds = pytest.mark.parametrize(("measure", "messages"), [LINES, PREFIXED, BODIES])


def fed(stream: Stream, data: bytes, cuts: list[int]) -> list[bytes]:
    found: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        found += stream.feed(data[start:end])
    return found


@kinds
@given(st.data())
def test_a_stream_may_be_cut_anywhere(
    measure: Measure, messages: list[bytes], data: st.DataObject
) -> None:
    sent = data.draw(st.lists(st.sampled_from(messages), max_size=9))
    whole = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    assert fed(Stream("test", measure), whole, cuts) == sent
    assert fed(Stream("test", measure), whole, list(range(1, len(whole)))) == sent


@kinds
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_bytes(measure: Measure, messages: list[bytes], chunks: list[bytes]) -> None:
    stream = Stream("test", measure)
    found = b""
    for chunk in chunks:
        try:
            for message in stream.feed(chunk):
                found += message
            assert len(stream._unread) <= MESSAGE_MAX
        except WireError:
            with pytest.raises(WireError):
                list(stream.feed(messages[0]))
            break
    assert b"".join(chunks).startswith(found)


def test_what_comes_before_junk_is_not_lost() -> None:
    stream = Stream("test", PREFIXED[0])
    found = stream.feed(b"\0\x01a\0\0" + b"GET /" + b"\0\0")
    assert [next(found), next(found)] == [b"\0\x01a", b"\0\0"]
    with pytest.raises(WireError, match="no zero"):
        next(found)
    with pytest.raises(WireError, match="no zero"):
        list(stream.feed(b"\0\0"))


def test_what_is_not_asked_for_comes_with_the_next() -> None:
    stream = Stream("test", line)
    assert next(iter(stream.feed(b"a\nb\nc"))) == b"a\n"
    assert list(stream.feed(b"\n")) == [b"b\n", b"c\n"]


def test_what_says_nothing_is_passed_over() -> None:
    stream = Stream("test", line, idle=lambda message: not message.strip())
    assert list(stream.feed(b"\r\na\n\n \n")) == [b"a\n"]


@pytest.mark.parametrize(
    ("measure", "longest", "more"),
    [
        (line, b"x" * (MESSAGE_MAX - 1) + b"\n", b"x" * (MESSAGE_MAX + 1)),
        (BODIES[0], b"8183\r\n\r\n".ljust(MESSAGE_MAX - 1, b"x"), b"8185\r\n\r\n"),
        (BODIES[0], b"0\n\n", b"x" * (MESSAGE_MAX - 2) + b" 0\n\n"),
        (headed(2, lambda head: int.from_bytes(head)), b"\x20\x00".ljust(8192), b"\x20\x01"),
    ],
)
def test_a_message_is_bounded(measure: Measure, longest: bytes, more: bytes) -> None:
    stream = Stream("test", measure)
    assert [len(message) for message in stream.feed(longest)] == [len(longest)]
    with pytest.raises(WireError, match=f"more than {MESSAGE_MAX}"):
        list(stream.feed(more))


@kinds
def test_time_is_in_proportion(measure: Measure, messages: list[bytes]) -> None:
    """A megabyte of the smallest messages, and one long message byte by byte: each some 0.2 s;
    were either quadratic it would take minutes."""
    began = time.process_time()
    assert len(list(Stream("test", measure).feed(messages[0] * 200_000))) == 200_000
    slow = Stream("test", measure)
    for _ in range(MESSAGE_MAX):
        list(slow.feed(b"\0"))
        assert len(slow._unread) <= MESSAGE_MAX
    assert time.process_time() - began < 20
