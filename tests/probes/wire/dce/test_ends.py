from __future__ import annotations

import struct

import pytest

from probes.editors.rpc import DIALOGUES
from probes.errors import WireError
from probes.wire.dce import pdu
from probes.wire.dce.bind import NDR, Syntax, read_answer, write_bind
from probes.wire.dce.ends import CONTEXTS_MAX, MESSAGES_MAX
from probes.wire.dce.port_135 import server
from probes.wire.end import Step
from tests.probes.editors.talk import CLIENT, SERVER, talk

RPC = DIALOGUES[0]
EPM = Syntax.of("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3, 0)
NDR64 = Syntax.of("71710533-beba-4937-8319-b5dbef9ccc36", 1, 0)
FEATURES = Syntax.of("6cb71c2c-9812-4540-0300-000000000000", 1, 0)
UNKNOWN = Syntax.of("12345678-1234-abcd-ef00-0123456789ab", 1, 0)
(BIND, MAP), (BIND_ACK, MAPPED) = talk(RPC)


def bound(*proposals: tuple[int, Syntax, Syntax], kind: int = pdu.BIND) -> bytes:
    body = struct.pack("<HHIBxxx", 5840, 5840, 0, len(proposals))
    for context, interface, transfer in proposals:
        body += struct.pack("<HBx", context, 1) + interface.packed() + transfer.packed()
    return pdu.write(kind, 7, body)


def said(*messages: bytes) -> list[pdu.Pdu]:
    end = server(SERVER)
    assert end.begin() == Step()
    return [pdu.read(message) for message in end.receive(b"".join(messages)).send]


def status(fault: pdu.Pdu) -> int:
    assert (fault.kind, bool(fault.flags & pdu.DID_NOT_EXECUTE)) == (pdu.FAULT, True)
    return int(struct.unpack_from("<I", fault.body)[0])


def test_a_bind_as_windows_says_it() -> None:
    (answer,) = said(bound((0, EPM, NDR), (1, EPM, NDR64), (2, EPM, FEATURES)))
    assert (answer.kind, answer.call) == (pdu.BIND_ACK, 7)
    assert [(o.result, o.reason) for o in read_answer(answer)] == [(0, 0), (2, 2), (2, 2)]
    assert answer.body[8:13] == b"\x03\x0021\0"


@pytest.mark.parametrize(
    ("interface", "reason"),
    [
        (UNKNOWN, (2, 1)),
        (Syntax(EPM.uuid, 4, 0), (2, 1)),
        (Syntax(EPM.uuid, 3, 1), (2, 1)),
        (EPM, (0, 0)),
    ],
)
def test_an_interface_is_here_or_not(interface: Syntax, reason: tuple[int, int]) -> None:
    (answer,) = said(bound((0, interface, NDR)))
    assert [(o.result, o.reason) for o in read_answer(answer)] == [reason]


def test_an_interface_may_be_added() -> None:
    first, second, answer = said(
        bound((5, UNKNOWN, NDR)), bound((0, EPM, NDR), kind=pdu.ALTER_CONTEXT), MAP
    )
    assert (first.kind, second.kind, answer.kind) == (
        pdu.BIND_ACK, pdu.ALTER_CONTEXT_RESP, pdu.RESPONSE,
    )  # fmt: skip
    assert not read_answer(first)[0].accepted
    assert read_answer(second)[0].accepted
    assert second.body[8:10] == b"\0\0"


def with_verifier(message: bytes) -> bytes:
    data = bytearray(message + bytes([10, 6, 0, 0, 0, 0, 0, 0]) + b"NTLMSSP\0")
    struct.pack_into("<HH", data, 8, len(data), 8)
    return bytes(data)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (with_verifier(BIND), 8),
        (BIND[:1] + b"\2" + BIND[2:], 4),
        (pdu.write(pdu.BIND, 1, bytes(11)), 0),
        (bound(*((n, EPM, NDR) for n in range(CONTEXTS_MAX + 1))), 2),
    ],
)
def test_no_association(message: bytes, reason: int) -> None:
    end = server(SERVER)
    step = end.receive(message)
    assert step.over
    (answer,) = map(pdu.read, step.send)
    assert answer.kind == pdu.BIND_NAK
    assert answer.body == struct.pack("<HB", reason, 2) + b"\5\0\5\1"


