"""Voice and video over time: the picture says the same as its words, and both are the report's."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from netcheck.drawing import media
from netcheck.drawing.drawing import DARK, LIGHT, Drawing
from netcheck.report.model import Report, Stream
from probes.observation import MediaStream

from ..report.samples import all_good
from .test_drawings import check, words

SVG = "{http://www.w3.org/2000/svg}"
RISING = (2.0, 4.0, 12.0, 42.0, 8.0, 2.0)


def stream(**more: Any) -> Stream:
    usual: dict[str, Any] = {
        "kind": "audio", "direction": "inbound", "sent": 75, "received": 75, "loss": 0.0,
        "jitter_ms": 2.0, "observation": "m",
    }  # fmt: skip
    return Stream(**usual | more)


def report(
    jitters_ms: tuple[float | None, ...],
    losses: tuple[int, ...] = (0,) * 6,
    shown: Stream | None = None,
    **more: Any,
) -> Report:
    seen = MediaStream(
        id="m", at_s=0, took_s=3, kind="audio", direction="inbound", local_port=1, server_port=2,
        sent=75, received=75, packets_per_s=50, losses=losses, jitters_ms=jitters_ms, **more,
    )  # fmt: skip
    return msgspec.structs.replace(all_good(), media=[shown or stream()], observations=[seen])


def drawn(made: Report) -> Drawing:
    drawing = media.draw(made, LIGHT)
    assert drawing is not None
    check(drawing)
    return drawing


def said(made: Report) -> str:
    return drawn(made).parts[0].words


def dots(made: Report) -> list[tuple[float, float, float]]:
    """The points of the line, as x, y and size; not the circles of the marks."""
    return [
        (float(e.attrib["cx"]), float(e.attrib["cy"]), float(e.attrib["r"]))
        for e in check(drawn(made)).iter(f"{SVG}circle")
        if e.attrib["fill"] == LIGHT.accent
    ]


def line_of(made: Report) -> list[tuple[str, float]]:
    """The commands of the jitter's line, and the heights that they lead to."""
    (path,) = (
        e.attrib["d"]
        for e in check(drawn(made)).iter(f"{SVG}path")
        if e.attrib.get("stroke") == LIGHT.accent
    )
    return [(command, float(y)) for command, y in re.findall(r"([ML])\S+ ([\d.]+)", path)]


def test_the_line_is_where_the_jitter_was() -> None:
    points = dots(report(RISING))
    quarter = (media._RIGHT - media._LEFT) / 6
    assert [x for x, _, _ in points] == [
        pytest.approx(media._LEFT + quarter * (n + 0.5), abs=0.01) for n in range(6)
    ]
    base = media._HEAD + 6 + media._LINE
    for (_, y, _), jitter in zip(points, RISING, strict=True):
        assert base - y == pytest.approx(media._LINE * jitter / media._MOST_JITTER_MS, abs=0.01)
    assert [size for _, _, size in points] == [2, 2, 2, 4, 2, 2]


def test_the_worst_is_said_in_words() -> None:
    assert said(report(RISING)) == (
        "Audio to you: nothing lost, jitter 2.0 ms at the end, most uneven at 0.75 s: 42 ms, "
        "more than the 30 ms that a common receiver evens out"
    )
    assert "most uneven at 0.75 s: 42 ms" in words(drawn(report(RISING)))


@pytest.mark.parametrize(
    ("worst_ms", "kind", "meant"),
    [(30.0, "good", "30 ms$"), (31.0, "part", "30 ms that"), (61.0, "bad", "too uneven")],
)
def test_a_limit_is_a_mark_and_a_word(worst_ms: float, kind: str, meant: str) -> None:
    made = report((1.0, worst_ms))
    assert re.search(meant, said(made))
    marks = [e.attrib.get("fill") for e in check(drawn(made)).iter(f"{SVG}path")]
    assert (getattr(LIGHT, kind) in marks) == (kind != "good")  # a good mark is a circle
    assert {"30 ms", "60 ms"} <= set(texts(made))


def test_the_worst_counts_and_not_the_end() -> None:
    """A stream that ended smoothly, as its RFC 3550 jitter says, and was rough before."""
    assert "more than 60 ms" in said(report((90.0, 0.1), shown=stream(jitter_ms=0.3)))
    assert "more than" not in said(report((), shown=stream(jitter_ms=0.3)))
    assert "more than 60 ms" in said(report((), shown=stream(jitter_ms=70.0)))


