"""Once as a person would: start, check, open an article, save, check again, compare."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from netcheck.history import History
from netcheck.report import json as json_format
from netcheck.report.read import ReportError, read
from tests.netcheck.report import samples
from tests.window.screen import Person, ScreenError, screen

if sys.platform != "linux":
    pytest.skip("Xvfb is a screen for Linux", allow_module_level=True)

CHECK_S = 60.0
"""A check of this computer takes a second or two; on a busy machine many more."""


@pytest.fixture
def person() -> Iterator[Person]:
    # Else it begins anew whenever xdotool leaves before the window is there.
    with screen("-noreset") as made:
        yield made


def readable(file: Path) -> bool:
    try:
        read(file)
    except ReportError:
        return False
    return True


def copied(person: Person, words: str) -> bool:
    """One link further; whether a command with these words is on the clipboard now."""
    person.keys("Tab", "Return")
    return words in person.clipboard()


@contextmanager
def started(person: Person, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The window, with a log beside its data, which is in the failure."""
    file = folder / "log"
    argv = [sys.executable, "-m", "netcheck", "gui", *arguments]
    with (
        file.open("a") as log,
        subprocess.Popen(argv, env=person.environment(folder), cwd=folder, stderr=log) as program,
    ):
        try:
            yield program
        except ScreenError as error:
            error.add_note(file.read_text())
            raise
        finally:
            program.terminate()
    assert "Traceback" not in file.read_text()


def opened(person: Person) -> bool:
    """All that the list has by now; whether its answer is shown."""
    person.keys("ctrl+a")
    person.keys("alt+o")
    try:
        person.title_is("Answer ", 2.0)
    except ScreenError:
        return False
    return True


def test_a_report_named_at_the_start_is_open_at_once(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "mine.netcheck.json"
    file.write_text(json_format.render(samples.everything()), encoding="utf-8")
    with started(person, tmp_path, str(file)):
        person.goes_to(person.title_is("Answer "))
        person.keys("alt+y")
        person.until(lambda: samples.everything().id in person.clipboard(), "its text")


def test_a_check_that_was_killed_is_there_and_opens(person: Person, tmp_path: Path) -> None:
    history = History(tmp_path / "data")

    def state() -> str:
        return next((entry.state for entry in history.entries()), "")

    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    with silent, started(person, tmp_path) as program:
        person.goes_to(person.title_is("Check "))
        person.keys("alt+e", "Tab")
        person.types(f"127.0.0.1:{silent.getsockname()[1]}")
        person.keys("Return")
        person.until(lambda: state() == "running", "a check that runs", CHECK_S)
        program.kill()
        program.wait()
    assert state() == "unfinished"
    with started(person, tmp_path):
        person.goes_to(person.title_is("Check "))
        person.keys("ctrl+4")
        person.title_is("Past checks ")
        person.until(lambda: opened(person), "what was kept, opened", CHECK_S)
        person.keys("alt+y")
        (kept,) = history.entries()
        person.until(lambda: kept.id in person.clipboard(), "the text of what was kept")


def test_start_check_article_save_compare(person: Person, tmp_path: Path) -> None:
    history = History(tmp_path / "data")
    saved = tmp_path / "mine.json"
    argv = [sys.executable, "-m", "netcheck", "gui"]
    log = (tmp_path / "log").open("w")
    with (
        log,
        subprocess.Popen(
            argv, env=person.environment(tmp_path), cwd=tmp_path, stderr=log
        ) as program,
    ):
        try:
            window = person.title_is("Check ")
            person.goes_to(window)
            person.keys("alt+t")  # this computer only
            person.keys("Return")
            person.title_is("Answer ", CHECK_S)
            person.until(lambda: len(history.entries()) == 1, "the first check is kept")
            person.keys("alt+y")
            person.until(lambda: "MSN Messenger" in person.clipboard(), "the report as text")
            # What the keys do is a key away.
            person.keys("F1")
            listed = person.title_is("What the keyboard does")
            person.goes_to(listed)
            person.keys("Escape")
            person.goes_to(window)
            # An article that is looked for and opened by keys, and a command of it copied.
            person.keys("ctrl+5")
            person.title_is("Articles ")
            person.keys("ctrl+f")
            person.types("hairpin uci")
            person.keys("Tab")
            person.until(lambda: copied(person, "reflection"), "a command of the article")
            person.keys("ctrl+2")
            # Save as JSON: the third format in the dialog, then a name.
            person.title_is("Answer ")
            person.goes_to(window)
            person.keys("ctrl+s")
            dialog = person.title_is("Save report")
            person.goes_to(dialog)
            person.keys("Down", "Down", "Return")
            person.until(
                lambda: person.title_is("Save report") != dialog, "the system's own dialog"
            )
            person.goes_to(person.title_is("Save report"))
            person.keys("ctrl+a")
            person.types(str(saved))
            person.keys("Return")
            person.until(lambda: readable(saved), "the saved report")
            # The same once more, by a click on the page this time.
            person.goes_to(window)
            person.keys("alt+g")
            person.until(lambda: len(history.entries()) == 2, "the second check", CHECK_S)
            person.title_is("Answer ", CHECK_S)
            person.keys("ctrl+4")
            person.title_is("Past checks ")
            person.keys("ctrl+a")
            person.keys("alt+m")
            person.title_is("Comparison ")
            x, y, width, height = person.place(window)
            assert width >= 800
            assert height >= 600
            person.keys("Escape")
            person.title_is("Past checks ")
            person.clicks(x + 24, y + 16)  # the first entry of the bar
            person.title_is("Check ")
            # A second start with a file hands it to the window that is open.
            second = subprocess.run(
                [*argv, str(saved)], env=person.environment(tmp_path), cwd=tmp_path,
                stderr=log, timeout=CHECK_S, check=False,
            )  # fmt: skip
            assert second.returncode == 0
            person.title_is("Answer ")
            assert program.poll() is None
        except ScreenError as error:
            error.add_note((tmp_path / "log").read_text())
            raise
        finally:
            program.terminate()
    newest = {entry.id for entry in history.entries()}
    assert read(saved).id in newest
    assert "Traceback" not in (tmp_path / "log").read_text()
