"""``netcheck report``: show, convert and compare saved reports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netcheck import redacting

if TYPE_CHECKING:
    from netcheck.report.model import Report

_redact = click.option(
    "--redact",
    is_flag=True,
    help="Put placeholders for names and addresses of people, computers, networks and programs.",
)
_FILE = click.Path(path_type=Path)


class UnusableError(click.ClickException):
    """A file or a history that cannot be read or written, or a check that is not there; names of
    files are shown as safely as reports."""

    exit_code = 2

    def __init__(self, error: Exception | str) -> None:
        from netcheck.report.page import clean

        super().__init__(clean(str(error)))


class FormatName(click.ParamType[str]):
    """The name of an export format.  The formats are looked up only when one is needed."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        from netcheck.report import formats

        return "|".join(formats.names())

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from netcheck.report import formats

        if not formats.exists(value):
            self.fail(f"{value!r} is not one of {', '.join(formats.names())}.", param, ctx)
        return str(value)


@click.group("report")
def report_group() -> None:
    """Show, convert and compare saved reports."""


@report_group.command()
@click.argument("file", type=_FILE)
@click.option("--details", is_flag=True, help="Also show every port and measurement.")
@click.option("--articles", is_flag=True, help="Also show the steps of every remedy.")
@_redact
def show(file: Path, details: bool, articles: bool, redact: bool) -> None:
    """Show the report in FILE."""
    from netcheck.report import text

    text_of = text.render(
        _read(file, redact=redact),
        details=details,
        articles=articles,
        file=None if redact else str(file),
        **_terminal(),
    )
    click.echo(text_of, nl=False)


@report_group.command()
@click.argument("file", type=_FILE)
@click.option("--format", "name", type=FormatName(), required=True, help="What to convert to.")
@click.option("--output", type=_FILE, help="Where to; without it, to standard output.")
@_redact
def convert(file: Path, name: str, output: Path | None, redact: bool) -> None:
    """Convert the report in FILE to another format."""
    refuse_what_cannot_be(name, output)
    deliver(_read(file, redact=redact), name, output)


def deliver(report: Report, name: str, output: Path | None, **options: object) -> None:
    """Write the report in a format to its place, or to standard output."""
    from netcheck.report import formats
    from netcheck.report.read import ReportError
    from netcheck.report.save import save

    refuse_what_cannot_be(name, output)
    if output is None:
        converted = formats.render(name, report, **_terminal(), **options)
        # Every format is UTF-8; only text meant to be looked at follows the terminal.
        if isinstance(converted, str) and name != "text":
            converted = converted.encode("utf-8", "replace")
        click.echo(converted, nl=False)
        return
    try:
        save(output, formats.render(name, report, **options))
    except ReportError as error:
        raise UnusableError(error) from None


def refuse_what_cannot_be(name: str, output: Path | None) -> None:
    """End the command with a sentence where this format cannot be made, or be put there."""
    from netcheck.report import formats

    terminal = output is None and sys.stdout.isatty()
    if sentence := formats.obstacle(name, to_terminal=terminal):
        raise UnusableError(sentence)


@report_group.command()
@click.argument("old", type=_FILE)
@click.argument("new", type=_FILE)
def compare(old: Path, new: Path) -> None:
    """Say what changed from the report OLD to the report NEW.

    Exit code 0: nothing got worse. 1: a feature, a port or the network's behaviour did.
    """
    from netcheck.report import compare as comparing

    comparison = comparing.compare(_read(old), _read(new))
    click.echo(comparing.as_text(comparison, **_terminal()), nl=False)
    click.get_current_context().exit(1 if comparison.worse else 0)


def _read(file: Path, *, redact: bool = False) -> Report:
    from netcheck.report.read import ReportError, read

    try:
        return redacting.redacted(read(file)) if redact else read(file)
    except ReportError as error:
        raise UnusableError(error) from None


def _terminal() -> dict[str, Any]:
    from netcheck.report.page import options_for

    return options_for(sys.stdout)
