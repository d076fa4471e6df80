"""SIP: both ends meet, every address is found, and whatever else changed shows."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors.contract import Carried, Dialogue, Own
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.sip.said import (
    MESSAGES,
    OFFER,
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
    owns,
    readings,
    talk,
)
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import decoded

both = pytest.mark.parametrize("dialogue", [UDP, TCP], ids=lambda dialogue: dialogue.name)


@both
@given(client=owns, server=owns)
def test_both_ends_reach_their_end_and_read_what_was_sent(
    dialogue: Dialogue, client: Own, server: Own
) -> None:
    meets(dialogue, client, server)


@both
@given(client=owns6, server=owns6)
def test_over_ipv6_too(dialogue: Dialogue, client: Own, server: Own) -> None:
    meets(dialogue, client, server)


def meets(dialogue: Dialogue, client: Own, server: Own) -> None:
    sent: list[bytes] = []
    back: list[bytes] = []
    at_server, at_client = talk(
        dialogue,
        client,
        server,
        out=lambda data: sent.append(data) or data,  # type: ignore[func-returns-value]
        back=lambda data: back.append(data) or data,  # type: ignore[func-returns-value]
    )
    assert (at_server, at_client) == (sent, back)
    there, here = readings(dialogue, at_server), readings(dialogue, at_client)
    assert [reading.kind for reading in there] == ["INVITE", "ACK", "BYE"]
    assert [reading.kind for reading in here] == ["200 INVITE", "200 BYE"]
    assert all(reading.label == client.label for reading in there + here)
    assert not any(reading.faults for reading in there + here)
    transport = dialogue.transport
    assert [c for c in there[0].carried if c.field not in ("Request-URI", "To")] == carried(
        client, transport, Carried(field="Via", address=client.socket.address,
                                   port=client.socket.port),
        Carried(field="From", address=client.socket.address),
    )  # fmt: skip
    assert [c for c in here[0].carried if c.field not in ("Via", "From", "To")] == carried(
        server, transport, Carried(field="Via received", address=server.peer.address,
                                   port=server.peer.port)
    )  # fmt: skip
    assert max(map(len, sent + back)) <= 1300  # RFC 3261 section 18.1.1


def carried(own: Own, transport: str, *before: Carried) -> list[Carried]:
    here, listening = own.socket, own.listening
    return [
        *before,
        Carried(field="Contact", address=here.address, port=here.port,
                reached_by="tcp" if transport == "tcp" else "udp"),
        Carried(field="o=", address=listening.address),
        Carried(field="c=", address=listening.address),
        Carried(field="m=audio", address=listening.address, port=listening.port, reached_by="udp"),
        Carried(field="a=rtcp", address=listening.address, port=listening.port),
    ]  # fmt: skip


def test_an_invite_is_byte_for_byte_what_the_rfcs_say() -> None:
    head, _, body = invite().partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert body == OFFER
    assert lines[0] == b"INVITE sip:netcheck@198.51.100.5:21 SIP/2.0"
    assert lines[1] == b"Via: SIP/2.0/UDP 192.168.77.2:40001;branch=z9hG4bKff0a255bfae8160b;rport"
    assert lines[3:7] == [
        b"From: <sip:netcheck@192.168.77.2>;tag=31eb6262",
        b"To: <sip:netcheck@198.51.100.5>",
        b"Call-ID: 000102030405060708090a0b0c0d0e0f",
        b"CSeq: 1 INVITE",
    ]
    assert b"Contact: <sip:netcheck@192.168.77.2:40001>" in lines
    assert lines[-1] == b"Content-Length: 204"


def test_the_torture_test_of_the_rfc_is_understood() -> None:
    reading = UDP.read(TORTURE)
    assert [(c.field, c.address, c.port) for c in reading.carried] == [
        ("Call-ID", "192.0.2.1", None), ("Via", "192.0.2.2", None),
        ("Via", "192.168.255.111", None), ("o=", "192.0.2.3", None), ("c=", "192.0.2.4", None),
        ("m=audio", "192.0.2.4", 49217), ("m=video", "192.0.2.4", 3227),
    ]  # fmt: skip
    assert (reading.kind, reading.faults) == ("INVITE", ())
    (answer,) = replies(TORTURE)
    got = UDP.read(answer)
    assert (got.kind, got.faults) == ("200 INVITE", ())
    assert b"m=audio 30001 RTP/AVP 0\r\n" in answer
    assert b"m=video 0 RTP/AVP 31\r\n" in answer
    assert answer.count(b"To: ") == 1
    assert b"tag    = 1918181833n\r\n" in answer  # who has a tag gets no second one


def test_headers_may_be_written_in_any_way() -> None:
    plain = UDP.read(invite())
    names = {b"Via": b"v", b"From": b"F", b"To": b"t", b"Call-ID": b"i", b"Contact": b"M",
             b"Content-Type": b"c", b"Content-Length": b"L"}  # fmt: skip
    other = invite()
    for long, short in names.items():
        other = other.replace(b"\r\n" + long + b":", b"\r\n" + short + b" \t:\r\n ")
    other = other.replace(b";branch", b"\r\n\t ;branch")
    assert UDP.read(other).carried == plain.carried
    assert UDP.read(other).label == plain.label
    assert not UDP.read(other).faults
    bare = other.replace(b"\r\n", b"\n")
    bare = re.sub(rb"L \t:\n  \d+", b"L: %d" % (204 - OFFER.count(b"\r")), bare)
    assert UDP.read(bare).carried == plain.carried
    assert not UDP.read(bare).faults
    assert UDP.read(replies(other)[0]).label == plain.label


@both
def test_an_editor_that_does_it_right_changes_only_addresses(dialogue: Dialogue) -> None:
    at_server, _ = talk(dialogue, out=rewritten)
    sent, got = dialogue.read(invite(dialogue)), dialogue.read(at_server[0])
    assert not got.faults
    assert (got.rest, got.label, got.kind) == (sent.rest, sent.label, sent.kind)
    seen = {c.field: (c.address, c.port) for c in got.carried}
    assert seen["Via"] == seen["Contact"] == ("203.0.113.1", 61234)
    assert seen["m=audio"] == seen["a=rtcp"] == ("203.0.113.1", 51000)
    assert seen["From"] == seen["o="] == seen["c="] == ("203.0.113.1", None)


def test_addresses_of_the_other_family_are_still_only_addresses() -> None:
    sent = invite()
    got = sent.replace(b"IP4 192.168.77.2", b"IP6 2001:db8::1")
    got = got.replace(b"192.168.77.2", b"[2001:db8::1]")
    got = got.replace(b"Content-Length: 204", b"Content-Length: %d" % (204 - 1 * 3 + 3))
    size = len(got.partition(b"\r\n\r\n")[2])
    got = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % size, got)
    assert UDP.read(got).rest == UDP.read(sent).rest
    assert not UDP.read(got).faults
    assert {c.address for c in UDP.read(got).carried} == {"198.51.100.5", "2001:db8::1"}


def put(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data.replace(old, new)


HALF: dict[str, Callable[[bytes], bytes]] = {
    "the length is the old one": lambda data: rewritten(data, length=False),
    "the length is the old one, and too long": put(b"IP4 192.168.77.2", b"IP4 8.8.8.8"),
    "cut short": lambda data: data[:-10],
    "cut short by a line end": lambda data: data[:-2],
    "too much": lambda data: data + b"\0\0",
    "no address any more": put(b"c=IN IP4 192.168.77.2", b"c=IN IP4 192.168.77.x"),
    "leading zeros": put(b"m=audio 20001", b"m=audio 020001"),
    "a port beyond all": put(b":40001", b":90001"),
    "an octet beyond all": put(b"192.168.77.2", b"192.168.77.256"),
    "a name": put(b"o=- 1822350832 1822350832 IN IP4 192.168.77.2",
                  b"o=- 1822350832 1822350832 IN IP4 home.example"),
    "the wrong family": put(b"c=IN IP4", b"c=IN IP6"),
    "a line less": put(b"a=rtcp-mux\r\n", b""),
    "another call": put(b"Call-ID: 00", b"Call-ID: 01"),
    "another codec": put(b"RTP/AVP 0 8", b"RTP/AVP 8 0"),
    "a field twice": put(b"To:", b"From: <sip:a@b>\r\nTo:"),
    "another method": put(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
    "a port for rport": put(b";rport", b";rport=5"),
}  # fmt: skip


@both
@pytest.mark.parametrize("how", HALF)
def test_what_is_done_by_halves_shows(dialogue: Dialogue, how: str) -> None:
    sent = invite(dialogue)
    got = HALF[how](sent)
    assert got != sent
    reading = dialogue.read(got)
    assert reading.faults or reading.rest != dialogue.read(sent).rest


@both
@given(at=st.integers(0, 2000), byte=st.integers(0, 255))
def test_no_changed_byte_goes_unnoticed(dialogue: Dialogue, at: int, byte: int) -> None:
    sent = invite(dialogue)
    at %= len(sent)
    got = sent[:at] + bytes([byte]) + sent[at + 1 :]
    try:
        reading = dialogue.read(got)
    except WireError:
        return
    before = dialogue.read(sent)
    same = (reading.rest, reading.carried, reading.label) == (
        before.rest, before.carried, before.label
    )  # fmt: skip
    assert same == (got == sent) or reading.faults


@given(st.binary(max_size=300) | damaged(MESSAGES))
def test_any_bytes_are_a_reading_or_one_error(data: bytes) -> None:
    try:
        reading = UDP.read(data)
    except WireError:
        return
    assert len(reading.rest) <= len(data) + 2 * len(reading.carried)


def test_rtcp_that_shares_no_port_goes_where_it_says() -> None:
    body = OFFER.replace(b"a=rtcp-mux\r\n", b"").replace(b"a=rtcp:20001 ", b"a=rtcp:20777 ")
    carried = UDP.read(request(b"INVITE", b"c: application/sdp\r\n", body)).carried
    assert carried[-1] == Carried(
        field="a=rtcp", address="192.168.77.2", port=20777, reached_by="udp"
    )
    (answer,) = replies(request(b"INVITE", body=body, filler=300))
    assert b"a=rtcp" not in answer


@both
@pytest.mark.parametrize("ipv6", [False, True])
def test_tshark_reads_the_same(dialogue: Dialogue, ipv6: bool) -> None:
    one, other = CLIENT, SERVER
    if ipv6:
        here, there = Endpoint("2001:db8::2", 40001), Endpoint("2001:db8:5::5", 5060)
        one = Own(socket=here, listening=Endpoint(here.address, 20002), peer=there, label=one.label)
        other = Own(
            socket=there, listening=Endpoint(there.address, 3000), peer=here, label=other.label
        )
    at_server, at_client = talk(dialogue, one, other)
    here, there = one.socket, Endpoint(other.socket.address, 5060)
    frames = decoded(
        [(here, there, dialogue.transport, at_server[0])]
        + [(there, here, dialogue.transport, at_client[0])]
        + [(here, there, dialogue.transport, message) for message in at_server[1:]]
        + [(there, here, dialogue.transport, at_client[1])]
    )
    assert [f.get("sip.Method", f.get("sip.Status-Code")) for f in frames] == [
        ["INVITE"], ["200"], ["ACK"], ["BYE"], ["200"]
    ]  # fmt: skip
    for fields, own in zip(frames, (one, other), strict=False):
        assert fields["sip.Call-ID"] == [one.label.hex()]
        assert fields["sdp.connection_info.address"] == [own.listening.address]
        assert fields["sdp.owner.address"] == [own.listening.address]
        assert fields["sdp.media.port"] == [str(own.listening.port)]
        assert f"[{own.socket.address}]" in fields["sip.contact.host"] + [
            f"[{host}]" for host in fields["sip.contact.host"]
        ]
        assert fields["sip.contact.port"] == [str(own.socket.port)]
    assert frames[0]["sip.Via.sent-by.port"] == [str(one.socket.port)]
    assert frames[1]["sip.Via.received"] == [other.peer.address]
    assert frames[1]["sip.Via.rport"] == [str(other.peer.port)]
