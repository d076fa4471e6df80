"""Importing aiohttp in half the time.

While it is imported, aiohttp loads the system's certificate authorities into two
contexts that we never use: dial.py brings its own trust for every connection.  On a
desktop that costs 90 ms of processor time before a check's first packet, more than
all else that a check loads.  OpenSSL looks for authorities where these variables say.
"""

from __future__ import annotations

import os
import sys

_NOWHERE = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}


def import_aiohttp() -> None:
    """Have aiohttp imported; to be called before dial.py's own imports of it."""
    if "aiohttp" in sys.modules:
        return
    before = {name: os.environ.get(name) for name in _NOWHERE}
    os.environ.update(_NOWHERE)
    try:
        import aiohttp  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
