"""Once as a person would: start, check, open an article, save, check again, compare."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netcheck.history import History
from netcheck.report.read import ReportError, read
from tests.window.screen import Person, ScreenError, screen

if sys.platform != "linux":
    pytest.skip("Xvfb is a screen for Linux", allow_module_level=True)

CHECK_S = 60.0
"""A check of this computer takes a second or two; on a busy machine many more."""


@pytest.fixture
def person() -> Iterator[Person]:
    with screen() as made:
        yield made


def readable(file: Path) -> bool:
    try:
        read(file)
    except ReportError:
        return False
    return True


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
            # An article from the list, by keys.
            person.keys("Down", "Down")
            person.keys("ctrl+5")
            person.title_is("Articles ")
            person.types("hairpin")
            person.keys("ctrl+2")
            # Save as JSON: the third format in the dialog, then a name.
            person.title_is("Answer ")
            person.goes_to(window)
            person.keys("alt+s")
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
            assert program.poll() is None
        except ScreenError as error:
            error.add_note((tmp_path / "log").read_text())
            raise
        finally:
            program.terminate()
    newest = {entry.id for entry in history.entries()}
    assert read(saved).id in newest
    assert "Traceback" not in (tmp_path / "log").read_text()
