"""Every word that a report may say has its sign, and the same one wherever it stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import pytest

from netcheck.diagnosis import shut, unheard
from netcheck.drawing.svg import SHAPES
from netcheck.report import compare, model, verdicts
from netcheck.report.compare_network import Trend
from probes.observation import PortSample

WORDS: dict[str, tuple[Mapping[Any, verdicts.Sign], Any]] = {
    "verdict": (verdicts.VERDICTS, model.Verdict),
    "state of a port": (verdicts.PORT_STATES, model.PortState),
    "verdict on an editor": (verdicts.EDITORS, model.EditorVerdict),
    "severity": (verdicts.SEVERITIES, model.Severity),
    "trend": (verdicts.TRENDS, Trend),
    "dynamic port": (verdicts.SAMPLES, get_type_hints(PortSample)["outcome"]),
}


@pytest.mark.parametrize("name", WORDS)
def test_every_word_has_its_sign(name: str) -> None:
    table, words = WORDS[name]
    assert set(table) == set(get_args(words))


def test_every_table_is_looked_through() -> None:
    assert [id(table) for table, _ in WORDS.values()] == [id(table) for table in verdicts.TABLES]


def test_a_word_looks_the_same_wherever_it_stands() -> None:
    signs = defaultdict(set)
    for table in verdicts.TABLES:
        for word, sign in table.items():
            signs[word].add(sign)
    assert {word for word, found in signs.items() if len(found) > 1} == set()


def test_a_state_that_looks_bad_is_a_failure_everywhere() -> None:
    """Three places ask which states those are; a new state must not be forgotten in one."""
    bad = {state for state, sign in verdicts.PORT_STATES.items() if sign.kind == "bad"}
    assert bad == shut.SHUT
    assert bad == set(unheard.SHUT_IN_WORDS)
    assert bad | {"busy"} == compare.FAILURES


def test_a_sign_is_one_character_and_a_kind_has_a_shape() -> None:
    for sign in verdicts.SIGNS.values():
        assert len(sign.mark) == len(sign.plain) == 1
        assert sign.plain.isascii()
    assert {sign.kind for sign in verdicts.SIGNS.values()} == set(SHAPES)


def test_a_style_leads_back_to_one_kind() -> None:
    for sign in verdicts.SIGNS.values():
        assert verdicts.STYLES[sign.style] == sign.kind
