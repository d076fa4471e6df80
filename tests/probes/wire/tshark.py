"""An independent decoder: messages as a capture file, and what tshark reads in them."""

from __future__ import annotations

import ipaddress
import json
import struct
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from probes.editors.contract import Transport
from probes.wire.frame import Endpoint

Sent = tuple[Endpoint, Endpoint, Transport, bytes]
"""One message: from, to, how, what.  Over TCP it is a segment of its own."""

Fields = dict[str, list[str]]
"""All that tshark names in a frame: the values of each field, in the order of the frame."""

_FILE = struct.pack("!IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # 101: begins with IP
_SYN, _ACK, _PUSH = 2, 16, 8
_FIRST = 1000  # sequence number of a SYN


def decoded(messages: Sequence[Sent], *decode_as: str) -> list[Fields]:
    """What tshark reads in each message; ``decode_as`` as in ``tshark -d``.

    The capture begins with the handshake of each TCP connection.  Fails if tshark calls
    any frame malformed, or has a warning or an error to say about it.
    """
    packets: list[bytes] = []
    numbers: list[int] = []  # which of the packets are the messages
    following: dict[tuple[Endpoint, Endpoint], int] = {}  # sequence number that comes next
    for source, to, transport, data in messages:
        if transport == "udp":
            packets.append(_datagram(source, to, data))
        else:
            if (source, to) not in following:
                packets += _handshake(source, to)
                following[source, to] = following[to, source] = _FIRST + 1
            sequence, seen = following[source, to], following[to, source]
            packets.append(_segment(source, to, sequence, seen, _PUSH | _ACK, data))
            following[source, to] += len(data)
        numbers.append(len(packets) - 1)
    frames = _shown(packets, decode_as)
    for number, fields in enumerate(frames):
        wrong = [name for name in fields if "malformed" in name]
        loud = [s for s in fields.get("_ws.expert.severity", []) if int(s) >= 0x600000]
        said = fields.get("_ws.expert.message", [])
        assert not wrong, f"frame {number + 1}: {wrong}"
        assert not loud, f"frame {number + 1}: {said}"
    return [frames[number] for number in numbers]


def fields_of(datagrams: Sequence[bytes], protocol: str, names: Sequence[str]) -> list[list[str]]:
    """Of each datagram, as one of ``protocol``, the values of these fields: with commas between
    several, and empty for none."""
    one, other = Endpoint("192.0.2.1", 5004), Endpoint("192.0.2.2", 5004)
    sent: list[Sent] = [(one, other, "udp", data) for data in datagrams]
    frames = decoded(sent, f"udp.port==5004,{protocol}")
    return [[",".join(frame.get(name, [])) for name in names] for frame in frames]


def jitters_ms(packets: Sequence[tuple[float, bytes]]) -> dict[int, float]:
    """Of each SSRC, the greatest jitter that tshark's analysis of its RTP packets shows; they
    arrive at these times, in seconds."""
    one, other = Endpoint("192.0.2.1", 5004), Endpoint("192.0.2.2", 5004)
    capture = _FILE
    for at_s, data in packets:
        seconds, microseconds = divmod(round(at_s * 1e6), 1_000_000)
        packet = _datagram(one, other, data)
        capture += struct.pack("!IIII", seconds, microseconds, len(packet), len(packet)) + packet
    done = subprocess.run(
        ["tshark", "-n", "-q", "-r", "-", "-d", "udp.port==5004,rtp", "-z", "rtp,streams"],
        input=capture,
        capture_output=True,
        check=True,
        timeout=60,
    )
    lines = [line.split() for line in done.stdout.decode().splitlines()]
    streams = [words for words in lines if len(words) > 16 and words[6].startswith("0x")]
    return {int(words[6], 16): float(words[16]) for words in streams}


def _shown(packets: list[bytes], decode_as: Iterable[str]) -> list[Fields]:
    capture = _FILE + b"".join(
        struct.pack("!IIII", number, 0, len(packet), len(packet)) + packet
        for number, packet in enumerate(packets)
    )
    rules = [word for rule in decode_as for word in ("-d", rule)]
    done = subprocess.run(
        ["tshark", "-n", "-r", "-", *rules, "-T", "json"],
        input=capture,
        capture_output=True,
        check=True,
        timeout=60,
    )
    # Fields repeat within an object, so the pairs are kept as they are.
    frames = json.loads(done.stdout, object_pairs_hook=list)
    assert len(frames) == len(packets)
    return [_fields(frame) for frame in frames]


def _fields(frame: object) -> Fields:
    fields: Fields = {}
    for name, value in _leaves("", frame):
        fields.setdefault(name, []).append(value)
    return fields


def _leaves(name: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, tuple):
        yield from _leaves(str(value[0]), value[1])
    elif isinstance(value, list):
        yield name, ""  # that it is there at all: a protocol, or "_ws.malformed"
        for part in value:
            yield from _leaves(name, part)
    else:
        yield name, str(value)


def _handshake(source: Endpoint, to: Endpoint) -> list[bytes]:
    return [
        _segment(source, to, _FIRST, 0, _SYN),
        _segment(to, source, _FIRST, _FIRST + 1, _SYN | _ACK),
        _segment(source, to, _FIRST + 1, _FIRST + 1, _ACK),
    ]


def _datagram(source: Endpoint, to: Endpoint, data: bytes) -> bytes:
    """Over IPv6 a datagram without a checksum is wrong (RFC 8200 section 8.1)."""
    size = 8 + len(data)
    addresses = b"".join(ipaddress.ip_address(end.address).packed for end in (source, to))
    head = struct.pack("!HHH", source.port, to.port, size)
    summed = addresses + struct.pack("!II", size, 17) + head + data + bytes(size % 2)
    total = sum(struct.unpack(f"!{len(summed) // 2}H", summed))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return _ip(source, to, 17, head + struct.pack("!H", total ^ 0xFFFF or 0xFFFF) + data)


def _segment(
    source: Endpoint, to: Endpoint, sequence: int, seen: int, flags: int, data: bytes = b""
) -> bytes:
    head = struct.pack(
        "!HHIIBBHHH", source.port, to.port, sequence, seen, 0x50, flags, 65535, 0, 0
    )  # fmt: skip
    return _ip(source, to, 6, head + data)


def _ip(source: Endpoint, to: Endpoint, protocol: int, data: bytes) -> bytes:
    one, other = ipaddress.ip_address(source.address), ipaddress.ip_address(to.address)
    if one.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(data), protocol, 64)
    else:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(data), 0, 0, 64, protocol, 0)
    return head + one.packed + other.packed + data
