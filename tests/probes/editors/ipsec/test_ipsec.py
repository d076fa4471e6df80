from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import Own, Step
from probes.editors.ipsec import DIALOGUES, NAT_TRAVERSAL_PORT, PORT, ike, matches, read
from probes.errors import WireError
from probes.wire.frame import Endpoint
from tests.probes.editors.ipsec.asked import IPSEC, answer, asking, extreme
from tests.probes.editors.talk import (
    CLIENT,
    SERVER,
    answered_with_no_more,
    fed_anything,
    owns,
    talk,
)
from tests.probes.wire.damage import damaged
from tests.probes.wire.tshark import decoded

HERE, THERE = CLIENT.socket, Endpoint("198.51.100.5", PORT)
FLOATED = Endpoint(THERE.address, NAT_TRAVERSAL_PORT)
MAPPED = Endpoint("203.0.113.2", 1027)


def to(peer: Endpoint, own: Own = CLIENT) -> Own:
    return msgspec.structs.replace(own, peer=peer)


def at(socket: Endpoint, peer: Endpoint) -> Own:
    return msgspec.structs.replace(SERVER, socket=socket, peer=peer)


[REQUEST], [RESPONSE] = talk(IPSEC, to(THERE), at(THERE, MAPPED))
[MARKED], [MARKED_RESPONSE] = talk(IPSEC, to(FLOATED), at(FLOATED, MAPPED))
ALL = [REQUEST, RESPONSE, MARKED, MARKED_RESPONSE]

FOREIGN = bytes.fromhex(
    "00000000d6b47e7c3aedea7a00000000000000002120220800000000000000f0220000300000002c01010004"
    "0300000c01000014800e01000300000802000006030000080400001f000000080400001428000028001f0000"
    "b068e342606374bfd04135bcb23b3d2eb8ed7bd32c8de94526a822c30e7bd01e2900002401f3edc9e6f69ae0"
    "836bda3fa24b463a4fa43f5316414fc19f7741c0701895ac2900001c00004004080f0418ea3d55b3f063cde8"
    "0b72848f77c24afe2900001c0000400502f941b2b5756888c010b789bb1717517ac517c8290000080000402e"
    "290000100000402f00020003000400050000000800004016"
)
"""What charon-cmd 5.9.8 says from 127.0.0.1:54175 to port 4500, as captured."""
FOREIGN_FROM, FOREIGN_TO = Endpoint("127.0.0.1", 54175), Endpoint("127.0.0.1", 4500)


def test_it_is_found_by_its_name() -> None:
    assert dialogues("ipsec") is DIALOGUES
    assert IPSEC.ports == (500, 4500)


@given(owns, owns, st.sampled_from((500, 4500, 21)))
def test_both_ends_reach_their_end(client: Own, server: Own, port: int) -> None:
    client = to(Endpoint(client.peer.address, port), client)
    [request], [response] = talk(IPSEC, client, server)
    asked, told = IPSEC.read(request), IPSEC.read(response)
    assert (asked.kind, asked.label) == ("IKE_SA_INIT request", client.label)
    assert (told.kind, told.label) == ("IKE_SA_INIT response", None)
    assert (asked.carried, told.carried) == ((), ())
    assert (asked.faults, told.faults) == ((), ())
    assert matches(request, client.socket, client.peer) == (True, True)
    assert matches(response, server.socket, server.peer) == (True, True)
    assert request.startswith(bytes(4)) == (port == 4500) == response.startswith(bytes(4))
    assert len(response) <= len(request)


def test_the_hashes_are_of_spis_address_and_port() -> None:
    """RFC 7296 section 2.23, computed here once more."""
    for message, source, destination in (
        (REQUEST, HERE, THERE),
        (RESPONSE, THERE, MAPPED),
        (MARKED[4:], HERE, FLOATED),
    ):
        for endpoint, kind in ((source, b"\x40\x04"), (destination, b"\x40\x05")):
            packed = ipaddress.ip_address(endpoint.address).packed + endpoint.port.to_bytes(2)
            digest = hashlib.sha1(message[:16] + packed, usedforsecurity=False).digest()
            assert b"\x00\x1c\x00\x00" + kind + digest in message


def test_a_nat_is_seen_by_both_ends() -> None:
    assert matches(REQUEST, HERE, THERE) == (True, True)
    assert matches(REQUEST, MAPPED, THERE) == (False, True)
    assert matches(REQUEST, Endpoint(HERE.address, 9), THERE) == (False, True)
    assert matches(REQUEST, HERE, MAPPED) == (True, False)
    assert matches(RESPONSE, THERE, HERE) == (True, False)
    assert matches(RESPONSE, MAPPED, MAPPED) == (False, True)


def test_an_editor_that_hides_the_nat_is_seen_nevertheless() -> None:
    packed = ipaddress.ip_address(MAPPED.address).packed + MAPPED.port.to_bytes(2)
    digest = hashlib.sha1(REQUEST[:16] + packed, usedforsecurity=False).digest()
    found = REQUEST.index(b"\x40\x04") + 2
    edited = REQUEST[:found] + digest + REQUEST[found + 20 :]
    assert matches(edited, MAPPED, THERE) == (True, True)
    assert read(edited).faults == ()
    assert read(edited).rest != read(REQUEST).rest


