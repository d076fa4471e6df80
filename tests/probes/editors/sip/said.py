"""What SIP says in the tests: real messages, and foreign ones."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from probes.editors import dialogues
from probes.editors.contract import Dialogue, Own
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, SERVER, talk

UDP, TCP = dialogues("sip")

addresses6 = st.ip_addresses(v=6).map(str)
endpoints6 = st.builds(Endpoint, addresses6, st.integers(1, 65535))
owns6 = st.builds(
    Own,
    socket=endpoints6,
    listening=endpoints6,
    peer=endpoints6,
    label=st.binary(min_size=16, max_size=16),
)

OFFER = (
    b"v=0\r\no=- 1822350832 1822350832 IN IP4 192.168.77.2\r\ns=-\r\nc=IN IP4 192.168.77.2\r\n"
    b"t=0 0\r\nm=audio 20001 RTP/AVP 0 8\r\na=rtcp:20001 IN IP4 192.168.77.2\r\na=rtcp-mux\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
)
TORTURE = b"""INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0
TO :
 sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n
from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: wsinv.ndaksdj@192.0.2.1
Content-Length   : 150
cseq: 0009
  INVITE
Via  : SIP  /   2.0
 /UDP
    192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknownwith=value;unknown-no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9ikj8  ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK30239
m:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =
      newvalue ;
  secondparam ; q = 0.33

v=0
o=mhandley 29739 7272939 IN IP4 192.0.2.3
s=-
c=IN IP4 192.0.2.4
t=0 0
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
""".replace(b"\n", b"\r\n")
"""RFC 4475 section 3.1.1.1: right in every way, and unusual in most."""

SIPSAK = (
    b"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:40523;branch=z9hG4bK.634a23ba;rport;alias\r\n"
    b"From: sip:sipsak@127.0.0.1:40523;tag=5a569dc3\r\nTo: sip:x@127.0.0.1\r\n"
    b"Call-ID: 1515625923@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nContact: sip:sipsak@127.0.0.1:40523\r\n"
    b"Content-Length: 0\r\nMax-Forwards: 70\r\nUser-Agent: sipsak 0.9.8.1\r\n"
    b"Accept: text/plain\r\n\r\n"
)
HEADER = b"Via: SIP/2.0/UDP a;rport\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\n"


def request(method: bytes, more: bytes = b"", body: bytes = b"", filler: int = 0) -> bytes:
    head = method + b" sip:c@d SIP/2.0\r\n" + HEADER + b"CSeq: 1 " + method + b"\r\n" + more
    if filler:
        head += b"Subject: " + b"x" * filler + b"\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def invite(dialogue: Dialogue = UDP, own: Own = CLIENT) -> bytes:
    return dialogue.client(own).begin().send[0]


def replies(data: bytes, dialogue: Dialogue = UDP, own: Own = SERVER) -> tuple[bytes, ...]:
    end = dialogue.server(own)
    end.begin()
    return end.receive(data).send


def rewritten(data: bytes, length: bool = True) -> bytes:
    """What an editor makes of a message: other addresses, other ports, and the length."""
    data = data.replace(b"192.168.77.2", b"203.0.113.1").replace(b"40001", b"61234")
    data = data.replace(b"20001", b"51000")
    size = len(data.partition(b"\r\n\r\n")[2])
    return re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % size, data) if length else data


MESSAGES = [m for one in (UDP, TCP) for part in talk(one) for m in part] + [TORTURE, SIPSAK]
