"""STUN messages: the RFC's own bytes, IANA's numbers, and what no bytes can break."""

import struct
from zlib import crc32

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import stun
from probes.wire.frame import Endpoint
from probes.wire.stun import COOKIE, Message
from probes.wire.stun_attributes import ATTRIBUTES, ATTRIBUTES_MOST, Attribute

IDENTIFIER = bytes.fromhex("b7e7a701bc34d686fa87dfae")  # RFC 5769, in all of its vectors
TRANSACTION = COOKIE + IDENTIFIER
CLASSIC = bytes(range(1, 17))

# RFC 5769 section 2.1: SOFTWARE, PRIORITY, ICE-CONTROLLED, USERNAME, MESSAGE-INTEGRITY, FINGERPRINT
REQUEST = bytes.fromhex(
    "00010058 2112a442 b7e7a701bc34d686fa87dfae"
    "80220010 5354554e207465737420636c69656e74"
    "00240004 6e0001ff"
    "80290008 932ff9b151263b36"
    "00060009 6576746a3a68367659 202020"
    "00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004 e57a3bcf"
)
# RFC 5769 section 2.2: SOFTWARE, padded with a space, XOR-MAPPED-ADDRESS, the two signatures
RESPONSE_V4 = bytes.fromhex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f72 20"
    "00200008 0001a147 e112a643"
    "00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004 c07d4c96"
)
# RFC 5769 section 2.3: the same for IPv6
RESPONSE_V6 = bytes.fromhex(
    "01010048 2112a442 b7e7a701bc34d686fa87dfae"
    "8022000b 7465737420766563746f72 20"
    "00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014 a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004 c8fb0b4c"
)

endpoints = st.builds(Endpoint, st.ip_addresses().map(str), st.integers(0, 65535))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(
    lambda text: text.rstrip(" \0")
)
numbers = st.lists(st.integers(0, 65535), unique=True, max_size=ATTRIBUTES_MOST).map(tuple)
messages = st.builds(
    Message,
    kind=st.sampled_from(["request", "indication", "success", "error"]),
    transaction=st.one_of(
        st.binary(min_size=12, max_size=12).map(stun.transaction),
        st.binary(min_size=16, max_size=16),
    ),
    method=st.integers(0, 0xFFF),
    mapped_address=st.none() | endpoints,
    xor_mapped_address=st.none() | endpoints,
    source_address=st.none() | endpoints,
    changed_address=st.none() | endpoints,
    response_origin=st.none() | endpoints,
    other_address=st.none() | endpoints,
    change_ip=st.booleans(),
    change_port=st.booleans(),
    response_port=st.none() | st.integers(0, 65535),
    padding=st.none() | st.integers(0, 2000),
    unknown_attributes=numbers,
    software=st.none() | texts.filter(bool),
    fingerprint=st.booleans(),
) | st.builds(
    Message,
    kind=st.just("error"),
    transaction=st.binary(min_size=16, max_size=16),
    error_code=st.integers(300, 699),
    reason=texts,
    unknown_attributes=numbers,
)


def message(*attributes: tuple[int, bytes], kind: int = 0x0101, key: bytes = TRANSACTION) -> bytes:
    """A message written after RFC 8489 section 5, without our code."""
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + b"\xff" * (-len(value) % 4)
        for number, value in attributes
    )
    return struct.pack("!HH", kind, len(body)) + key + body


def signed(data: bytes) -> bytes:
    """``data`` with a FINGERPRINT (RFC 8489 section 14.7)."""
    longer = data[:2] + struct.pack("!H", len(data) - 20 + 8) + data[4:]
    return longer + struct.pack("!HHI", 0x8028, 4, crc32(longer) ^ 0x5354554E)


# The RFC's own bytes


def test_the_sample_request_of_rfc_5769_is_read() -> None:
    got = stun.read(REQUEST)
    assert got == Message(
        kind="request",
        transaction=TRANSACTION,
        software="STUN test client",
        fingerprint=True,
        not_understood=(0x0024,),  # PRIORITY: netcheck is no ICE agent
    )
    assert not got.classic


