"""H.323 as others have it: pycrate, which knows the whole recommendations, and tshark read what we
say, and we read what pycrate writes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from probes.editors.contract import Own
from probes.editors.h323 import per, tpkt
from probes.wire.frame import Endpoint
from tests.probes.editors.h323.said import (
    CALL,
    CHANNEL,
    CLIENT_V6,
    CONTROL,
    MESSAGE,
    SERVER_V6,
    UNIT,
    said,
    shown,
    user_user,
)
from tests.probes.editors.talk import CLIENT, SERVER, talk
from tests.probes.wire.tshark import Sent, decoded

OWNS = pytest.mark.parametrize(
    ("client", "server"), [(CLIENT, SERVER), (CLIENT_V6, SERVER_V6)], ids=("IPv4", "IPv6")
)

GUID = bytes(range(50, 66))


def as_pycrate(value: Any) -> Any:
    """Our value in pycrate's terms: object identifiers as tuples, NULL as 0."""
    match value:
        case dict():
            return {key: as_pycrate(part) for key, part in value.items()}
        case list():
            return [as_pycrate(part) for part in value]
        case (str(kind), part):
            if kind in ("none", "separateLANStack"):
                return kind, 0
            return kind, as_pycrate(part)
        case str() if value.startswith(("0.0.8.", "2.25.")):
            return tuple(map(int, value.split(".")))
        case None:
            return 0
    return value


@OWNS
def test_pycrate_reads_what_we_say_and_we_read_what_it_says(client: Own, server: Own) -> None:
    for heard in talk(CALL, client, server):
        for message in heard:
            ours = per.read("H323-UserInformation", user_user(message))
            UNIT.from_aper(user_user(message))
            assert UNIT.get_val() == as_pycrate(ours)
            # It knows more extensions than there were in version 2, and has bits for all.
            again = UNIT.to_aper()
            assert per.read("H323-UserInformation", again) == ours
            body = ours["h323-uu-pdu"]["h323-message-body"][1]
            for proposal in body.get("fastStart", []):
                CHANNEL.from_aper(proposal)
                assert CHANNEL.get_val() == as_pycrate(per.read("OpenLogicalChannel", proposal))
                assert CHANNEL.to_aper() == proposal
    for heard in talk(CONTROL, client, server):
        for message in heard:
            data = tpkt.read(message)
            ours = per.read("MultimediaSystemControlMessage", data)
            MESSAGE.from_aper(data)
            assert MESSAGE.get_val() == as_pycrate(ours)
            again = MESSAGE.to_aper()
            assert per.read("MultimediaSystemControlMessage", again) == ours
            kind, body = ours[1]
            if kind != "openLogicalChannelAck" and "separateStack" not in str(body):
                assert again == data  # the others have extensions, so bits for them


@OWNS
def test_tshark_reads_the_call(client: Own, server: Own) -> None:
    heard, back = talk(CALL, client, server)
    one, other = client.socket, Endpoint(server.socket.address, 1720)
    sent: list[Sent] = [(one, other, "tcp", heard[0])]
    sent += [(other, one, "tcp", message) for message in back]
    sent.append((one, other, "tcp", heard[1]))
    frames = decoded(sent)
    kinds = [frame["q931.message_type"] for frame in frames]
    assert kinds == [["0x05"], ["0x02"], ["0x01"], ["0x07"], ["0x5a"]]
    assert [frame["h225.guid"] for frame in frames] == [[str(UUID(bytes=client.label))]] * 5
    for (_, _, _, message), frame in zip(sent, frames, strict=True):
        assert shown(frame) == said(CALL, message)
    assert len(shown(frames[0])) == 9


@OWNS
def test_tshark_reads_the_control_channel(client: Own, server: Own) -> None:
    """On the connection that the server makes to the client, as Setup has it."""
    heard, back = talk(CONTROL, client, server)
    one, other = client.listening, Endpoint(server.socket.address, 44444)
    sent: list[Sent] = [(one, other, "tcp", message) for message in heard]
    sent += [(other, one, "tcp", message) for message in back]
    frames = decoded(sent, f"tcp.port=={one.port},h245")
    for (_, _, _, message), frame in zip(sent, frames, strict=True):
        assert any(CONTROL.read(message).kind in name for name in frame)
        assert shown(frame) == said(CONTROL, message)
    assert sum(len(shown(frame)) for frame in frames) == 14
