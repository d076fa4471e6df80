"""H.245: the control channel (H.323 clauses 8.2 and 8.3, H.245 clauses 8.2, 8.3, 8.4 and annex C).

::

    each end                                      the other
    TerminalCapabilitySet                ------>
    MasterSlaveDetermination             ------>
                                         <------  TerminalCapabilitySetAck
                                         <------  MasterSlaveDeterminationAck
    OpenLogicalChannel (mediaControlChannel; or separateStack)
                                         ------>
                                         <------  OpenLogicalChannelAck (mediaChannel,
                                                  mediaControlChannel; or separateStack)

Both ends do this at the same time, whichever opened the connection.  Each opens a channel for
sound and one for picture, the client one for T.120 as well.  The client is over when its own are
open, and closes them and ends the session when told to finish, as the server does then.

Whoever acknowledges a channel says where its media goes: so the client's addresses for media are
in its acknowledgements, those for T.120 and RTCP in its proposals too.

The label stands in the client's TerminalCapabilitySet, as the data of a capability that is not
standard, and in its proposal of T.120 as externalReference.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from probes.editors.contract import LABEL_SIZE, End, Own, Reading, Step, bounded
from probes.editors.h323 import addresses, channels, per, tpkt
from probes.editors.h323.channels import Kind
from probes.editors.h323.per import Value
from probes.errors import WireError
from probes.wire.end import Talker
from probes.wire.frame import Endpoint

VERSION = "0.0.8.245.0.3"
"""H.245 version 3, which goes with version 2 of H.323."""

TERMINAL, GATEWAY = 50, 60
"""Terminal types (H.323 table 1): the server's is higher, so our two always agree that it is
the master."""

_KIND = "MultimediaSystemControlMessage"
_NUMBERS = 1 << 24  # status determination numbers
_LABELS = ("object", "2.25.211838426248822416281053594881687458969")
"""Who says what the data of our capability means: a UUID, made for this alone (X.667)."""

_SEQUENCE = 1

_KINDS: dict[int, Kind] = dict(enumerate(channels.SESSIONS, 1))
"""The channels for media that either end opens, by their numbers."""


def _message(kind: str, name: str, value: Value) -> bytes:
    return tpkt.write(per.write(_KIND, (kind, (name, value))))


class _Control(Talker):
    """One end.  ``kind`` is its terminal type."""

    def __init__(self, own: Own, kind: int) -> None:
        super().__init__(tpkt.stream())
        self._own = own
        self._kind = kind
        self._number = int.from_bytes(own.random("h245 status determination", 3))
        self._known: dict[str, Callable[[Value], list[bytes]]] = {
            "terminalCapabilitySet": self._capabilities,
            "terminalCapabilitySetAck": self._capabilities_known,
            "masterSlaveDetermination": self._compared,
            "masterSlaveDeterminationAck": self._determined,
            "roundTripDelayRequest": self._round_trip,
            "openLogicalChannel": self._asked,
            "openLogicalChannelAck": self._opened,
            "openLogicalChannelReject": self._refused,
            "closeLogicalChannel": self._close,
            "endSessionCommand": self._theirs_ended,
        }
        # What has to happen before channels are opened (H.323 clause 8.2).
        self._wanted = {"theirs", "ours", "decision", "confirmation"}
        self._waiting: set[int] = set()
        self._open_now: set[int] = set()
        self._ending = False

    def begin(self) -> Step:
        determination = {
            "terminalType": self._kind,
            "statusDeterminationNumber": self._number,
        }
        return Step(
            send=(
                _message("request", "terminalCapabilitySet", _capability_set(self._own)),
                _message("request", "masterSlaveDetermination", determination),
            )
        )

    def _answers(self, packet: bytes) -> list[bytes]:
        try:
            _, (name, value) = per.read("Beginning", tpkt.read(packet))
        except (WireError, TypeError):
            return []  # no message that is known here
        return self._known[name](value) if name in self._known else []

    def _capabilities(self, value: Value) -> list[bytes]:
        known = {"sequenceNumber": value["sequenceNumber"]}
        return [_message("response", "terminalCapabilitySetAck", known), *self._got("theirs")]

    def _capabilities_known(self, value: Value) -> list[bytes]:
        return self._got("ours")

    def _compared(self, value: Value) -> list[bytes]:
        """H.245 annex C.2: the higher terminal type is the master; of equal ones the one whose
        number is higher, on a circle."""
        ahead = (value["statusDeterminationNumber"] - self._number) % _NUMBERS
        if value["terminalType"] != self._kind:
            theirs = value["terminalType"] > self._kind
        elif ahead in (0, _NUMBERS // 2):
            cause = {"cause": ("identicalNumbers", None)}
            return [_message("response", "masterSlaveDeterminationReject", cause)]
        else:
            theirs = ahead > _NUMBERS // 2
        return [*self._decided("master" if theirs else "slave"), *self._got("decision")]

    def _determined(self, value: Value) -> list[bytes]:
        answer = []
        if "decision" in self._wanted:
            decision, _ = value["decision"]
            answer = self._decided("slave" if decision == "master" else "master")
            self._wanted.discard("decision")
        return [*answer, *self._got("confirmation")]

    def _decided(self, decision: str) -> list[bytes]:
        """``decision`` is what the other end is."""
        answer = {"decision": (decision, None)}
        return [_message("response", "masterSlaveDeterminationAck", answer)]

    def _got(self, step: str) -> list[bytes]:
        if step not in self._wanted:
            return []
        self._wanted.remove(step)
        return [] if self._wanted else self._open()

    def _open(self) -> list[bytes]:
        media = addresses.media(self._own, "h245")
        proposals = [channels.sending(number, kind, media[kind]) for number, kind in _KINDS.items()]
        return [self._proposed(value) for value in proposals]

    def _proposed(self, value: Value) -> bytes:
        self._waiting.add(value["forwardLogicalChannelNumber"])
        return _message("request", "openLogicalChannel", value)

    def _asked(self, value: Value) -> list[bytes]:
        number = value["forwardLogicalChannelNumber"]
        kind, detail = value["forward"]["dataType"]
        reject = {"cause": ("dataTypeNotSupported", None), "forwardLogicalChannelNumber": number}
        if kind in channels.SESSIONS and not value["reversed"]:
            answer = channels.acknowledged(number, kind, addresses.media(self._own, "h245")[kind])
        elif kind == "data" and detail["application"][0] == "t120":
            answer = channels.data_acknowledged(number, self._own, both_ways=value["reversed"])
        else:
            return [_message("response", "openLogicalChannelReject", reject)]
        return [_message("response", "openLogicalChannelAck", answer)]

    def _opened(self, value: Value) -> list[bytes]:
        number = value["forwardLogicalChannelNumber"]
        if number in self._waiting:
            self._waiting.remove(number)
            self._open_now.add(number)
        return []

    def _refused(self, value: Value) -> list[bytes]:
        self._waiting.discard(value["forwardLogicalChannelNumber"])
        return []

    def _close(self, value: Value) -> list[bytes]:
        number = {"forwardLogicalChannelNumber": value["forwardLogicalChannelNumber"]}
        return [_message("response", "closeLogicalChannelAck", number)]

    def _round_trip(self, value: Value) -> list[bytes]:
        number = {"sequenceNumber": value["sequenceNumber"]}
        return [_message("response", "roundTripDelayResponse", number)]

    def _end(self) -> list[bytes]:
        self._ending = True
        return [_message("command", "endSessionCommand", ("disconnect", None))]

    def _theirs_ended(self, value: Value) -> list[bytes]:
        self._ended = True
        return [] if self._ending else self._end()


class _Client(_Control):
    """Opens T.120 too, once sound and picture are answered, and is over when that is: Linux's
    editor loses the answer where T.120's port is another call's, and all that comes behind it."""

    _DATA = 3

    def __init__(self, own: Own, *, data: bool = True) -> None:
        super().__init__(own, TERMINAL)
        self._data = data

    def finish(self) -> Step:
        """Close what is open, and end the session (H.323 clause 8.5, steps 1 to 4)."""
        if self._ended or self._ending:
            return Step(over=True)
        closing = (
            {"forwardLogicalChannelNumber": number, "source": ("user", None)}
            for number in sorted(self._open_now)
        )
        closed = [_message("request", "closeLogicalChannel", channel) for channel in closing]
        return Step(send=(*closed, *self._end()), over=True)

    def _answers(self, packet: bytes) -> list[bytes]:
        said = super()._answers(packet)
        if self._wanted or self._waiting:
            return said
        if self._data:
            self._data = False
            return [*said, self._proposed(channels.data(self._DATA, self._own))]
        self._over = True
        return said

    def _opened(self, value: Value) -> list[bytes]:
        super()._opened(value)
        if value["forwardLogicalChannelNumber"] != self._DATA or self._DATA not in self._open_now:
            return []
        confirmed = {"forwardLogicalChannelNumber": self._DATA}  # two directions (clause 8.4.1)
        return [_message("indication", "openLogicalChannelConfirm", confirmed)]


def client(own: Own, *, data: bool = True) -> End:
    """``data``: with T.120, which has one port, so that not two calls at once announce it."""
    return _Client(own, data=data)


def server(own: Own) -> End:
    return _Control(own, GATEWAY)


def _capability_set(own: Own) -> Value:
    """What an end can do: the three kinds of channels that it opens, all at once."""
    point = {
        "multicastCapability": False,
        "multiUniCastConference": False,
        "mediaDistributionCapability": [
            {
                "centralizedControl": False,
                "distributedControl": False,
                "centralizedAudio": False,
                "distributedAudio": False,
                "centralizedVideo": False,
                "distributedVideo": False,
            }
        ],
    }
    table = (
        ("receiveAudioCapability", channels.AUDIO),
        ("receiveVideoCapability", channels.VIDEO),
        ("receiveAndTransmitDataApplicationCapability", channels.DATA),
        ("nonStandard", {"nonStandardIdentifier": _LABELS, "data": own.label}),
    )
    return {
        "sequenceNumber": _SEQUENCE,
        "protocolIdentifier": VERSION,
        "multiplexCapability": (
            "h2250Capability",
            {
                "maximumAudioDelayJitter": 60,  # milliseconds
                "receiveMultipointCapability": point,
                "transmitMultipointCapability": point,
                "receiveAndTransmitMultipointCapability": point,
                "mcCapability": {
                    "centralizedConferenceMC": False,
                    "decentralizedConferenceMC": False,
                },
                "rtcpVideoControlCapability": False,
                "mediaPacketizationCapability": {"h261aVideoPacketization": False},
            },
        ),
        "capabilityTable": [
            {"capabilityTableEntryNumber": number, "capability": capability}
            for number, capability in enumerate(table, 1)
        ],
        "capabilityDescriptors": [
            {"capabilityDescriptorNumber": 0, "simultaneousCapabilities": [[1], [2], [3]]}
        ],
    }


class Agreed(msgspec.Struct, frozen=True):
    """Where the other end waits for the media of a channel that this end asked for; None: it
    did not say."""

    kind: Kind
    rtp: Endpoint | None
    rtcp: Endpoint | None


def agreed(message: bytes) -> Agreed | None:
    """What an openLogicalChannelAck says, if that is what ``message`` is, and its channel is one
    of those for media that either end here opens."""
    try:
        _, (name, value) = per.read(_KIND, tpkt.read(bounded("h245", message)))
        kind = _KINDS.get(value["forwardLogicalChannelNumber"])
    except (WireError, TypeError, KeyError):
        return None
    if name != "openLogicalChannelAck" or kind is None:
        return None
    match value.get("forwardMultiplexAckParameters"):
        case ("h2250LogicalChannelAckParameters", dict(said)):
            rtp, rtcp = said.get("mediaChannel"), said.get("mediaControlChannel")
            return Agreed(kind, addresses.of_h245(rtp), addresses.of_h245(rtcp))
    return Agreed(kind, None, None)


def read(message: bytes) -> Reading:
    """Read one whole packet of either end.  Raises WireError for what is no H.245 in TPKT.

    A message that only begins as one is read as its kind, with a fault and without addresses.
    """
    data = tpkt.read(bounded("h245", message))
    try:
        value = per.read(_KIND, data)
        _, (kind, body) = value
    except (WireError, TypeError):
        return _beginning(message[:2], data)
    masked, carried = addresses.taken_out(value)
    return Reading(
        kind=kind or "an extension",
        label=_label(body),
        carried=carried,
        rest=message[:2] + per.canonical(_KIND, data, value, masked),
    )


def _beginning(head: bytes, data: bytes) -> Reading:
    value = per.read("Beginning", data)
    kind = value[1][0] if isinstance(value[1], tuple) else value[0]
    return Reading(
        kind=kind or "an extension",
        label=None,
        carried=(),
        rest=head + data,
        faults=("it cannot be read to its end",),
    )


def _label(body: Value) -> bytes | None:
    match body:
        case {"capabilityTable": [*entries]}:
            for entry in entries:
                match entry:
                    case {
                        "capability": (
                            "nonStandard",
                            {"nonStandardIdentifier": identifier, "data": bytes(label)},
                        )
                    } if identifier == _LABELS and len(label) == LABEL_SIZE:
                        return label
        case {"separateStack": {"externalReference": bytes(label)}} if len(label) == LABEL_SIZE:
            return label
    return None
