"""``netcheck gui``: the window."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from netcheck.cli import display
from netcheck.cli.display import NoDisplayError


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def gui(file: Path | None) -> None:
    """Open the window, with the report in FILE if one is given."""
    with ExitStack() as held:
        try:
            platform = held.enter_context(display.platform())
            from netcheck.gui import app
        except NoDisplayError as error:
            click.echo(str(error), err=True)
            raise SystemExit(2) from None
        except ImportError as error:
            click.echo(
                "The window needs Qt, which is not installed or lacks a library of the system "
                f"({error}); use 'netcheck check', or install netcheck with PySide6.",
                err=True,
            )
            raise SystemExit(2) from None
        raise SystemExit(app.run([str(file)] if file else [], platform))


def has_screen() -> bool:
    """Whether a screen for a window is named; whether it answers is known only by asking it."""
    return display.named()
