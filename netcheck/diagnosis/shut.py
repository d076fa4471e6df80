"""Which states of a port mean that nothing gets through it."""

from __future__ import annotations

from netcheck.report.model import PortState

SHUT: frozenset[PortState] = frozenset({"refused", "blocked", "intercepted", "altered"})
