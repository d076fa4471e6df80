"""The echo frame: the bytes of docs/protocol.md, and what no change of them survives."""

import hashlib
import hmac
import ipaddress
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.errors import WireError
from probes.wire import frame
from probes.wire.frame import Answer, Endpoint, Frame

SPECIFICATION = Path(__file__).parents[3] / "docs" / "protocol.md"

SECRET = bytes(range(32))
SESSION = bytes.fromhex("0123456789abcdef")
NONCE = bytes.fromhex("000102030405060708090a0b0c0d0e0f")

secrets = st.binary(min_size=frame.SECRET_SIZE, max_size=frame.SECRET_SIZE)
ports = st.integers(0, 65535)
addresses = st.ip_addresses().map(str)
endpoints = st.builds(Endpoint, addresses, ports)
frames = st.builds(
    Frame,
    kind=st.sampled_from(frame.KINDS),
    number=st.integers(0, 65535),
    session=st.binary(min_size=8, max_size=8),
    nonce=st.binary(min_size=16, max_size=16),
    body=st.binary(min_size=64, max_size=64),
)


def by_hand(kind: int, number: int, body: bytes) -> bytes:
    """A frame written after the specification, without our code."""
    signed = b"NCK1" + struct.pack("!BBH", kind, 0, number) + SESSION + NONCE
    signed += body + bytes(64 - len(body))
    return signed + hmac.new(SECRET, signed, hashlib.sha256).digest()


# The bytes


@pytest.mark.parametrize("kind", frame.KINDS)
def test_a_frame_is_what_the_specification_says(kind: int) -> None:
    written = frame.write(Frame(kind, 0x1234, SESSION, NONCE, b"body"), SECRET)
    assert written == by_hand(kind, 0x1234, b"body")
    assert len(written) == frame.SIZE == 128


def test_a_probe_says_where_it_is_meant_to_go_and_where_it_comes_from() -> None:
    assert frame.probe_body("tcp", 1863, Endpoint("192.0.2.33", 49152)) == (
        b"\x06\x07\x47\x04\xc0\x00\xc0\x00\x02\x21" + bytes(12) + b"192.0.2.33:49152"
    )
    assert frame.probe_body("udp", 6901, Endpoint("2001:db8::21", 6901)) == (
        b"\x11\x1a\xf5\x06\x1a\xf5"
        + bytes.fromhex("20010db8000000000000000000000021")
        + b"[2001:db8::21]:6901"
    )


def test_the_longest_own_address_still_fits() -> None:
    own = Endpoint("2001:db8:1111:2222:3333:4444:5555:6666", 65535)
    body = frame.probe_body("tcp", 65535, own)
    assert len(body) == frame.BODY_SIZE
    assert body[22:] == str(own).encode()[:42]


def test_an_answer_body_byte_by_byte() -> None:
    sha = hashlib.sha256(b"sent").digest()
    body = frame.write_answer(Answer(Endpoint("198.51.100.7", 40000), 1863, sha, b"nonce678"))
    assert body == (b"\x04\x9c\x40\xc6\x33\x64\x07" + bytes(12) + b"\x07\x47" + sha + b"nonce678")
    assert len(body) == 61


def test_a_call_body_byte_by_byte() -> None:
    assert frame.call_body(Endpoint("192.0.2.1", 6891)) == (
        b"\x04\x1a\xeb\xc0\x00\x02\x01" + bytes(12)
    )


def test_a_reply_carries_the_digest_of_the_call() -> None:
    call = by_hand(frame.CALL, 9, frame.call_body(Endpoint("192.0.2.1", 6891)))
    reply = frame.reply_to(call, frame.read(call, SECRET), SECRET)
    assert reply == by_hand(frame.REPLY, 9, hashlib.sha256(call).digest())


def test_the_tag_is_hmac_sha256() -> None:
    """RFC 4231 test case 2 for the primitive that both sides of this file rely on."""
    assert hmac.digest(b"Jefe", b"what do ya want for nothing?", "sha256").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


def example(name: str) -> str:
    """The hexadecimal digits of the block called ``name`` in the specification."""
    text = SPECIFICATION.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name} -->\s*```[a-z]*\n(.*?)```", text, re.DOTALL)
    assert found, f"the specification has no example called {name}"
    return "".join(found[1].split())


