"""SIP's ends: what they say to clients that are not ours, to foreign bytes, and to a stream."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors.contract import MESSAGE_MAX, Dialogue, Own, Step
from probes.editors.sip.message import stream as messages_of
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.sip.said import (
    HEADER,
    MESSAGES,
    OFFER,
    SIPSAK,
    TCP,
    TORTURE,
    UDP,
    invite,
    owns6,
    replies,
    request,
    rewritten,
)
from tests.probes.editors.talk import (
    CLIENT,
    SERVER,
    answered_with_no_more,
    endpoints,
    fed_anything,
    owns,
)
from tests.probes.wire.damage import damaged

both = pytest.mark.parametrize("dialogue", [UDP, TCP], ids=lambda dialogue: dialogue.name)


def test_a_response_says_where_the_request_came_from() -> None:
    (answer,) = replies(invite())
    assert answer.split(b"\r\n")[1] == (
        b"Via: SIP/2.0/UDP 192.168.77.2:40001;branch=z9hG4bKff0a255bfae8160b"
        b";rport=40001;received=203.0.113.2"
    )


@both
@given(st.lists(st.binary(max_size=200) | damaged(MESSAGES), max_size=6))
def test_ends_survive_anything(dialogue: Dialogue, chunks: list[bytes]) -> None:
    fed_anything(lambda: dialogue.server(SERVER), chunks)
    fed_anything(lambda: dialogue.client(CLIENT), chunks)


@given(st.binary(max_size=100) | damaged(MESSAGES), owns | owns6)
def test_nothing_is_answered_with_more(data: bytes, server: Own) -> None:
    answered_with_no_more(UDP, data, server)


@pytest.mark.parametrize("data", MESSAGES)
def test_no_real_message_is_answered_with_more(data: bytes) -> None:
    answered_with_no_more(UDP, data)


@pytest.mark.parametrize(
    "data",
    [
        b"(" * MESSAGE_MAX,
        b"OPTIONS sip:a SIP/2.0\r\nv:" + b"SIP/2.0/UDP 1.1.1.1;" * 400 + b"\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nm:" + b'"<sip:' * 1300 + b"\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nm:" + b" " * 8000 + b"x\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\n" + b"a:\r\n" * 2000 + b"\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nc:application/sdp\r\n\r\n" + b"m=a 1 R x\r\n" * 700,
        b"OPTIONS sip:a SIP/2.0\r\nc:application/sdp\r\n\r\n" + b"\n" * 8000,
        b"X" * 100_000,
    ],
)
def test_long_ones_are_read_or_refused_quickly(data: bytes) -> None:
    for make in (UDP.server, UDP.client, TCP.server):
        fed_anything(lambda make=make: make(SERVER), [data])  # type: ignore[misc]
    with contextlib.suppress(WireError):
        assert len(UDP.read(data).carried) <= 64


@given(st.lists(st.sampled_from([m for m in MESSAGES if m is not TORTURE]), max_size=5), st.data())
def test_a_stream_may_be_cut_anywhere(messages: list[bytes], data: st.DataObject) -> None:
    whole = b"\r\n\r\n".join(messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    stream = messages_of()
    got: list[bytes] = []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += stream.feed(whole[start:end])
    assert got == messages


def test_byte_by_byte_too() -> None:
    stream = messages_of()
    got: list[bytes] = []
    for byte in TORTURE * 2:
        got += stream.feed(bytes([byte]))
    assert got == [TORTURE, TORTURE]


def test_what_comes_before_broken_bytes_is_not_lost() -> None:
    end = TCP.server(SERVER)
    short = rewritten(invite(TCP).replace(b"20001", b"123456789012345"), length=False)
    step = end.receive(short + invite(TCP))  # its length says less than it has
    assert len(step.arrived) == 1
    assert TCP.read(step.arrived[0]).faults
    assert step.over
    assert end.receive(invite(TCP)) == Step(over=True)


def test_a_body_without_a_length_is_seen_over_tcp() -> None:
    (got,) = (
        TCP.server(SERVER)
        .receive(re.sub(rb"Content-Length: \d+\r\n", b"", invite(TCP))[: -len(OFFER)])
        .arrived
    )
    assert "Content-Length: it is missing over TCP" in TCP.read(got).faults


@both
def test_what_foreign_clients_open_with_is_answered(dialogue: Dialogue) -> None:
    (answer,) = replies(SIPSAK, dialogue)
    assert answer.startswith(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:40523;branch=")
    assert not UDP.read(answer).faults
    register = request(b"REGISTER", b"Contact: <sip:a@192.0.2.9>\r\nExpires: 60\r\n", filler=99)
    (answer,) = replies(register, dialogue)
    assert b"\r\nContact: <sip:a@192.0.2.9>\r\nExpires: 60\r\n" in answer
    for method, status in ((b"BYE", 200), (b"CANCEL", 200), (b"MESSAGE", 501)):
        (answer,) = replies(request(method, filler=99), dialogue)
        assert answer.startswith(b"SIP/2.0 %d " % status)
    assert replies(request(b"ACK"), dialogue) == ()
    assert replies(b"SIP/2.0 200 OK\r\n" + HEADER + b"CSeq: 1 BYE\r\n\r\n", dialogue) == ()
    assert replies(b"OPTIONS sip:x SIP/2.0\r\n\r\n", dialogue) == ()
    assert replies(b"\r\n\r\n", dialogue) == ()


def test_who_offers_nothing_is_offered_something() -> None:
    (answer,) = replies(request(b"INVITE", filler=500))
    assert b"m=audio 30001 RTP/AVP 0 8\r\n" in answer


@pytest.mark.parametrize(
    "media",
    ["m=audio 1 RTP/SAVP 0", "m=video 1 RTP/AVP 31", "m=audio 0 RTP/AVP 0", "m=audio", ""],
)
def test_who_offers_what_cannot_be_taken_is_told(media: str) -> None:
    body = f"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n{media}\r\n"
    (answer,) = replies(request(b"INVITE", body=body.encode(), filler=300))
    assert answer.startswith(b"SIP/2.0 488 ")


def test_a_codec_of_its_own_is_taken_with_its_name() -> None:
    body = (
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
        b"m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:97 x/8000\r\na=rtpmap:96 opus/48000/2\r\n"
    )
    (answer,) = replies(request(b"INVITE", body=body, filler=300))
    assert answer.endswith(b"m=audio 30001 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n")


@pytest.mark.parametrize(("filler", "status"), [(500, 200), (0, 486)])
def test_an_answer_that_does_not_fit_is_another_one(filler: int, status: int) -> None:
    got = request(b"INVITE", filler=filler)
    answers = replies(got, own=CLIENT)
    assert all(answer.startswith(b"SIP/2.0 %d " % status) for answer in answers)
    assert bool(answers) or len(got) < 200


@pytest.mark.parametrize("status", [b"404 Not Found", b"486 Busy Here"])
def test_a_call_that_is_refused_is_over(status: bytes) -> None:
    client = UDP.client(CLIENT)
    client.begin()
    assert not client.receive(replies(invite())[0].replace(b"200 OK", b"180 Ringing")).send
    step = client.receive(replies(invite())[0].replace(b"200 OK", status))
    assert step.over
    assert client.finish() == Step(over=True)
    (ack,) = step.send
    assert (UDP.read(ack).kind, UDP.read(ack).faults) == ("ACK", ())
    assert b"branch=z9hG4bKff0a255bfae8160b" in ack  # RFC 3261 section 17.1.1.3


def test_a_200_that_comes_again_is_acknowledged_again() -> None:
    client = UDP.client(CLIENT)
    client.begin()
    (answer,) = replies(invite())
    for _ in range(2):
        assert [UDP.read(m).kind for m in client.receive(answer).send] == ["ACK"]
    assert [UDP.read(m).kind for m in client.finish().send] == ["BYE"]


@given(endpoints, endpoints)
def test_the_contact_is_the_socket(socket: Endpoint, listening: Endpoint) -> None:
    own = Own(socket=socket, listening=listening, peer=CLIENT.peer, label=CLIENT.label)
    assert f"<sip:netcheck@{socket}>".encode() in invite(own=own)
