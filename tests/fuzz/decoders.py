"""Everything that is fuzzed: what genuinely comes, and what reads it.

``feed`` gives whether all of it was understood; a WireError is the other answer.  Anything else
that it raises is a failure, and so is what breaks a bound of those who use what was read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from probes import heard
from probes.editors import NAMES, dialogues
from probes.editors.contract import LABEL_SIZE, MESSAGE_MAX, READINGS_MAX, Dialogue, End, Reading
from probes.editors.h323 import per, q931, tpkt
from probes.editors.msn import command
from probes.editors.sip import message as sip_message
from probes.editors.sip import sdp
from probes.errors import WireError
from probes.wire import ber, frame, label, media, messages, port_mapping, rtcp, rtp, stun
from probes.wire.dce import bind, pdu
from probes.wire.frame import Endpoint
from probes.wire.reading import FAULTS_MAX
from tests.fuzz.mutation import Case
from tests.probes.editors.talk import CLIENT, SERVER, talk

SECRET = bytes(range(32))


@dataclass(frozen=True)
class Decoder:
    """``cases`` are genuine.  ``stream``: the segments of a case may come in other pieces.
    ``share``: how many of the messages it gets."""

    name: str
    cases: tuple[Case, ...]
    feed: Callable[[Case], bool]
    stream: bool = False
    share: float = 1.0


def decoders() -> list[Decoder]:
    """All of them; importing them takes a second."""
    spoken = [dialogue for name in NAMES for dialogue in dialogues(name)]
    found = [*_wire(), *(each for dialogue in spoken for each in _of(dialogue))]
    assert len({each.name for each in found}) == len(found)
    return found


# dialogues


def _of(dialogue: Dialogue) -> Iterator[Decoder]:
    there, here = (tuple(said) for said in talk(dialogue))
    stream = dialogue.transport == "tcp"
    alone = tuple((message,) for message in dict.fromkeys((*there, *here)))
    yield Decoder(f"{dialogue.name} read", alone, _reads(dialogue))
    cases: tuple[Case, ...] = (there,)
    if dialogue.transport == "udp":
        cases = (there, *((message,) for message in there))
    yield Decoder(f"{dialogue.name} server", cases, _speaks(dialogue, client=False), stream)
    if here:
        yield Decoder(f"{dialogue.name} client", (here,), _speaks(dialogue, client=True), stream)
    both = (there, here) if here else (there,)
    # It reads and speaks a dozen times over, and takes nothing apart itself.
    yield Decoder(f"{dialogue.name} compared", both, _compares(dialogue), share=0.02)


def _reads(dialogue: Dialogue) -> Callable[[Case], bool]:
    def feed(case: Case) -> bool:
        try:
            for message in case:
                _sound(dialogue.read(message))
        except WireError:
            return False
        return True

    return feed


def _sound(reading: Reading) -> None:
    """It is told in JSON, compared, and followed."""
    assert len(reading.carried) <= READINGS_MAX
    assert len(reading.faults) <= FAULTS_MAX
    assert reading.label is None or len(reading.label) == LABEL_SIZE
    for carried in reading.carried:
        assert carried.port is None or 0 <= carried.port <= 65535
        if carried.reached_by is not None and carried.address:
            ipaddress.ip_address(carried.address)
    msgspec.json.encode(reading)


def _speaks(dialogue: Dialogue, *, client: bool) -> Callable[[Case], bool]:
    def feed(case: Case) -> bool:
        end = dialogue.client(CLIENT) if client else dialogue.server(SERVER)
        said = sum(map(len, end.begin().send))
        try:
            return _fed(dialogue, end, case, said, client=client)
        finally:
            end.finish()

    return feed


def _fed(dialogue: Dialogue, end: End, case: Case, said: int, *, client: bool) -> bool:
    """As the driver does it: nothing more is fed to an end that is over."""
    came = 0
    for data in case:
        try:
            step = end.receive(data)
        except WireError:
            if dialogue.transport == "tcp":
                return False
            continue
        came += len(data)
        said += sum(map(len, step.send))
        assert said <= MESSAGE_MAX + 64 * came, f"{said} bytes said to {came}"
        if dialogue.transport == "udp" and not client:
            assert len(step.send) <= 1
            assert all(len(answer) <= len(data) for answer in step.send)
        for message in step.arrived:
            assert len(message) <= max(MESSAGE_MAX, len(data))
            try:
                _sound(dialogue.read(message))
            except WireError:
                continue  # the driver takes it for a message that says nothing
        if step.over:
            break
    return True


def _compares(dialogue: Dialogue) -> Callable[[Case], bool]:
    there, here = (tuple(said) for said in talk(dialogue))

    def feed(case: Case) -> bool:
        told = [
            heard.out(dialogue, there, case),
            heard.back(dialogue, SERVER.socket, SERVER.peer, case, here, same_version=True),
            heard.back(dialogue, SERVER.socket, SERVER.peer, there, case, same_version=True),
        ]
        msgspec.json.encode(told)
        return True

    return feed


# what they are written in, and what is netcheck's own


def _alone(name: str, read: Callable[[bytes], Any], seeds: Sequence[bytes]) -> Decoder:
    def feed(case: Case) -> bool:
        try:
            for data in case:
                read(data)
        except WireError:
            return False
        return True

    return Decoder(name, tuple((seed,) for seed in seeds), feed)


def _said(*names: str) -> list[bytes]:
    spoken = (each for name in NAMES for each in dialogues(name) if each.name in names)
    return list(dict.fromkeys(m for each in spoken for side in talk(each) for m in side))


def _wire() -> Iterator[Decoder]:
    yield _alone("ber", _ber, _said("snmp-v1", "snmp-v2c", "ldap"))
    yield _alone("dce pdu", _pdu, _said("rpc", "dcom"))
    yield _alone("tpkt", tpkt.read, _said("h323", "h245"))
    yield _alone("q931", lambda data: q931.read(data), [tpkt.read(m) for m in _said("h323")])
    units = [q931.read(tpkt.read(m)).element(q931.USER_USER) or b"" for m in _said("h323")]
    yield _per("H323-UserInformation", [unit[1:] for unit in units])
    yield _per("MultimediaSystemControlMessage", [tpkt.read(m) for m in _said("h245")])
    yield _alone("msn command", command.parse, _said("msn-file", "msn-voice"))
    yield _alone("sip message", sip_message.parse, _said("sip-udp", "sip-tcp"))
    offers = [sdp.offer(CLIENT).encode(), sdp.offer(SERVER).encode()]
    yield _alone("sdp", lambda data: sdp.answer(SERVER, data.decode("latin-1")), offers)
    yield _alone("frame", _frame, _frames())
    yield _alone("endpoint", _endpoint, [b"192.0.2.1:1720", b"[2001:db8::1]:80", b"0.0.0.0:0"])
    yield _alone(
        "label",
        _label,
        [label.write(bytes(8), 7, SECRET), label.write(bytes(8), 7, SECRET).hex().encode()],
    )
    yield _alone("stun", stun.read, _stun())
    yield _media()
    yield _alone("rtcp", rtcp.read, [_end().report(1.0), _end().report(2.0)])
    yield _alone("rtp", rtp.read, [_end().packet(n, 0.0) for n in range(3)])
    for name, read, kind in (
        ("server", messages.read_from_server, messages.ServerMessage),
        ("client", messages.read_from_client, messages.ClientMessage),
    ):
        seeds = [messages.write(each).encode() for each in _samples(kind)]
        yield _alone(f"messages from the {name}", read, seeds)
    yield _alone("port mapping", port_mapping.read, _mappings())
    yield _alone("ssdp", port_mapping.read_search_answer, [_SSDP])


def _ber(data: bytes) -> None:
    message = ber.read("fuzz", data)
    elements = list(ber.walk(message.root))
    for element in elements:
        ber.number(element)
        ber.oid_text(element.value)
    ber.numbers_at_fault(message.root, (ber.INTEGER,))
    assert len(ber.rest(message, elements[-1:])) <= 4 * len(data)


def _pdu(data: bytes) -> None:
    found = pdu.read(data)
    for read in (bind.read_bind, bind.read_answer):
        try:
            read(found)
        except WireError:
            continue


def _per(kind: str, seeds: Sequence[bytes]) -> Decoder:
    def read(data: bytes) -> None:
        value = per.read(kind, data)
        per.canonical(kind, data, value, value)

    return _alone(f"per {kind}", read, seeds)


def _frames() -> list[bytes]:
    own = Endpoint("192.0.2.1", 40000)
    answer = frame.write_answer(frame.Answer(own, 1720, bytes(32), bytes(8)))
    bodies = (frame.probe_body("tcp", 1863, own), answer, frame.call_body(own))
    return [
        frame.write(frame.Frame(kind, 7, bytes(8), bytes(16), body), SECRET)
        for kind, body in zip(frame.KINDS, bodies * len(frame.KINDS), strict=False)
    ]


def _frame(data: bytes) -> None:
    found = frame.read(data, SECRET)
    frame.knows(data, frame.REPLY, bytes(16), data, SECRET)
    frame.read_answer(found.body)


def _endpoint(data: bytes) -> None:
    Endpoint.read(data.decode("utf-8", "surrogateescape"))


def _label(data: bytes) -> None:
    label.number(data, SECRET)
    label.session_of(data)
    label.of_text(data.decode("latin-1"))


def _stun() -> list[bytes]:
    here, there = Endpoint("203.0.113.2", 40001), Endpoint("2001:db8::5", 3478)
    transaction = stun.transaction(bytes(range(12)))
    answer = stun.Message(
        kind="success",
        transaction=transaction,
        mapped_address=here,
        xor_mapped_address=here,
        response_origin=there,
        other_address=there,
        software="netcheck",
        fingerprint=True,
    )
    asked = stun.Message(kind="request", transaction=transaction)
    return [stun.write(answer), stun.write(asked), stun.write(asked, at_least=200)]


_SHAPE = media.Shape(payload_type=0, payload_bytes=160, packets_per_s=50)


def _end(ssrc: int = 7, peer: int = 9) -> media.End:
    return media.End(
        SECRET, _SHAPE, ssrc=ssrc, peer_ssrc=peer, duration_s=1.0, epoch_s=1_700_000_000.0
    )


def _media() -> Decoder:
    """A stream with its reports."""
    other = _end()
    packets = (other.packet(n, 0.0) for n in range(4))
    case = (*packets, other.report(0.1), other.report(0.2))

    def feed(case: Case) -> bool:
        end = _end(9, 7)
        found = [
            (end.hear(data, n / 50), end.hear_report(data, n / 50)) for n, data in enumerate(case)
        ]
        end.report(2.0)
        return all(map(any, found))

    return Decoder("media", (case,), feed)


def _mappings() -> list[bytes]:
    external = bytes.fromhex("0080000000000e10cb007102")
    announced = bytes.fromhex("02800000") + bytes(4) + bytes(16)
    return [external, announced, announced + bytes(36)]


_SSDP = (
    b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"
    b"LOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\r\n"
)


def _samples(union: Any) -> list[Any]:
    """A value of each message, with something in every field."""
    kind = msgspec.inspect.type_info(union)
    assert isinstance(kind, msgspec.inspect.UnionType)
    return [_sample(each) for each in kind.types]


def _sample(kind: msgspec.inspect.Type) -> Any:
    inspect = msgspec.inspect
    match kind:
        case inspect.IntType():
            return kind.ge or 0
        case inspect.FloatType():
            return kind.ge if kind.ge is not None else kind.le or 1.0
        case inspect.StrType():
            size = re.search(r"\{(\d+)\}\$", kind.pattern or "")
            return "a" * int(size[1]) if size else "aa"
        case inspect.BoolType():
            return True
        case inspect.NoneType():
            return None
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.UnionType():
            return _sample(kind.types[0])
        case inspect.VarTupleType():
            return tuple(_sample(kind.item_type) for _ in range(max(1, kind.min_length or 0)))
        case inspect.StructType():
            return kind.cls(**{each.name: _sample(each.type) for each in kind.fields})
    raise AssertionError(f"no value for {kind}")
