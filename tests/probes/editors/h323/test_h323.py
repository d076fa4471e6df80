"""H.323: a call and its control channel, and what an editor does to an address in them."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors.contract import READINGS_MAX, Carried, Own, Reading
from probes.editors.h323 import addresses, per, q931, tpkt
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.h323.said import CALL, CLIENT_V6, CONTROL, SERVER_V6
from tests.probes.editors.talk import CLIENT, SERVER, fed_anything, owns, readings, talk
from tests.probes.wire.damage import damaged

BOTH = pytest.mark.parametrize("dialogue", [CALL, CONTROL], ids=("h323", "h245"))

SAID = {
    dialogue.name: [message for heard in talk(dialogue) for message in heard]
    for dialogue in (CALL, CONTROL)
}
SETUP = SAID["h323"][0]


def udp(field: str, to: Endpoint) -> Carried:
    return Carried(field=field, address=to.address, port=to.port, reached_by="udp")


def tcp(field: str, to: Endpoint) -> Carried:
    return Carried(field=field, address=to.address, port=to.port, reached_by="tcp")


def named(field: str, to: Endpoint) -> Carried:
    return Carried(field=field, address=to.address, port=to.port)


def announced(own: Own) -> list[Carried]:
    """All that the Setup of ``own`` says, in its order."""
    audio, video = addresses.media(own, "h225").values()
    return [
        tcp("h245Address", own.listening),
        named("destCallSignalAddress", own.peer),
        named("sourceCallSignalAddress", own.socket),
        udp("fastStart[0].mediaControlChannel", audio.rtcp),
        udp("fastStart[1].mediaChannel", audio.rtp),
        udp("fastStart[1].mediaControlChannel", audio.rtcp),
        udp("fastStart[2].mediaControlChannel", video.rtcp),
        udp("fastStart[3].mediaChannel", video.rtp),
        udp("fastStart[3].mediaControlChannel", video.rtcp),
    ]


def answered(own: Own) -> list[Carried]:
    """All that the Connect of ``own`` says."""
    audio, video = addresses.media(own, "h225").values()
    return [
        tcp("h245Address", own.listening),
        udp("fastStart[0].mediaChannel", audio.rtp),
        udp("fastStart[0].mediaControlChannel", audio.rtcp),
        udp("fastStart[1].mediaControlChannel", audio.rtcp),
        udp("fastStart[2].mediaChannel", video.rtp),
        udp("fastStart[2].mediaControlChannel", video.rtcp),
        udp("fastStart[3].mediaControlChannel", video.rtcp),
    ]


def controlled(own: Own) -> list[Carried]:
    """All that the control channel of ``own`` says of media, in any order."""
    audio, video = addresses.media(own, "h245").values()
    return [
        udp("mediaControlChannel", audio.rtcp),
        udp("mediaControlChannel", video.rtcp),
        udp("mediaChannel", audio.rtp),
        udp("mediaControlChannel", audio.rtcp),
        udp("mediaChannel", video.rtp),
        udp("mediaControlChannel", video.rtcp),
        tcp("separateStack", Endpoint(own.listening.address, 1503)),
    ]


def all_of(seen: list[Reading]) -> list[Carried]:
    return [carried for reading in seen for carried in reading.carried]


@given(owns, owns)
def test_a_call_is_read_as_it_was_said(client: Own, server: Own) -> None:
    heard, back = (readings(CALL, messages) for messages in talk(CALL, client, server))
    assert [reading.kind for reading in heard] == ["Setup", "Release Complete"]
    assert [reading.kind for reading in back] == ["Call Proceeding", "Alerting", "Connect"]
    assert all_of(heard) == announced(client)
    assert all_of(back) == answered(server)
    assert {reading.label for reading in heard + back} == {client.label}
    assert not any(reading.faults for reading in heard + back)


@given(owns, owns)
def test_the_control_channel_is_read_as_it_was_said(client: Own, server: Own) -> None:
    for own, messages in zip((client, server), talk(CONTROL, client, server), strict=True):
        seen = readings(CONTROL, messages)
        assert sorted(map(str, all_of(seen))) == sorted(map(str, controlled(own)))
        assert {r.label for r in seen} == {own.label, None}
        assert not any(reading.faults for reading in seen)
        assert seen[0].kind == "terminalCapabilitySet"
        assert seen[0].label == own.label
        assert seen[-1].kind == "endSessionCommand"


def test_over_ipv6() -> None:
    heard, back = (readings(CALL, messages) for messages in talk(CALL, CLIENT_V6, SERVER_V6))
    assert all_of(heard) == announced(CLIENT_V6)
    assert all_of(back) == answered(SERVER_V6)
    seen = readings(CONTROL, talk(CONTROL, CLIENT_V6, SERVER_V6)[0])
    assert sorted(map(str, all_of(seen))) == sorted(map(str, controlled(CLIENT_V6)))


@given(st.integers(1, 65535))
def test_rtp_is_even_rtcp_next_and_none_is_the_port_of_h245(port: int) -> None:
    own = msgspec.structs.replace(CLIENT, listening=Endpoint("192.0.2.1", port))
    sets = [addresses.media(own, "h225"), addresses.media(own, "h245")]
    ports = [end.port for media in sets for pair in media.values() for end in pair]
    first = ports[0]
    assert first % 2 == 0
    assert ports == list(range(first, first + 8))
    assert first >= 2
    assert first + 7 <= 65535
    assert port not in ports
    assert abs(first - port) <= 9


def test_the_bytes_are_these() -> None:
    """The frames by RFC 1006 and Q.931; a channel as pycrate writes it from the same values."""
    reference = SETUP[6:8]
    assert SETUP.startswith(
        b"\x03\0" + len(SETUP).to_bytes(2) + b"\x08\x02" + reference + b"\x05"
        b"\x04\x03\x88\x93\xa5" b"\x28\x09netcheck\0"
        b"\x7e" + (len(SETUP) - 28).to_bytes(2) + b"\x05"
    )  # fmt: skip
    assert SAID["h245"][2].hex() == "03000007" + "218001"  # TerminalCapabilitySetAck of 1
    assert SAID["h245"][4].hex() == "03000018" + "030000000d000040000a04000100c0a84d024e27"
    heard, _ = talk(CONTROL)
    assert heard[-1].hex() == "03000006" + "4a40"  # EndSessionCommand, disconnect


# What an editor does.


def edited(there: Carried, here: Endpoint) -> Callable[[bytes], bytes]:
    """Every one of an address, in place: network order, as both recommendations have it."""
    old = ipaddress.ip_address(there.address).packed + (there.port or 0).to_bytes(2)
    new = ipaddress.ip_address(here.address).packed + here.port.to_bytes(2)
    return lambda message: message.replace(old, new)


@pytest.mark.parametrize("number", range(9))
def test_a_rewritten_address_of_the_setup_is_all_that_differs(number: int) -> None:
    before = CALL.read(SETUP)
    target = before.carried[number]
    public = Endpoint("203.0.113.1", 40122)
    after = CALL.read(edited(target, public)(SETUP))
    assert after.rest == before.rest
    assert not after.faults
    assert after.label == before.label
    for old, new in zip(before.carried, after.carried, strict=True):
        same = (old.address, old.port) != (target.address, target.port)
        wanted = (old.address, old.port) if same else (public.address, public.port)
        assert (new.field, (new.address, new.port)) == (old.field, wanted)


@BOTH
def test_an_editor_that_knows_all_addresses(dialogue: Any) -> None:
    """As the two dialogues run through it, in both directions."""
    inside = ipaddress.ip_address(CLIENT.socket.address).packed
    outside = ipaddress.ip_address("203.0.113.1").packed
    heard, _ = talk(dialogue, out=lambda m: m.replace(inside, outside))
    sent, _ = talk(dialogue)
    for arrived, left in zip(readings(dialogue, heard), readings(dialogue, sent), strict=True):
        assert arrived.rest == left.rest
        assert not arrived.faults
        for a, b in zip(arrived.carried, left.carried, strict=True):
            ours = b.address == CLIENT.socket.address
            assert a.address == ("203.0.113.1" if ours else b.address)
            assert (a.field, a.port) == (b.field, b.port)


@BOTH
def test_no_flipped_bit_is_passed_over(dialogue: Any) -> None:
    """Of every message of both ends, and of each of its bytes one or two."""
    for message in SAID[dialogue.name]:
        before = dialogue.read(message)
        for bit in range(0, 8 * len(message), 7):
            data = bytearray(message)
            data[bit // 8] ^= 1 << bit % 8
            try:
                after = dialogue.read(bytes(data))
            except WireError:
                continue
            assert (after.carried, after.rest, after.kind) != (
                before.carried,
                before.rest,
                before.kind,
            ), (before.kind, bit)


@BOTH
def test_what_is_cut_or_longer_is_never_right(dialogue: Any) -> None:
    for message in SAID[dialogue.name]:
        rest = dialogue.read(message).rest
        body = tpkt.read(message)
        for changed in [body[:n] for n in range(len(body))] + [body + b"\0", body + body]:
            try:
                seen = dialogue.read(tpkt.write(changed))
            except WireError:
                continue
            assert seen.faults or seen.rest != rest
        with pytest.raises(WireError):
            dialogue.read(message[:-1])
        with pytest.raises(WireError):
            dialogue.read(message + b"\0")


def test_an_address_of_another_size_with_all_lengths_right() -> None:
    """As a translator between IPv4 and IPv6 would do it: the rest is the same."""
    here, there = SETUP, CALL.client(CLIENT_V6).begin().send[0]
    one, other = CALL.read(here), CALL.read(there)
    assert one.rest == other.rest
    assert one.carried != other.carried


def test_a_proposal_that_cannot_be_read_is_a_fault() -> None:
    called = q931.read(tpkt.read(SETUP))
    whole = per.read("H323-UserInformation", (called.element(q931.USER_USER) or b"")[1:])
    body = whole["h323-uu-pdu"]["h323-message-body"][1]
    body["fastStart"][1] = body["fastStart"][1][:9]
    user = b"\x05" + per.write("H323-UserInformation", whole)
    elements = ((q931.USER_USER, user),)
    seen = CALL.read(tpkt.write(q931.write(msgspec.structs.replace(called, elements=elements))))
    assert [fault.partition(":")[0] for fault in seen.faults] == ["fastStart[1]"]
    assert len(seen.carried) == len(announced(CLIENT)) - 2


@BOTH
def test_a_client_says_goodbye_once_and_only_if_told(dialogue: Any) -> None:
    heard, back = talk(dialogue)
    client = dialogue.client(CLIENT)
    said = [*client.begin().send]
    over = False
    for message in back[:-4] if dialogue is CONTROL else back:
        step = client.receive(message)
        said += step.send
        over |= step.over
    assert over
    goodbye = client.finish().send
    assert sorted([*said, *goodbye]) == sorted(heard)
    assert dialogue.read(goodbye[-1]).kind in ("Release Complete", "endSessionCommand")
    assert not client.finish().send


# Streams.


@BOTH
def test_whole_messages_before_what_is_none_are_given(dialogue: Any) -> None:
    first = talk(dialogue)[0][0]
    step = dialogue.server(SERVER).receive(first + b"GET / HTTP/1.1")
    assert step.arrived == (first,)
    assert step.over
    with pytest.raises(WireError):
        dialogue.server(SERVER).receive(b"GET / HTTP/1.1")


@BOTH
@given(data=st.data())
def test_streams_are_cut_anywhere(dialogue: Any, data: st.DataObject) -> None:
    heard, back = talk(dialogue)
    for messages, make, own in (
        (heard, dialogue.server, SERVER),
        # Without the server's goodbye, after which there is none to give back.
        (back[:-4] if dialogue is CONTROL else back, dialogue.client, CLIENT),
    ):
        stream = b"\x03\0\0\x04".join([b"", *messages])  # an empty packet before each
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
        end = make(own)
        sent = list(end.begin().send)
        arrived: list[bytes] = []
        for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            step = end.receive(stream[start:stop])
            arrived += step.arrived
            sent += step.send
        assert arrived == messages
        sent += end.finish().send
        assert sorted(sent) == sorted(back if messages is heard else heard)


@BOTH
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_whatever_comes(dialogue: Any, chunks: list[bytes]) -> None:
    fed_anything(lambda: dialogue.server(SERVER), chunks)
    fed_anything(lambda: dialogue.client(CLIENT), chunks)
    for chunk in chunks:
        with suppress(WireError):
            dialogue.read(chunk)


@BOTH
@given(data=st.data())
def test_whatever_comes_of_what_was_said(dialogue: Any, data: st.DataObject) -> None:
    chunk = data.draw(damaged(SAID[dialogue.name]))
    fed_anything(lambda: dialogue.server(SERVER), [chunk, chunk])
    fed_anything(lambda: dialogue.client(CLIENT), [chunk, chunk])
    began = time.process_time()
    try:
        seen = dialogue.read(chunk)
    except WireError:
        return
    assert time.process_time() - began < 0.5
    assert len(seen.carried) <= READINGS_MAX
