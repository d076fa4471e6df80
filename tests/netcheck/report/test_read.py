import json
from pathlib import Path
from typing import Any

import pytest

from netcheck.report import json as json_format
from netcheck.report import read as reading
from netcheck.report.read import ReportError, parse, read

from .samples import all_good, behind_nat


def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json_format.render(behind_nat()))
    return document


def _error(document: Any) -> str:
    with pytest.raises(ReportError) as caught:
        parse(json.dumps(document).encode(), "it.json")
    return str(caught.value)


def test_a_saved_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json_format.render(behind_nat()), encoding="utf-8")
    assert read(path) == behind_nat()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_what_windows_makes_of_a_redirected_report_is_read(encoding: str) -> None:
    assert parse(json_format.render(all_good()).encode(encoding)) == all_good()


def test_a_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    with pytest.raises(ReportError) as caught:
        read(path)
    assert str(caught.value) == f"There is no file {path}."


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="is a folder"):
        read(tmp_path)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(ReportError, match="cannot be read"):
        read(Path("a\0b"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Everything works.",
        b'{"schema": "netcheck.report/1", "id": ',
        b'{"schema": "\xff"}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
    ],
)
def test_not_json(data: bytes) -> None:
    with pytest.raises(ReportError, match=r"^it\.json is not JSON; .*--format json\.$"):
        parse(data, "it.json")


@pytest.mark.parametrize(
    "document", [[], 1, None, {}, {"schema": 1}, {"schema": "https://json-schema.org/"}]
)
def test_json_that_is_no_report(document: Any) -> None:
    assert _error(document) == "it.json is JSON, but not a netcheck report."


def test_a_report_of_a_newer_format() -> None:
    sentence = _error({"schema": "netcheck.report/2", "verdicts": []})
    assert "newer netcheck" in sentence
    assert "netcheck.report/2" in sentence
    assert "update netcheck" in sentence


def test_a_report_of_a_format_that_never_was() -> None:
    assert "netcheck.report/0" in _error({"schema": "netcheck.report/0"})


def test_the_place_of_a_wrong_value_is_said() -> None:
    document = _document()
    document["features"][2]["verdict"] = "perhaps"
    sentence = _error(document)
    assert "at features[2].verdict: invalid enum value 'perhaps'" in sentence
    assert "update" not in sentence


def test_the_place_of_a_wrong_type_is_said() -> None:
    document = _document()
    document["nat"]["layers"] = "two"
    assert "at nat.layers: expected `int | null`, got `str`" in _error(document)


def test_the_place_in_an_observation_counts_the_unknown_ones_too() -> None:
    document = _document()
    document["observations"].insert(0, {"probe": "telepathy", "id": "x"})
    document["observations"][2]["took_s"] = "long"
    assert "at observations[2].took_s:" in _error(document)


@pytest.mark.parametrize("observation", [1, {}, {"probe": 7}, {"probe": "local"}])
def test_what_is_no_observation_is_refused(observation: Any) -> None:
    document = {**_document(), "observations": [observation]}
    assert "at observations[0]" in _error(document)


@pytest.mark.parametrize("observations", [1, {"probe": "local"}, None])
def test_observations_must_be_a_list(observations: Any) -> None:
    assert "at observations:" in _error({**_document(), "observations": observations})


def test_a_missing_key_is_named() -> None:
    document = _document()
    del document["server"]
    assert "object missing required field `server`" in _error(document)


def test_a_value_that_a_newer_netcheck_added_says_to_update() -> None:
    document = _document()
    document["tool"]["version"] = "99.0.0"
    document["findings"][0]["cause"] = "sunspots"
    sentence = _error(document)
    assert "at findings[0].cause" in sentence
    assert "netcheck 99.0.0 wrote it" in sentence


def test_keys_and_probes_that_a_newer_netcheck_added_are_passed_over() -> None:
    document = _document()
    document["moon_phase"] = "waning"
    document["features"][0]["colour"] = {"r": 1}
    document["observations"][0]["smell"] = []
    document["observations"].insert(1, {"probe": "telepathy", "id": "t-1", "at_s": 0, "took_s": 0})
    assert parse(json.dumps(document).encode()) == behind_nat()


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1 << 20)
    path = tmp_path / "large.json"
    path.write_bytes(json_format.render(all_good()).encode() + b" " * (1 << 20))
    with pytest.raises(ReportError, match="larger than 1 MiB"):
        read(path)
