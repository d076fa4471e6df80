"""The router's own editor: what each flavour of it does to real messages, and to nothing else."""

from __future__ import annotations

import socket
import struct
import sys

import pytest

from tests.lab import editor_messages as messages
from tests.lab.description import PUBLIC, SERVER, Flavour, Network, Rewriting
from tests.lab.editor_messages import CONTROL_PORT, INSIDE, LDAP_PORT, LISTENING
from tests.lab.editor_talk import connected, reached, reached_by_datagram
from tests.lab.network import Lab
from tests.lab.rewriting import Editor, spelled
from tests.lab.traffic import PATIENCE_S, pair, plain, silent

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

DOTTED, COMMAS, UTF_16, _, LITTLE, PACKED = spelled(INSIDE)
PUBLIC_DOTTED, PUBLIC_COMMAS, _, _, PUBLIC_LITTLE, PUBLIC_PACKED = spelled(PUBLIC)
LDAP_EDITED = messages.LDAP_ADD.replace(LITTLE, PUBLIC_LITTLE)
MSN_EDITED = messages.MSN_HERE.replace(DOTTED, PUBLIC_DOTTED).replace(b"A 247", b"A 246")
RPC_EDITED = messages.RPC_MAP.replace(PACKED, PUBLIC_PACKED)
EDITED = {
    135: (messages.DCOM_ACTIVATE, messages.DCOM_EDITED, LISTENING),
    389: (messages.LDAP_ADD, LDAP_EDITED, LDAP_PORT),
    1002: (messages.LDAP_ADD, LDAP_EDITED, LDAP_PORT),
    1863: (messages.MSN_HERE, MSN_EDITED, LISTENING),
}
"""By the server's port: what the client says, what a right editor makes of it, and where the
client then can be reached."""

ports = pytest.mark.parametrize("port", EDITED)


def editing(flavour: Flavour) -> Network:
    return plain(rewriting=Rewriting(flavour))


@ports
def test_right(port: int) -> None:
    sent, edited, waits = EDITED[port]
    inside, public = (INSIDE, waits), (PUBLIC, waits)
    with Lab(editing("right")) as lab, connected(lab, port, client_port=40123) as line:
        assert line.server.getpeername() == (PUBLIC, 40123), "the port is the client's own"
        assert not reached(lab, public, inside)
        assert line.said(sent) == edited
        assert reached(lab, public, inside)
        assert reached_by_datagram(lab, public, inside)
        assert line.answered(edited) == edited
        line.client.close()
        assert line.server.recv(1) == b""
        assert not reached(lab, public, inside)


def test_right_knows_two_kinds_of_message_on_a_port() -> None:
    with Lab(editing("right")) as lab, connected(lab, 135) as line:
        assert line.said(messages.RPC_MAP) == RPC_EDITED
        assert line.said(messages.DCOM_ACTIVATE) == messages.DCOM_EDITED


def test_right_reads_whole_messages_however_they_come() -> None:
    with Lab(editing("right")) as lab, connected(lab, 1863) as line:
        line.client.sendall(messages.MSN_HERE[:200])
        assert silent(line.server)
        line.client.sendall(messages.MSN_HERE[200:] + b"OUT\r\n")
        expected = MSN_EDITED + b"OUT\r\n"
        assert line.server.makefile("rb").read(len(expected)) == expected


@ports
def test_no_way(port: int) -> None:
    sent, edited, waits = EDITED[port]
    with Lab(editing("no-way")) as lab, connected(lab, port) as line:
        assert line.said(sent) == edited
        assert not reached(lab, (PUBLIC, waits), (INSIDE, waits))


@ports
def test_wrong_length(port: int) -> None:
    sent, edited, _ = EDITED[port]
    with Lab(editing("wrong-length")) as lab, connected(lab, port) as line:
        got = line.said(sent)
        assert len(got) > len(sent)
        assert got[:12] == sent[:12], "no length has changed"
        assert not any(each in got for each in (DOTTED, UTF_16, LITTLE))
        assert got != edited


@ports
def test_half(port: int) -> None:
    sent, edited, waits = EDITED[port]
    with Lab(editing("half")) as lab, connected(lab, port) as line:
        assert line.said(sent) == edited
        assert line.said(sent) == sent
        assert reached(lab, (PUBLIC, waits), (INSIDE, waits))


def test_half_of_a_setup() -> None:
    network = plain(rewriting=Rewriting("half", 1720))
    with Lab(network) as lab, connected(lab, 1720) as line:
        edited = messages.H225_SETUP.replace(PACKED, PUBLIC_PACKED, 1)
        assert line.said(messages.H225_SETUP) == edited


@ports
def test_drop(port: int) -> None:
    sent, _, waits = EDITED[port]
    with Lab(editing("drop")) as lab, connected(lab, port) as line:
        assert line.lost(sent)
        assert not reached(lab, (PUBLIC, waits), (INSIDE, waits))
        other = messages.LDAP_ADD.replace(LITTLE, b"38643905") if port in (389, 1002) else b"hello"
        assert line.said(other) == other