@pytest.mark.parametrize(
    ("data", "address"),
    [(RESPONSE_V4, "192.0.2.1"), (RESPONSE_V6, "2001:db8:1234:5678:11:2233:4455:6677")],
)
def test_the_sample_responses_of_rfc_5769_are_read(data: bytes, address: str) -> None:
    assert stun.read(data) == Message(
        kind="success",
        transaction=TRANSACTION,
        xor_mapped_address=Endpoint(address, 32853),
        software="test vector",
        fingerprint=True,
    )


@pytest.mark.parametrize("vector", [RESPONSE_V4, RESPONSE_V6])
def test_what_we_write_has_the_bytes_of_rfc_5769(vector: bytes) -> None:
    got = stun.read(vector)
    address = stun.write(Message(kind="success", transaction=TRANSACTION,
                                 xor_mapped_address=got.xor_mapped_address))[20:]  # fmt: skip
    assert address in vector
    head = stun.write(Message(kind="success", transaction=TRANSACTION))
    assert head[:2] + head[4:20] == vector[:2] + vector[4:20]


@pytest.mark.parametrize("vector", [REQUEST, RESPONSE_V4, RESPONSE_V6])
def test_the_fingerprints_of_rfc_5769_are_ours(vector: bytes) -> None:
    assert signed(vector[:2] + struct.pack("!H", len(vector) - 28) + vector[4:-8]) == vector
    for place in range(len(vector) - 8):
        changed = bytearray(vector)
        changed[place] ^= 1
        with pytest.raises(WireError):
            stun.read(bytes(changed))


# IANA's numbers (registry "STUN Attributes"; the three of RFC 3489 are reserved there)

NUMBERS = {
    "MAPPED-ADDRESS": 0x0001,
    "CHANGE-REQUEST": 0x0003,
    "SOURCE-ADDRESS": 0x0004,
    "CHANGED-ADDRESS": 0x0005,
    "ERROR-CODE": 0x0009,
    "UNKNOWN-ATTRIBUTES": 0x000A,
    "XOR-MAPPED-ADDRESS": 0x0020,
    "PADDING": 0x0026,
    "RESPONSE-PORT": 0x0027,
    "SOFTWARE": 0x8022,
    "RESPONSE-ORIGIN": 0x802B,
    "OTHER-ADDRESS": 0x802C,
}


def test_the_table_has_the_numbers_of_iana() -> None:
    assert {row.name: row.number for row in ATTRIBUTES} == NUMBERS
    assert stun.FINGERPRINT == 0x8028
    assert stun.PASSED_OVER == {
        0x0006: "USERNAME",
        0x0007: "PASSWORD",
        0x0008: "MESSAGE-INTEGRITY",
        0x0014: "REALM",
        0x0015: "NONCE",
        0x001C: "MESSAGE-INTEGRITY-SHA256",
        0x001D: "PASSWORD-ALGORITHM",
        0x001E: "USERHASH",
    }
    assert stun.PORT == 3478
    assert stun.BINDING == 1
    assert bytes.fromhex("2112a442") == COOKIE


@pytest.mark.parametrize("row", ATTRIBUTES, ids=lambda row: row.name)
def test_each_row_names_a_field_of_a_message(row: Attribute) -> None:
    assert row.field in Message.__struct_fields__


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("request", 0x0001), ("indication", 0x0011), ("success", 0x0101), ("error", 0x0111)],
)
def test_the_types_of_binding(kind: str, bits: int) -> None:
    written = stun.write(Message(kind=kind, transaction=TRANSACTION))  # type: ignore[arg-type]
    assert written[:2] == struct.pack("!H", bits)


