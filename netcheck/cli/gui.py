"""``netcheck gui``: the window."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def gui(file: Path | None) -> None:
    """Open the window, with the report in FILE if one is given."""
    if not has_screen():
        click.echo(
            "There is no screen to open the window on; use 'netcheck check', which needs none.",
            err=True,
        )
        raise SystemExit(2)
    try:
        from netcheck.gui import app
    except ImportError as error:
        click.echo(
            "The window needs Qt, which is not installed or lacks a library of the system "
            f"({error}); use 'netcheck check', or install netcheck with PySide6.",
            err=True,
        )
        raise SystemExit(2) from None
    raise SystemExit(app.run([str(file)] if file else []))


def has_screen() -> bool:
    """Whether there is a screen for a window: Qt itself would only abort."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")))
