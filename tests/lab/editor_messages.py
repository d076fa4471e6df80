"""Messages that carry the client's address, 192.168.77.2, octet for octet (pure).

They are written out rather than made by the codecs under test; the binary ones have been through
other people's decoders (see tests/probes/editors).
"""

from __future__ import annotations

INSIDE = "192.168.77.2"
LISTENING = 20001
"""Where each of them says that the client waits, unless it says nothing of it."""

CONTROL_PORT = 4000
"""One that no editor looks at."""

FTP_USER = b"USER anonymous\r\n"
FTP_PORT = b"PORT 192,168,77,2,78,33\r\n"
FTP_EPRT = b"EPRT |1|192.168.77.2|20001|\r\n"

IRC_DCC = b"PRIVMSG friend :\x01DCC SEND notes.txt 3232255234 20001 16\x01\r\n"

PPTP_START = bytes.fromhex(
    "009c0001 1a2b3c4d 0001 0000 0100 0000 00000003 00000003 ffff 0001"
) + b"client".ljust(64, b"\0") + b"vendor".ljust(64, b"\0")  # fmt: skip
PPTP_STARTED = bytes.fromhex(
    "009c0001 1a2b3c4d 0002 0000 0100 01 00 00000003 00000003 ffff 0001"
) + b"server".ljust(64, b"\0") + b"vendor".ljust(64, b"\0")  # fmt: skip
CALL_ID = 0x1234
PPTP_CALL = bytes.fromhex(
    "00a80001 1a2b3c4d 0007 0000 1234 0001 0000012c 05f5e100 00000003 00000003 0040 0000 0000 0000"
) + bytes(128)  # fmt: skip

_SNMP_VALUE = "4004 c0a84d02"
SNMP_V1 = bytes.fromhex(
    "303b 020100 0406 7075626c6963 a42e 0609 2b06010401bf08ce0f"
    + _SNMP_VALUE
    + "020106 020111 4302 3039 3011 300f 0608 2b06010201010500 0403 626f78"
)
SNMP_V2C = bytes.fromhex(
    "3058 020101 0406 7075626c6963 a74b 02043f3080f9 020100 020100 303d"
    "300f 0608 2b06010201010300 4303 181f74"
    "3017 060a 2b060106030101040100 0609 2b0601060301010501"
    "3011 0609 2b0601060312010300" + _SNMP_VALUE
)

H225_SETUP = bytes.fromhex(
    "030000ec080277630504038893a528096e6574636865636b007e00d00520e8060008914a0002"
    "00c0a84d024e21"  # h245Address, port 20001
    "014007006e006500740063006800650063006b0200c6336405001500000102030405060708090a0b0c0d0e0f"
    "00451c0700c0a84d029c41"  # sourceCallSignalAddress, port 40001
    "1100000102030405060708090a0b0c0d0e0f6d04130000000d000040000a04000100c0a84d024e231e40000106"
    "0401004d000040001114000100c0a84d024e2200c0a84d024e231600000208c8028004ff04000a04000200c0a84d02"
    "4e25214000030604010048c8028004ff04001114000200c0a84d024e2400c0a84d024e250100010006800100"
)
H245_ADDRESS = b"\xc0\xa8\x4d\x02\x4e\x21"
CALL_SIGNAL = b"\xc0\xa8\x4d\x02\x9c\x41"
CALL_SIGNAL_PORT = 40001
H245_CAPABILITIES = bytes.fromhex(
    "0300006e02700106000881750003800d00003c0001000001000001000003800000220000400001099005"
    "04ff040002483060010040050080000300146982bedeccb2e1f592b6958efde5f7d89c9aa91910000102"
    "030405060708090a0b0c0d0e0f00800002000000000001000002"
)
H245_OPEN = bytes.fromhex("03000018030000000d000040000a04000100c0a84d024e27")
H245_MEDIA_PORT = 20007

