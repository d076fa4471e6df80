"""The editors of the lab do to real messages what their names say, and nothing on other ports.

No codec of netcheck's is asked: a message is the octets that went in and those that came out.
"""

from __future__ import annotations

import re
import struct
import sys

import pytest

from tests.lab import editor_messages as messages
from tests.lab import kernel_editors
from tests.lab.description import EDITORS, PUBLIC, SERVER, Editor, Network
from tests.lab.editor_messages import CONTROL_PORT, INSIDE, LISTENING
from tests.lab.editor_talk import called, connected, reached, reached_by_datagram
from tests.lab.network import Lab, LabError
from tests.lab.rewriting import spelled
from tests.lab.traffic import SILENCE_S, pair, plain, silent, udp

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

FTP_EDITED = b"PORT 203,0,113,2,78,33\r\n"
PACKED = spelled(INSIDE)[-1]
PUBLIC_PACKED = spelled(PUBLIC)[-1]
CARRIED = Network(carrier=True).router_wan


def only(*editors: Editor) -> Network:
    return plain(editors=editors)


# the kernel's


def test_an_editor_that_the_kernel_has_not_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = kernel_editors.Helper("none-such", "tcp", 1, "nf_nat_none_such")
    monkeypatch.setitem(kernel_editors.HELPERS, "irc", (unknown,))
    with (
        pytest.raises(LabError, match=r"no editor for irc \(nf_nat_none_such\)"),
        Lab(only("ftp", "irc")),
    ):
        pass


def test_all_editors_together_leave_what_is_none_of_theirs() -> None:
    with Lab(only(*EDITORS)) as lab:
        with connected(lab, CONTROL_PORT) as line:
            for message in (
                messages.FTP_USER,
                messages.FTP_PORT,
                messages.IRC_DCC,
                messages.H225_SETUP,
                messages.PPTP_START,
                messages.PPTP_CALL,
                messages.LDAP_ADD,
                messages.MSN_HERE,
                messages.sip_invite("TCP"),
            ):
                assert line.said(message) == message
        assert not reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))
        with pair(lab, port=CONTROL_PORT, client_port=messages.SIP_PORT) as ends:
            invite = messages.sip_invite("UDP")
            for message in (messages.SNMP_V1, messages.SNMP_V2C, invite):
                assert ends.exchange(message)[1] == message


def test_without_editors_nothing_is_edited() -> None:
    with Lab(plain()) as lab, connected(lab, 21) as line:
        line.said(messages.FTP_USER)
        line.answered(b"331 \r\n")
        assert line.said(messages.FTP_PORT) == messages.FTP_PORT
        assert not reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))


def test_ftp() -> None:
    with Lab(only("ftp")) as lab:
        for sent, edited in (
            (messages.FTP_PORT, FTP_EDITED),
            (messages.FTP_EPRT, b"EPRT |1|203.0.113.2|20001|\r\n"),
        ):
            with connected(lab, 21) as line:
                assert line.said(messages.FTP_USER) == messages.FTP_USER
                assert line.answered(b"331 \r\n") == b"331 \r\n"
                assert line.said(sent) == edited
                assert reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))
                # the lengths that changed do not disturb what follows
                assert line.said(b"NOOP\r\n") == b"NOOP\r\n"
                assert line.answered(b"200 \r\n") == b"200 \r\n"


@pytest.mark.parametrize(
    ("at_home", "beyond", "address"),
    [
        (("ftp",), ("ftp",), PUBLIC),
        (("ftp",), (), CARRIED),
        ((), ("ftp",), INSIDE),
    ],
)
def test_ftp_through_two_nats(
    at_home: tuple[Editor, ...], beyond: tuple[Editor, ...], address: str
) -> None:
    """Each edits the address that its own connections come from."""
    network = plain(carrier=True, editors=at_home, carrier_editors=beyond)
    with Lab(network) as lab, connected(lab, 21) as line:
        line.said(messages.FTP_USER)
        line.answered(b"331 \r\n")
        host = address.replace(".", ",").encode()
        assert line.said(messages.FTP_PORT) == b"PORT %b,78,33\r\n" % host
        found = reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))
        assert found == (address == PUBLIC)


def test_pptp() -> None:
    """The call gets the number that GRE will carry; what comes back has the client's own again."""
    with Lab(only("pptp")) as lab, connected(lab, 1723) as line:
        assert line.said(messages.PPTP_START) == messages.PPTP_START
        assert line.answered(messages.PPTP_STARTED) == messages.PPTP_STARTED
        call = line.said(messages.PPTP_CALL)
        (number,) = struct.unpack_from("!H", call, 12)
        assert number != messages.CALL_ID
        assert call == messages.PPTP_CALL[:12] + call[12:14] + messages.PPTP_CALL[14:]
        reply = bytes.fromhex("002000011a2b3c4d00080000") + struct.pack(
            "!HHBBHIHHI", 0x4321, number, 1, 0, 0, 100_000_000, 64, 0, 0
        )
        got = line.answered(reply)
        assert struct.unpack_from("!HH", got, 12) == (0x4321, messages.CALL_ID)