@pytest.mark.parametrize("flavour", ["right", "no-way", "wrong-length", "half", "drop"])
def test_other_ports_and_other_bytes_are_left_alone(flavour: Flavour) -> None:
    everything = b"".join(sent for sent, _, _ in EDITED.values())
    with Lab(editing(flavour)) as lab:
        with connected(lab, CONTROL_PORT) as line:
            assert line.said(everything) == everything
        with connected(lab, 389) as line:
            junk = b"nc1 " + everything
            assert line.said(junk) == junk, "that is no message of the port's protocol"
        with pair(lab, port=389) as ends:
            assert ends.exchange(everything)[1] == everything


def test_search_and_replace() -> None:
    """Everywhere, in either transport, and as an idiot does it."""
    with Lab(editing("search-and-replace")) as lab:
        with connected(lab, CONTROL_PORT) as line:
            assert line.said(messages.RPC_MAP) == RPC_EDITED
            edited = messages.MSN_HERE.replace(DOTTED, PUBLIC_DOTTED)
            assert line.said(messages.MSN_HERE) == edited
            assert line.said(messages.FTP_PORT) == messages.FTP_PORT.replace(COMMAS, PUBLIC_COMMAS)
            for message in (messages.DCOM_ACTIVATE, messages.LDAP_ADD, messages.IRC_DCC):
                assert line.said(message) == message
            assert line.answered(messages.RPC_MAP) == messages.RPC_MAP
            assert not reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))
        with pair(lab, port=162, client_port=40124) as ends:
            source, got, back = ends.exchange(messages.SNMP_V1)
            assert (source, got) == (PUBLIC, messages.SNMP_V1.replace(PACKED, PUBLIC_PACKED))
            assert back == messages.SNMP_V1


def test_a_connection_that_nobody_takes_ends() -> None:
    with (
        Lab(editing("right")) as lab,
        lab.inside("client"),
        pytest.raises(ConnectionResetError),  # which may be before connect() has returned
        socket.create_connection((SERVER, 389), timeout=PATIENCE_S) as client,
    ):
        client.recv(1)


def test_behind_a_carrier_it_writes_what_it_takes_for_public() -> None:
    network = plain(carrier=True, rewriting=Rewriting("right"))
    with Lab(network) as lab, connected(lab, 389) as line:
        wan = spelled(network.router_wan)[4]
        assert line.said(messages.LDAP_ADD) == messages.LDAP_ADD.replace(LITTLE, wan)
        assert not reached(lab, (PUBLIC, LDAP_PORT), (INSIDE, LDAP_PORT))


# lengths, where they differ more than the lab's addresses make them


def test_an_object_reference_that_shrinks_by_a_number_takes_all_lengths_along() -> None:
    """10.0.0.2 has four characters less, so two of the fragment's numbers are no more needed."""
    message = Editor("right", INSIDE, "10.0.0.2").edit(messages.DCOM_ACTIVATE, 135)
    assert message is not None
    assert len(message) == len(messages.DCOM_ACTIVATE) - 8
    (fragment,) = struct.unpack_from("<H", message, 8)
    (stub,) = struct.unpack_from("<I", message, 16)
    at = message.index(b"MEOW")
    counts = struct.unpack_from("<II", message, at - 8)
    entries, security = struct.unpack_from("<HH", message, at + 64)
    assert (fragment, stub) == (len(message), len(message) - 24)
    assert counts == (0x78 - 8, 0x78 - 8)
    assert (entries, security) == (0x1A - 4, 0x16 - 4)
    assert message.endswith(messages.DCOM_ACTIVATE[-44:])


def test_every_length_of_a_directory_s_entry_counts_the_shorter_number() -> None:
    entry = b"\x30\x84\0\0\0\x10\x30\x0e\x04\x00\x31\x0a\x04\x08" + LITTLE
    edited = Editor("right", INSIDE, "9.0.0.0").edit(entry, 389)
    assert edited == b"\x30\x84\0\0\0\x09\x30\x07\x04\x00\x31\x03\x04\x019"


def test_a_payload_is_counted_anew() -> None:
    sent = b"MSG 4 A 20\r\nat 192.168.77.2 ends"
    assert Editor("right", INSIDE, "9.0.0.0").edit(sent, 1863) == b"MSG 4 A 15\r\nat 9.0.0.0 ends"


def test_a_longer_address_that_only_begins_alike_is_another() -> None:
    other = b"192.168.77.20 and 1192.168.77.2"
    assert Editor("right", INSIDE, PUBLIC).edit(other, 1) == other
    assert Editor("search-and-replace", INSIDE, PUBLIC).edit(other, 1) == (
        b"203.0.113.20 and 1203.0.113.2"
    )
