"""The report without names, those of whoever runs this program included."""

from __future__ import annotations

import getpass
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netcheck.report.model import Report


def users() -> set[str]:
    """The names of the user, as far as this system has any."""
    names = set()
    with suppress(OSError, KeyError, ImportError):  # as getpass has it: no such name
        names.add(getpass.getuser())
    with suppress(RuntimeError):
        names.add(Path.home().name)
    return {name for name in names if name}


def redacted(report: Report) -> Report:
    """The report with a placeholder for each name and address."""
    from netcheck.report.redact import redact

    return redact(report, users())
