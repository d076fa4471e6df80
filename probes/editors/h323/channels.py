"""Logical channels: what is proposed for sound, picture and data, and what is said to a proposal
(H.245 clause 8.4 and annex B.3, H.323 clauses 6.2.8 and 8.1.7.1)."""

from __future__ import annotations

from typing import Literal

from probes.editors.contract import Carried, Own
from probes.editors.h323 import addresses, per
from probes.editors.h323.addresses import Media
from probes.editors.h323.per import Value
from probes.errors import WireError

Kind = Literal["audioData", "videoData"]

SESSIONS: dict[Kind, int] = {"audioData": 1, "videoData": 2}
"""Sessions of RTP (H.245 annex B.3.1: 1 is the primary audio session, 2 that of video)."""
_DATA_SESSION = 3

_CALLED_FIRST = 101
"""The called end's first channel number in an answer to fast connect: no number of ours."""

PROPOSALS_MAX = 64
"""Proposals looked at in one message; an endpoint has one for each codec and direction."""

AUDIO = ("g7231", {"maxAl-sduAudioFrames": 1, "silenceSuppression": False})
VIDEO = (
    "h263VideoCapability",
    {
        "qcifMPI": 2,
        "maxBitRate": 1280,  # times 100 bit/s: what an ISDN line takes
        "unrestrictedVector": False,
        "arithmeticCoding": False,
        "advancedPrediction": False,
        "pbFrames": False,
        "temporalSpatialTradeOffCapability": False,
    },
)
DATA = {
    "application": ("t120", ("separateLANStack", False)),
    "maxBitRate": 1280,
}
_TYPES: dict[Kind, Value] = {"audioData": ("audioData", AUDIO), "videoData": ("videoData", VIDEO)}

_H2250 = "h2250LogicalChannelParameters"


def sending(number: int, kind: Kind, media: Media) -> Value:
    """A channel to the other end, which will say where: here is where reports are wanted."""
    control = addresses.h245(media.rtcp)
    parameters = {"sessionID": SESSIONS[kind], "mediaControlChannel": control}
    return {
        "forwardLogicalChannelNumber": number,
        "forwardLogicalChannelParameters": {
            "dataType": _TYPES[kind],
            "multiplexParameters": (_H2250, parameters),
        },
    }


def receiving(number: int, kind: Kind, media: Media) -> Value:
    """A channel from the other end, as fast connect proposes it."""
    parameters = {
        "sessionID": SESSIONS[kind],
        "mediaChannel": addresses.h245(media.rtp),
        "mediaControlChannel": addresses.h245(media.rtcp),
    }
    return {
        "forwardLogicalChannelNumber": number,
        "forwardLogicalChannelParameters": {
            "dataType": ("nullData", None),
            "multiplexParameters": ("none", False),
        },
        "reverseLogicalChannelParameters": {
            "dataType": _TYPES[kind],
            "multiplexParameters": (_H2250, parameters),
        },
    }


def data(number: int, own: Own) -> Value:
    """A channel of T.120, which has both directions (H.323 clause 6.2.7.1).  The label is its
    external reference: it "associates" the T.120 connection with the call, as H.245 has it."""
    parameters = {"sessionID": _DATA_SESSION}
    return {
        "forwardLogicalChannelNumber": number,
        "forwardLogicalChannelParameters": {
            "dataType": ("data", DATA),
            "multiplexParameters": (_H2250, parameters),
        },
        "reverseLogicalChannelParameters": {
            "dataType": ("data", DATA),
            "multiplexParameters": (_H2250, parameters),
        },
        "separateStack": {**_stack(own), "externalReference": own.label},
    }


def acknowledged(number: int, kind: Kind, media: Media) -> Value:
    """The answer to ``sending``: where the media goes, and where its sender's reports do."""
    parameters = {
        "sessionID": SESSIONS[kind],
        "mediaChannel": addresses.h245(media.rtp),
        "mediaControlChannel": addresses.h245(media.rtcp),
    }
    return {
        "forwardLogicalChannelNumber": number,
        "forwardMultiplexAckParameters": ("h2250LogicalChannelAckParameters", parameters),
    }


def data_acknowledged(number: int, own: Own, *, both_ways: bool) -> Value:
    """The answer to ``data``, with the address of this end's T.120."""
    answer: Value = {
        "forwardLogicalChannelNumber": number,
        "separateStack": _stack(own),
        "forwardMultiplexAckParameters": (
            "h2250LogicalChannelAckParameters",
            {"sessionID": _DATA_SESSION},
        ),
    }
    if both_ways:
        answer["reverseLogicalChannelParameters"] = {"reverseLogicalChannelNumber": number}
    return answer


def _stack(own: Own) -> Value:
    return {
        "distribution": ("unicast", None),
        "networkAddress": ("localAreaAddress", addresses.h245(addresses.t120(own))),
        "associateConference": False,
    }


def proposed(own: Own) -> list[bytes]:
    """Fast connect: sound and picture, each way (H.323 clause 8.1.7.1)."""
    audio, video = addresses.media(own, "h225").values()
    values = (
        sending(1, "audioData", audio),
        receiving(2, "audioData", audio),
        sending(3, "videoData", video),
        receiving(4, "videoData", video),
    )
    return [per.write("OpenLogicalChannel", value) for value in values]


def accepted(proposals: list[bytes], own: Own) -> list[bytes]:
    """The called end's answer: of every medium and direction the first proposal of a codec that
    is known here to the last bit, with this end's addresses.  None refuses fast connect."""
    answers: dict[tuple[str, str], bytes] = {}
    for proposal in proposals[:PROPOSALS_MAX]:
        try:
            value = per.read("OpenLogicalChannel", proposal)
            if per.write("OpenLogicalChannel", value) != proposal:
                continue
            for direction in ("reverse", "forward"):
                if ours := _ours(value, direction, own, _CALLED_FIRST + len(answers)):
                    kind, answer = ours
                    if (kind, direction) not in answers:
                        answers[kind, direction] = per.write("OpenLogicalChannel", answer)
                    break
        except WireError:
            continue
    return list(answers.values())


def _ours(value: Value, direction: str, own: Own, number: int) -> tuple[Kind, Value] | None:
    name = f"{direction}LogicalChannelParameters"
    channel = value.get(name, {})
    match channel:
        case {
            "dataType": (("audioData" | "videoData") as kind, (codec, _)),
            "multiplexParameters": ("h2250LogicalChannelParameters", parameters),
        } if codec != "nonStandard":
            media = addresses.media(own, "h225")[kind]
        case _:
            return None
    theirs = {key: part for key, part in parameters.items() if key != "mediaChannel"}
    theirs["mediaControlChannel"] = addresses.h245(media.rtcp)
    if direction == "forward":
        theirs["mediaChannel"] = addresses.h245(media.rtp)
        number = value["forwardLogicalChannelNumber"]
    changed = {**channel, "multiplexParameters": (_H2250, theirs)}
    return kind, {**value, "forwardLogicalChannelNumber": number, name: changed}


def masked(name: str, data: bytes) -> tuple[bytes, tuple[Carried, ...]]:
    """A proposal with its addresses taken out, and they, as fields of ``name``.  Raises
    WireError for what is no proposal that is understood."""
    value = per.read("OpenLogicalChannel", data)
    without, carried = addresses.taken_out(value, f"{name}.")
    return per.canonical("OpenLogicalChannel", data, value, without), carried
