"""IPsec: how IKEv2 begins (RFC 7296 section 1.2), both ends of it (pure; M8).

A client sends an IKE_SA_INIT request and has its response; nothing is encrypted and no
tunnel comes of it.  On UDP 4500 four zero bytes go before each message, which tell it from
ESP (RFC 3948 section 2.2).

No address is written out, so there is nothing for an editor to rewrite, and ``rest`` is the
whole message.  But each end says in two hashes whose address it believes to be whose
(section 2.23): ``matches`` checks them against what the other end sees, as a real one does to
learn of a NAT.

The label is the first half of the client's 32-byte nonce; the second half is made of it, which
is how it is known from the nonces of others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import struct

from probes.editors.contract import LABEL_SIZE, Dialogue, Own, Reading, Step
from probes.editors.ipsec import ike, proposals
from probes.editors.ipsec.proposals import (
    ENCRYPTION,
    GROUP,
    INTEGRITY,
    PSEUDORANDOM,
    Proposal,
    Transform,
    transform,
)
from probes.errors import WireError
from probes.wire.frame import Endpoint
from probes.wire.reading import FAULTS_MAX

PORT = 500
NAT_TRAVERSAL_PORT = 4500
KEEPALIVE = b"\xff"  # RFC 3948 section 2.3

EXCHANGES = {ike.SA_INIT: "IKE_SA_INIT", 35: "IKE_AUTH", 36: "CREATE_CHILD_SA", 37: "INFORMATIONAL"}
_NAMES = {ike.SECURITY_ASSOCIATION: "SA", ike.KEY_EXCHANGE: "Key Exchange", ike.NONCE: "Nonce"}
NO_PROPOSAL_CHOSEN = 14
INVALID_KE_PAYLOAD = 17
NAT_DETECTION_SOURCE_IP = 16388
NAT_DETECTION_DESTINATION_IP = 16389
NONCE_MIN, NONCE_MAX = 16, 256  # bytes, section 3.9

X25519 = 31
GROUPS = {X25519: 32, 14: 256, 15: 384, 16: 512, 5: 192, 2: 128}
"""Groups for which the server can make a public value, the best first, and its bytes (RFC 8031
section 2, RFC 3526, RFC 2409 section 6.2).  A point on an elliptic curve of NIST's would need
arithmetic on it."""

_SHA2_256 = transform(PSEUDORANDOM, 5), transform(INTEGRITY, 12)
_OFFERED_GROUPS = transform(GROUP, X25519), transform(GROUP, 14)


def _aes(number: int) -> tuple[Transform, Transform]:
    return transform(ENCRYPTION, number, 256), transform(ENCRYPTION, number, 128)


OFFER = [
    Proposal(1, 1, (*_aes(12), *_SHA2_256, *_OFFERED_GROUPS)),
    Proposal(2, 1, (*_aes(20), _SHA2_256[0], *_OFFERED_GROUPS)),
]
"""AES-CBC with HMAC-SHA2-256-128, and AES-GCM with 16 octets of ICV; PRF-HMAC-SHA2-256."""


def read(message: bytes) -> Reading:
    """Read one datagram of either end.  Raises WireError for what has no header of IKEv2."""
    said = ike.read(message)
    name = EXCHANGES.get(said.exchange, f"exchange {said.exchange}")
    label = None
    for nonce in said.bodies(ike.NONCE):
        if nonce == _nonce(nonce[:LABEL_SIZE]):
            label = nonce[:LABEL_SIZE]
    return Reading(
        kind=f"{name} {'request' if said.request else 'response'}",
        label=label,
        carried=(),
        rest=message,
        faults=(*said.faults, *_disagreements(said))[:FAULTS_MAX],
    )


def matches(message: bytes, source: Endpoint, destination: Endpoint) -> tuple[bool, bool]:
    """Whether the hashes in ``message`` are those of ``source`` and of ``destination``, which
    its receiver saw in the headers (RFC 7296 section 2.23).

    A source that does not match: its sender is behind a NAT.  A destination: the receiver is.
    Either way a real initiator goes on from port 500 to port 4500, where ESP goes in UDP.

    Raises WireError for a message without the hashes: its sender knows nothing of NATs.
    """
    said = ike.read(message)
    found = []
    for kind, seen in (
        (NAT_DETECTION_SOURCE_IP, source),
        (NAT_DETECTION_DESTINATION_IP, destination),
    ):
        hashes = said.notified(kind)
        if not hashes:
            raise WireError("ipsec.nat_detection", f"there is no notification {kind}")
        # A sender that does not know which of its addresses it will be may give several.
        found.append(_hash(said.initiator, said.responder, seen) in hashes)
    return found[0], found[1]


class _Client:
    def __init__(self, own: Own) -> None:
        self._own = own
        # No SPI begins with four zero bytes, which would look like the marker.
        first, *others = own.random("ike initiator", 8)
        self._spi = bytes([first | 0x80, *others])

    def begin(self) -> Step:
        own, spis = self._own, (self._spi, bytes(8))
        payloads = [
            (ike.SECURITY_ASSOCIATION, proposals.write(OFFER)),
            (ike.KEY_EXCHANGE, _public_value(own, X25519)),
            (ike.NONCE, _nonce(own.label)),
            *_nat_detection(spis, own.socket, own.peer),
        ]
        marked = own.peer.port == NAT_TRAVERSAL_PORT
        return Step(send=(ike.write(marked, spis, ike.INITIATOR, payloads),))

    def receive(self, data: bytes) -> Step:
        said = ike.read(data)
        mine = said.initiator == self._spi and said.exchange == ike.SA_INIT and not said.request
        return Step(arrived=(data,), over=mine)

    def finish(self) -> Step:
        return Step(over=True)


class _Server:
    """A responder that forgets each request once it is answered.  It computes no secret, so it
    takes whatever it is offered, if only it can make a public value that looks right."""

    def __init__(self, own: Own) -> None:
        self._own = own

    def begin(self) -> Step:
        return Step()

    def receive(self, data: bytes) -> Step:
        if data == KEEPALIVE:
            return Step()
        said = ike.read(data)
        answer = b""
        if (
            said.request
            and (said.exchange, said.number, said.responder) == (ike.SA_INIT, 0, bytes(8))
            and not said.faults
        ):
            answer = self._answer(said)
        fits = 0 < len(answer) <= len(data)
        return Step(send=(answer,) if fits else (), arrived=(data,))

    def finish(self) -> Step:
        return Step()

    def _answer(self, request: ike.Message) -> bytes:
        """Empty for a request in which something is missing."""
        associations, exchanges, nonces = (request.bodies(kind) for kind in _NAMES)
        if not (associations and exchanges and nonces and len(nonces[0]) >= NONCE_MIN):
            return b""
        offered, _ = proposals.read(associations[0])
        group = int.from_bytes(exchanges[0][:2])
        possible = {one: choice for one in GROUPS if (choice := proposals.chosen(offered, one))}
        if group not in possible:
            refusal = ike.notification(NO_PROPOSAL_CHOSEN, b"")
            if possible:
                refusal = ike.notification(INVALID_KE_PAYLOAD, next(iter(possible)).to_bytes(2))
            # Section 2.6: no SA begins with this, so the responder has no SPI.
            return ike.write(request.marked, (request.initiator, bytes(8)), ike.RESPONSE, [refusal])
        own, spis = self._own, (request.initiator, self._own.random("ike responder", 8))
        payloads = [
            (ike.SECURITY_ASSOCIATION, proposals.write([possible[group]])),
            (ike.KEY_EXCHANGE, _public_value(own, group)),
            (ike.NONCE, own.random("ike nonce", min(32, len(nonces[0])))),
        ]
        if request.notified(NAT_DETECTION_SOURCE_IP):
            payloads += _nat_detection(spis, own.socket, own.peer)
        return ike.write(request.marked, spis, ike.RESPONSE, payloads)


def _disagreements(said: ike.Message) -> list[str]:
    """What does not fit together in a message whose payloads could be told apart."""
    faults: list[str] = []
    if bytes(8) == said.initiator:
        faults.append("SPI of the initiator is zero")
    for kind in (NAT_DETECTION_SOURCE_IP, NAT_DETECTION_DESTINATION_IP):
        faults += [
            f"notification {kind} of {len(data)} bytes, not 20"
            for data in said.notified(kind)
            if len(data) != 20
        ]
    if said.exchange != ike.SA_INIT or not (said.request or said.bodies(ike.SECURITY_ASSOCIATION)):
        return faults  # it refuses or asks again, with a notification and nothing else
    for kind, name in _NAMES.items():
        if (count := len(said.bodies(kind))) != 1:
            faults.append(f"{count} {name} payloads, not one")
    groups: set[int] = set()
    for body in said.bodies(ike.SECURITY_ASSOCIATION):
        found, wrong = proposals.read(body)
        faults += wrong
        for proposal in found:
            groups |= {one.number for one in proposal.transforms if one.kind == GROUP}
    for body in said.bodies(ike.KEY_EXCHANGE):
        group, size = int.from_bytes(body[:2]), max(0, len(body) - 4)
        if group not in groups:
            faults.append(f"Key Exchange of group {group}, which no proposal has")
        if size != GROUPS.get(group, size):
            faults.append(f"Key Exchange of {size} bytes for group {group}")
    faults += [
        f"Nonce of {len(body)} bytes"
        for body in said.bodies(ike.NONCE)
        if not NONCE_MIN <= len(body) <= NONCE_MAX
    ]
    return faults


def _public_value(own: Own, group: int) -> bytes:
    """A Key Exchange body whose secret nobody knows.

    Any 32 bytes are a public value of X25519.  In the other groups a square is one: it lies in
    the subgroup of prime order, which some peers check, and one of half the bits is
    below the prime."""
    size = GROUPS[group]
    count = size if group == X25519 else size // 2
    data = b"".join(own.random(f"ike public {at}", 32) for at in range(0, count, 32))
    if group != X25519:
        root = int.from_bytes(data) >> 1
        data = (root * root).to_bytes(size)
    return struct.pack("!HH", group, 0) + data


def _nonce(label: bytes) -> bytes:
    return label + hashlib.sha256(b"ike nonce" + label).digest()[:LABEL_SIZE]


def _nat_detection(
    spis: tuple[bytes, bytes], source: Endpoint, destination: Endpoint
) -> list[ike.Payload]:
    return [
        ike.notification(NAT_DETECTION_SOURCE_IP, _hash(*spis, source)),
        ike.notification(NAT_DETECTION_DESTINATION_IP, _hash(*spis, destination)),
    ]


def _hash(initiator: bytes, responder: bytes, endpoint: Endpoint) -> bytes:
    packed = ipaddress.ip_address(endpoint.address.partition("%")[0]).packed
    data = initiator + responder + packed + endpoint.port.to_bytes(2)
    return hashlib.sha1(data, usedforsecurity=False).digest()


DIALOGUES = (
    Dialogue(
        name="ipsec",
        transport="udp",
        ports=(PORT, NAT_TRAVERSAL_PORT),
        listens=None,
        client=_Client,
        server=_Server,
        read=read,
    ),
)
