"""Marks the lab's tests, and leaves them out of systems that have no namespaces at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test below this folder is a lab test; the hook sees the whole session's.

    What waits longest begins first, or at the end all others would wait for it.
    """
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("lab")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
