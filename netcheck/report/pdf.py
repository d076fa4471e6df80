"""The report as PDF: netcheck.report.paper, where Qt is there to draw it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcheck.report.model import Report


def render(report: Report, *, profile_titles: Mapping[str, str] | None = None) -> bytes:
    """The whole file; `profile_titles` are the names, by id, of profiles not built in.

    Raises ImportError where there is no Qt.
    """
    return _painter()(report, profile_titles)


def obstacle(*, to_terminal: bool) -> str | None:
    """Why there can be no PDF here, and what to do; None where there can."""
    if to_terminal:
        return "A PDF is nothing that a terminal can show: name a file for it with --output."
    try:
        _painter()
    except ImportError as error:
        return (
            f"A PDF needs Qt, which is not installed or lacks a library of the system ({error}); "
            "install PySide6-Essentials, or use --format html, which prints as well."
        )
    return None


def _painter() -> Callable[[Report, Mapping[str, str] | None], bytes]:
    """Loaded here: it brings Qt, which may not be there."""
    from netcheck.report.paper.painted import painted

    return painted
