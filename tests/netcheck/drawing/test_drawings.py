"""Every drawing is SVG Tiny, holds no text but as text, and says the same in its parts."""

from __future__ import annotations

import json
import re
import string
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from netcheck.drawing import dynamic, media, path, svg, timeline
from netcheck.drawing.drawing import DARK, LIGHT, Drawing, Palette
from netcheck.drawing.look import Look, filled
from netcheck.report.model import Dynamic, Finding, Report, Stream
from probes.observation import (
    AnyObservation,
    Attempt,
    DynamicRange,
    IcmpErrors,
    MediaStream,
    OutboundTcp,
    PortSample,
)

from ..report.samples import all_good, all_samples, behind_nat, embedded, everything
from ..report.strategies import reports
from .boxes import faults, texts

Draw = Callable[[Report, Look | Palette], Drawing | None]
DRAWINGS: dict[str, Draw] = {
    "path": path.draw,
    "dynamic": dynamic.draw,
    "media": media.draw,
    "timeline": timeline.draw,
}
ELEMENTS = {"svg", "title", "g", "rect", "circle", "line", "path", "text"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "role", "font-family", "x", "y", "x1", "y1", "x2", "y2", "rx"),
    *("cx", "cy", "r", "d", "fill", "stroke", "stroke-width", "stroke-dasharray", "transform"),
    *("font-size", "font-weight", "text-anchor"),
}


def check(drawing: Drawing) -> ET.Element:
    """It is what Qt and browsers draw alike, and nothing in it leads out of it."""
    root = ET.fromstring(drawing.svg)
    for element in root.iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES
        assert not any("url(" in value or "script" in value for value in element.attrib.values())
    assert root.findtext("{http://www.w3.org/2000/svg}title")
    for part in drawing.parts:
        assert part.name
        assert part.words
        assert part.width > 0
        assert part.height > 0
        assert part.x >= -1
        assert part.x + part.width <= drawing.width + 1
        assert part.y + part.height <= drawing.height + 1
    return root


def words(drawing: Drawing | None) -> str:
    assert drawing is not None
    texts = check(drawing).iter("{http://www.w3.org/2000/svg}text")
    return " ".join(text.text or "" for text in texts)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("sample", sorted(all_samples()))
@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_every_report_can_be_drawn(name: str, sample: str, colours: Palette) -> None:
    drawing = DRAWINGS[name](all_samples()[sample], colours)
    if drawing is not None:
        check(drawing)


@given(reports())
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_any_report_can_be_drawn(report: Report) -> None:
    for draw in DRAWINGS.values():
        if (drawing := draw(report, LIGHT)) is not None:
            check(drawing)


@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_colours_can_be_read_by_everybody(colours: Palette) -> None:
    for ground in (colours.window, colours.base):
        for name in ("text", "quiet", "accent", "good", "part", "bad", "open"):
            assert contrast(getattr(colours, name), ground) >= 4.5, name
    assert contrast(colours.on_accent, colours.accent) >= 4.5


