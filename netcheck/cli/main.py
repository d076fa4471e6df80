"""``netcheck``: the commands, each loaded only when it is called, so that help is instant."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from netcheck import __version__
from netcheck.cli.interrupt import INTERRUPTED, at_once

_COMMANDS = {
    "check": ("netcheck.cli.check", "check", "Test this network against an echo server."),
    "gui": ("netcheck.cli.gui", "gui", "Open the window."),
    "history": ("netcheck.cli.history", "history_group", "List, show and delete past checks."),
    "kb": ("netcheck.cli.kb", "kb_group", "Read the knowledge base."),
    "profiles": ("netcheck.cli.profiles", "profiles_group", "Read the application profiles."),
    "report": ("netcheck.cli.report", "report_group", "Show, convert and compare saved reports."),
    "serve": ("netcheck.cli.serve", "serve", "Run an echo server for others to test against."),
}

_CRASHED = 70
"""A fault of netcheck itself (EX_SOFTWARE of sysexits.h): never to be read as a verdict."""

_UNREAD = 141
"""Whoever read our output has seen enough (128 + SIGPIPE, as shells say it); click's own 1 would
be read as a verdict."""


class _Lazy(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name, _ = _COMMANDS[cmd_name]
        with at_once():
            command: click.Command = getattr(import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(_UNREAD)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][2]) for name in sorted(_COMMANDS)])


@click.group(
    cls=_Lazy,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="netcheck")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Find out why calls, file transfers and voice do not get through, where it
    breaks, and what to do about it."""
    if ctx.invoked_subcommand is None:
        gui = import_module("netcheck.cli.gui")
        if gui.has_screen() and find_spec("PySide6") is not None:
            ctx.invoke(gui.gui)
        click.echo(ctx.get_help())
        ctx.exit(2)


def main() -> None:
    """The installed command."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            stream = Path(os.devnull).open("w+", encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, stream)
    status = 0
    try:
        cli.main(prog_name="netcheck", standalone_mode=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BrokenPipeError:
        status = _UNREAD
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:  # a fault of ours: told, and to be reported
        status = _failed(error)
    _leave(status)


def _failed(error: Exception) -> int:
    """Say what went wrong; the exit status for it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF):
        _complain(error)  # such as a full disk behind a redirection
        return 2
    import traceback

    with contextlib.suppress(OSError):
        click.echo(
            f"netcheck met an error of its own ({type(error).__name__}). "
            "Please report it with the lines below.",
            err=True,
        )
        traceback.print_exc()
    return _CRASHED


def _complain(error: OSError) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"The output could not be written: {error.strerror or error}.\n".encode())


def _leave(status: int) -> None:
    """End the process without taking a hundred modules apart first: everything of ours is
    closed by now, and that takes longer than a check's round trips."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):
            status = status or _UNREAD
        except OSError as error:  # such as a full disk behind a redirection
            _complain(error)
            status = 2
    os._exit(status)