def test_what_an_association_takes_is_bounded() -> None:
    end = server(SERVER)
    for first in range(0, 4 * CONTEXTS_MAX, CONTEXTS_MAX):
        message = bound(*((first + n, EPM, NDR) for n in range(CONTEXTS_MAX)))
        (answer,) = map(pdu.read, end.receive(message).send)
        reasons = {(o.result, o.reason) for o in read_answer(answer)}
        assert reasons == ({(2, 3)} if first else {(0, 0)})
        assert len(answer.body) + 16 < 1432


def request(operation: int, stub: bytes = b"", context: int = 0) -> bytes:
    return pdu.write_request(9, context, operation, stub)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (request(77), 0x1C010002),
        (request(3, context=4), 0x1C010003),
        (request(0), 5),
        (request(3, MAP[24:-5]), 0x6F7),
        (request(2), 0x6F7),
    ],
)
def test_a_call_that_cannot_be_carried_out(message: bytes, expected: int) -> None:
    fault, answer = said(BIND, message, MAP)[1:]
    assert (status(fault), fault.call) == (expected, 9)
    assert answer.kind == pdu.RESPONSE


def test_a_call_before_any_bind() -> None:
    (fault,) = said(MAP)
    assert status(fault) == 0x1C01000B


def test_a_call_that_wants_no_answer() -> None:
    assert len(said(BIND, MAP[:3] + bytes([MAP[3] | pdu.MAYBE]) + MAP[4:])) == 1


@pytest.mark.parametrize("kind", [pdu.AUTH3, pdu.CO_CANCEL, pdu.ORPHANED])
def test_what_needs_no_answer(kind: int) -> None:
    assert [got.kind for got in said(BIND, pdu.write(kind, 1, b""), MAP)] == [
        pdu.BIND_ACK,
        pdu.RESPONSE,
    ]


@pytest.mark.parametrize("kind", [pdu.BIND_ACK, pdu.BIND_NAK, pdu.RESPONSE, pdu.SHUTDOWN])
def test_what_only_a_server_says(kind: int) -> None:
    step = server(SERVER).receive(BIND + pdu.write(kind, 1, bytes(8)) + MAP)
    assert step.over
    assert (len(step.arrived), len(step.send)) == (2, 1)


def test_an_association_ends_at_last() -> None:
    end = server(SERVER)
    end.receive(BIND)
    steps = [end.receive(MAP) for _ in range(MESSAGES_MAX - 1)]
    assert [step.over for step in steps] == [False] * (MESSAGES_MAX - 2) + [True]
    assert all(len(step.send) == 1 for step in steps)


@pytest.mark.parametrize(
    "answer",
    [
        pdu.write(pdu.BIND_NAK, 1, b"\0\0\0"),
        pdu.write_fault(1, 0, 5),
        pdu.write(pdu.SHUTDOWN, 1, b""),
        BIND_ACK[:12] + b"\2" + BIND_ACK[13:],
        BIND_ACK[:36] + b"\2" + BIND_ACK[37:],
        pdu.write(pdu.BIND_ACK, 1, BIND_ACK[16:30]),
        pdu.write(pdu.BIND_ACK, 1, BIND_ACK[16:32] + bytes(4)),
        MAPPED,
    ],
)
def test_a_client_that_may_not_call(answer: bytes) -> None:
    end = RPC.client(CLIENT)
    assert end.begin().send == (BIND,)
    assert end.receive(answer) == Step(arrived=(answer,), over=True)


def test_a_client_that_gets_all_at_once() -> None:
    end = RPC.client(CLIENT)
    step = end.receive(BIND_ACK + MAPPED)
    assert step == Step(send=(MAP,), arrived=(BIND_ACK, MAPPED), over=True)


def test_what_came_before_is_not_lost() -> None:
    for end, message in ((server(SERVER), BIND), (RPC.client(CLIENT), BIND_ACK)):
        step = end.receive(message + b"GET /")
        assert (step.arrived, step.over) == ((message,), True)
        assert end.receive(MAP) == Step(over=True)


def test_a_client_of_something_else() -> None:
    with pytest.raises(WireError):
        RPC.client(CLIENT).receive(b"220 ready\r\n")


def test_what_is_written_here_is_read_here() -> None:
    assert write_bind(1, 0, EPM) == BIND