_SDP = (
    "v=0\r\no=- 1 1 IN IP4 192.168.77.2\r\ns=-\r\nc=IN IP4 192.168.77.2\r\nt=0 0\r\n"
    "m=audio 20002 RTP/AVP 0\r\n"
)
SIP_MEDIA_PORT = 20002
_SIP_INVITE = (
    "INVITE sip:echo@198.51.100.5 SIP/2.0\r\n"
    "Via: SIP/2.0/{transport} 192.168.77.2:5062;branch=z9hG4bK1\r\n"
    "From: <sip:client@192.168.77.2{port}>;tag=1\r\n"
    "To: <sip:echo@198.51.100.5>\r\n"
    "Call-ID: 1@call.invalid\r\n"
    "CSeq: 1 INVITE\r\n"
    "Contact: <sip:client@192.168.77.2:5062>\r\n"
    "Max-Forwards: 70\r\n"
    "Content-Type: application/sdp\r\n"
    f"Content-Length: {len(_SDP)}\r\n\r\n{_SDP}"
)
SIP_PORT = 5062
"""The client's own: an editor leaves a Via alone that names another."""


def sip_invite(transport: str, *, port: str = "") -> bytes:
    """`port` is what follows the address in From."""
    return _SIP_INVITE.format(transport=transport, port=port).encode()


_CN = b"000102030405060708090a0b0c0d0e0f@netcheck.invalid"
LDAP_ADD = (
    b"\x30\x82\x01\x19\x02\x01\x02\x68\x82\x01\x12\x04\x59"
    b"c=-,o=Microsoft,cn=" + _CN + b",objectClass=rtPerson"
    b"\x30\x81\xb4"
    b"\x30\x39\x04\x02cn\x31\x33\x04\x31" + _CN + b"\x30\x44\x04\x0drfc822mailbox\x31\x33\x04\x31"
    + _CN
    + b"\x30\x08\x04\x01c\x31\x03\x04\x01-"
    b"\x30\x18\x04\nsipaddress\x31\x0a\x04\x0838643904"
    b"\x30\x0d\x04\x06sflags\x31\x03\x04\x011"
)  # fmt: skip
LDAP_PORT = 1720
"""Where NetMeeting waits for calls; the directory's entry need not say so."""

MSN_HERE = (
    b"MSG 4 A 247\r\nMIME-Version: 1.0\r\nContent-Type: text/x-msmsgsinvite; charset=UTF-8\r\n\r\n"
    b"Invitation-Command: ACCEPT\r\nInvitation-Cookie: 256216690\r\nIP-Address: 192.168.77.2\r\n"
    b"Port: 20001\r\nAuthCookie: 571866970\r\nLaunch-Application: FALSE\r\n"
    b"Request-Data: IP-Address:\r\n\r\n"
)

RPC_MAP = bytes.fromhex(
    "05000003100000009c00000002000000840000000000030001000000000102030405060708090a0b0c0d0e0f"
    "020000004b0000004b000000050013000d00dbf1a447ca6710b31f00dd010662da00000200510013000d04"
    "5d888aeb1cc9119fe808002b10486002000200000001000b0200000001000702004e210100090400c0a84d02"
    "00000000000000000000000000000000000000000001000000"
)
_DCOM_BEFORE = (
    "0000000000000000000102030405060708090a0b0c0d0e0f"
    "000000000a5c1d7f3b6f0e4e9a552b8d6c1e40f70000000001000000"
)
_DCOM_OBJECT = (
    "4d454f57010000000b00000000000000c000000000000046"
    "0000000005000000f7c9d1284c6cb80c049b97a9ab79dbe5434fdfcf0730795ced7aaaa20420ce9f"
)
_DCOM_AFTER = (
    "02000000000000000100000002000000010000000000000000000000c00000000000004601000000010000000700"
)
DCOM_ACTIVATE = bytes.fromhex(
    "0500000310000000fe00000002000000e60000000100000005000400" + _DCOM_BEFORE
    + "7800000078000000" + _DCOM_OBJECT + "1a001600" + "0700"
    + "192.168.77.2[20001]".encode("utf-16-le").hex()
    + "000000000a00ffff00000000" + _DCOM_AFTER
)  # fmt: skip
DCOM_EDITED = bytes.fromhex(
    # 203.0.113.2 has a character less: the reference two octets, and then two to fill up
    "0500000310000000fe00000002000000e60000000100000005000400" + _DCOM_BEFORE
    + "7600000076000000" + _DCOM_OBJECT + "19001500" + "0700"
    + "203.0.113.2[20001]".encode("utf-16-le").hex()
    + "000000000a00ffff00000000" + "0000" + _DCOM_AFTER
)  # fmt: skip