def contrast(one: str, other: str) -> float:
    """WCAG 2.2, contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


# ---- the path ----


def marks(report: Report) -> dict[str, str]:
    drawing = path.draw(report, LIGHT)
    assert drawing is not None
    return {part.name: part.words for part in drawing.parts}


def test_the_way_has_its_devices_in_their_order() -> None:
    said = words(path.draw(everything(), LIGHT))
    order = ["This computer", "Router", "Carrier", "Internet", "Echo server"]
    assert sorted(order, key=said.index) == order
    assert "Router" not in marks(embedded())


@pytest.mark.parametrize("device", ["computer", "router", "carrier", "beyond"])
def test_a_finding_that_names_the_device_is_marked_there(device: str) -> None:
    finding = Finding(
        id="f", cause="outbound-tcp-blocked", severity="error", article="outbound-tcp-blocked",
        title="Blocked here", evidence=[], parameters={"device": device},
    )  # fmt: skip
    names = {"computer": "This computer", "beyond": "Internet"}
    found = marks(msgspec.structs.replace(everything(), findings=[finding]))
    assert found[names.get(device, device.capitalize())].endswith("Blocked here")


def test_what_does_no_harm_is_not_marked() -> None:
    findings = [msgspec.structs.replace(f, severity="info") for f in behind_nat().findings]
    found = marks(msgspec.structs.replace(behind_nat(), findings=findings))
    assert all("nothing wrong" in said for said in found.values())


def test_what_was_said_of_a_mark_leads_to_its_finding() -> None:
    drawing = path.draw(behind_nat(), LIGHT)
    assert drawing is not None
    assert {part.finding for part in drawing.parts} == {"", "f1", "f2"}


# ---- dynamic ports ----


def swept(*outcomes: str, **more: Any) -> Report:
    samples: Any = [PortSample(port=2000 + 1000 * n, outcome=o) for n, o in enumerate(outcomes)]  # type: ignore[arg-type]
    seen = DynamicRange(
        id="d", at_s=0, took_s=1, transport="udp", strata=9, first=9, samples=tuple(samples)
    )
    summary = Dynamic(
        sampled=len(outcomes), open=outcomes.count("open"), fraction=0, ci95=[0, 1],
        open_ranges=more.get("ranges", []),
    )  # fmt: skip
    return msgspec.structs.replace(all_good(), dynamic_udp=summary, observations=[seen])


def test_the_strip_says_what_passed() -> None:
    drawing = dynamic.draw(
        swept("open", "blocked", "blocked", "refused", ranges=[[1024, 2500]]), LIGHT
    )
    assert drawing is not None
    assert [part.words for part in drawing.parts] == [
        "UDP ports 1024–2500 pass", "UDP 3000–4000: blocked (2 tried)", "UDP 5000: refused",
    ]  # fmt: skip
    said = words(drawing)
    assert "1 of 4 ports that were tried pass; passing: 1024–2500" in said
    assert "passes (above the line)" in said
    assert "does not pass (below the line)" in said
    assert "not decided" not in said


def test_what_passed_stands_above_the_line_and_the_rest_below() -> None:
    for outcome, above in (("open", True), ("blocked", False), ("undecided", False)):
        drawing = dynamic.draw(swept(outcome), LIGHT)
        assert drawing is not None
        ticks = [
            (float(e.attrib["y1"]), float(e.attrib["y2"]))
            for e in check(drawing).iter("{http://www.w3.org/2000/svg}line")
            if e.attrib["x1"] == e.attrib["x2"]
        ]
        assert [end < middle for middle, end in ticks] == [above]


def test_ports_lie_where_they_belong() -> None:
    left, room = dynamic._LEFT, dynamic._RIGHT - dynamic._LEFT
    assert dynamic._x(left, 1024) == left
    assert dynamic._x(left, 65535) == dynamic._RIGHT
    assert dynamic._x(left, 33280) == pytest.approx(left + room / 2, abs=0.1)


# ---- media ----


def streamed(losses: tuple[int, ...], **more: Any) -> Report:
    stream = Stream(direction="outbound", sent=150, received=150, loss=0.0, jitter_ms=2.0)
    seen = MediaStream(
        id="m", at_s=0, took_s=3, kind="audio", direction="outbound", local_port=1, server_port=2,
        sent=150, received=150, packets_per_s=48, losses=losses,
    )  # fmt: skip
    return msgspec.structs.replace(
        all_good(), media=[msgspec.structs.replace(stream, **more)], observations=[seen]
    )


def test_loss_is_drawn_where_it_was() -> None:
    drawing = media.draw(streamed((0, 0, 12, 6), loss=0.1), LIGHT)
    assert drawing is not None
    bars = [e.attrib for e in check(drawing).iter("{http://www.w3.org/2000/svg}rect")]
    assert [float(bar["height"]) for bar in bars] == [media._BAR, media._BAR / 2]
    middle = (media._LEFT + media._RIGHT) / 2
    assert float(bars[0]["x"]) == middle
    assert "10.0 % lost" in words(drawing)
    assert "1 s" in words(drawing)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "nothing lost, jitter 2.0 ms"),
        ({"loss": None, "received": None, "jitter_ms": None}, "loss not known, jitter not known"),
        ({"loss": 1.0, "received": 0}, "none of 150 arrived"),
    ],
)
def test_a_stream_in_words(more: dict[str, Any], said: str) -> None:
    drawing = media.draw(streamed((0, 0), **more), LIGHT)
    assert drawing is not None
    assert drawing.parts[0].words.startswith(f"Audio to others: {said}")


# ---- the timeline ----


def test_probes_are_in_the_order_of_their_beginning() -> None:
    begun = [bar.start_s for bar in timeline.bars(everything().observations)]
    assert begun == sorted(begun)
    assert len(begun) == len(everything().observations)


def test_how_a_probe_fared() -> None:
    fared = {
        bar.observation: (bar.fared, bar.word) for bar in timeline.bars(everything().observations)
    }
    assert fared["outbound-tcp-1863"] == ("good", "answered")
    assert fared["inbound-tcp-6891"] == ("open", "silent")
    assert fared["inbound-udp-6901"] == ("open", "not tested")
    assert fared["nat-ports-udp"] == ("good", "measured")
    assert fared["control-1"] == ("good", "connected")
    assert fared["talk-sip-udp-5060"] == ("bad", "broken off")


def test_ten_thousand_probes_are_cut_and_counted() -> None:
    many = [
        OutboundTcp(id=f"o{n}", at_s=n / 100, took_s=0.1, port=1, number=n) for n in range(10000)
    ]
    report = msgspec.structs.replace(all_good(), observations=many)
    drawing = timeline.draw(report, LIGHT)
    assert drawing is not None
    assert len(drawing.parts) == timeline.ROWS
    assert f"and {10000 - timeline.ROWS} more" in words(drawing)
    later = timeline.draw(report, LIGHT, 9990)
    assert later is not None
    assert [part.name for part in later.parts] == [f"o{n}" for n in range(9990, 10000)]
    assert timeline.draw(report, LIGHT, 10000) is None


def test_a_piece_of_the_timeline_counts_what_comes_later_if_asked() -> None:
    whole = timeline.draw(everything(), LIGHT, 0, 5)
    piece = timeline.draw(everything(), LIGHT, 0, 5, rest=False)
    assert "more" in words(whole)
    assert "more" not in words(piece)


# ---- from right to left ----


def spread(name: str, report: Report, *, right_to_left: bool) -> Drawing:
    drawing = DRAWINGS[name](report, Look(colours=LIGHT, right_to_left=right_to_left))
    assert drawing is not None
    return drawing


def middles(drawing: Drawing) -> dict[str, float]:
    return {part.name: part.x + part.width / 2 for part in drawing.parts}


def test_the_path_goes_the_way_one_reads() -> None:
    there, back = (spread("path", behind_nat(), right_to_left=way) for way in (False, True))
    assert (there.width, there.height) == (back.width, back.height)
    order = [part.name for part in there.parts]
    assert order == [part.name for part in back.parts]
    mirrored = middles(back)
    for name, x in middles(there).items():
        assert mirrored[name] == pytest.approx(there.width - x)
    assert middles(there)["This computer"] < middles(there)["Echo server"]
    # Words are not mirrored, but end where they began: at the same distance from the edge.
    for one, other in zip(texts(there), texts(back), strict=True):
        assert one.what == other.what
        assert other.right == pytest.approx(there.width - one.left, abs=0.1)


@pytest.mark.parametrize(("name", "number"), [("dynamic", "10000"), ("timeline", "120 s")])
def test_numbers_grow_to_the_right_for_everybody(name: str, number: str) -> None:
    there, back = (spread(name, everything(), right_to_left=way) for way in (False, True))
    first = {"dynamic": "1024", "timeline": "0 s"}[name]
    for drawing in (there, back):
        at = {box.what: box.left for box in texts(drawing)}
        assert at[first] < at[number]
        assert faults(drawing) == []
    label = {"dynamic": "UDP", "timeline": "control-1"}[name]
    assert next(box for box in texts(there) if box.what == label).left < there.width / 3
    assert next(box for box in texts(back) if box.what == label).left > there.width * 2 / 3


# ---- in another language ----


FOREIGN = {ord(letter): chr(ord(letter) + 0xFEE0) for letter in string.ascii_letters}
"""Letters that no report has: their wide forms."""


def foreign(context: str, text: str) -> str:
    assert context == "Drawing"
    pieces = re.split(r"({\w+})", text)
    return "".join(p if p.startswith("{") else p.translate(FOREIGN) for p in pieces)


@pytest.mark.parametrize("sample", sorted(all_samples()))
@pytest.mark.parametrize("name", sorted(DRAWINGS))
def test_every_word_is_asked_for(name: str, sample: str) -> None:
    """But for what the report itself says, and for the names of protocols."""
    report = all_samples()[sample]
    drawing = DRAWINGS[name](report, Look(colours=LIGHT, speaks=foreign))
    if drawing is None:
        return
    theirs = json.dumps(msgspec.to_builtins(report), ensure_ascii=False) + "UDP TCP"
    theirs += " ".join(str(seen.__struct_config__.tag) for seen in report.observations)
    root = ET.fromstring(drawing.svg)
    said = [text.text or "" for text in root.iter() if text.tag.endswith(("text", "title"))]
    said += [words for part in drawing.parts for words in (part.name, part.words)]
    for words in said:
        for word in re.findall("[A-Za-z]+", words):
            assert word in theirs, words


def test_how_a_probe_fared_has_a_word_in_every_language() -> None:
    outcomes = {
        outcome.replace("-", " ")
        for kind in get_args(AnyObservation)
        for outcome in outcomes_of(kind)
    }
    assert {"answered", "redirected", "broken off"} <= outcomes
    assert outcomes <= set(timeline._WORDS)


def outcomes_of(kind: Any) -> Iterator[str]:
    """What the field `outcome` of an observation, or of its attempts, can be."""
    for field in msgspec.structs.fields(kind):
        if field.name == "outcome":
            yield from get_args(field.type)
        elif field.name in ("attempts", "calls") and "Attempt" in str(field.type):
            for attempt in get_args(field.type):
                if attempt is Attempt:
                    yield from outcomes_of(attempt)


def test_a_value_is_never_read_as_a_place_for_another() -> None:
    said = filled("{a} of {b} {unknown}", a="{b}", b=2)
    assert said == "{b} of 2 {unknown}"


def test_marks_do_not_pile_up_on_a_letter() -> None:
    assert svg.printable("e\u0301Z" + "\u0338" * 30 + "!") == "e\u0301Z" + "\u0338" * 3 + "!"
    assert svg.printable("a\u202eb\x00") == "a\ufffdb\ufffd"


def test_what_a_probe_is_there_to_provoke_is_good() -> None:
    refused = (Attempt(at_s=0.1, outcome="refused"),)
    asked = IcmpErrors(id="icmp", at_s=0.0, took_s=0.2, destination="x", attempts=refused)
    tried = OutboundTcp(id="out", at_s=0.0, took_s=0.2, port=1863, number=1, attempts=refused)
    assert [bar.fared for bar in timeline.bars([asked, tried])] == ["good", "bad"]
