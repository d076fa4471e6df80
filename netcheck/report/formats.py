"""The export formats: every module of this package that has a ``render`` function is one.  It may
have an ``obstacle`` as well, a function that says what is in its way.

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
    """The formats there are, by name.  Imports the whole package: `exists` asks after one."""
    return sorted(filter(_renderer, _modules()))


def exists(name: str) -> bool:
    """Whether `names` lists it; imports no other module than its own."""
    return name in _modules() and _renderer(name) is not None


def render(name: str, report: Report, **options: Any) -> str | bytes:
    """`report` in the format `name`; options that this format does not have are ignored.

    Raises `KeyError` for a format that `names` does not list, and `ImportError` where that
    format needs a library that is not there (see `obstacle`).
    """
    renderer = _renderer(name) if name in _modules() else None
    if renderer is None:
        raise KeyError(name)
    known = inspect.signature(renderer).parameters
    return renderer(report, **{key: value for key, value in options.items() if key in known})


def to_bytes(name: str, report: Report, **options: Any) -> bytes:
    """As `render`, as it stands in a file: every text is UTF-8."""
    rendered = render(name, report, **options)
    return rendered if isinstance(rendered, bytes) else rendered.encode("utf-8", "replace")


def obstacle(name: str, *, to_terminal: bool) -> str | None:
    """Why this computer cannot make that format, or a terminal cannot show it, and what to do;
    a sentence to say before a check begins.  None where nothing is in the way."""
    function = getattr(import_module(f"{package.__name__}.{name}"), "obstacle", None)
    found: str | None = None if function is None else function(to_terminal=to_terminal)
    return found


def _modules() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(package.__path__)} - {"formats"}


def _renderer(name: str) -> Callable[..., str | bytes] | None:
    function = getattr(import_module(f"{package.__name__}.{name}"), "render", None)
    return function if callable(function) else None
