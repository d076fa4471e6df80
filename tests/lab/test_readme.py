"""The reports that README.md shows are what netcheck says: `make readme` writes them anew."""

from __future__ import annotations

import re
import sys

import pytest

from tests.lab.readme import README, REPORTS, shown, with_report

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

# These differ from run to run, and a busy computer is slower and loses packets of a stream.
_DIFFERENT = re.compile(r"^  (Round trip|When|Computer|Made by) .*\n", re.MULTILINE)
_MEASURED = re.compile(r"(^  (?:Audio|Video) to \w+|outlast) .*", re.MULTILINE)
_DYNAMIC_PORT = re.compile(r"(?<=:)[0-9]{5}\b")


def same(text: str) -> str:
    return _DYNAMIC_PORT.sub("…", _MEASURED.sub(r"\1", _DIFFERENT.sub("", text)))


@pytest.mark.parametrize("name", REPORTS)
def test_it_shows_what_netcheck_says(name: str) -> None:
    report = REPORTS[name]()
    assert same(report) == same(shown(README.read_text(encoding="utf-8"), name))
    assert "Computer     lab (" in report


def test_one_block_is_written_anew_and_nothing_else() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_report(text, "run", shown(text, "run")) == text
    changed = with_report(text, "run", "All is well.\n")
    assert shown(changed, "run") == "All is well.\n"
    assert shown(changed, "report") == shown(text, "report")
    assert with_report(changed, "run", shown(text, "run")) == text
