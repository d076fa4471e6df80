from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import ber
from probes.wire.reading import FAULTS_MAX, MESSAGE_MAX
from tests.probes.wire.damage import damaged

# An encoder that we did not write.
ENCODE: Any = import_module("pyasn1.codec.ber.encoder").encode
TYPES: Any = import_module("pyasn1.type.univ")

oids = st.builds(
    lambda first, second, arcs: ".".join(map(str, (first, second, *arcs))),
    st.integers(0, 2),
    st.integers(0, 39),
    st.lists(st.integers(0, 2**32 - 1), max_size=20),
)
trees = st.recursive(
    st.builds(
        lambda tag, value: ber.tlv(tag, value), st.sampled_from((4, 0x40, 0x80)), st.binary()
    ),
    lambda inner: st.builds(
        lambda tag, parts: ber.tlv(tag, *parts),
        st.sampled_from((0x30, 0xA0)),
        st.lists(inner, max_size=5),
    ),
)
SAMPLE = ber.tlv(0x30, ber.integer(5), ber.tlv(0x30, ber.octets(b"one"), ber.octets(b"two")))


def kept(element: ber.Element) -> bytes:
    """``element`` from its parts."""
    return ber.tlv(element.tag, element.value, *(kept(child) for child in element.children))


@given(st.integers(0, 2**64 - 1))
def test_integers_are_as_another_writes_them(number: int) -> None:
    written = ber.integer(number)
    assert written == ENCODE(TYPES.Integer(number))
    element = ber.read("x", ber.tlv(0x30, written)).root.children[0]
    assert ber.number(element) == number


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (127, "7f"), (128, "0080"), (-1, "ff"), (-128, "80"), (-129, "ff7f")],
)
def test_integers_are_as_short_as_can_be(number: int, written: str) -> None:
    """X.690 section 8.3, by hand: pyasn1 writes -128 in two octets."""
    assert ber.integer(number)[2:].hex() == written
    element = ber.read("x", ber.tlv(0x30, ber.integer(number))).root.children[0]
    assert ber.number(element) == number


@given(oids)
def test_object_identifiers_are_as_another_writes_them(text: str) -> None:
    written = ber.oid(text)
    assert written == ENCODE(TYPES.ObjectIdentifier(text))
    element = ber.read("x", ber.tlv(0x30, written)).root.children[0]
    assert ber.oid_text(element.value) == text


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255, 256, 65535, 65536])
def test_lengths_are_as_another_writes_them(size: int) -> None:
    assert ber.octets(bytes(size)) == ENCODE(TYPES.OctetString(bytes(size)))


@pytest.mark.parametrize(
    "value", [b"", b"\x80\x01", b"\x2b\x80", b"\x2b\xff\xff\xff\xff\xff\x7f", bytes(500)]
)
def test_what_is_no_object_identifier_is_shown_as_it_is(value: bytes) -> None:
    assert ber.oid_text(value) == value[:128].hex()


@given(st.lists(trees, max_size=5))
def test_what_was_written_is_read(parts: list[bytes]) -> None:
    data = ber.tlv(0x30, *parts)
    if len(data) > MESSAGE_MAX:
        return
    message = ber.read("x", data)
    assert message.faults == ()
    assert kept(message.root) == data
    assert ber.rest(message, ()) == data
    assert [element.start for element in ber.walk(message.root)] == sorted(
        element.start for element in ber.walk(message.root)
    )


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (b"", "cut within its first length"),
        (b"\x30", "cut within its first length"),
        (b"\x30\x82\x01", "cut within its first length"),
        (b"\x31\x00", "not with a sequence"),
        (b"\x16\x03\x01\x02\x00", "not with a sequence"),  # TLS
        (b"\x30\x80\x02\x01\x05\x00\x00", "0x80 begins no length"),  # indefinite
        (b"\x30\xff", "0xff begins no length"),
        (b"\x30\x85\x00\x00\x00\x00\x01", "0x85 begins no length"),
        (b"\x30\x84\x7f\xff\xff\xff", "more than 8192"),
        (b"\x30\x03\x1f\x01\x00", "0x1f is no tag"),
        (b"\x30\x02\x00\x00", "0x00 is no tag"),
        (b"\x30\x04\x30\x80\x00\x00", "0x80 begins no length"),
    ],
)
def test_what_is_never_used_is_refused(given: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        ber.read("x", given)


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (SAMPLE[:-1], "at byte 0 a length says 15, and 14 bytes are there"),
        (SAMPLE + b"ab", "2 bytes follow the message"),
        (b"\x30\x04\x04\x05ab", "at byte 2 a length says 5, and 2 bytes are there"),
        (b"\x30\x04\x04\x01ab", "at byte 5 1 bytes are too few for a value"),
        (b"\x30\x04\x04\x00\x04\x82", "at byte 4 2 bytes are too few for a value"),
    ],
)
def test_a_length_and_what_it_counts(given: bytes, fault: str) -> None:
    assert fault in ber.read("x", given).faults


