"""The path: computer, router, carrier, Internet, echo server, and where it is broken.

What breaks at a known device is said below that device; the rest below a bracket around all the
devices where it may be, with a question mark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from netcheck.drawing import place
from netcheck.drawing.drawing import Drawing, Palette
from netcheck.drawing.look import QT_TRANSLATE_NOOP, Look, filled, look_of
from netcheck.drawing.measure import fitted
from netcheck.drawing.place import Device, Place
from netcheck.drawing.sheet import Sheet
from netcheck.report.model import PathHop, Report

_NAMES: dict[Device, str] = {
    "computer": QT_TRANSLATE_NOOP("Drawing", "This computer"),
    "router": QT_TRANSLATE_NOOP("Drawing", "Router"),
    "outer": QT_TRANSLATE_NOOP("Drawing", "Second router"),
    "carrier": QT_TRANSLATE_NOOP("Drawing", "Carrier"),
    "internet": QT_TRANSLATE_NOOP("Drawing", "Internet"),
    "server": QT_TRANSLATE_NOOP("Drawing", "Echo server"),
}
_WELL = QT_TRANSLATE_NOOP("Drawing", "nothing wrong was found here")
_UNTESTED = QT_TRANSLATE_NOOP("Drawing", "not tested")
_TESTING = QT_TRANSLATE_NOOP("Drawing", "being tested")
_KINDS = {
    "bad": QT_TRANSLATE_NOOP("Drawing", "Broken: {what}"),
    "part": QT_TRANSLATE_NOOP("Drawing", "Impaired: {what}"),
}

WIDTH = 900.0
_BOX_MOST, _GAP, _TOP = 148.0, 34.0, 10.0
_NAME, _DETAIL = 15.0, 13.0  # from line to line
_LINE = 15.0
_HALF_MARK = 9.0  # on the way from device to device
_LINES_MOST = 6  # of one mark
_MARKS_MOST = 3  # at one device, or at one bracket
_BRACKET_WORDS = 420.0  # a bracket may be narrower than what is said below it

_Kind = Literal["bad", "part"]


class _Mark(msgspec.Struct, frozen=True):
    kind: _Kind
    words: str
    finding: str
    flow: place.Flow = ""


class _Found(msgspec.Struct):
    """``places``: what is broken at a known device, and between two.  ``clear`` is said of a
    device where nothing is."""

    devices: list[tuple[Device, str]]
    places: dict[Place, list[_Mark]]
    clear: str
    lost: bool = False  # nothing came through, and no finding says where it breaks

    def at(self, device: Device) -> list[_Mark]:
        return self.places.get((device, device), [])

    def between(self) -> list[tuple[Place, list[_Mark]]]:
        """From the nearest to the farthest."""
        at = place.ORDER.index
        unsure = [(p, marks) for p, marks in self.places.items() if p[0] != p[1]]
        return sorted(unsure, key=lambda each: (at(each[0][0]), at(each[0][1])))

    def perhaps(self, device: Device) -> list[_Mark]:
        at = place.ORDER.index
        return [
            mark
            for (first, last), marks in self.between()
            if at(first) <= at(device) <= at(last)
            for mark in marks
        ]


def draw(report: Report, look: Look | Palette) -> Drawing | None:
    """The path of this check."""
    places: dict[Place, list[_Mark]] = {}
    for finding in report.findings:
        if finding.severity == "info":
            continue
        kind: _Kind = "bad" if finding.severity == "error" else "part"
        there = places.setdefault(place.where(finding, report), [])
        words = finding.title or finding.cause
        if words not in {mark.words for mark in there}:
            there.append(_Mark(kind, words, finding.id, place.flow(finding.cause)))
    reached = report.server.reached or report.server.embedded
    found = _Found(
        devices=place.devices(report),
        places=places,
        clear=_WELL if reached else _UNTESTED,
        lost=not reached and not any(m.kind == "bad" for marks in places.values() for m in marks),
    )
    return _drawn(found, look_of(look), translated=bool(report.nat.present))


def draw_hops(hops: Sequence[PathHop], look: Look | Palette) -> Drawing:
    """The path as far as it is known while a check runs."""
    places = {hop.place: hop.address or "" for hop in hops}
    devices: list[tuple[Device, str]] = [("computer", "")]
    if "router" in places:
        devices.append(("router", places["router"]))
    if "carrier" in places:
        devices.append(("carrier", places["carrier"]))
    devices += [("internet", ""), ("server", places.get("server", ""))]
    return _drawn(_Found(devices=devices, places={}, clear=_TESTING), look_of(look))


def _drawn(found: _Found, look: Look, *, translated: bool = False) -> Drawing:
    sheet = Sheet(look, WIDTH)
    step = WIDTH / len(found.devices)
    wide = min(_BOX_MOST, step - _GAP)
    names = {device: look.translate("Drawing", name) for device, name in _NAMES.items()}
    details = {
        device: filled(look.translate("Drawing", "others see {address}"), address=detail)
        if device == "internet" and detail and translated
        else detail
        for device, detail in found.devices
    }
    labels = [fitted(names[device], wide - 12, 12, 2, bold=True) for device, _ in found.devices]
    below = [fitted(details[device], wide - 10, 11, 3) for device, _ in found.devices]
    name_lines = max(len(lines) for lines, _ in labels)
    detail_lines = max(len(lines) for lines, _ in below)
    first_detail = _TOP + 50 + _NAME * (name_lines - 1) + 16
    high = 50 + _NAME * (name_lines - 1) + (3 + _DETAIL * detail_lines) + 8
    _add_links(sheet, found, step, wide, _TOP + high / 2)
    said: list[str] = []
    lowest = bottom = _TOP + high
    for number, (device, _) in enumerate(found.devices):
        x = step * (number + 0.5)
        marks = found.at(device)
        broken = any(mark.kind == "bad" for mark in marks)
        edge = look.colours.bad if broken else look.colours.part if marks else look.colours.line
        sheet.box(x - wide / 2, _TOP, wide, high, look.colours.base, edge, 8)
        sheet.body.append(_sign(device, sheet.left(x), _TOP + 22, look.colours))
        for line, words in enumerate(labels[number][0]):
            sheet.text(
                x, _TOP + 50 + _NAME * line, words, look.colours.text,
                size=labels[number][1], bold=True, anchor="middle",
            )  # fmt: skip
        for line, words in enumerate(below[number][0]):
            sheet.text(
                x, first_detail + _DETAIL * line, words, look.colours.quiet,
                size=below[number][1], anchor="middle",
            )  # fmt: skip
        state = _state(found, device, look)
        said.append(
            filled(
                look.translate("Drawing", "{device}: {state}"), device=names[device], state=state
            )
        )
        detail = details[device]
        if detail:
            state = filled(
                look.translate("Drawing", "{address}: {state}"), address=detail, state=state
            )
        finding = marks[0].finding if marks else ""
        sheet.part(names[device], state, x - wide / 2, _TOP, wide, high, finding)
        end = _add_marks(sheet, marks, "", x - step / 2 + 6, bottom + 10, step - 12)
        lowest = max(lowest, end)
    if len(found.devices) == 1:
        x = WIDTH / 2 + wide / 2 + 20
        alone = look.translate(
            "Drawing", "Only this computer was tested, not the network around it."
        )
        sheet.fit(x, _TOP + high / 2 + 4, WIDTH - 10 - x, alone, look.colours.quiet, most=3)
    for (first, last), marks in found.between():
        unknown = look.translate("Drawing", "It is not known where, from “{first}” to “{last}”:")
        place_said = filled(unknown, first=names[first], last=names[last])
        known = [device for device, _ in found.devices]
        ends = step * (known.index(first) + 0.5), step * (known.index(last) + 0.5)
        lowest = _add_bracket(sheet, ends, marks, place_said, lowest + 12)
        said += [f"{place_said} {mark.words}" for mark in marks]
    return sheet.drawing(lowest + 8, ". ".join(said))


def _state(found: _Found, device: Device, look: Look) -> str:
    marks, perhaps = found.at(device), found.perhaps(device)
    if marks:
        return "; ".join(mark.words for mark in marks)
    if perhaps:
        words = "; ".join(mark.words for mark in perhaps)
        return filled(
            look.translate("Drawing", "whether it is here is not known: {what}"), what=words
        )
    return look.translate("Drawing", found.clear)


def _add_links(sheet: Sheet, found: _Found, step: float, wide: float, middle: float) -> None:
    """What goes from device to device: it came as far as the one where it breaks."""
    colours = sheet.colours
    for number in range(1, len(found.devices)):
        near, far = found.devices[number - 1][0], found.devices[number][0]
        out = (m for m in found.at(near) if m.kind == "bad" and m.flow == "outward")
        into = (m for m in found.at(far) if m.kind == "bad" and m.flow == "inward")
        at = place.ORDER.index
        unsure = found.lost or any(
            at(first) <= at(near) and at(far) <= at(last)
            for (first, last), marks in found.between()
            if any(mark.kind == "bad" for mark in marks)
        )
        kind = "bad" if any(out) or any(into) else "open" if unsure else ""
        start, end = step * (number - 0.5) + wide / 2, step * (number + 0.5) - wide / 2
        if not kind:
            sheet.line(start, middle, end, middle, colours.quiet)
            continue
        colour = str(getattr(colours, kind))
        x = (start + end) / 2
        sheet.line(start, middle, x - _HALF_MARK, middle, colour, dashed=True)
        sheet.line(x + _HALF_MARK, middle, end, middle, colour, dashed=True)
        sheet.mark(x, middle, kind, 2 * _HALF_MARK)


def _add_bracket(
    sheet: Sheet, ends: tuple[float, float], marks: list[_Mark], said: str, y: float
) -> float:
    """Around the devices where it may be; where the next thing may be drawn."""
    colour = sheet.colours.quiet
    start, end = ends
    middle = (start + end) / 2
    for x in ends:
        sheet.line(x, y, x, y + 8, colour, thick=1.5)
    sheet.line(start, y + 8, middle - 12, y + 8, colour, thick=1.5, dashed=True)
    sheet.line(middle + 12, y + 8, end, y + 8, colour, thick=1.5, dashed=True)
    sheet.mark(middle, y + 8, "open", 16)
    room = max(_BRACKET_WORDS, end - start)
    left = min(max(6.0, middle - room / 2), WIDTH - 6 - room)
    return _add_marks(sheet, marks, said, left, y + 22, room)


def _add_marks(
    sheet: Sheet, marks: list[_Mark], where: str, x: float, y: float, room: float
) -> float:
    """What is broken, below its device or its bracket; where the next thing may be drawn."""
    look = sheet.look
    if where:
        y = sheet.fit(x, y + 12, room, where, look.colours.quiet, size=11, most=2) - 8
    for mark in marks[:_MARKS_MOST]:
        lines, size = fitted(mark.words, room - 22, 12, _LINES_MOST)
        sheet.mark(x + 8, y + 8, mark.kind, 15)
        colour = str(getattr(look.colours, mark.kind))
        for number, words in enumerate(lines):
            sheet.text(x + 22, y + 12 + _LINE * number, words, colour, size=size)
        high = max(1, len(lines)) * _LINE + 2
        name = filled(look.translate("Drawing", _KINDS[mark.kind]), what=mark.words)
        words = f"{where} {mark.words}" if where else mark.words
        sheet.part(name, words, x, y, room, high, mark.finding)
        y += high + 6
    if len(marks) > _MARKS_MOST:
        more = filled(look.translate("Drawing", "and {count} more"), count=len(marks) - _MARKS_MOST)
        y = sheet.fit(x + 22, y + 11, room - 22, more, look.colours.quiet, size=11)
        y -= 8
    return y


def _sign(device: Device, x: float, y: float, colours: Palette) -> str:
    """A small picture of the device, 28 by 24, with its middle at ``x``, ``y``."""
    drawn = _SIGNS[device].format(c=colours.accent, b=colours.base)
    return f'<g transform="translate({x - 14:g} {y - 12:g})">{drawn}</g>'


_ROUTER = (
    '<rect x="2" y="12" width="24" height="9" rx="2" fill="{c}"/>'
    '<circle cx="7" cy="16.5" r="1.4" fill="{b}"/><circle cx="12" cy="16.5" r="1.4" fill="{b}"/>'
    '<path d="M20 12V3" stroke="{c}" stroke-width="2"/>'
    '<path d="M15.5 6a6 6 0 0 1 9 0" stroke="{c}" stroke-width="1.6" fill="none"/>'
)
_SIGNS: dict[Device, str] = {
    "computer": '<rect x="3" y="2" width="22" height="15" rx="2" fill="{c}"/>'
    '<rect x="5.5" y="4.5" width="17" height="10" fill="{b}"/>'
    '<path d="M11 17h6l1.5 4h-9z" fill="{c}"/>',
    "router": _ROUTER,
    "outer": _ROUTER,
    "carrier": '<path d="M14 3l6 19M14 3L8 22M10.5 14h7M9.5 18h9" stroke="{c}" stroke-width="2"'
    ' fill="none"/><circle cx="14" cy="4" r="2.2" fill="{c}"/>'
    '<path d="M6 8a9 9 0 0 1 0-8M22 8a9 9 0 0 0 0-8" stroke="{c}" stroke-width="1.6"'
    ' fill="none"/>',
    "internet": '<circle cx="14" cy="12" r="10" fill="none" stroke="{c}" stroke-width="2"/>'
    '<path d="M4 12h20M14 2c6 6 6 14 0 20M14 2c-6 6-6 14 0 20" stroke="{c}" stroke-width="1.6"'
    ' fill="none"/>',
    "server": '<rect x="5" y="2" width="18" height="6" rx="1.5" fill="{c}"/>'
    '<rect x="5" y="9.5" width="18" height="6" rx="1.5" fill="{c}"/>'
    '<rect x="5" y="17" width="18" height="6" rx="1.5" fill="{c}"/>'
    '<circle cx="9" cy="5" r="1.2" fill="{b}"/><circle cx="9" cy="12.5" r="1.2" fill="{b}"/>'
    '<circle cx="9" cy="20" r="1.2" fill="{b}"/>',
}