def test_the_examples_of_the_specification_are_right() -> None:
    probe = frame.write(
        Frame(
            frame.PROBE,
            1,
            SESSION,
            NONCE,
            frame.probe_body("tcp", 1863, Endpoint("192.0.2.33", 49152)),
        ),
        SECRET,
    )
    assert example("probe") == probe.hex()
    seen = Endpoint("198.51.100.7", 40000)
    body = frame.write_answer(Answer(seen, 1863, frame.digest(probe), b"\xa0" * 8))
    answer = frame.write(Frame(frame.ANSWER, 1, SESSION, NONCE, body), SECRET)
    assert example("answer") == answer.hex()


# Reading


@given(frames, secrets)
def test_what_was_written_is_read(sent: Frame, secret: bytes) -> None:
    data = frame.write(sent, secret)
    assert frame.read(data, secret) == sent
    assert frame.session_of(data) == sent.session


@given(frames, secrets, st.integers(0, frame.SIZE * 8 - 1))
def test_a_flipped_bit_anywhere_is_never_authentic(sent: Frame, secret: bytes, bit: int) -> None:
    data = bytearray(frame.write(sent, secret))
    data[bit // 8] ^= 1 << bit % 8
    if bit < 32:
        with pytest.raises(WireError, match=r"^frame\.magic: "):
            frame.read(bytes(data), secret)
    else:
        assert not frame.read(bytes(data), secret).authentic


def test_each_single_bit_counts() -> None:
    data = by_hand(frame.PROBE, 1, b"")
    for bit in range(32, frame.SIZE * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert not frame.read(bytes(changed), SECRET).authentic, f"bit {bit}"


@given(frames, secrets, secrets)
def test_another_secret_reads_nothing_authentic(sent: Frame, one: bytes, other: bytes) -> None:
    assert frame.read(frame.write(sent, one), other).authentic is (one == other)


@given(st.one_of(st.binary(max_size=300), st.binary(min_size=124, max_size=124)), secrets)
def test_any_bytes_give_a_frame_or_a_wire_error(data: bytes, secret: bytes) -> None:
    for given_data in (data, frame.MAGIC + data):
        if len(given_data) == frame.SIZE and given_data.startswith(frame.MAGIC):
            assert not frame.read(given_data, secret).authentic
        else:
            with pytest.raises(WireError):
                frame.read(given_data, secret)


@pytest.mark.parametrize("size", [0, 1, 127, 129, 256])
def test_other_sizes_are_no_frame(size: int) -> None:
    data = (by_hand(frame.PROBE, 1, b"") * 2)[:size]
    with pytest.raises(WireError, match=f"^frame: {size} bytes instead of 128$"):
        frame.read(data, SECRET)
    with pytest.raises(WireError):
        frame.session_of(data)


@pytest.mark.parametrize(("kind", "flags"), [(0, 0), (6, 0), (255, 0), (1, 1), (5, 0x80)])
def test_what_a_later_version_may_sign_is_not_read_as_ours(kind: int, flags: int) -> None:
    signed = b"NCK1" + struct.pack("!BBH", kind, flags, 1) + SESSION + NONCE + bytes(64)
    with pytest.raises(WireError, match=r"^frame\.kind: "):
        frame.read(signed + hmac.new(SECRET, signed, hashlib.sha256).digest(), SECRET)


# Bodies


def _of_a_family(body: bytes) -> bytes:
    return (b"\x04" if body[0] % 2 else b"\x06") + body[1:]


@given(endpoints, ports, st.binary(min_size=32, max_size=32), st.binary(min_size=8, max_size=8))
def test_an_answer_is_read_as_it_was_written(
    source: Endpoint, port: int, sha: bytes, server_nonce: bytes
) -> None:
    answer = Answer(source, port, sha, server_nonce)
    body = frame.write_answer(answer)
    assert len(body) <= frame.BODY_SIZE
    assert frame.read_answer(body.ljust(frame.BODY_SIZE, b"\0")) == answer


@given(st.one_of(st.binary(max_size=80), st.binary(min_size=61, max_size=80).map(_of_a_family)))
def test_any_body_gives_an_answer_or_a_wire_error(body: bytes) -> None:
    if len(body) >= 61 and body[0] in (4, 6):
        source = ipaddress.ip_address(frame.read_answer(body).source.address)
        assert source.version == body[0]
    else:
        with pytest.raises(WireError):
            frame.read_answer(body)


@given(endpoints, ports, secrets, st.sampled_from(("tcp", "udp")))
def test_an_answer_has_the_size_of_its_request(
    source: Endpoint, port: int, secret: bytes, transport: str
) -> None:
    probe_body = frame.probe_body("tcp" if transport == "tcp" else "udp", port, source)
    probe = frame.write(Frame(frame.PROBE, 1, SESSION, NONCE, probe_body), secret)
    body = frame.write_answer(Answer(source, port, frame.digest(probe), bytes(8)))
    answer = frame.write(Frame(frame.ANSWER, 1, SESSION, NONCE, body), secret)
    call = frame.write(Frame(frame.CALL, 1, SESSION, NONCE, frame.call_body(source)), secret)
    reply = frame.reply_to(call, frame.read(call, secret), secret)
    assert len(probe) == len(answer) == len(call) == len(reply) == frame.SIZE


def test_an_address_with_a_zone_is_sent_without_it() -> None:
    assert frame.call_body(Endpoint("fe80::1%eth0", 1)) == frame.call_body(Endpoint("fe80::1", 1))


# Replies to calls


def call_and_reply() -> tuple[bytes, bytes]:
    call = by_hand(frame.CALL, 9, frame.call_body(Endpoint("192.0.2.1", 6891)))
    return call, frame.reply_to(call, frame.read(call, SECRET), SECRET)


def test_who_knows_the_secret_is_known() -> None:
    call, reply = call_and_reply()
    assert frame.knows(reply, frame.REPLY, NONCE, call, SECRET)


@pytest.mark.parametrize(
    "other",
    [
        by_hand(frame.ANSWER, 9, hashlib.sha256(call_and_reply()[0]).digest()),
        by_hand(frame.REPLY, 9, hashlib.sha256(b"another call").digest()),
        by_hand(frame.REPLY, 9, b""),
        call_and_reply()[0],
        call_and_reply()[1][:-1] + b"\0",
    ],
    ids=["kind", "call", "nothing", "mirror", "tag"],
)
def test_nobody_else_is(other: bytes) -> None:
    call, _ = call_and_reply()
    assert not frame.knows(other, frame.REPLY, NONCE, call, SECRET)


def test_a_reply_to_another_nonce_is_none() -> None:
    call, reply = call_and_reply()
    assert not frame.knows(reply, frame.REPLY, bytes(16), call, SECRET)


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        (Endpoint("192.0.2.1", 80), "192.0.2.1:80"),
        (Endpoint("2001:db8::1", 80), "[2001:db8::1]:80"),
    ],
)
def test_an_endpoint_is_written_as_in_a_url(endpoint: Endpoint, text: str) -> None:
    assert str(endpoint) == text


@given(endpoints)
def test_an_endpoint_is_read_as_it_is_written(endpoint: Endpoint) -> None:
    assert Endpoint.read(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "192.0.2.1",
        "192.0.2.1:",
        "192.0.2.1:65536",
        "192.0.2.1:-1",
        "192.0.2.1:٣",
        "[192.0.2.1]:80",
        "2001:db8::1:80",
        "[2001:db8::1]",
        "[fe80::1%eth0]:80",
        "[[2001:db8::1]]:80",
        "example.org:80",
    ],
)
def test_what_is_no_endpoint_is_one_error(text: str) -> None:
    with pytest.raises(WireError):
        Endpoint.read(text)


@given(st.text(max_size=60))
def test_any_text_is_an_endpoint_or_one_error(text: str) -> None:
    try:
        read = Endpoint.read(text)
    except WireError:
        return
    assert Endpoint.read(str(read)) == read


def test_a_zone_is_no_part_of_an_endpoint() -> None:
    assert Endpoint.of(("fe80::1%eth0", 80, 0, 2)) == Endpoint("fe80::1", 80)
