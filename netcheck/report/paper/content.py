"""What stands in the report on paper: as in the HTML, but no more than paper can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netcheck.drawing import timeline
from netcheck.drawing.drawing import LIGHT, Drawing
from netcheck.report import html
from netcheck.report.model import Report

MOST_OBSERVATIONS = 300
"""About thirty pages.  A deep check makes some two hundred."""
MOST_ROWS = 200
"""Of any other table."""
MOST_LETTERS = 2000
"""Of one text: half a page.  None that netcheck writes comes near."""
MOST_NAMES = 64
"""Of one list within a sentence."""

BARS = 25
"""Probes in one drawing of the timeline, which is not cut: less than half a page is blank
where one goes to the next page."""

WHOLE = "The report saved as data (JSON) has all of it."
"""Where what paper cannot hold is found."""

_PLACE = "\ue000{}"  # a private character, which is cleaned out of whatever a report says


def content(
    report: Report, profile_titles: Mapping[str, str] | None = None
) -> tuple[dict[str, Any], dict[str, Drawing]]:
    """What the template says, and the drawings by what stands for each in the text."""
    from markupsafe import Markup

    drawings: dict[str, Drawing] = {}

    def drawn(drawing: Drawing | None) -> Markup | None:
        if drawing is None:
            return None
        place = _PLACE.format(len(drawings))
        drawings[place] = drawing
        return Markup(place)

    said = html.content(
        report,
        LIGHT,
        lambda drawing: drawing,
        profile_titles,
        most_observations=MOST_OBSERVATIONS,
    )
    for name in ("path", "dynamic", "media"):
        said[name] = drawn(said[name])
    said["timeline"] = [drawn(each) for each in _timeline(report)]
    said |= {
        "observations": _short(said["observations"]),
        "whole": WHOLE,
        "features": _short(said["features"][:MOST_ROWS]),
        "features_left_out": max(0, len(said["features"]) - MOST_ROWS),
        "warnings": _some(said["warnings"], MOST_ROWS),
        "answer": _short(said["answer"]),
        "behaviour": [_section(each) for each in said["behaviour"]],
        "details": [_section(each) for each in said["details"]],
        "remedies": [_remedy(each) for each in said["remedies"]],
    }
    return said, drawings


def _timeline(report: Report) -> list[Drawing | None]:
    shown = min(len(report.observations), timeline.ROWS)
    return [
        timeline.draw(report, LIGHT, first, min(BARS, shown - first), rest=first + BARS >= shown)
        for first in range(0, shown, BARS)
    ]


def _section(section: dict[str, Any]) -> dict[str, Any]:
    rows = section["rows"]
    return {
        "heading": section["heading"],
        "header": section["header"],
        "rows": _short(rows[:MOST_ROWS]),
        "left_out": max(0, len(rows) - MOST_ROWS),
    }


def _remedy(remedy: dict[str, Any]) -> dict[str, Any]:
    from markupsafe import Markup

    named = {name: _some(remedy[name], MOST_NAMES) for name in ("affects", "evidence")}
    short = {name: _short(remedy[name]) for name in ("title", "advice")}
    # The end of a block's last line would be an empty line here.
    steps = str(remedy["article"] or "").replace("\n</code></pre>", "</code></pre>")
    return remedy | named | short | {"article": Markup(steps)}


def _some(texts: list[str], most: int) -> list[str]:
    """The first of them, each cut if need be, and how many more there are."""
    more = len(texts) - most
    return [_short(each) for each in texts[:most]] + ([f"and {more} more"] if more > 0 else [])


def _short(said: Any) -> Any:
    """Every text in it cut to what paper can hold."""
    if type(said) is str:
        return said if len(said) <= MOST_LETTERS else f"{said[:MOST_LETTERS]}…"
    if isinstance(said, list):
        return [_short(each) for each in said]
    if isinstance(said, dict):
        return {name: _short(each) for name, each in said.items()}
    return said
