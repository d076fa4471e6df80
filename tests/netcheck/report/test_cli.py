import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from netcheck.cli.report import report_group
from netcheck.report import json as json_format
from netcheck.report import text as text_format
from netcheck.report.read import read

from .samples import all_good, all_samples, behind_nat


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, report in all_samples().items():
        (tmp_path / f"{name}.json").write_text(json_format.render(report), encoding="utf-8")
    return tmp_path


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(report_group, [str(argument) for argument in arguments])


def test_show(folder: Path) -> None:
    file = folder / "behind_nat.json"
    done = _run("show", file)
    assert done.exit_code == 0
    assert done.stdout == text_format.render(behind_nat(), file=str(file))
    assert "Observations" not in done.stdout


def test_show_details(folder: Path) -> None:
    done = _run("show", "--details", folder / "behind_nat.json")
    assert done.stdout == text_format.render(behind_nat(), details=True)


def test_convert_to_a_file_and_back(folder: Path) -> None:
    output = folder / "copy.json"
    done = _run("convert", folder / "behind_nat.json", "--format", "json", "--output", output)
    assert (done.exit_code, done.output) == (0, "")
    assert read(output) == behind_nat()


def test_convert_to_standard_output(folder: Path) -> None:
    done = _run("convert", folder / "all_good.json", "--format", "json")
    assert json.loads(done.stdout_bytes) == json.loads(json_format.render(all_good()))
    done = _run("convert", folder / "all_good.json", "--format", "text")
    assert done.stdout == text_format.render(all_good())


def test_an_unknown_format_is_wrong_usage_and_the_known_ones_are_named(folder: Path) -> None:
    done = _run("convert", folder / "all_good.json", "--format", "docx")
    assert done.exit_code == 2
    assert "json" in done.stderr
    assert "text" in done.stderr


def test_a_pdf_goes_to_a_file_or_a_pipe(folder: Path) -> None:
    file = folder / "all_good.json"
    assert _run("convert", file, "--format", "pdf").stdout_bytes.startswith(b"%PDF-")
    done = _run("convert", file, "--format", "pdf", "--output", folder / "r.pdf")
    assert (done.exit_code, done.output) == (0, "")
    assert (folder / "r.pdf").read_bytes().endswith(b"%%EOF\n")


def test_a_pdf_that_cannot_be_written_is_a_sentence(folder: Path) -> None:
    output = folder / "none" / "r.pdf"
    done = _run("convert", folder / "all_good.json", "--format", "pdf", "--output", output)
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


if sys.platform != "win32":  # which has no pseudo-terminals

    @pytest.mark.parametrize(
        "words", [["report", "convert", "none.json"], ["check", "--server", "server.invalid"]]
    )
    def test_a_terminal_is_shown_no_pdf(words: list[str]) -> None:
        ours, terminal = os.openpty()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "netcheck", *words, "--format", "pdf"],
                stdout=terminal, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
            )  # fmt: skip
        finally:
            os.close(terminal)
            os.close(ours)
        assert done.returncode == 2
        assert "A PDF is nothing that a terminal can show: name a file for it" in done.stderr
        assert done.stderr.count("\n") == 1


def test_help_names_the_formats() -> None:
    assert "json|pdf|text" in _run("convert", "--help").stdout.replace("\n", "")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("all_good", "all_good", 0),
        ("behind_nat", "all_good", 0),
        ("all_good", "behind_nat", 1),
        ("all_good", "no_server", 0),
    ],
)
def test_compare_says_by_its_exit_code_whether_anything_got_worse(
    folder: Path, old: str, new: str, code: int
) -> None:
    done = _run("compare", folder / f"{old}.json", folder / f"{new}.json")
    assert done.exit_code == code
    assert done.stdout
    assert not done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "none.json"),
        ("convert", "none.json", "--format", "text"),
        ("compare", "all_good.json", "none.json"),
        ("compare", "none.json", "all_good.json"),
    ],
)
def test_a_file_that_is_not_there_is_one_sentence_and_exit_code_2(
    folder: Path, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    done = _run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == "Error: There is no file none.json.\n"


def test_an_output_that_cannot_be_written_is_one_sentence_and_exit_code_2(folder: Path) -> None:
    output = folder / "none" / "r.txt"
    done = _run("convert", folder / "all_good.json", "--format", "text", "--output", output)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"Error: {output} cannot be written: there is no folder")
    assert done.stderr.count("\n") == 1


def test_the_name_of_a_file_cannot_take_over_the_terminal(folder: Path) -> None:
    done = _run("show", folder / "evil\x1b[2J\nname.json")
    assert done.exit_code == 2
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_commands_load_nothing_heavy_until_they_run() -> None:
    script = (
        "import sys; from netcheck.cli.report import report_group;"
        "print([name for name in ('rich', 'msgspec', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
