"""Words have room in every drawing: in long languages, from right to left, with hostile names."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netcheck.cause import CAUSES, Cause
from netcheck.drawing import dynamic, measure, media, path, timeline
from netcheck.drawing.drawing import LIGHT, Drawing
from netcheck.drawing.look import Look
from netcheck.report.model import Finding, Nat, PathHop, Report

from ..report.samples import all_samples, behind_nat, everything
from ..report.strategies import reports
from .boxes import faults, texts

Draw = Callable[[Report, Look], Drawing | None]
DRAWINGS: dict[str, Draw] = {
    "path": path.draw,
    "dynamic": dynamic.draw,
    "media": media.draw,
    "timeline": timeline.draw,
}


def longer(context: str, text: str) -> str:
    """As much longer as German or Finnish may be."""
    words = len(text.split())
    return text + "õõ" * max(1, len(text) // 6) if words < 2 else text + " öñé" * (len(text) // 8)


def wider(context: str, text: str) -> str:
    """As wide as Chinese letters are."""
    return text.replace("a", "字").replace("e", "漢")


LOOKS = {
    "english": Look(colours=LIGHT),
    "longer": Look(colours=LIGHT, speaks=longer),
    "wider": Look(colours=LIGHT, speaks=wider),
    "right-to-left": Look(colours=LIGHT, speaks=longer, right_to_left=True),
}
NAMES = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        [
            "a" * 253,
            "W" * 63 + ".example.net",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            "﷽" * 9,
            "𒐫𒈙" * 9,
            "Z̸̧̢̡" * 30,
            "한국어" * 30,
            "\u202eexample.net",
            "m%@W " * 40,
        ]
    ),
)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("sample", sorted(all_samples()))
@pytest.mark.parametrize("name", DRAWINGS)
def test_nothing_lies_on_anything_else(name: str, sample: str, look: str) -> None:
    drawing = DRAWINGS[name](all_samples()[sample], LOOKS[look])
    assert drawing is None or faults(drawing) == []


@given(reports(), st.sampled_from(sorted(LOOKS)))
@settings(max_examples=8, suppress_health_check=list(HealthCheck), deadline=None)
def test_nothing_in_any_report_does(report: Report, look: str) -> None:
    for draw in DRAWINGS.values():
        if (drawing := draw(report, LOOKS[look])) is not None:
            assert faults(drawing) == []


FINDINGS = st.lists(
    st.builds(
        lambda number, cause, severity, title, device: Finding(
            id=f"f{number}", cause=cause, severity=severity, article=cause, title=title,
            evidence=[], parameters={"device": device} if device else {},
        ),
        st.integers(0, 99), st.sampled_from(CAUSES), st.sampled_from(["error", "warning"]),
        NAMES, st.sampled_from(["", "computer", "router", "carrier", "beyond", "server"]),
    ),
    max_size=9,
)  # fmt: skip
NATS = st.builds(
    lambda present, shared, layers, public: Nat(
        present=present, carrier_grade=shared, layers=layers, public_addresses=[public]
    ),
    st.sampled_from([None, False, True]), st.sampled_from([None, False, True]),
    st.sampled_from([None, 0, 1, 2]), NAMES,
)  # fmt: skip


@given(FINDINGS, NATS, NAMES, NAMES, NAMES, st.sampled_from(sorted(LOOKS)))
@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
def test_nothing_on_any_path_does(
    findings: list[Finding], nat: Nat, router: str, host: str, own: str, look: str
) -> None:
    report = everything()
    report = msgspec.structs.replace(
        report,
        findings=findings,
        nat=nat,
        path=[PathHop(ttl=1, address=router, place="router")],
        host=msgspec.structs.replace(report.host, addresses=[own]),
        server=msgspec.structs.replace(report.server, host=host),
    )
    drawing = path.draw(report, LOOKS[look])
    assert drawing is not None
    assert faults(drawing) == []


@given(NAMES, st.integers(60, 900), st.integers(8, 16), st.integers(1, 6), st.booleans())
def test_what_is_fitted_fits(words: str, room: int, size: int, most: int, bold: bool) -> None:
    lines, used = measure.fitted(words, room, size, most, least=8, bold=bold)
    assert len(lines) <= most
    assert used <= size
    # One letter may be wider than the room: a whole sentence in a sign.
    assert all(
        measure.width(line, used, bold=bold) <= room or len(line.strip("…")) <= 1 for line in lines
    )


@given(st.text(alphabet="ab.: -", max_size=80), st.integers(30, 300))
def test_wrapping_loses_nothing(words: str, room: int) -> None:
    lines = measure.wrapped(words, room, 12)
    assert "".join("".join(lines).split()) == "".join(words.split())


def test_a_long_name_is_broken_behind_a_dot() -> None:
    assert measure.wrapped("test-server.department.example.net", 110, 11) == [
        "test-server.", "department.", "example.net",
    ]  # fmt: skip


def test_what_has_no_room_gets_smaller_before_it_is_cut() -> None:
    room = measure.width("echo.example.net", 10)
    assert measure.fitted("echo.example.net", room, 12) == (["echo.example.net"], 10)
    lines, size = measure.fitted("echo.example.net " * 2, room, 12)
    assert size == 9
    assert lines[0].endswith("…")


def test_no_title_of_an_article_is_cut() -> None:
    """In English, at any device, and with all six of them."""
    from netcheck import kb

    for cause in get_args(Cause):
        article = kb.article_for(cause)
        finding = Finding(
            id="f", cause=cause, severity="error", article=article.id, title=article.title,
            evidence=[], parameters={"device": "router"},
        )  # fmt: skip
        nat = Nat(present=True, layers=2)
        places = [PathHop(ttl=2, address="100.64.0.1", place="carrier")]
        report = msgspec.structs.replace(behind_nat(), findings=[finding], nat=nat, path=places)
        drawing = path.draw(report, LIGHT)
        assert drawing is not None
        assert {"Second router", "Carrier"} <= {part.name for part in drawing.parts}
        assert not any(box.what.endswith("…") for box in texts(drawing)), article.title
