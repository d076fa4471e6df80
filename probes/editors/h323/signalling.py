"""H.225.0 call signalling: a call that is set up, accepted and released (H.323 clause 8.1.1,
without a gatekeeper).

::

    caller                                        called
    Setup (h245Address, fastStart, ...)  ------>
                                         <------  Call Proceeding, Alerting
                                         <------  Connect (h245Address, fastStart)
    (here the addresses are gone to)
    Release Complete                     ------>

The label is both identifiers of the call: conferenceID and callIdentifier (H.225.0 clause 7.6,
both GUIDs of 16 bytes).  The server's messages repeat them.

The caller is over when the call is connected, and releases it when told to finish.  The addresses
that it announced are good until then.

A stranger's call is accepted as ours is.  Its fast connect is answered as far as its codecs are
known here, else it goes on to H.245; tunnelling of H.245 is declined (clause 8.2.1).
"""

from __future__ import annotations

import functools

import msgspec

from probes.editors.contract import (
    READINGS_MAX,
    Carried,
    Own,
    Reading,
    Step,
    apart,
    bounded,
)
from probes.editors.h323 import addresses, channels, per, q931, tpkt
from probes.editors.h323.per import Value
from probes.editors.h323.q931 import Message, Type
from probes.errors import WireError
from probes.wire.end import Talker

VERSION = "0.0.8.2250.0.2"
"""H.225.0 version 2 (clause 7.6), that of NetMeeting 3 and the first with fast connect."""

_ASN1 = b"\x05"  # protocol discriminator of User-user (H.225.0 clause 7.2.2.31)
_KIND = "H323-UserInformation"
_ENDPOINT = {"terminal": {}, "mc": False, "undefinedNode": False}
_BEARER = b"\x88\x93\xa5"  # unrestricted data, packet mode, H.221/H.242 (H.225.0 table 5)
_NAME = b"netcheck"

_BODIES = {
    Type.SETUP: "setup",
    Type.CALL_PROCEEDING: "callProceeding",
    Type.ALERTING: "alerting",
    Type.CONNECT: "connect",
    Type.RELEASE_COMPLETE: "releaseComplete",
    Type.STATUS: "status",
}
"""The messages whose User-user is read, and what is in it (H.225.0 clause 7.3)."""
_TYPES = frozenset(Type)

# Causes (Q.850 clause 2.2.7.1) after the byte that says who found it: the user.
_CLEARED = b"\x80\x90"  # 16, normal call clearing
_ENQUIRED = b"\x80\x9e"  # 30, response to STATUS ENQUIRY
_INVALID = b"\x80\xe4"  # 100, invalid information element contents
_UNKNOWN = b"\x80\xe1"  # 97, message type non-existent or not implemented
_ACTIVE = b"\x0a"  # call state 10 (Q.931 clause 4.5.7)


class _End(Talker):
    """What both ends do: messages in, messages out."""

    def __init__(self, own: Own) -> None:
        super().__init__(tpkt.stream())
        self._own = own
        self._identifier = bytes(16)
        self._reference: bytes | None = None  # as this end writes it, once there is a call

    def _answers(self, packet: bytes) -> list[bytes]:
        try:
            return self._answered(q931.read(tpkt.read(packet)))
        except WireError:
            self._ended = True  # what was changed that much gets no answer
            return []

    def _answered(self, message: Message) -> list[bytes]:
        if message.type == Type.RELEASE_COMPLETE:
            self._ended = True
        elif message.type == Type.STATUS_ENQUIRY:
            return [self._status(message.reference, _ENQUIRED)]
        elif message.type not in _TYPES:
            return [self._status(message.reference, _UNKNOWN)]
        return []

    def _status(self, theirs: bytes, cause: bytes) -> bytes:
        """Q.931 clauses 5.8.10 and 5.8.4."""
        elements = ((q931.CAUSE, cause), (q931.CALL_STATE, _ACTIVE))
        return _written(Type.STATUS, _other_way(theirs), elements, self._body())

    def _release(self, cause: bytes) -> bytes:
        self._ended = True
        causes = ((q931.CAUSE, cause),)
        return _written(Type.RELEASE_COMPLETE, self._reference or b"", causes, self._body())

    def _body(self, **members: Value) -> Value:
        identifier = {"guid": self._identifier}
        return {"protocolIdentifier": VERSION, "callIdentifier": identifier, **members}


class Caller(_End):
    """``fast_start``: with fast connect, which NetMeeting does not know."""

    def __init__(self, own: Own, *, fast_start: bool = True) -> None:
        super().__init__(own)
        self._identifier = own.label
        self._fast_start = fast_start

    def begin(self) -> Step:
        own = self._own
        number = int.from_bytes(own.random("h323 call reference", 2)) & 0x7FFF
        # 0 is for all calls (Q.931 clause 4.3).
        self._reference = reference = max(number, 1).to_bytes(2)
        fast = {"fastStart": channels.proposed(own)} if self._fast_start else {}
        body = self._body(
            h245Address=addresses.h225(own.listening),
            sourceAddress=[("h323-ID", _NAME.decode())],
            sourceInfo=_ENDPOINT,
            destCallSignalAddress=addresses.h225(own.peer),
            activeMC=False,
            conferenceID=own.label,
            conferenceGoal=("create", None),
            callType=("pointToPoint", None),
            sourceCallSignalAddress=addresses.h225(own.socket),
            **fast,
            mediaWaitForConnect=False,
            canOverlapSend=False,
        )
        elements = ((q931.BEARER_CAPABILITY, _BEARER), (q931.DISPLAY, _NAME + b"\0"))
        return Step(send=(_written(Type.SETUP, reference, elements, body),))

    def finish(self) -> Step:
        said = () if self._ended else (self._release(_CLEARED),)
        return Step(send=said, over=True)

    def _answered(self, message: Message) -> list[bytes]:
        self._over |= message.type == Type.CONNECT
        return super()._answered(message)


