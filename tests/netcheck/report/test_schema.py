import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netcheck.report import json as json_format
from netcheck.report import schema as publishing

from .samples import all_samples, two_profiles

PUBLISHED = Path(__file__).parents[3] / "docs" / "report.schema.json"

validator = Draft202012Validator(
    publishing.schema(), format_checker=Draft202012Validator.FORMAT_CHECKER
)


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json_format.render(two_profiles()))
    return document


def test_the_published_file_is_up_to_date() -> None:
    """If not: python -m netcheck.report.schema > docs/report.schema.json"""
    assert PUBLISHED.read_text(encoding="utf-8") == publishing.text()


def test_it_is_a_schema_and_says_of_what() -> None:
    schema = publishing.schema()
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == "netcheck.report/1"
    assert schema["title"]


@pytest.mark.parametrize("name", sorted(set(all_samples()) - {"hostile"}))
def test_reports_conform(name: str) -> None:
    validator.validate(json.loads(json_format.render(all_samples()[name])))


def test_what_a_newer_netcheck_may_add_conforms() -> None:
    document = _document()
    document["moon_phase"] = "waning"
    document["ports"][0]["colour"] = "blue"
    document["observations"].append({"probe": "telepathy", "id": "t-1", "at_s": 0, "took_s": 1})
    validator.validate(document)


def _set(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = to

    return change


def _remove(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        del document[path[-1]]

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _set("schema", to="netcheck.report/2"),
        _remove("schema"),
        _remove("observations"),
        _remove("features", 0, "capacity"),
        _remove("ports", 0, "reached_server"),
        _set("overall", to="perfect"),
        _set("started_at", to="yesterday"),
        _set("started_at", to="2026-03-14T09:26:53+02:00"),
        _set("duration_s", to=-1),
        _set("features", 0, "verdict", to="maybe"),
        _set("features", 0, "verdict", to=None),
        _set("features", 0, "capacity", to=-1),
        _set("ports", 0, "state", to="closed"),
        _set("ports", 0, "port", to=0),
        _set("ports", 0, "port", to=65536),
        _set("ports", 0, "local_port", to=65536),
        _set("ports", 0, "rtt_ms", to=-0.1),
        _set("ports", 0, "reached_server", to="yes"),
        _set("nat", "mapping", to="symmetric"),
        _set("dynamic_udp", "fraction", to=1.01),
        _set("dynamic_udp", "ci95", to=[0.1]),
        _set("dynamic_udp", "ci95", to=[0.1, 1.1]),
        _set("dynamic_udp", "open_ranges", 0, to=[1, 2, 3]),
        _set("dynamic_udp", "open_ranges", 0, to=[0, 2]),
        _set("media", 0, "loss", to=2),
        _set("media", 0, "mos", to=5.5),
        _set("editors", 0, "verdict", to="fine"),
        _set("findings", 0, "cause", to="bad-luck"),
        _set("findings", 0, "severity", to="fatal"),
        _set("findings", 0, "article", to="../elsewhere"),
        _set("observations", 0, "took_s", to=None),
        _remove("observations", 0, "probe"),
        _remove("observations", 2, "attempts"),
    ],
)
def test_what_breaks_the_contract_is_rejected(spoil: Callable[[dict[str, Any]], None]) -> None:
    document = _document()
    assert validator.is_valid(document)
    spoil(document)
    assert not validator.is_valid(document)
