"""Where media go, and a call without fast connect, as NetMeeting makes it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.editors.contract import Own
from probes.editors.h323 import addresses, channels, control, per, signalling, tpkt
from probes.editors.h323.control import Agreed
from probes.wire.frame import Endpoint
from tests.probes.editors.h323.said import CALL, CLIENT_V6, CONTROL, SERVER_V6, UNIT, user_user
from tests.probes.editors.talk import CLIENT, SERVER, talk

OWNS = pytest.mark.parametrize(
    ("client", "server"), [(CLIENT, SERVER), (CLIENT_V6, SERVER_V6)], ids=("IPv4", "IPv6")
)


@OWNS
def test_each_end_says_where_its_media_wait(client: Own, server: Own) -> None:
    for own, messages in zip((client, server), talk(CONTROL, client, server), strict=True):
        found = [each for message in messages if (each := control.agreed(message))]
        assert sorted(found, key=lambda each: each.kind) == [
            Agreed(kind, *addresses.media(own, "h245")[kind]) for kind in channels.SESSIONS
        ]


def acknowledged(number: int, **parameters: object) -> bytes:
    at = addresses.Media(Endpoint("192.0.2.1", 2), Endpoint("192.0.2.1", 3))
    value = channels.acknowledged(number, "audioData", at)
    if parameters:
        value["forwardMultiplexAckParameters"][1].update(parameters)
    else:
        del value["forwardMultiplexAckParameters"]
    message = ("response", ("openLogicalChannelAck", value))
    return tpkt.write(per.write("MultimediaSystemControlMessage", message))


def test_an_acknowledgement_may_not_say_where() -> None:
    assert control.agreed(acknowledged(2)) == Agreed("videoData", None, None)


def test_channels_of_other_numbers_are_not_ours() -> None:
    assert control.agreed(acknowledged(1, sessionID=1))
    assert control.agreed(acknowledged(3, sessionID=1)) is None


@given(st.binary(max_size=64))
def test_whatever_comes(data: bytes) -> None:
    for message in (data, tpkt.write(data)):
        found = control.agreed(message)
        assert found is None or found.kind in channels.SESSIONS


@given(st.data())
def test_whatever_comes_of_an_acknowledgement(data: st.DataObject) -> None:
    message = bytearray(acknowledged(1, sessionID=1))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(4, len(message) - 1))] = data.draw(st.integers(0, 255))
    found = control.agreed(bytes(message))
    assert found is None or found.kind in channels.SESSIONS


@OWNS
def test_without_fast_connect_all_else_is_the_same(client: Own, server: Own) -> None:
    slow = msgspec.structs.replace(
        CALL, client=lambda own: signalling.Caller(own, fast_start=False)
    )
    (said, answered), (usual, _) = talk(slow, client, server), talk(CALL, client, server)
    UNIT.from_aper(user_user(said[0]))
    (setup, full) = (
        dict(per.read("H323-UserInformation", user_user(message))["h323-uu-pdu"])[
            "h323-message-body"
        ][1]
        for message in (said[0], usual[0])
    )
    assert full.pop("fastStart")
    assert setup == full
    assert [signalling.read(m).kind for m in answered] == ["Call Proceeding", "Alerting", "Connect"]
    assert not any("fastStart" in c.field for m in answered for c in signalling.read(m).carried)
