"""``netcheck history``, and what ``netcheck check`` keeps and redacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from netcheck.cli.history import history_group
from netcheck.cli.report import report_group
from netcheck.history import History
from netcheck.report import json as json_format

from ..report.samples import all_good, behind_nat


@pytest.fixture(autouse=True)
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> History:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path))
    return History()


def run(*arguments: str, **more: str) -> Result:
    return CliRunner().invoke(history_group, arguments, **more)  # type: ignore[arg-type]


def netcheck(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "netcheck", *arguments],
        capture_output=True, check=False, encoding="utf-8", timeout=60, env=dict(os.environ),
    )  # fmt: skip


def test_the_list_for_scripts(history: History) -> None:
    assert "There are no past checks." in run("list").stderr
    history.add(behind_nat())
    line = run("list").stdout.rstrip("\n").split("\t")
    assert line[0] == behind_nat().id
    assert line[2:] == ["192.168.1.1, seen as 198.51.100.7", "echo.example.net", "fails"]


def test_showing_one(history: History) -> None:
    history.add(all_good())
    assert json.loads(run("show", "latest", "--format", "json").stdout_bytes)["id"] == all_good().id
    assert run("show", all_good().id[:3]).stdout.startswith("Everything that was tested works")
    assert "<!DOCTYPE html>" in run("show", "latest", "--format", "html").stdout
    assert "study-pc" not in run("show", "latest", "--redact", "--details").stdout
    assert run("show", "nothing").exit_code == 2


def test_showing_one_into_a_file(history: History, tmp_path: Path) -> None:
    history.add(all_good())
    assert run("show", "latest", "--format", "json", "--output", str(tmp_path / "x")).stdout == ""
    assert json.loads((tmp_path / "x").read_text())["id"] == all_good().id


def test_deleting_asks(history: History) -> None:
    history.add(all_good())
    history.add(behind_nat())
    assert run("delete").exit_code == 2
    assert run("delete", "--all", "latest").exit_code == 2
    assert run("delete", "--all").exit_code == 2  # nobody is there to ask
    assert len(history.entries()) == 2
    assert run("delete", all_good().id, "--yes").exit_code == 0
    assert [entry.id for entry in history.entries()] == [behind_nat().id]
    assert run("delete", "--all", "--yes").exit_code == 0
    assert history.entries() == []


def test_a_newer_history_is_one_sentence(history: History) -> None:
    history.path.write_bytes(b"")
    import sqlite3

    with sqlite3.connect(history.path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    done = run("list")
    assert done.exit_code == 2
    assert "update netcheck" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_converting_with_placeholders(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json_format.render(behind_nat()), encoding="utf-8")
    for name in ("json", "html", "text"):
        arguments = ["convert", str(file), "--format", name, "--redact"]
        done = CliRunner().invoke(report_group, arguments)
        assert done.exit_code == 0
        for secret in ("192.168.1.", "198.51.100.7", "study-pc", "echo.example", "skype.exe"):
            assert secret not in done.stdout, name
    shown = CliRunner().invoke(report_group, ["show", str(file), "--redact"])
    assert "computer-1" in shown.stdout
    assert str(file) not in shown.stdout


def test_a_check_is_kept_where_it_is_asked_for(history: History) -> None:
    netcheck("check", "--quick", "--only", "ports", "--format", "json")
    assert history.entries() == []  # nobody saw its progress
    done = netcheck("check", "--quick", "--only", "ports", "--format", "json", "--keep", "--redact")
    (entry,) = history.entries()
    assert entry.state == "finished"
    shown = json.loads(done.stdout)
    assert shown["host"]["name"] == "computer-1"
    assert done.stderr == ""
    kept = msgspec.to_builtins(history.report(entry.id), str_keys=True)
    assert kept["host"]["name"] not in ("", "computer-1")
    assert shown["id"] == entry.id


def test_a_history_that_fails_does_not_fail_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "file"))
    done = netcheck("check", "--quick", "--only", "ports", "--format", "json", "--keep")
    assert json.loads(done.stdout)["schema"] == "netcheck.report/1"
    assert "cannot be opened" in done.stderr
    assert done.returncode in (0, 1, 3)
