"""The export formats: every module of this package that has a ``render`` function is one.

Adding a format is adding a file.  Modules are imported when they are asked for, so that
naming the formats in a command's help costs nothing to the other commands.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from netcheck import report as package

if TYPE_CHECKING:
    from netcheck.report.model import Report


def names() -> list[str]:
    """The formats there are, by name."""
    modules = (module.name for module in pkgutil.iter_modules(package.__path__))
    return sorted(name for name in modules if name != "formats" and _renderer(name))


def render(name: str, report: Report, **options: Any) -> str:
    """`report` in the format `name`; options that this format does not have are ignored.

    Raises `KeyError` for a format that `names` does not list.
    """
    renderer = _renderer(name) if name in names() else None
    if renderer is None:
        raise KeyError(name)
    known = inspect.signature(renderer).parameters
    return renderer(report, **{key: value for key, value in options.items() if key in known})


def _renderer(name: str) -> Callable[..., str] | None:
    function = getattr(import_module(f"{package.__name__}.{name}"), "render", None)
    return function if callable(function) else None
