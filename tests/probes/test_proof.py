"""Who spoke on a tested port: only the server's own signature over what was sent is a proof."""

from __future__ import annotations

import secrets
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.proof import read_call, read_proof
from probes.session import ControlLine, Session
from probes.wire import frame
from probes.wire.frame import Answer, Endpoint, Frame

OWN = Endpoint("192.0.2.7", 40000)


def session() -> Session:
    return Session(
        control=cast(ControlLine, None),  # reading a proof asks nobody
        session_id=bytes(range(8)),
        secret=bytes(range(32)),
        server_address="192.0.2.1",
        local_address=OWN.address,
        began=0.0,
    )


def answer(to: bytes, **changes: Any) -> bytes:
    """A right answer to the probe ``to``, but for ``changes``."""
    fields: dict[str, Any] = {
        "kind": frame.ANSWER,
        "session": session().id,
        "secret": session().secret,
        "digest": frame.digest(to),
    } | changes
    body = frame.write_answer(Answer(OWN, 1863, fields["digest"], bytes(8)))
    return frame.write(
        Frame(fields["kind"], 1, fields["session"], to[16:32], body), fields["secret"]
    )


def probe() -> bytes:
    return session().probe_frame("tcp", 1863, 1, OWN)


def test_the_right_answer_is_a_proof() -> None:
    sent = probe()
    proof = read_proof(sent, answer(sent), session())
    assert isinstance(proof, Answer)
    assert proof.source == OWN


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"secret": bytes(32)}, "altered"),  # whoever it was did not know the secret
        ({"session": bytes(8)}, "foreign"),
        ({"kind": frame.PROBE}, "foreign"),
        ({"kind": frame.REPLY}, "foreign"),
        ({"digest": bytes(32)}, "altered"),
    ],
)
def test_anything_else_is_none(changes: dict[str, Any], outcome: str) -> None:
    sent = probe()
    proof = read_proof(sent, answer(sent, **changes), session())
    assert not isinstance(proof, Answer)
    assert proof[0] == outcome


def test_an_echo_of_our_own_bytes_is_foreign() -> None:
    sent = probe()
    proof = read_proof(sent, sent, session())
    assert not isinstance(proof, Answer)
    assert proof[0] == "foreign"


@given(st.integers(0, frame.SIZE * 8 - 1))
def test_one_flipped_bit_is_enough(bit: int) -> None:
    sent = probe()
    got = bytearray(answer(sent))
    got[bit // 8] ^= 1 << bit % 8
    assert not isinstance(read_proof(sent, bytes(got), session()), Answer)


@given(st.binary(max_size=200))
def test_no_bytes_but_the_servers_are_a_proof_or_a_call(data: bytes) -> None:
    assert not isinstance(read_proof(probe(), data, session()), Answer)
    assert read_call(data, session(), 1) is None


def call(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "kind": frame.CALL,
        "number": 7,
        "session": session().id,
        "secret": session().secret,
    } | changes
    nonce = secrets.token_bytes(frame.NONCE_SIZE)
    body = frame.call_body(OWN)
    return frame.write(
        Frame(fields["kind"], fields["number"], fields["session"], nonce, body), fields["secret"]
    )


def test_a_call_of_the_server_for_this_port() -> None:
    assert read_call(call(), session(), 7) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": bytes(32)},
        {"session": bytes(8)},
        {"kind": frame.PROBE},
        {"kind": frame.ANSWER},
        {"number": 8},  # led here by a router that crosses ports
    ],
)
def test_no_other_is_heard(changes: dict[str, Any]) -> None:
    assert read_call(call(**changes), session(), 7) is None