def test_the_bits_of_a_method_lie_between_those_of_the_class() -> None:
    """RFC 8489 section 5, figure 3."""
    written = stun.write(Message(kind="error", transaction=TRANSACTION, method=0xFFF))
    assert written[:2] == b"\x3f\xff"
    written = stun.write(Message(kind="request", transaction=TRANSACTION, method=0x555))
    assert written[:2] == struct.pack("!H", 0b01010_0_101_0_0101)


# Single attributes


@pytest.mark.parametrize(
    ("field", "value", "attribute"),
    [
        ("mapped_address", Endpoint("192.0.2.33", 49152), (1, "0001c000c0000221")),
        ("source_address", Endpoint("192.0.2.33", 1), (4, "00010001c0000221")),
        ("changed_address", Endpoint("2001:db8::21", 80), (5, f"0002005020010db8{0x21:024x}")),
        ("xor_mapped_address", Endpoint("192.0.2.1", 32853), (0x20, "0001a147e112a643")),
        ("response_origin", Endpoint("192.0.2.33", 3478), (0x802B, "00010d96c0000221")),
        ("other_address", Endpoint("192.0.2.33", 3479), (0x802C, "00010d97c0000221")),
        ("change_ip", True, (3, "00000004")),
        ("change_port", True, (3, "00000002")),
        ("response_port", 6901, (0x27, "1af50000")),
        ("padding", 5, (0x26, "0000000000")),
        ("error_code", 420, (9, "00000414")),
        ("unknown_attributes", (2, 0x24), (0xA, "00020024")),
        ("software", "netcheck", (0x8022, "6e6574636865636b")),
    ],
)  # fmt: skip
def test_an_attribute_has_these_bytes(
    field: str, value: object, attribute: tuple[int, str]
) -> None:
    number, text = attribute[0], bytes.fromhex(attribute[1])
    by_hand = message((number, text), kind=0x0111)
    wanted = Message(kind="error", transaction=TRANSACTION, **{field: value})  # type: ignore[arg-type]
    written = stun.write(wanted)
    assert written[: len(written) - (-len(text) % 4)] == by_hand[: len(by_hand) - (-len(text) % 4)]
    assert stun.read(by_hand) == wanted


def test_a_response_port_of_two_bytes_is_read_too() -> None:
    assert stun.read(message((0x27, b"\x1a\xf5"))).response_port == 6901


@pytest.mark.parametrize("key", [TRANSACTION, CLASSIC])
def test_the_old_number_of_xor_mapped_address_is_read(key: bytes) -> None:
    """XORed with the first bytes of the transaction, cookie or not, as old servers do."""
    port = 32853 ^ int.from_bytes(key[:2], "big")
    host = bytes(a ^ b for a, b in zip(b"\xc0\0\x02\x01", key, strict=False))
    data = message((0x8020, struct.pack("!BBH", 0, 1, port) + host), key=key)
    assert stun.read(data).xor_mapped_address == Endpoint("192.0.2.1", 32853)


def test_the_first_of_two_counts() -> None:
    data = message((0x8022, b"one"), (0x8022, b"two"), (0x8020, RESPONSE_V4[40:48]),
                   (0x20, RESPONSE_V4[40:44] + b"\0\0\0\0"))  # fmt: skip
    got = stun.read(data)
    assert got.software == "one"
    assert got.xor_mapped_address == Endpoint("192.0.2.1", 32853)


def test_what_follows_a_signature_does_not_count() -> None:
    """RFC 8489 section 14.5: somebody on the way may have added it."""
    data = message((0x8022, b"mine"), (8, bytes(20)), (1, RESPONSE_V4[40:48]), (2, bytes(8)))
    assert stun.read(data) == Message(kind="success", transaction=TRANSACTION, software="mine")
    assert stun.read(signed(data)).fingerprint


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0x0002, (2,)), (0x0024, (0x24,)), (0x7FFF, (0x7FFF,)), (0x8000, ()), (0xC057, ()), (6, ())],
)
def test_only_what_must_be_understood_is_told(number: int, expected: tuple[int, ...]) -> None:
    assert stun.read(message((number, b"12345"), (number, b""))).not_understood == expected