def test_the_line_breaks_where_nothing_came() -> None:
    made = report((3.0, 4.0, None, None, 5.0, None))
    assert [command for command, _ in line_of(made)] == ["M", "L", "M"]
    assert len(dots(made)) == 3


def test_what_is_beyond_the_scale_is_an_arrow() -> None:
    made = report((3.0, 500.0, 3.0))
    assert len(dots(made)) == 2
    assert "most uneven at 0.25 s: 500 ms" in said(made)
    assert [y for _, y in line_of(made)[1:2]] == [media._HEAD + 6]


def texts(made: Report) -> list[str]:
    return [e.text or "" for e in check(drawn(made)).iter(f"{SVG}text")]


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (report(()), "when it was uneven is not known"),
        (report((None, None)), "when it was uneven is not known"),
        (report((), shown=stream(jitter_ms=None)), "jitter not known"),
        (report((), (), stream(loss=0.1)), "when packets were lost is not known"),
        (report((), (), stream(received=0, loss=1.0)), "nothing arrived"),
        (report((), shown=stream(received=None, loss=None)), "loss not known"),
        (report((0.0, 0.4)), "even all the time"),
    ],
)
def test_what_is_not_known_is_said(made: Report, told: str) -> None:
    assert told in " ".join(texts(made))


def test_an_older_report_has_bars_and_no_line() -> None:
    made = report((), (0, 5), stream(loss=0.1))
    assert dots(made) == []
    assert len(list(check(drawn(made)).iter(f"{SVG}rect"))) == 1
    assert "most uneven" not in said(made)


def test_why_it_was_not_tested_stands_in_place_of_the_picture() -> None:
    why = "the echo server refused: " + "this session's seconds of media are used up " * 3
    made = report((), (), stream(received=None, loss=None, jitter_ms=None), untested=why)
    assert said(made) == f"Audio to you: not tested: {why.strip()}"
    assert " ".join(texts(made)).count("used up") == 3
    assert not list(check(drawn(made)).iter(f"{SVG}line"))


def test_losses_and_jitter_share_one_axis() -> None:
    made = report((1.0,) * 4, (0, 0, 0, 9), stream(loss=0.05))
    (bar,) = check(drawn(made)).iter(f"{SVG}rect")
    left, width = float(bar.attrib["x"]), float(bar.attrib["width"])
    assert left < dots(made)[3][0] < left + width
    assert "most at 0.75 s" in said(made)
    assert {"0 s", "0.25 s", "0.5 s", "0.75 s", "1 s"} <= set(texts(made))


def test_streams_of_different_length_share_it_too() -> None:
    long = report((1.0,) * 12)
    short = MediaStream(
        id="s", at_s=0, took_s=1, kind="video", direction="inbound", local_port=3, server_port=4,
        sent=30, received=30, packets_per_s=30, losses=(0,) * 4, jitters_ms=(50.0,) * 4,
    )  # fmt: skip
    made = msgspec.structs.replace(
        long,
        media=[stream(), stream(kind="video", observation="s")],
        observations=[*long.observations, short],
    )
    points = dots(made)
    assert [x for x, _, _ in points[12:]] == [x for x, _, _ in points[:4]]


@pytest.mark.parametrize("huge", [1e300, -5.0, 1e17])
def test_numbers_that_somebody_made_up_stay_in_the_picture(huge: float) -> None:
    made = report((huge,) * 5000, (2**62,) * 5000, stream(jitter_ms=huge, loss=1.0))
    drawing = drawn(made)
    assert len(drawing.svg) < 400_000
    for text in check(drawing).iter(f"{SVG}text"):
        end = float(text.attrib["x"])
        wide = 6.5 * len(text.text or "")
        assert end + (wide if text.attrib["text-anchor"] == "start" else 0) <= media.WIDTH


def test_light_and_dark_differ_in_colours_alone() -> None:
    made = report(RISING, (0, 3, 0, 0, 9, 0), stream(loss=0.1))
    light, dark = media.draw(made, LIGHT), media.draw(made, DARK)
    assert light is not None
    assert dark is not None
    assert light.parts == dark.parts
    assert re.sub("#[0-9a-f]{6}", "", light.svg) == re.sub("#[0-9a-f]{6}", "", dark.svg)
