"""Addresses of loopback that nobody else uses: servers on fixed ports run side by side."""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count(1)


def address() -> str:
    """An address of 127.0.0.0/8 that no other test, and no other run of the tests, has."""
    process = os.getpid() % 0x10000
    return f"127.{64 + process % 128}.{process // 128 % 256}.{next(_numbers) % 254 + 1}"
