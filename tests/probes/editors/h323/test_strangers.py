"""Strangers' calls, which pycrate writes by the whole recommendations, get as far as ours."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from probes.editors.contract import End, Reading, Step
from probes.editors.h323 import addresses, control, per, q931, tpkt
from probes.wire.frame import Endpoint
from tests.probes.editors.h323.said import (
    CALL,
    CHANNEL,
    CONTROL,
    MESSAGE,
    UNIT,
    said,
    shown,
    user_user,
)
from tests.probes.editors.talk import CLIENT, SERVER
from tests.probes.wire.tshark import decoded

GUID = bytes(range(50, 66))

AT = ("ipAddress", {"ip": bytes((192, 168, 77, 9)), "port": 4000})
AT_RTP = ("unicastAddress", ("iPAddress", {"network": AT[1]["ip"], "tsapIdentifier": 5000}))
AT_RTCP = ("unicastAddress", ("iPAddress", {"network": AT[1]["ip"], "tsapIdentifier": 5001}))
VENDOR = {"t35CountryCode": 181, "t35Extension": 0, "manufacturerCode": 21324}


def proposal(number: int, kind: str, codec: Any, session: int, *, reverse: bool = False) -> bytes:
    parameters = {"sessionID": session, "mediaControlChannel": AT_RTCP}
    if reverse:
        parameters["mediaChannel"] = AT_RTP
    channel = {
        "dataType": (kind, codec),
        "multiplexParameters": ("h2250LogicalChannelParameters", parameters),
    }
    nothing = {"dataType": ("nullData", 0), "multiplexParameters": ("none", 0)}
    value = {
        "forwardLogicalChannelNumber": number,
        "forwardLogicalChannelParameters": nothing if reverse else channel,
    }
    if reverse:
        value["reverseLogicalChannelParameters"] = channel
    CHANNEL.set_val(value)
    data: bytes = CHANNEL.to_aper()
    return data


SPEEX = ("nonStandard", {
    "nonStandardIdentifier": ("h221NonStandard", VENDOR), "data": b"Speex",
})  # fmt: skip
GSM = ("gsmFullRate", {"audioUnitSize": 33, "comfortNoise": False, "scrambled": False})
GENERIC = ("genericAudioCapability", {"capabilityIdentifier": ("standard", (0, 0, 7, 7221))})


def setup(version: int, **members: Any) -> Any:
    return {
        "protocolIdentifier": (0, 0, 8, 2250, 0, version),
        "sourceInfo": {
            "vendor": {"vendor": VENDOR, "productId": b"Phone\0", "versionId": b"1.2\0"},
            "terminal": {},
            "mc": False,
            "undefinedNode": False,
        },
        "activeMC": False,
        "conferenceID": bytes(16),
        "conferenceGoal": ("create", 0),
        "callType": ("pointToPoint", 0),
        "callIdentifier": {"guid": GUID},
        "mediaWaitForConnect": False,
        "canOverlapSend": False,
        "multipleCalls": False,
        "maintainConnection": False,
        **members,
    }


def called_with(
    body: Any,
    before: tuple[tuple[int, bytes | None], ...] = (),
    **unit: Any,
) -> bytes:
    whole = {"h323-uu-pdu": {"h323-message-body": ("setup", body), **unit}}
    UNIT.set_val(whole)
    user = (q931.USER_USER, b"\x05" + UNIT.to_aper())
    message = q931.Message(type=q931.Type.SETUP, reference=b"\x12\x34", elements=(*before, user))
    return tpkt.write(q931.write(message))


def answers(message: bytes) -> tuple[Step, list[Reading]]:
    step = CALL.server(SERVER).receive(message)
    assert step.arrived == (message,)
    for data in step.send:
        UNIT.from_aper(user_user(data))
    return step, [CALL.read(data) for data in step.send]


LIKE_GNOMEMEETING = called_with(
    setup(
        4,
        sourceAddress=[("h323-ID", "Ann Example"), ("dialledDigits", "12*3")],
        destinationAddress=[("url-ID", "h323:bob@example.net"), ("transportID", AT)],
        destExtraCRV=[1, 2],
        sourceCallSignalAddress=AT,
        fastStart=[
            proposal(1, "audioData", SPEEX, 1),
            proposal(2, "audioData", GENERIC, 1),
            proposal(3, "audioData", GSM, 1),
            proposal(4, "audioData", ("g711Ulaw64k", 20), 1),
            proposal(5, "audioData", ("g711Ulaw64k", 20), 1, reverse=True),
            proposal(6, "audioData", GSM, 1, reverse=True),
        ],
        presentationIndicator=("presentationAllowed", 0),
        screeningIndicator="userProvidedNotScreened",
    ),
    before=((q931.BEARER_CAPABILITY, b"\x88\xc0\xa5"), (q931.DISPLAY, b"Ann\0")),
    h245Tunnelling=True,
    h245Control=[b"\x21\x80\x01"],
)
LIKE_NETMEETING = called_with(
    setup(
        2,
        h245Address=AT,
        sourceAddress=[("h323-ID", "ann@example.net")],
        sourceCallSignalAddress=AT,
        destCallSignalAddress=AT,
    ),
    before=((0xA1, None), (q931.BEARER_CAPABILITY, b"\x88\x93\xa5")),
    nonStandardData={
        "nonStandardIdentifier": ("h221NonStandard", VENDOR),
        "data": b"\x60\x01\0",
    },
    h245Tunnelling=False,
)


def gateway() -> bytes:
    """By our own schema: pycrate 0.8.1 puts a byte too many before these additions."""
    called = q931.read(tpkt.read(LIKE_NETMEETING))
    whole = per.read("H323-UserInformation", user_user(LIKE_NETMEETING))
    _, body = whole["h323-uu-pdu"]["h323-message-body"]
    del body["h245Address"], body["sourceCallSignalAddress"], body["destCallSignalAddress"]
    prefixes = [{"prefix": ("dialledDigits", "1#")}]
    body["sourceInfo"]["gateway"] = {
        "protocol": [
            ("voice", {"supportedPrefixes": prefixes}),
            ("h320", {"dataRatesSupported": [{"channelRate": 640}], "supportedPrefixes": []}),
        ]
    }
    user = (q931.USER_USER, b"\x05" + per.write("H323-UserInformation", whole))
    elements = (user, (0x70, b"\x81123"))
    message = q931.Message(type=called.type, reference=b"\x05", elements=elements)
    return tpkt.write(q931.write(message))


GATEWAY = gateway()


@pytest.mark.parametrize("message", [LIKE_GNOMEMEETING, LIKE_NETMEETING, GATEWAY])
def test_tshark_takes_the_strangers_for_calls(message: bytes) -> None:
    (frame,) = decoded([(CLIENT.socket, Endpoint("198.51.100.5", 1720), "tcp", message)])
    assert frame["h225.guid"] == [str(UUID(bytes=GUID))]
    assert sorted(shown(frame)) == sorted(said(CALL, message))


def test_fast_connect_takes_the_first_codec_that_is_known() -> None:
    step, replies = answers(LIKE_GNOMEMEETING)
    assert [reply.kind for reply in replies] == ["Call Proceeding", "Alerting", "Connect"]
    assert {reply.label for reply in replies} == {GUID}
    assert not step.over
    audio = addresses.media(SERVER, "h225")["audioData"]
    assert [(c.field, c.port) for c in replies[-1].carried] == [
        ("h245Address", SERVER.listening.port),
        ("fastStart[0].mediaChannel", audio.rtp.port),
        ("fastStart[0].mediaControlChannel", audio.rtcp.port),
        ("fastStart[1].mediaControlChannel", audio.rtcp.port),
    ]
    connect = UNIT.get_val()["h323-uu-pdu"]["h323-message-body"][1]
    chosen = []
    for data in connect["fastStart"]:
        CHANNEL.from_aper(data)
        chosen.append(CHANNEL.get_val())
    assert chosen[0]["forwardLogicalChannelNumber"] == 3
    assert chosen[0]["forwardLogicalChannelParameters"]["dataType"] == ("audioData", GSM)
    back = chosen[1]["reverseLogicalChannelParameters"]
    assert back["dataType"] == ("audioData", ("g711Ulaw64k", 20))
    assert "mediaChannel" not in back["multiplexParameters"][1]


@pytest.mark.parametrize("message", [LIKE_NETMEETING, GATEWAY], ids=("NetMeeting", "gateway"))
def test_a_call_without_fast_connect_goes_on_to_h245(message: bytes) -> None:
    step, replies = answers(message)
    assert [reply.kind for reply in replies] == ["Call Proceeding", "Alerting", "Connect"]
    assert [carried.field for carried in replies[-1].carried] == ["h245Address"]
    assert not step.over
    reference = q931.read(tpkt.read(message)).reference
    other_way = bytes((reference[0] | 0x80,)) + reference[1:]
    assert {q931.read(tpkt.read(data)).reference for data in step.send} == {other_way}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (LIKE_GNOMEMEETING, ["destinationAddress", "sourceCallSignalAddress"]),
        (LIKE_NETMEETING, ["h245Address", "destCallSignalAddress", "sourceCallSignalAddress"]),
        (GATEWAY, []),
    ],
    ids=("GnomeMeeting", "NetMeeting", "gateway"),
)
def test_strangers_addresses_are_read(message: bytes, fields: list[str]) -> None:
    seen = CALL.read(message)
    assert [c.field for c in seen.carried if not c.field.startswith("fast")] == fields
    assert {c.address for c in seen.carried} <= {"192.168.77.9"}
    assert seen.label == GUID


def q931_of(kind: int, *elements: tuple[int, bytes | None]) -> bytes:
    message = q931.Message(type=kind, reference=b"\0\x07", elements=elements)
    return tpkt.write(q931.write(message))


def test_what_is_no_call_is_answered_or_passed_over() -> None:
    end = CALL.server(SERVER)
    (status,) = end.receive(q931_of(q931.Type.STATUS_ENQUIRY)).send
    assert q931.read(tpkt.read(status)).element(q931.CAUSE) == b"\x80\x9e"
    (status,) = end.receive(q931_of(0x7F)).send
    assert q931.read(tpkt.read(status)).element(q931.CAUSE) == b"\x80\xe1"
    for kind in (q931.Type.STATUS, q931.Type.FACILITY, q931.Type.CONNECT, q931.Type.INFORMATION):
        assert end.receive(q931_of(kind)) == Step(arrived=(q931_of(kind),))
    step = end.receive(q931_of(q931.Type.SETUP, (q931.USER_USER, b"\x05\xff")))
    (release,) = step.send
    assert q931.read(tpkt.read(release)).type == q931.Type.RELEASE_COMPLETE
    assert step.over


def test_one_call_and_then_its_release() -> None:
    end = CALL.server(SERVER)
    assert len(end.receive(LIKE_NETMEETING).send) == 3
    assert not end.receive(LIKE_NETMEETING).send
    step = end.receive(q931_of(q931.Type.RELEASE_COMPLETE))
    assert (step.send, step.over) == ((), True)


def test_a_caller_that_is_turned_away_is_done() -> None:
    caller = CALL.client(CLIENT)
    caller.begin()
    assert not caller.receive(q931_of(q931.Type.ALERTING)).over
    step = caller.receive(q931_of(q931.Type.RELEASE_COMPLETE))
    assert (step.send, step.over) == ((), True)


# Strangers' control channels.


def h245(kind: str, name: str, value: Any) -> bytes:
    MESSAGE.set_val((kind, (name, value)))
    return tpkt.write(MESSAGE.to_aper())


def replies_of(end: End, *messages: bytes) -> list[tuple[str, Any]]:
    """The names and values of what comes back, as pycrate reads them."""
    found = []
    for data in end.receive(b"".join(messages)).send:
        MESSAGE.from_aper(tpkt.read(data))
        found.append(MESSAGE.get_val()[1])
    return found


def test_a_stranger_is_carried_through() -> None:
    end = CONTROL.server(SERVER)
    assert len(end.begin().send) == 2
    capabilities = h245(
        "request",
        "terminalCapabilitySet",
        {
            "sequenceNumber": 7,
            "protocolIdentifier": (0, 0, 8, 245, 0, 13),
            "capabilityTable": [
                {"capabilityTableEntryNumber": 1,
                 "capability": ("receiveAudioCapability", GENERIC)},
                {"capabilityTableEntryNumber": 2,
                 "capability": ("maxPendingReplacementFor", 3)},
                {"capabilityTableEntryNumber": 3},
            ],
        },
    )  # fmt: skip
    assert replies_of(end, capabilities) == [("terminalCapabilitySetAck", {"sequenceNumber": 7})]
    compared = {"terminalType": 50, "statusDeterminationNumber": 1}
    assert replies_of(end, h245("request", "masterSlaveDetermination", compared)) == [
        ("masterSlaveDeterminationAck", {"decision": ("slave", 0)})
    ]
    known = h245("response", "terminalCapabilitySetAck", {"sequenceNumber": 1})
    decided = h245("response", "masterSlaveDeterminationAck", {"decision": ("master", 0)})
    opened = replies_of(end, known, decided)
    assert [name for name, _ in opened] == ["openLogicalChannel"] * 2

    for message, cause in (
        (proposal(1, "audioData", SPEEX, 1), None),
        (proposal(2, "videoData", ("genericVideoCapability", GENERIC[1]), 0), None),
        (proposal(3, "audioData", GSM, 1, reverse=True), "dataTypeNotSupported"),
        (t120(4), None),
        (t120(5, ("h224", ("hdlcFrameTunnelling", 0))), "dataTypeNotSupported"),
    ):
        CHANNEL.from_aper(message)
        asked = h245("request", "openLogicalChannel", CHANNEL.get_val())
        ((name, value),) = replies_of(end, asked)
        wanted = "openLogicalChannelReject" if cause else "openLogicalChannelAck"
        assert name == wanted
        assert value.get("cause", (None,))[0] == cause

    assert replies_of(end, h245("request", "roundTripDelayRequest", {"sequenceNumber": 9})) == [
        ("roundTripDelayResponse", {"sequenceNumber": 9})
    ]
    close = {"forwardLogicalChannelNumber": 2, "source": ("lcse", 0)}
    assert replies_of(end, h245("request", "closeLogicalChannel", close)) == [
        ("closeLogicalChannelAck", {"forwardLogicalChannelNumber": 2})
    ]
    for name, value in (("userInput", ("alphanumeric", "1")),):
        assert replies_of(end, h245("indication", name, value)) == []
    over = end.receive(h245("command", "endSessionCommand", ("disconnect", 0)))
    assert over.over
    assert len(over.send) == 1


def t120(number: int, application: Any = ("t120", ("separateLANStack", 0))) -> bytes:
    channel = {
        "dataType": ("data", {"application": application, "maxBitRate": 621}),
        "multiplexParameters": ("h2250LogicalChannelParameters", {"sessionID": 3}),
    }
    CHANNEL.set_val(
        {
            "forwardLogicalChannelNumber": number,
            "forwardLogicalChannelParameters": channel,
            "reverseLogicalChannelParameters": channel,
            "separateStack": {
                "networkAddress": ("localAreaAddress", AT_RTP),
                "associateConference": False,
            },
        }
    )
    data: bytes = CHANNEL.to_aper()
    return data


OWN_NUMBER = int.from_bytes(SERVER.random("h245 status determination", 3))


@pytest.mark.parametrize(
    ("kind", "ahead", "decision"),
    [
        (control.GATEWAY - 1, 5, "slave"),
        (control.GATEWAY + 1, 5, "master"),
        (control.GATEWAY, 1, "slave"),
        (control.GATEWAY, (1 << 23) - 1, "slave"),
        (control.GATEWAY, (1 << 23) + 1, "master"),
        (control.GATEWAY, 0, None),
        (control.GATEWAY, 1 << 23, None),
    ],
)
def test_who_is_the_master(kind: int, ahead: int, decision: str | None) -> None:
    """H.245 annex C.2.  What is said is what the other end is."""
    end = CONTROL.server(SERVER)
    number = (OWN_NUMBER + ahead) % (1 << 24)
    compared = {"terminalType": kind, "statusDeterminationNumber": number}
    ((name, value),) = replies_of(end, h245("request", "masterSlaveDetermination", compared))
    if decision is None:
        assert (name, value) == (
            "masterSlaveDeterminationReject",
            {"cause": ("identicalNumbers", 0)},
        )
    else:
        assert (name, value) == ("masterSlaveDeterminationAck", {"decision": (decision, 0)})
