"""What calls as NetMeeting makes them would state, by what a network does to them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from netcheck.diagnosis import call_media
from netcheck.diagnosis import media as streams
from probes.observation import Call, CallConnection, CallMedia, Followed, Heard, Said

from .measured import OURS, PUBLIC, SERVER

Direction = Literal["outbound", "inbound"]

H245 = 30001
DIRECTIONS: tuple[Direction, ...] = ("outbound", "inbound")
RTP: dict[streams.Kind, int] = {"audio": 40000, "video": 40002}
REPORTS = 8  # of each stream, in the second that it lasts
T120 = 1503
OLC = ("terminalCapabilitySet", "openLogicalChannel", "openLogicalChannelAck")


def medium(kind: Any, direction: Direction, *, host: str | None = None, **more: Any) -> CallMedia:
    """A second of it, all of which arrived."""
    where = host or (SERVER if direction == "outbound" else OURS)
    usual: dict[str, Any] = {
        "rtp_to": f"{where}:{RTP[kind]}",
        "rtcp_to": f"{where}:{RTP[kind] + 1}",
        "sent": call_media.PER_S[kind],
        "received": call_media.PER_S[kind],
        "reports_sent": REPORTS,
        "reports": REPORTS,
    }
    return CallMedia(kind=kind, direction=direction, **(usual | more))


NOTHING: dict[str, Any] = {"received": 0, "reports": 0}
REFUSED: dict[str, Any] = {
    "refused": "not-proven", "rtcp_refused": "not-proven", "sent": 0, "received": 0,
    "reports": 0, "reports_sent": 0,
}  # fmt: skip


def media(
    host: str = OURS, *, out: dict[str, Any] | None = None, back: dict[str, Any] | None = None
) -> tuple[CallMedia, ...]:
    """Sound and picture both ways; the server's go to ``host``."""
    return tuple(
        medium(kind, direction, host=host if direction == "inbound" else None, **(changes or {}))
        for kind in RTP
        for direction, changes in zip(DIRECTIONS, (out, back), strict=True)
    )


def control(host: str = OURS, **more: Any) -> CallConnection:
    """H.245; our messages arrived with ``host`` in them."""
    fields = [("mediaChannel", 0), ("mediaControlChannel", 1)]
    places = [(field, port + n) for port in RTP.values() for field, n in fields]
    places.append(("separateStack", T120))
    usual: dict[str, Any] = {
        "to": f"{SERVER}:{H245}",
        "outcome": "answered",
        "attempts": 1,
        "over": True,
        "out": Heard(
            expected=len(OLC), kinds=OLC, said=tuple(_said(f, OURS, host, p) for f, p in places)
        ),
        "back": Heard(
            expected=len(OLC), kinds=OLC, said=tuple(_said(f, SERVER, SERVER, p) for f, p in places)
        ),
    }
    return CallConnection(**(usual | more))


def _said(field: str, sent: str, arrived: str, port: int) -> Said:
    return Said(field=field, sent=f"{sent}:{port}", arrived=f"{arrived}:{port}", announced=True)


def signalling(**more: Any) -> CallConnection:
    usual: dict[str, Any] = {
        "to": f"{SERVER}:1720", "outcome": "answered", "attempts": 1, "over": True,
    }  # fmt: skip
    return CallConnection(**(usual | more))


def call(direction: Direction = "outbound", **more: Any) -> Call:
    """In a network that translates nothing and lets everything pass."""
    usual: dict[str, Any] = {
        "signalling": signalling(),
        "control": control(),
        "media": media(),
        "data": Followed(field="separateStack", target=f"{OURS}:{T120}", heard=1),
    }
    if direction == "inbound":
        usual["signalling"] = signalling(to=f"{OURS}:1720")
        usual["control"] = control(to=f"{OURS}:20001")
        del usual["data"]
    return Call(id=f"call-{direction}", at_s=0.5, took_s=1.6, direction=direction, **(usual | more))


def unset(*, at: str = "signalling", **fails: Any) -> dict[str, Any]:
    """A call that came no further than this connection, which fared so."""
    nothing: dict[str, Any] = {"media": (), "data": None}
    failed: dict[str, Any] = {"over": False, "out": Heard(expected=1), "back": Heard()} | fails
    if at == "signalling":
        return nothing | {"signalling": signalling(**failed), "control": CallConnection()}
    return nothing | {"control": control(**failed)}


# ---- networks ----

OUT = call()
IN = call("inbound")

NAT_OUT = call(
    media=media(back=REFUSED),
    data=Followed(field="separateStack", target=f"{OURS}:{T120}", refused="not-proven"),
)
NAT_IN = call(
    "inbound",
    signalling=CallConnection(to=f"{OURS}:1720", refused="not-proven"),
    control=CallConnection(),
    media=(),
)
EDITED_OUT = call(
    control=control(PUBLIC),
    media=media(PUBLIC),
    data=Followed(field="separateStack", target=f"{PUBLIC}:{T120}", heard=1),
)
EDITED_IN = call(
    "inbound",
    signalling=signalling(to=f"{PUBLIC}:1720"),
    control=control(PUBLIC, to=f"{PUBLIC}:20001"),
    media=media(PUBLIC),
)


def changed(one: Call, **more: Any) -> Call:
    return msgspec.structs.replace(one, **more)