class Called(_End):
    def _answered(self, message: Message) -> list[bytes]:
        if message.type != Type.SETUP:
            return super()._answered(message)
        if self._reference is not None:
            return []  # one call a connection
        self._reference = reference = _other_way(message.reference)
        try:
            name, setup = _user(message)[1]["h323-uu-pdu"]["h323-message-body"]
        except WireError:
            name = None
        if name != "setup":
            return [self._release(_INVALID)]
        conference = setup["conferenceID"]
        self._identifier = setup.get("callIdentifier", {}).get("guid", conference)
        where = apart(self._own.listening, self._identifier)
        self._own = msgspec.structs.replace(self._own, listening=where)
        coming = self._body(destinationInfo=_ENDPOINT)
        connected = self._body(
            h245Address=addresses.h225(self._own.listening),
            destinationInfo=_ENDPOINT,
            conferenceID=conference,
        )
        if fast_start := channels.accepted(setup.get("fastStart", []), self._own):
            connected["fastStart"] = fast_start
        bearer = ((q931.BEARER_CAPABILITY, _BEARER),)
        return [
            _written(Type.CALL_PROCEEDING, reference, (), coming),
            _written(Type.ALERTING, reference, (), coming),
            _written(Type.CONNECT, reference, bearer, connected),
        ]


def read(message: bytes) -> Reading:
    """Read one whole packet of either end.  Raises WireError for what is no Q.931 in TPKT.

    ``carried`` is every address of a message whose User-user is known here, and then those of
    fast connect, as ``fastStart[0].mediaControlChannel``.
    """
    called = q931.read(tpkt.read(bounded("h323", message)))
    rest = functools.partial(_rest, message, called)
    if called.type not in _TYPES:
        return Reading(kind=f"0x{called.type:02x}", label=None, carried=(), rest=rest())
    kind = Type(called.type)
    title = kind.name.replace("_", " ").title()
    if kind not in _BODIES:
        return Reading(kind=title, label=None, carried=(), rest=rest())
    try:
        user, whole = _user(called)
        name, body = whole["h323-uu-pdu"]["h323-message-body"]
        if name != _BODIES[kind]:
            raise WireError("h225", f"{name} is not what the message type says")
    except WireError as error:
        wrong = (f"User-user: {error.reason}",)
        return Reading(kind=title, label=None, carried=(), rest=rest(), faults=wrong)
    without, carried = addresses.taken_out(body)
    fast_start, media, faults = _fast_start(body)
    if fast_start:
        without = {**without, "fastStart": fast_start}
    unit = {**whole["h323-uu-pdu"], "h323-message-body": (name, without)}
    masked = {**whole, "h323-uu-pdu": unit}
    return Reading(
        kind=title,
        label=body.get("callIdentifier", {}).get("guid", body.get("conferenceID")),
        carried=(*carried, *media)[:READINGS_MAX],
        rest=rest(per.canonical(_KIND, user, whole, masked)),
        faults=faults,
    )


def _fast_start(body: Value) -> tuple[list[bytes], tuple[Carried, ...], tuple[str, ...]]:
    """The proposals without addresses, the addresses, and which proposals cannot be read."""
    proposals: list[bytes] = list(body.get("fastStart", []))
    carried: list[Carried] = []
    faults = []
    for number, data in enumerate(proposals[: channels.PROPOSALS_MAX]):
        name = f"fastStart[{number}]"
        try:
            proposals[number], found = channels.masked(name, data)
        except WireError as error:
            faults.append(f"{name}: {error.reason}")
        else:
            carried += found
    return proposals, tuple(carried), tuple(faults)


def _rest(packet: bytes, message: Message, user: bytes | None = None) -> bytes:
    """All of ``packet`` but its length, with ``user`` instead of the first User-user."""
    elements = list(message.elements)
    if user is not None:
        at = [number for number, _ in elements].index(q931.USER_USER)
        elements[at] = (q931.USER_USER, _ASN1 + user)
    changed = msgspec.structs.replace(message, elements=tuple(elements))
    return packet[:2] + q931.write(changed)


def _user(message: Message) -> tuple[bytes, Value]:
    """What User-user says, as bytes and as a value.  Raises WireError."""
    user = message.element(q931.USER_USER)
    if user is None or user[:1] != _ASN1:
        raise WireError("h225", "there is none in ASN.1")
    return user[1:], per.read(_KIND, user[1:])


def _written(
    kind: Type, reference: bytes, elements: tuple[tuple[int, bytes], ...], body: Value
) -> bytes:
    unit = {"h323-message-body": (_BODIES[kind], body), "h245Tunnelling": False}
    user = _ASN1 + per.write(_KIND, {"h323-uu-pdu": unit})
    return tpkt.write(
        q931.write(
            Message(type=kind, reference=reference, elements=(*elements, (q931.USER_USER, user)))
        )
    )


def _other_way(reference: bytes) -> bytes:
    """The same call as the other end calls it (Q.931 clause 4.3: the first bit is the flag)."""
    return bytes((reference[0] ^ 0x80,)) + reference[1:] if reference else b""
