"""``netcheck history``: past checks of this computer."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netcheck import redacting
from netcheck.cli.report import FormatName, UnusableError, deliver

if TYPE_CHECKING:
    from netcheck.history import Entry, History

_ID = 8
"""Characters of an id in the list: two checks of one history hardly ever share them."""


@click.group("history")
def history_group() -> None:
    """List, show and delete past checks.

    ID is the beginning of a check's id in the list, or "latest".
    """


@history_group.command("list")
def list_checks() -> None:
    """List the checks: date, network, server, verdict; the newest first."""
    from netcheck.history import History, HistoryError
    from netcheck.report.page import Page, options_for
    from netcheck.report.verdicts import OPEN, SIGNS

    history = History()
    try:
        entries = history.entries()
    except HistoryError as error:
        raise UnusableError(error) from None
    _tell(history)
    if not entries:
        click.echo("There are no past checks.", err=True)
        return
    if not sys.stdout.isatty():
        for entry in entries:
            click.echo("\t".join(_plain(entry)))
        return
    page = Page(**options_for(sys.stdout))
    rows = []
    for entry in entries:
        name, when, network, server, verdict = _plain(entry)
        sign = SIGNS.get(entry.overall, OPEN)
        rows.append((name, when, page.sign(sign, verdict), f"{server} from {network}"))
    verdicts = max(len(row[2].plain) for row in rows)
    page.rows(
        rows,
        widths=[_ID, len("2026-03-14 09:26"), verdicts],
        indent=0,
        header=["Check", "When", "Verdict", "Server and network"],
    )
    click.echo(page.text(), nl=False)


def _plain(entry: Entry) -> tuple[str, str, str, str, str]:
    """Its line in the list."""
    from netcheck.report.page import clean

    try:
        when = f"{datetime.fromisoformat(entry.started_at).astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        when = entry.started_at
    verdict = entry.overall if entry.state == "finished" else f"{entry.overall}, {entry.state}"
    texts = (entry.id[:_ID], when, entry.network, entry.server, verdict)
    name, when, network, server, verdict = map(clean, texts)
    return name, when, network, server, verdict


@history_group.command()
@click.argument("check", metavar="ID")
@click.option("--format", "name", type=FormatName(), default="text", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="Write it to this file.")
@click.option("--details", is_flag=True, help="Also show every port and measurement.")
@click.option("--articles", is_flag=True, help="Also show the steps of every remedy.")
@click.option("--redact", is_flag=True, help="Put placeholders for names and addresses.")
def show(
    check: str, name: str, output: Path | None, details: bool, articles: bool, redact: bool
) -> None:
    """Show the report of a past check, or of one that was not finished."""
    from netcheck.history import History, HistoryError

    history = History()
    try:
        report = history.report(history.find(check).id)
    except HistoryError as error:
        raise UnusableError(error) from None
    _tell(history)
    if redact:
        report = redacting.redacted(report)
    deliver(report, name, output, details=details, articles=articles)


@history_group.command()
@click.argument("checks", metavar="ID...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Delete all past checks.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(checks: tuple[str, ...], every: bool, yes: bool) -> None:
    """Delete past checks for good."""
    from netcheck.history import History, HistoryError

    if bool(checks) == every:
        raise click.UsageError("Name the checks to delete, or give --all.")
    history = History()
    try:
        chosen = history.entries() if every else [history.find(check) for check in checks]
        chosen = [entry for entry in chosen if not (every and entry.state == "running")]
        if not chosen:
            click.echo("There are no past checks.", err=True)
            return
        if not yes:
            _ask(chosen)
        gone = history.delete([entry.id for entry in chosen])
    except HistoryError as error:
        raise UnusableError(error) from None
    _tell(history)
    click.echo(f"{gone} {'check was' if gone == 1 else 'checks were'} deleted.", err=True)


def _ask(chosen: list[Entry]) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to ask: give --yes to delete.")
    what = f"{len(chosen)} checks" if len(chosen) > 1 else " ".join(_plain(chosen[0])[:2])
    click.confirm(f"Delete {what} for good?", abort=True, err=True)


def _tell(history: History) -> None:
    from netcheck.report.page import clean

    if history.notice:
        click.echo(clean(history.notice), err=True)
