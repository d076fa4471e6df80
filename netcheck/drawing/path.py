"""The path: computer, router, carrier, Internet, echo server, and where it is broken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from netcheck.cause import Cause
from netcheck.drawing import svg
from netcheck.drawing.drawing import Drawing, Palette, Part
from netcheck.report.model import Finding, PathHop, Report

Device = Literal["computer", "router", "carrier", "internet", "server"]

_NAMES: dict[Device, str] = {
    "computer": "This computer",
    "router": "Router",
    "carrier": "Carrier",
    "internet": "Internet",
    "server": "Echo server",
}
_AT: dict[Cause, Device] = {
    "local-port-in-use": "computer",
    "embedded-address-untouched": "router",
    "embedded-address-mangled": "router",
    "editor-pinhole-closed": "router",
    "source-port-translated": "router",
    "symmetric-mapping": "router",
    "short-binding-lifetime": "router",
    "no-hairpin": "router",
    "double-nat": "router",
    "inbound-tcp-blocked": "router",
    "inbound-tcp-refused": "router",
    "inbound-udp-blocked": "router",
    "inbound-wrong-host": "router",
    "filtering-needs-peer-first": "router",
    "calls-only-outward": "router",
    "calls-without-media": "router",
    "one-way-media": "router",
    "captive-portal": "router",
    "proxy-required": "router",
    "carrier-grade-nat": "carrier",
    "server-unreachable": "server",
    "server-port-unavailable": "server",
}
"""Whose doing it is, where the finding itself does not say: else somewhere on the way."""

_PLACES: dict[str, Device] = {
    "computer": "computer",
    "router": "router",
    "carrier": "carrier",
    "beyond": "internet",
    "server": "server",
}

_OUTWARD = ("outbound-", "protocol-filtered")

WIDTH = 900.0
_BOX, _BOX_HEIGHT, _TOP = 148.0, 74.0, 10.0
_MARKS_MOST = 3
_LINE = 15.0
_LETTERS = 26  # of a mark's words in a line as wide as a device has room


class _Mark(msgspec.Struct, frozen=True):
    kind: Literal["bad", "part"]
    words: str
    finding: str
    outward: bool = False  # what goes out is lost: it came as far as the device


def draw(report: Report, colours: Palette) -> Drawing | None:
    """The path of this check; None if nothing was tested."""
    if report.server.embedded:
        devices: list[tuple[Device, str]] = [("computer", report.host.name)]
    else:
        devices = _devices(report)
    marks: dict[Device, list[_Mark]] = {}
    known = [device for device, _ in devices]
    for finding in report.findings:
        if finding.severity == "info":
            continue
        at = _device_of(finding, report)
        at = at if at in known else _nearest(at, known)
        kind: Literal["bad", "part"] = "bad" if finding.severity == "error" else "part"
        unknown = "device" not in finding.parameters and finding.cause not in _AT
        words = (
            f"{finding.title} (where on the way is not known)"
            if unknown
            else finding.title or finding.cause
        )
        outward = finding.cause.startswith(_OUTWARD)
        there = marks.setdefault(at, [])
        if words not in {mark.words for mark in there}:
            there.append(_Mark(kind, words, finding.id, outward))
    return _drawn(devices, marks, report.server.reached or report.server.embedded, colours)


def draw_hops(hops: Sequence[PathHop], colours: Palette) -> Drawing:
    """The path as far as it is known while a check runs."""
    places = {hop.place: hop.address or "" for hop in hops}
    devices: list[tuple[Device, str]] = [("computer", "")]
    if "router" in places:
        devices.append(("router", places["router"]))
    if "carrier" in places:
        devices.append(("carrier", places["carrier"]))
    devices += [("internet", ""), ("server", places.get("server", ""))]
    return _drawn(devices, {}, True, colours)


def _devices(report: Report) -> list[tuple[Device, str]]:
    places: dict[str, str] = {}
    for hop in report.path:
        places.setdefault(hop.place, hop.address or "")
    nat = report.nat
    own = next(iter(report.host.addresses), "")
    devices: list[tuple[Device, str]] = [("computer", own)]
    if "router" in places or report.host.gateways or nat.present:
        router = places.get("router") or next(iter(report.host.gateways), "")
        devices.append(("router", router))
    if "carrier" in places or nat.carrier_grade:
        devices.append(("carrier", places.get("carrier", "")))
    devices.append(("internet", next(iter(nat.public_addresses), "")))
    devices.append(("server", report.server.host))
    return devices


def _device_of(finding: Finding, report: Report) -> Device:
    said = finding.parameters.get("device")
    if isinstance(said, str) and said in _PLACES:
        return _PLACES[said]
    at = _AT.get(finding.cause, "internet")
    if at == "router" and report.nat.carrier_grade and finding.cause.startswith("inbound"):
        return "carrier"
    return at


def _nearest(device: Device, known: list[Device]) -> Device:
    """Where a device that is not in the picture belongs: the next one towards this computer."""
    order = list(_NAMES)
    before = [d for d in known if order.index(d) <= order.index(device)]
    return before[-1] if before else known[0]


def _drawn(
    devices: list[tuple[Device, str]],
    marks: dict[Device, list[_Mark]],
    reached: bool,
    colours: Palette,
) -> Drawing:
    step = WIDTH / len(devices)
    body: list[str] = []
    parts: list[Part] = []
    said: list[str] = []
    middle = _TOP + _BOX_HEIGHT / 2
    bottom = _TOP + _BOX_HEIGHT
    lowest = bottom
    for number, (device, _) in enumerate(devices):
        x = step * (number + 0.5)
        lost = device == "server" and not reached
        if number:
            before = marks.get(devices[number - 1][0], [])
            broken = any(m.kind == "bad" and not m.outward for m in marks.get(device, []))
            broken = broken or any(m.kind == "bad" and m.outward for m in before)
            start, end = x - step + _BOX / 2, x - _BOX / 2
            colour = colours.bad if broken or lost else colours.quiet
            body.append(svg.line(start, middle, end, middle, colour, dashed=broken or lost))
            if broken or lost:
                body.append(svg.mark((start + end) / 2, middle, "bad", colours, 18))
    for number, (device, detail) in enumerate(devices):
        x = step * (number + 0.5)
        found = marks.get(device, [])
        broken = any(mark.kind == "bad" for mark in found)
        edge = colours.bad if broken else colours.part if found else colours.line
        left = x - _BOX / 2
        body.append(svg.box(left, _TOP, _BOX, _BOX_HEIGHT, colours.base, edge, 8))
        body.append(_sign(device, x, _TOP + 22, colours))
        body.append(
            svg.text(x, _TOP + 50, _NAMES[device], colours.text, bold=True, anchor="middle")
        )
        short = svg.lines_of(detail, 22, 1)
        if short:
            body.append(svg.text(x, _TOP + 66, short[0], colours.quiet, size=11, anchor="middle"))
        words = "; ".join(mark.words for mark in found) or "nothing is wrong here"
        said.append(f"{_NAMES[device]}: {words}")
        parts.append(
            Part(
                name=_NAMES[device], words=f"{detail}: {words}" if detail else words,
                x=left, y=_TOP, width=_BOX, height=_BOX_HEIGHT,
                finding=found[0].finding if found else "",
            )
        )  # fmt: skip
        y = bottom + 10
        for mark in found[:_MARKS_MOST]:
            height = _mark(body, parts, mark, x - step / 2 + 6, y, step - 12, colours)
            y += height + 6
        if len(found) > _MARKS_MOST:
            more = f"and {len(found) - _MARKS_MOST} more"
            body.append(svg.text(x - step / 2 + 28, y + 11, more, colours.quiet, size=11))
            y += _LINE
        lowest = max(lowest, y)
    height = lowest + 8
    return Drawing(
        svg=svg.document(WIDTH, height, ". ".join(said), body),
        width=WIDTH,
        height=height,
        parts=tuple(parts),
    )


def _mark(
    body: list[str], parts: list[Part], mark: _Mark, x: float, y: float, width: float,
    colours: Palette,
) -> float:  # fmt: skip
    """What is broken, below its device; its height."""
    lines = svg.lines_of(mark.words, round((width - 22) / 6.1), 3)
    body.append(svg.mark(x + 8, y + 8, mark.kind, colours, 15))
    colour = getattr(colours, mark.kind)
    body += [svg.text(x + 22, y + 12 + _LINE * n, said, colour) for n, said in enumerate(lines)]
    height = max(1, len(lines)) * _LINE + 2
    kinds = {"bad": "Broken", "part": "Impaired"}
    parts.append(
        Part(
            name=f"{kinds[mark.kind]}: {mark.words}", words=mark.words,
            x=x, y=y, width=width, height=height, finding=mark.finding,
        )
    )  # fmt: skip
    return height


def _sign(device: Device, x: float, y: float, colours: Palette) -> str:
    """A small picture of the device, 28 by 24, with its middle at ``x``, ``y``."""
    drawn = _SIGNS[device].format(c=colours.accent, b=colours.base)
    return f'<g transform="translate({x - 14:g} {y - 12:g})">{drawn}</g>'


_SIGNS: dict[Device, str] = {
    "computer": '<rect x="3" y="2" width="22" height="15" rx="2" fill="{c}"/>'
    '<rect x="5.5" y="4.5" width="17" height="10" fill="{b}"/>'
    '<path d="M11 17h6l1.5 4h-9z" fill="{c}"/>',
    "router": '<rect x="2" y="12" width="24" height="9" rx="2" fill="{c}"/>'
    '<circle cx="7" cy="16.5" r="1.4" fill="{b}"/><circle cx="12" cy="16.5" r="1.4" fill="{b}"/>'
    '<path d="M20 12V3" stroke="{c}" stroke-width="2"/>'
    '<path d="M15.5 6a6 6 0 0 1 9 0" stroke="{c}" stroke-width="1.6" fill="none"/>',
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
