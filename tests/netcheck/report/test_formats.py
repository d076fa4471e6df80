import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from netcheck import report as package
from netcheck.report import formats

from .samples import all_good


def test_the_formats_are_those_that_can_render() -> None:
    assert {"html", "json", "pdf", "text"} == set(formats.names())
    assert not {"compare", "formats", "model", "page", "read", "schema"} & set(formats.names())


@pytest.mark.parametrize("name", formats.names())
def test_each_renders_and_ignores_the_options_of_others(name: str) -> None:
    assert formats.render(name, all_good(), width=80, no_format_has_this=True)


def test_options_reach_the_format_that_has_them() -> None:
    assert b"Observations" not in formats.to_bytes("text", all_good())
    assert b"Observations" in formats.to_bytes("text", all_good(), details=True)


@pytest.mark.parametrize("name", ["formats", "read", "paper", "..os", ""])
def test_no_other_module_is_a_format(name: str) -> None:
    with pytest.raises(KeyError):
        formats.render(name, all_good())


def test_a_new_file_is_a_new_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shout.py").write_text("def render(report): return report.overall.upper()")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    assert "shout" in formats.names()
    assert formats.render("shout", all_good(), width=80) == "WORKS"
    monkeypatch.delitem(sys.modules, "netcheck.report.shout")


def test_naming_the_formats_loads_no_heavy_library() -> None:
    script = (
        "import sys; from netcheck.report import formats; formats.names();"
        "print([name for name in ('rich', 'jinja2', 'asyncio', 'PySide6') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_asking_after_one_format_loads_no_other() -> None:
    script = (
        "import sys; from netcheck.report import formats;"
        "print([formats.exists(name) for name in ('json', 'model', 'formats', '..os', '')]);"
        "print([name for name in sys.modules if name in ('netcheck.report.text', 'rich')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.split(b"\n")[:2] == [b"[True, False, False, False, False]", b"[]"]


@pytest.mark.parametrize("name", formats.names())
def test_only_a_pdf_is_nothing_for_a_terminal(name: str) -> None:
    assert formats.obstacle(name, to_terminal=False) is None
    assert (formats.obstacle(name, to_terminal=True) is None) is (name != "pdf")
