"""Calls as tables: how far each came, where it went, and who heard and saw whom (facts N2-N8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netcheck.report.model import CallSides, PlacedCall, PlacedMedium
from netcheck.report.page import Page
from netcheck.report.verdicts import BAD, GOOD, OPEN

if TYPE_CHECKING:
    from rich.text import Text

_HEADINGS = {"outbound": "A call to the other side", "inbound": "A call from the other side"}
_REACHED = {
    "untested": "it was not made",
    "nothing": "it was not answered",
    "answered": "it was answered, and went no further",
    "control": "it was answered and controlled, and nothing was agreed on",
    "media": "it came all the way to sound and picture",
}
_SIDES: dict[CallSides, tuple[str, str]] = {
    "both": ("both sides hear each other", "both sides see each other"),
    "only-you": ("you hear them, they do not hear you", "you see them, they do not see you"),
    "only-they": ("they hear you, you do not hear them", "they see you, you do not see them"),
    "neither": ("neither side hears the other", "neither side sees the other"),
    "unknown": ("not known", "not known"),
}
_MEDIA = {"audio": "Sound", "video": "Picture"}
_ARRIVES = {True: GOOD, False: BAD, None: OPEN}
_YES = {True: "yes", False: "no", None: "not known"}

# A report that somebody made up may hold any number of these.
_MAX_ROWS = 16


def add_calls(page: Page, calls: list[PlacedCall]) -> None:
    """Append each call: what it came to, and then where it went and what arrived there."""
    for call in calls[:_MAX_ROWS]:
        page.heading(_HEADINGS[call.direction])
        page.pairs(_pairs(call))
        if rows := _rows(page, call):
            page.rows(
                rows,
                widths=[max(len(row[0]) for row in rows), _place_width(rows), _FOUND],
                header=["What", "Where to", "Arrived", "More"],
            )


_FOUND = len("x none sent")
_PLACE_MAX = len("255.255.255.255:65535")


def _place_width(rows: list[tuple[str, str, Text, str]]) -> int:
    return min(_PLACE_MAX, max(len("Where to"), *(len(row[1]) for row in rows)))


def how_far(call: PlacedCall) -> str:
    """How far it came."""
    if call.direction == "inbound" and call.reached == "nothing":
        return "it did not come in"
    return _REACHED[call.reached]


def hears(call: PlacedCall) -> str:
    """Who hears whom."""
    return _SIDES[call.sound][0]


def sees(call: PlacedCall) -> str:
    """Who sees whom."""
    return _SIDES[call.picture][1]


def _pairs(call: PlacedCall) -> list[tuple[str, str]]:
    came = how_far(call)
    pairs = [("How far", f"{came}: {call.reason}" if call.reason else came)]
    if call.set_up:
        pairs.append(("Sound", hears(call)))
        pairs.append(("Picture", sees(call)))
    if call.evidence:
        pairs.append(("Seen by", ", ".join(call.evidence[:_MAX_ROWS])))
    return pairs


def _rows(page: Page, call: PlacedCall) -> list[tuple[str, str, Text, str]]:
    answered = call.reached not in ("untested", "nothing")
    connections = (
        ("Call set-up", call.signalling, answered or call.set_up),
        ("Call control", call.control, call.set_up),
        ("Shared data", call.data, call.data_reached),
    )
    return [
        *(
            (name, to, page.sign(_ARRIVES[arrived], _YES[arrived]), "")
            for name, to, arrived in connections
            if to is not None
        ),
        *(_medium(page, medium) for medium in call.media[:_MAX_ROWS]),
    ]


def _medium(page: Page, m: PlacedMedium) -> tuple[str, str, Text, str]:
    name = f"{_MEDIA[m.kind]} to {'them' if m.direction == 'outbound' else 'you'}"
    received = "?" if m.received is None else str(m.received)
    found = f"{received} of {m.sent}" if m.sent else "none sent"
    reports = f"{m.reports} reports (RTCP)" if m.sent and m.reports is not None else ""
    whole = None if m.arrives and m.reports_arrive is None else m.arrives and m.reports_arrive
    more = "; ".join(filter(None, (reports, m.reason)))
    return name, m.to or "not known", page.sign(_ARRIVES[whole], found), more
