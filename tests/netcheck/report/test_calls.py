"""Calls in the report: a table for who wants it, in words that need no explanation."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from netcheck.report import calls, text
from netcheck.report.model import CallReached, CallSides, PlacedCall, Report

from .samples import all_good, everything


def rendered(report: Report, width: int = 100) -> list[str]:
    return text.render(report, details=True, width=width).splitlines()


def section(report: Report, heading: str, width: int = 100) -> list[str]:
    lines = rendered(report, width)
    if heading not in lines:
        return []
    after = lines[lines.index(heading) + 1 :]
    return [line.strip() for line in after[: after.index("")]]


def test_every_word_of_the_model_has_words() -> None:
    assert set(calls._REACHED) == set(get_args(CallReached))
    assert set(calls._SIDES) == set(get_args(CallSides))


def test_a_call_out_says_who_hears_whom_and_what_went_where() -> None:
    assert section(everything(), "A call to the other side") == [
        "How far  it came all the way to sound and picture",
        "Sound    they hear you, you do not hear them",
        "Picture  not known",
        "Seen by  call-outbound",
        "What            Where to            Arrived      More",
        "Call set-up     192.0.2.10:1720     ✓ yes",
        "Call control    192.0.2.10:30001    ✓ yes",
        "Shared data     192.168.1.20:1503   ✗ no",
        "Sound to them   192.0.2.10:30010    ✓ 49 of 50   8 reports (RTCP)",
        "Sound to you    192.168.1.20:20008  ✗ none sent  they send to 192.168.1.20",
        "Picture to you  not known           ? ? of 30    the other end's count did not arrive",
    ]


def test_a_call_in_that_did_not_come_says_why() -> None:
    assert section(everything(), "A call from the other side", 120) == [
        "How far  it did not come in: the directory names 192.168.1.20:1720, "
        "where nobody outside can reach you",
        "Seen by  call-inbound",
        "What         Where to           Arrived      More",
        "Call set-up  192.168.1.20:1720  ✗ no",
    ]


def test_calls_are_details() -> None:
    assert "A call to the other side" not in text.render(everything(), width=100)
    assert section(all_good(), "A call to the other side") == []


@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_fits_the_width(width: int) -> None:
    assert max(map(len, rendered(everything(), width))) <= width


def test_addresses_are_whole_at_80_columns() -> None:
    lines = section(everything(), "A call to the other side", 80)
    assert any("192.168.1.20:20008" in line for line in lines)


def test_a_report_with_very_many_calls_is_cut() -> None:
    call = PlacedCall(direction="inbound", reached="untested", set_up=None, reason="no server")
    many = msgspec.structs.replace(all_good(), calls=[call] * 100)
    assert rendered(many).count("A call from the other side") == 16
