"""Checks what a network lets applications do, says why, and what to do about it."""

__version__ = "0.1.0"
