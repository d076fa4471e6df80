"""The live display of a check on a terminal: what was found first, then a bar.

A person sees something at once.  The bar needs rich, which takes a fifth of a second to load:
``cli.check`` loads it beside the check, and until then plain lines must do.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from netcheck.measure.record import Event, Observed
from netcheck.report.page import clean
from probes.observation import AnyObservation, LocalFacts

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Live:
    """``with Live(sys.stderr) as live``: ``live.tell`` takes the events of a check."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tell(self, event: Event) -> None:
        """Show what is new."""
        if isinstance(event, Observed):
            line = first_words(event.observation)
            if line:
                self._write(line)
            return
        if self._bar is None and "rich.progress" in sys.modules:
            self._start()
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=event.doing,
                completed=event.done,
                total=max(1, event.total),
            )

    def _write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            self._stream.write(line + "\n")
            self._stream.flush()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        self._task = self._bar.add_task("Starting", total=1)
        self._bar.start()


def first_words(observation: AnyObservation) -> str:
    """What a person is told as soon as it is known: where this computer stands."""
    if not isinstance(observation, LocalFacts):
        return ""
    ipv4 = [a.address for a in observation.addresses if ":" not in a.address]
    own = next((a for a in ipv4 if not a.startswith("127.")), None)
    if own is None:
        return "This computer has no network address but its own."
    gateway = next(iter(observation.gateways), None)
    behind = f", behind the router {gateway}" if gateway else ""
    return clean(f"This computer is {own}{behind}.")
