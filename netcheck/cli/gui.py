"""``netcheck gui``: the window, in versions that have one."""

from __future__ import annotations

import click


@click.command()
def gui() -> None:
    """Open the window."""
    click.echo("This version of netcheck has no window yet; use 'netcheck check'.", err=True)
    raise SystemExit(2)
