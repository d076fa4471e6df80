"""Leaves the fuzzer's tests out of systems that have no interval timers and no /proc."""

from __future__ import annotations

import sys

collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]
