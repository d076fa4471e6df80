import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from netcheck.report.json import render
from netcheck.report.model import Report
from netcheck.report.read import parse

from .samples import all_good, all_samples, behind_nat, hostile
from .strategies import reports


@given(reports())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_report_survives_the_round_trip(report: Report) -> None:
    assert parse(render(report).encode()) == report


@pytest.mark.parametrize("name", sorted(all_samples()))
def test_the_text_is_utf8_json_with_a_final_newline(name: str) -> None:
    text = render(all_samples()[name])
    assert text.endswith("}\n")
    assert json.loads(text.encode())["schema"] == "netcheck.report/1"


def test_keys_are_in_the_order_of_the_model() -> None:
    document = json.loads(render(behind_nat()))
    assert list(document) == list(Report.__struct_fields__)
    assert list(document["observations"][0])[:4] == ["probe", "id", "at_s", "took_s"]


def test_the_order_of_a_dictionary_does_not_matter() -> None:
    good = all_good()
    one, other = (
        msgspec.structs.replace(good, host=msgspec.structs.replace(good.host, proxies=proxies))
        for proxies in ({"http": "a", "https": "b"}, {"https": "b", "http": "a"})
    )
    assert render(one) == render(other)


def test_nothing_in_it_can_take_over_a_terminal() -> None:
    """The hostile sample has controls and bidirectional marks in every free text."""
    text = render(hostile())
    assert all(character == "\n" or character >= " " for character in text)
    for character in "\x7f\x9b\u202e\u2066\u2028\u200f":
        assert character not in text
    assert "\\u009b31mC1" in text
    assert "\\u202eot tfel" in text


def test_half_a_character_is_replaced_and_the_rest_is_kept() -> None:
    report = msgspec.structs.replace(all_good(), note="lone \ud83d half, \U0001f600 whole")
    assert parse(render(report).encode()).note == "lone \ufffd half, \U0001f600 whole"