def test_text_is_read_whatever_it_holds() -> None:
    got = stun.read(message((0x8022, b"Vovida.org 0.96\0"), (9, b"\0\0\x04\x14Unknown\xff   ")))
    assert got.software == "Vovida.org 0.96"
    assert (got.error_code, got.reason) == (420, "Unknown\ufffd")


# RFC 3489


def test_a_message_without_the_cookie_is_classic() -> None:
    got = stun.read(message((3, b"\0\0\0\x06"), kind=1, key=CLASSIC))
    assert got.classic
    assert got == Message(kind="request", transaction=CLASSIC, change_ip=True, change_port=True)


def test_classic_errors_have_their_padding_inside() -> None:
    """RFC 3489 sections 11.2.9 and 11.2.10: lengths are multiples of 4."""
    error = Message(
        kind="error",
        transaction=CLASSIC,
        error_code=420,
        reason="Unknown",
        unknown_attributes=(0x24, 0x25, 0x26),
    )
    attributes = (9, b"\0\0\x04\x14Unknown "), (10, bytes.fromhex("0024002500260026"))
    assert stun.write(error) == message(*attributes, kind=0x0111, key=CLASSIC)
    assert stun.read(stun.write(error)) == error


# What is malformed

ADDRESS = bytes.fromhex("0001c000c0000221")


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"", "stun"),
        (RESPONSE_V4[:19], "stun"),
        (b"\x80" + RESPONSE_V4[1:], "stun.type"),
        (b"\x41" + RESPONSE_V4[1:], "stun.type"),
        (RESPONSE_V4 + b"\0\0\0\0", "stun.length"),
        (RESPONSE_V4[:-4], "stun.length"),
        (struct.pack("!HH", 1, 3) + TRANSACTION + b"abc", "stun.length"),
        (message((1, ADDRESS[:7])), "stun.MAPPED-ADDRESS"),
        (message((1, ADDRESS + b"\0")), "stun.MAPPED-ADDRESS"),
        (message((1, b"\0\x02" + ADDRESS[2:])), "stun.MAPPED-ADDRESS"),
        (message((1, ADDRESS + bytes(12))), "stun.MAPPED-ADDRESS"),
        (message((1, b"\0\x03" + ADDRESS[2:])), "stun.MAPPED-ADDRESS"),
        (message((0x20, b"\0\x02" + ADDRESS[2:])), "stun.XOR-MAPPED-ADDRESS"),
        (message((0x20, b"")), "stun.XOR-MAPPED-ADDRESS"),
        (message((3, b"\0\0\0")), "stun.CHANGE-REQUEST"),
        (message((0x27, b"\0")), "stun.RESPONSE-PORT"),
        (message((9, b"\0\0\x04")), "stun.ERROR-CODE"),
        (message((9, b"\0\0\x02\0")), "stun.ERROR-CODE"),
        (message((9, b"\0\0\x07\0")), "stun.ERROR-CODE"),
        (message((9, b"\0\0\x04\x64")), "stun.ERROR-CODE"),
        (message((9, b"\0\0\x04\x14" + bytes(764))), "stun.ERROR-CODE"),
        (message((10, b"\0\0\0")), "stun.UNKNOWN-ATTRIBUTES"),
        (message((10, bytes(130))), "stun.UNKNOWN-ATTRIBUTES"),
        (message((0x8022, bytes(764))), "stun.SOFTWARE"),
        (message((0x8028, bytes(4))), "stun.FINGERPRINT"),
        (signed(message())[:-1] + b"\0", "stun.FINGERPRINT"),
        (message((0x8028, bytes(3))), "stun.FINGERPRINT"),
        (struct.pack("!HH", 1, 4) + TRANSACTION + b"\0\x01\0\x08", "stun.0x0001"),
        (struct.pack("!HH", 1, 8) + TRANSACTION + b"\x80\x22\xff\xff1234", "stun.0x8022"),
        (message(*[(0x8000, b"")] * 65), "stun.0x8000"),
    ],
)
def test_what_is_malformed_is_said(data: bytes, place: str) -> None:
    with pytest.raises(WireError) as caught:
        stun.read(data)
    assert caught.value.place == place


