"""The errors of the measuring library.

::

    ProbeError
    ├── WireError      bytes that are not what they should be: place and reason
    ├── LinkError      a server name or link that cannot be understood
    └── SetupError     a probe could not be run at all (not: the network said no)

A failure of the network is a result, stated in an observation, and never one of these.
"""

from __future__ import annotations


class ProbeError(Exception):
    """The base; never raised itself."""


class WireError(ProbeError):
    """Bytes from the network that cannot be read.  ``place`` says where it went wrong."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


class LinkError(ProbeError):
    """What was given as the echo server cannot be understood; the text is one sentence."""


class SetupError(ProbeError):
    """A probe could not be run; the text is one sentence that says what to do."""
