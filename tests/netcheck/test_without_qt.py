"""Everything but the window runs where PySide6 is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netcheck.report import json
from tests.netcheck.report.samples import all_good


@pytest.fixture
def without_qt(tmp_path: Path) -> list[str]:
    """Python, in which PySide6 and shiboken6 cannot be imported or found."""
    code = (
        "import sys, runpy, importlib.abc\n"
        "class No(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('PySide6', 'shiboken6'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, No())\n"
        "sys.argv[:] = sys.argv[1:]\n"
        "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    )
    file = tmp_path / "without_qt.py"
    file.write_text(code, encoding="utf-8")
    return [sys.executable, str(file)]


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, encoding="utf-8", check=False, timeout=60)


def test_qt_is_really_not_there(without_qt: list[str], tmp_path: Path) -> None:
    done = run([*without_qt, "netcheck.gui.window"])
    assert done.returncode != 0
    assert "No module named 'PySide6" in done.stderr


def test_a_check_runs(without_qt: list[str]) -> None:
    done = run([*without_qt, "netcheck", "check", "--format", "json"])
    assert done.returncode in (0, 1, 3), done.stderr
    assert '"netcheck.report/1"' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["check", "--help"],
        ["report", "convert", "--help"],
        ["kb", "list"],
        ["profiles", "list"],
        ["history", "list"],
    ],
)
def test_the_other_commands_run(
    without_qt: list[str], words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETCHECK_DATA_DIR", str(tmp_path / "data"))
    done = run([*without_qt, "netcheck", *words])
    assert done.returncode == 0, done.stderr
    assert done.stdout or done.stderr


def test_every_probe_is_imported(without_qt: list[str], tmp_path: Path) -> None:
    code = (
        "import pkgutil, importlib, probes\n"
        "for each in pkgutil.walk_packages(probes.__path__, 'probes.'):\n"
        "    importlib.import_module(each.name)\n"
    )
    (tmp_path / "all_probes.py").write_text(code, encoding="utf-8")
    done = subprocess.run(
        [*without_qt, "all_probes"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_window_says_what_is_missing(without_qt: list[str]) -> None:
    done = run([*without_qt, "netcheck", "gui"])
    assert done.returncode == 2
    assert "netcheck check" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    file = tmp_path / "report.json"
    file.write_text(json.render(all_good()), encoding="utf-8")
    return file


def test_the_other_formats_are_made(without_qt: list[str], saved: Path) -> None:
    for name in ("html", "json", "text"):
        done = run([*without_qt, "netcheck", "report", "convert", str(saved), "--format", name])
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_no_pdf_is_one_sentence_before_anything_is_done(
    without_qt: list[str], saved: Path, tmp_path: Path
) -> None:
    output = tmp_path / "r.pdf"
    # A server that does not exist: the sentence comes before it is looked for.
    for words in (
        ["check", "--server", "server.invalid", "--keep"],
        ["report", "convert", str(tmp_path / "none.json")],
        ["report", "convert", str(saved)],
    ):
        done = run([*without_qt, "netcheck", *words, "--format", "pdf", "--output", str(output)])
        assert done.returncode == 2
        assert done.stdout == ""
        assert "install PySide6-Essentials, or use --format html" in done.stderr
        assert done.stderr.count("\n") == 1
        assert not output.exists()