def test_a_fingerprint_comes_last() -> None:
    inner = signed(message())
    followed = inner[:2] + struct.pack("!H", 8 + 4) + inner[4:] + b"\x80\x00\0\0"
    with pytest.raises(WireError, match="not the last"):
        stun.read(followed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"transaction": bytes(12)},
        {"method": 0x1000},
        {"error_code": 299},
        {"error_code": 700},
        {"software": "x" * 764},
        {"error_code": 400, "reason": "x" * 764},
        {"padding": 65536},
        {"padding": -1},
        {"padding": 65535, "software": "x"},
        {"response_port": 65536},
        {"mapped_address": Endpoint("192.0.2.1", -1)},
        {"mapped_address": Endpoint("name", 1)},
    ],
)
def test_what_cannot_be_written_is_a_value_error(wrong: dict[str, object]) -> None:
    given_fields = {"kind": "error", "transaction": TRANSACTION} | wrong
    with pytest.raises(ValueError):
        stun.write(Message(**given_fields))  # type: ignore[arg-type]


# Any bytes, any message


@given(messages)
def test_a_message_is_read_as_it_was_written(wanted: Message) -> None:
    assert stun.read(stun.write(wanted)) == wanted


@given(messages, st.integers(0, 700))
def test_filled_up_it_says_the_same(wanted: Message, at_least: int) -> None:
    written = stun.write(wanted, at_least=at_least)
    assert len(written) >= at_least
    assert len(written) <= max(len(stun.write(wanted)), at_least + 3 + 4)
    assert stun.read(written) == wanted


@given(st.binary(max_size=200))
@example(b"")
def test_any_bytes_give_a_message_or_one_error(data: bytes) -> None:
    reads_or_refuses(data)


@given(
    st.lists(st.tuples(st.sampled_from([*NUMBERS.values(), 0x8020, 8, 2, 0x8028]),
                       st.binary(max_size=24)), max_size=8),
    st.sampled_from([TRANSACTION, CLASSIC]),
    st.integers(0, 0x3FFF),
)  # fmt: skip
def test_any_attributes_give_a_message_or_one_error(
    attributes: list[tuple[int, bytes]], key: bytes, kind: int
) -> None:
    reads_or_refuses(message(*attributes, kind=kind, key=key))


@given(messages, st.integers(0, 5000), st.integers(1, 255))
def test_a_changed_byte_gives_a_message_or_one_error(
    wanted: Message, place: int, change: int
) -> None:
    data = bytearray(stun.write(wanted))
    data[place % len(data)] ^= change
    reads_or_refuses(bytes(data))


def reads_or_refuses(data: bytes) -> None:
    try:
        got = stun.read(data)
    except WireError:
        return
    assert data[4:20] == got.transaction
    assert len(got.not_understood) <= ATTRIBUTES_MOST
    assert stun.length_of(data[:4]) == len(data)


# TCP framing (RFC 8489 section 6.2.2)


@given(st.lists(messages, max_size=4))
def test_messages_on_a_connection_are_told_apart(wanted: list[Message]) -> None:
    stream = b"".join(map(stun.write, wanted))
    got = []
    while stream:
        size = stun.length_of(stream[:4])
        got.append(stun.read(stream[:size]))
        stream = stream[size:]
    assert got == wanted


@pytest.mark.parametrize("head", [b"", b"\0\x01\0", b"\x80\x01\0\0", b"\0\x01\0\x02", b"GET "])
def test_what_begins_no_message_is_refused(head: bytes) -> None:
    with pytest.raises(WireError):
        stun.length_of(head)


def test_an_identifier_has_12_bytes() -> None:
    assert stun.transaction(IDENTIFIER) == TRANSACTION
    with pytest.raises(ValueError):
        stun.transaction(bytes(11))