def test_snmp() -> None:
    """The kernel's reader knows the second version only, and drops what it cannot read."""
    with Lab(only("snmp")) as lab, pair(lab, port=162) as ends:
        edited = messages.SNMP_V2C.replace(PACKED, PUBLIC_PACKED)
        assert ends.exchange(messages.SNMP_V2C)[1] == edited
        with pytest.raises(TimeoutError):
            ends.exchange(messages.SNMP_V1, timeout=SILENCE_S)


def test_h323() -> None:
    """The Setup's addresses, and then those of the control channel that it announced."""
    with (
        Lab(only("h323")) as lab,
        connected(lab, 1720, client_port=messages.CALL_SIGNAL_PORT) as line,
    ):
        public = PUBLIC_PACKED
        got = line.said(messages.H225_SETUP)
        assert len(got) == len(messages.H225_SETUP)
        assert PACKED not in got
        assert public + messages.H245_ADDRESS[4:] in got
        assert public + messages.CALL_SIGNAL[4:] in got
        with called(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING)) as control:
            capabilities = messages.H245_CAPABILITIES
            assert control.said(capabilities) == capabilities
            opened = control.said(messages.H245_OPEN)
            assert opened[:-6] == messages.H245_OPEN[:-6]
            assert opened[-6:-2] == public
            (port,) = struct.unpack("!H", opened[-2:])
            assert reached_by_datagram(lab, (PUBLIC, port), (INSIDE, messages.H245_MEDIA_PORT))


@pytest.mark.parametrize(("port", "left"), [(":5062", 0), ("", 1)])
def test_sip_over_udp(port: str, left: int) -> None:
    """An address without a port is one with port 5060, so it is not that of this socket."""
    with (
        Lab(only("sip")) as lab,
        pair(lab, port=5060, client_port=messages.SIP_PORT) as ends,
    ):
        ends.client.sendto(messages.sip_invite("UDP", port=port), ends.address)
        _is_edited_invite(lab, ends.server.recv(65535), left)


@pytest.mark.parametrize(("port", "left"), [(":5062", 0), ("", 1)])
def test_sip_over_tcp(port: str, left: int) -> None:
    with (
        Lab(only("sip")) as lab,
        connected(lab, 5060, client_port=messages.SIP_PORT) as line,
    ):
        _is_edited_invite(lab, line.said(messages.sip_invite("TCP", port=port)), left)


def _is_edited_invite(lab: Lab, got: bytes, left: int) -> None:
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.count(INSIDE.encode()) == left
    assert head.count(PUBLIC.encode()) == 3 - left
    assert body.count(PUBLIC.encode()) == 2
    assert INSIDE.encode() not in body
    assert b"\r\nContent-Length: %d" % len(body) in head
    media = re.search(rb"m=audio ([0-9]+)", body)
    assert media is not None
    inside = (INSIDE, messages.SIP_MEDIA_PORT)
    assert reached_by_datagram(lab, (PUBLIC, int(media[1])), inside)


def test_irc() -> None:
    with Lab(only("irc")) as lab, connected(lab, 6667) as line:
        number = spelled(PUBLIC)[3]
        assert line.said(messages.IRC_DCC) == messages.IRC_DCC.replace(b"3232255234", number)
        assert reached(lab, (PUBLIC, LISTENING), (INSIDE, LISTENING))


def test_tftp() -> None:
    """Its server answers from another port, which only an editor expects."""
    for editors, answered in ((("tftp",), True), ((), False)):
        with Lab(plain(editors=editors)) as lab, pair(lab, port=69) as ends:
            ends.client.sendto(b"\0\1file\0octet\0", ends.address)
            _, client = ends.server.recvfrom(100)
            with lab.inside("server"):
                data = udp(SERVER)
            with data:
                data.sendto(b"\0\3\0\1", client)
                assert silent(ends.client) != answered


def test_amanda() -> None:
    """The ports that its server names are expected; nothing in the message has to change."""
    with Lab(only("amanda")) as lab, pair(lab, port=10080) as ends:
        ends.client.sendto(b"Amanda 2.6 REQ HANDLE 1 SEQ 1\n", ends.address)
        _, client = ends.server.recvfrom(100)
        reply = b"Amanda 2.6 REP HANDLE 1 SEQ 1\nCONNECT DATA 40000 MESG 40001 INDEX 40002\n"
        ends.server.sendto(reply, client)
        assert ends.client.recv(200) == reply
        expected = lab.run("router", ["conntrack", "--dump", "expect"]).stdout
        for port in (40000, 40001, 40002):
            assert f"dport={port} " in expected