def test_a_hash_of_an_ipv6_address() -> None:
    here, there = Endpoint("2001:db8::2", 5), Endpoint("2001:db8::5", 500)
    client = msgspec.structs.replace(CLIENT, socket=here, peer=there)
    [request], [response] = talk(IPSEC, client, at(there, here))
    assert matches(request, here, there) == (True, True)
    assert matches(response, there, here) == (True, True)
    assert matches(request, there, here) == (False, False)


def test_who_knows_nothing_of_nats_has_no_hashes() -> None:
    with pytest.raises(WireError, match="16388"):
        matches(asking(31), HERE, THERE)


def test_the_hashes_that_charon_computes() -> None:
    assert matches(FOREIGN, FOREIGN_FROM, FOREIGN_TO) == (True, True)
    assert matches(FOREIGN, FOREIGN_TO, FOREIGN_FROM) == (False, False)


def test_charon_is_carried_through_its_opening() -> None:
    assert read(FOREIGN).faults == ()
    assert read(FOREIGN).label is None
    [response] = answer(FOREIGN, at(FOREIGN_TO, FOREIGN_FROM))
    assert read(response).faults == ()
    said = ike.read(response)
    assert said.marked
    assert said.initiator == bytes.fromhex("d6b47e7c3aedea7a")
    assert said.responder != bytes(8)
    # AES-GCM-16 of 256 bits, PRF-HMAC-SHA2-384, group 31, with the number they were offered.
    assert said.bodies(ike.SECURITY_ASSOCIATION) == [
        bytes.fromhex("00000024010100030300000c01000014800e01000300000802000006000000080400001f")
    ]
    assert [body[:4] for body in said.bodies(ike.KEY_EXCHANGE)] == [bytes.fromhex("001f0000")]
    assert matches(response, FOREIGN_TO, FOREIGN_FROM) == (True, True)
    sealed = (
        bytes(4)
        + said.initiator
        + said.responder
        + bytes.fromhex("2e202308000000010000002423000008aabbccdd")
    )
    assert answer(sealed) == []
    assert (read(sealed).kind, read(sealed).faults) == ("IKE_AUTH request", ())


def test_tshark_reads_the_same() -> None:
    [refusal], [other] = answer(asking(19, 14, key=(19, 64))), answer(asking(19, key=(19, 64)))
    frames = decoded(
        [
            (HERE, THERE, "udp", REQUEST),
            (THERE, HERE, "udp", RESPONSE),
            (HERE, FLOATED, "udp", MARKED),
            (FLOATED, HERE, "udp", MARKED_RESPONSE),
            (THERE, HERE, "udp", refusal),
            (THERE, HERE, "udp", other),
        ]
    )
    for number, frame in enumerate(frames):
        assert frame["isakmp.exchangetype"] == ["34"]
        assert ("udpencap" in frame) == (number in (2, 3))
    for request in (frames[0], frames[2]):
        assert request["isakmp.prop.number"] == ["1", "2"]
        assert request["isakmp.tf.id.encr"] == ["12", "12", "20", "20"]
        assert request["isakmp.ike2.attr.key_length"] == ["256", "128", "256", "128"]
        assert request["isakmp.tf.id.prf"] == ["5", "5"]
        assert request["isakmp.tf.id.integ"] == ["12"]
        assert request["isakmp.tf.id.dh"] == ["31", "14", "31", "14"]
        assert request["isakmp.key_exchange.dh_group"] == ["31"]
        assert request["isakmp.nonce"][0].replace(":", "").startswith(CLIENT.label.hex())
        assert request["isakmp.notify.msgtype"] == ["16388", "16389"]
    for response in (frames[1], frames[3]):
        assert response["isakmp.tf.id.encr"] == ["12"]
        assert response["isakmp.tf.id.dh"] == ["31"]
        assert response["isakmp.notify.msgtype"] == ["16388", "16389"]
    assert frames[4]["isakmp.notify.msgtype"] == ["17"]
    assert frames[4]["isakmp.notify.data.accepted_dh_group"] == ["14"]
    assert frames[5]["isakmp.notify.msgtype"] == ["14"]


def test_no_spi_looks_like_the_marker() -> None:
    [request], [response] = talk(IPSEC, extreme(0, to(THERE)), at(THERE, HERE))
    assert not ike.read(request).marked
    assert not ike.read(response).marked


@pytest.mark.parametrize(
    "datagram",
    [
        b"\xff",
        RESPONSE,
        REQUEST[:-1],
        REQUEST + b"\0",
        REQUEST[:8] + b"\1" * 8 + REQUEST[16:],
        REQUEST[:18] + b"\x25" + REQUEST[19:],
        REQUEST[:23] + b"\1" + REQUEST[24:],
        asking(31, nonce=15),
        asking(14, key=(14, 32)),
        ike.write(False, (b"\xee" * 8, bytes(8)), ike.INITIATOR, []),
    ],
    ids=[
        "keepalive", "response", "cut", "longer", "with a responder", "INFORMATIONAL",
        "not the first", "short nonce", "answer would be longer", "nothing in it",
    ],
)  # fmt: skip
def test_what_is_not_to_be_answered(datagram: bytes) -> None:
    assert answer(datagram) == []


