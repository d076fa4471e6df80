import json
import os
import sys
import threading
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


@pytest.mark.parametrize(
    "place", [("overall",), ("id",), ("features", 0, "verdict"), ("observations", 0, "outcome")]
)
def test_a_sentence_stays_one(place: tuple[Any, ...]) -> None:
    document = _document()
    inner = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = ["x" * 1_000_000] if place == ("id",) else "x" * 1_000_000
    document["tool"]["version"] = "9" * 1_000_000
    if place[-1] == "outcome":
        document["observations"][0]["at_s"] = "x" * 1_000_000
    assert len(_error(document)) < 700


@pytest.mark.parametrize("place", ["duration_s", "at_s", "took_s"])
def test_no_check_takes_for_ever(place: str) -> None:
    document = _document()
    inner = document if place == "duration_s" else document["observations"][1]
    inner[place] = 1e308
    assert f"{place}: no check takes so long" in _error(document)


@pytest.mark.parametrize(
    ("part", "key", "count"),
    [("features", None, 1001), ("findings", None, 1001), ("host", "addresses", 40_001)],
)
def test_no_check_finds_so_much(part: str, key: str | None, count: int) -> None:
    document = _document()
    (document if key is None else document[part])[key or part] = ["x"] * count
    assert f"{count} entries, which no check finds" in _error(document)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    if sys.platform != "win32":
        os.mkfifo(pipe)
    with pytest.raises(ReportError, match="is not JSON"):
        read(pipe)
    silent = os.open(pipe, os.O_RDWR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PIPE_SILENCE_S", 0.01)
        with pytest.raises(ReportError, match="a pipe that nothing comes from"):
            read(pipe)
    os.close(silent)
    with pytest.raises(ReportError, match="is a device"):
        read(Path("/dev/zero"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_report_comes_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    if sys.platform != "win32":
        os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR)
    # More than a pipe holds: the last of it is written when the reader is there.
    data = json_format.render(all_good()).encode() + b" " * (1 << 20)
    said: list[object] = []
    reader = threading.Thread(target=lambda: said.append(read(pipe)))
    writer = os.open(pipe, os.O_WRONLY)
    reader.start()
    at = 0
    while at < len(data):
        at += os.write(writer, data[at : at + 1000])
    os.close(writer)
    os.close(held)
    reader.join()
    assert said == [all_good()]


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 1 << 20)
    path = tmp_path / "large.json"
    path.write_bytes(json_format.render(all_good()).encode() + b" " * (1 << 20))
    with pytest.raises(ReportError, match="larger than 1 MiB"):
        read(path)