def test_the_rest_keeps_what_no_length_counts() -> None:
    for data in (b"\x30\x04\x04\x01ab", b"\x30\x04\x04\x00\x04\x82", SAMPLE + b"ab"):
        assert ber.rest(ber.read("x", data), ()) == data


@pytest.mark.parametrize("value", [b"", b"\0\x05", b"\xff\x80", bytes(10), b"\x7f" * 5000])
def test_a_number_that_is_not_canonical(value: bytes) -> None:
    message = ber.read("x", ber.tlv(0x30, ber.tlv(2, value)))
    (fault,) = ber.numbers_at_fault(message.root, (2,))
    assert fault.endswith("a number is not canonical")
    assert ber.number(message.root.children[0]) is None


def test_the_rest_knows_no_address_and_no_length_that_counts_one() -> None:
    def told(first: bytes, second: bytes) -> bytes:
        message = ber.read(
            "x", ber.tlv(0x30, ber.integer(5), ber.octets(first), ber.octets(second))
        )
        return ber.rest(message, message.root.children[1:2])

    assert told(b"one", b"two") == b"\x30\x80\x02\x01\x05\x04\x80\0\0\x04\x03two\0\0"
    assert told(b"one", b"two") == told(b"x" * 300, b"two")
    assert told(b"one", b"two") != told(b"one", b"tw0")


def test_the_rest_does_not_depend_on_the_form_of_a_length() -> None:
    long = bytes.fromhex("3084000000190284000000010530840000000c0403") + b"one\x04\x82\x00\x03two"
    message = ber.read("x", long)
    assert message.faults == ()
    assert ber.rest(message, ()) == SAMPLE


@given(st.one_of(st.binary(max_size=200), damaged([SAMPLE])))
def test_any_bytes(data: bytes) -> None:
    try:
        message = ber.read("x", data)
    except WireError:
        return
    assert len(message.faults) <= FAULTS_MAX
    for element in ber.walk(message.root):
        assert element.start < element.inside <= element.end <= len(data)
        ber.oid_text(element.value)
        ber.number(element)
    assert len(ber.rest(message, list(ber.walk(message.root))[1:3])) <= 2 * len(data) + 9


def deep(tag: int) -> bytes:
    data = b""
    while len(data) < MESSAGE_MAX - 8:
        data = ber.tlv(tag, data)
    return data


def test_what_is_nested_without_end_is_bounded() -> None:
    data = deep(0x30)
    message = ber.read("x", data)
    assert len(list(ber.walk(message.root))) == ber.DEPTH_MAX + 1
    assert ber.rest(message, ()) == data


@given(st.lists(st.integers(0, 60), max_size=12), st.lists(st.binary(max_size=200), max_size=9))
def test_a_stream_gives_the_same_messages_wherever_it_is_cut(
    cuts: list[int], contents: list[bytes]
) -> None:
    messages = [ber.tlv(0x30, ber.octets(content)) for content in contents]
    data = b"".join(messages)
    stream = ber.stream("x")
    found: list[bytes] = []
    for size in [*cuts, len(data)]:
        found += stream.feed(data[:size])
        data = data[size:]
    assert found == messages


def test_a_stream_refuses_what_is_too_long_before_it_came() -> None:
    stream = ber.stream("x")
    assert list(stream.feed(b"\x30\x82\x1f\xfc" + bytes(8187))) == []
    assert len(list(stream.feed(b"\0" + SAMPLE))) == 2
    with pytest.raises(WireError, match="8193 bytes, more than 8192"):
        list(stream.feed(b"\x30\x82\x1f\xfd"))