def test_a_response_to_another_leaves_the_client_waiting() -> None:
    end = IPSEC.client(to(THERE))
    end.begin()
    other = RESPONSE[:7] + bytes([RESPONSE[7] ^ 1]) + RESPONSE[8:]
    assert end.receive(other) == Step(arrived=(other,))
    assert end.receive(REQUEST) == Step(arrived=(REQUEST,))
    assert end.receive(RESPONSE) == Step(arrived=(RESPONSE,), over=True)


def test_a_request_is_answered_alike_each_time() -> None:
    end = IPSEC.server(at(THERE, MAPPED))
    assert [end.receive(REQUEST).send for _ in range(3)] == [(RESPONSE,)] * 3


def test_an_ike_of_another_version_is_refused() -> None:
    old = REQUEST[:17] + b"\x10" + REQUEST[18:]
    for take in (read, answer, lambda data: matches(data, HERE, THERE)):
        with pytest.raises(WireError, match=r"ipsec\.version"):
            take(old)


@given(damaged(ALL))
def test_nothing_changes_unseen(message: bytes) -> None:
    """No address is carried, so nothing may be changed, a hash neither."""
    try:
        said = read(message)
    except WireError:
        return
    assert said.rest == message
    assume(message not in ALL)
    assert said.rest not in {read(one).rest for one in ALL}


NONCE_AT = REQUEST.index(CLIENT.label)


def longer(message: bytes, at: int, some: bytes) -> bytes:
    """With bytes put in, and the length of the whole corrected."""
    size = (len(message) + len(some)).to_bytes(4)
    return message[:24] + size + message[28:at] + some + message[at:]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda m: m[:-1], f"Length {len(REQUEST)} of {len(REQUEST) - 1} bytes"),
        (lambda m: m + b"\0", f"Length {len(REQUEST)} of {len(REQUEST) + 1} bytes"),
        (lambda m: longer(m, len(m), b"abc"), "3 bytes after the last payload"),
        (lambda m: longer(m, NONCE_AT, b"abc"), "payload"),
        (lambda m: bytes(12) + m[8:], "SPI of the initiator is zero"),
        (lambda m: m[:16] + b"\x22" + m[17:], "0 SA payloads"),
        (lambda m: m[:34] + b"\0\7" + m[36:], "proposal of 7 bytes"),
        (lambda m: m[:39] + b"\7" + m[40:], "proposal 1 does not have 7 transforms"),
        (lambda m: m[:40] + b"\0" + m[41:], "proposal 1 does not have 6 transforms"),
        (lambda m: m.replace(b"\x28\x00\x00\x28\x00\x1f", b"\x28\x00\x00\x28\x00\x20"), "group 32"),
        (lambda m: m.replace(b"\x28\x00\x00\x28\x00\x1f", b"\x28\x00\x00\x28\x00\x0e"), "group 14"),
        (lambda m: m.replace(b"\0\0\0\x1c\0\0\x40\5", b"\0\0\0\x1b\0\0\x40\5"), "of 19 bytes"),
    ],
)
def test_what_does_not_agree_with_itself_is_a_fault(
    change: Callable[[bytes], bytes], fault: str
) -> None:
    changed = change(REQUEST)
    assert changed != REQUEST
    assert fault in " / ".join(read(changed).faults)


def test_a_cut_message_still_tells_whose_it_is() -> None:
    assert read(REQUEST[:-30]).label == CLIENT.label


@given(st.binary(max_size=600) | damaged([*ALL, FOREIGN, asking(14, 19)]))
def test_no_answer_is_longer_than_what_it_answers(datagram: bytes) -> None:
    answered_with_no_more(IPSEC, datagram)


@given(st.lists(st.binary(max_size=300) | damaged(ALL) | st.sampled_from(ALL), max_size=9))
def test_any_bytes_are_taken_by_both_ends(datagrams: list[bytes]) -> None:
    fed_anything(lambda: IPSEC.server(SERVER), datagrams)
    fed_anything(lambda: IPSEC.client(to(THERE)), datagrams)


@given(
    st.binary(max_size=200),
    st.lists(st.tuples(st.integers(1, 60), st.binary(max_size=90)), max_size=9),
)
def test_any_payloads_are_read(offer: bytes, payloads: list[tuple[int, bytes]]) -> None:
    """Past the header, where bytes alone seldom come."""
    first = (ike.SECURITY_ASSOCIATION, b"\0\0" + (4 + len(offer)).to_bytes(2) + offer)
    message = ike.write(False, (b"\xee" * 8, bytes(8)), ike.INITIATOR, [first, *payloads])
    assert read(message).rest == message
    answered_with_no_more(IPSEC, message)
