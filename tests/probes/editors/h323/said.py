"""H.323 in the tests: the dialogues, pycrate's types of their messages, and what tshark shows."""

from __future__ import annotations

import msgspec
from pycrate_asn1dir import H225, H245  # type: ignore[import-untyped]

from probes.editors import dialogues
from probes.editors.contract import Dialogue
from probes.editors.h323 import q931, tpkt
from probes.wire.frame import Endpoint
from tests.probes.editors.talk import CLIENT, SERVER
from tests.probes.wire.tshark import Fields

CALL, CONTROL = dialogues("h323")
UNIT = H225.H323_MESSAGES.H323_UserInformation
MESSAGE = H245.MULTIMEDIA_SYSTEM_CONTROL.MultimediaSystemControlMessage
CHANNEL = H245.MULTIMEDIA_SYSTEM_CONTROL.OpenLogicalChannel

V6 = {
    "socket": Endpoint("2001:db8::2", 40001),
    "listening": Endpoint("2001:db8::2", 20001),
    "peer": Endpoint("2001:db8:1::5", 1720),
}
CLIENT_V6 = msgspec.structs.replace(CLIENT, **V6)
SERVER_V6 = msgspec.structs.replace(
    SERVER, socket=V6["peer"], listening=Endpoint("2001:db8:1::5", 30001), peer=V6["socket"]
)


def user_user(message: bytes) -> bytes:
    return (q931.read(tpkt.read(message)).element(q931.USER_USER) or b"")[1:]


def shown(frame: Fields) -> list[tuple[str, str]]:
    """Addresses and ports that tshark shows in a frame, in its order."""
    found: list[tuple[str, str]] = []
    for address, port in (
        ("h225.h245Ip", "h225.h245IpPort"),
        ("h225.h245Ip6", "h225.h245Ip6port"),
        ("h225.ipV4", "h225.ipV4_port"),
        ("h225.ipV6", "h225.ipV6_port"),
        ("h245.ip4_network", "h245.tsapIdentifier"),
        ("h245.ip6_network", "h245.ipv6.tsapIdentifier"),
    ):
        found += zip(frame.get(address, []), frame.get(port, []), strict=True)
    return found


def said(dialogue: Dialogue, message: bytes) -> list[tuple[str, str]]:
    return [(c.address, str(c.port)) for c in dialogue.read(message).carried]
