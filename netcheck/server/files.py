"""How many files and sockets this process may have open."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    import resource

_WITHOUT_LIMIT = 1 << 20
_MACOS = 10240  # OPEN_MAX: setrlimit(2) there takes no more, whatever the hard limit says
_WINDOWS = 8192  # its own limit is far higher; this is what our other ceilings add up to


def available() -> int:
    """The limit of open files, after raising it as far as an ordinary process may."""
    if sys.platform != "win32":
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _WITHOUT_LIMIT if hard == resource.RLIM_INFINITY else min(hard, _WITHOUT_LIMIT)
        if soft == resource.RLIM_INFINITY:
            return _WITHOUT_LIMIT
        for wanted in (most, min(most, _MACOS)):
            if soft >= wanted:
                break
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError):
                continue
            return wanted
        return soft
    return _WINDOWS
