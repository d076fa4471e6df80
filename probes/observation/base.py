"""What every observation is made of."""

from __future__ import annotations

from typing import Literal

import msgspec

Transport = Literal["tcp", "udp"]

AttemptOutcome = Literal[
    "answered",  # a proof from the echo server came back
    "refused",  # TCP reset, or ICMP port unreachable
    "unreachable",  # another ICMP error: host, network, administratively prohibited
    "closed",  # the connection was accepted and then ended without an answer
    "mute",  # the connection was accepted and then nothing was said
    "foreign",  # bytes came that the echo server did not write
    "altered",  # the echo server answered, but bytes were changed on the way
    "silent",  # nothing at all came back
    "local-error",  # this computer did not let the packet out
]


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try of a probe.  ``took_s`` is None when nothing ended it but our patience."""

    at_s: float
    outcome: AttemptOutcome
    took_s: float | None = None
    detail: str = ""


class Observation(msgspec.Struct, frozen=True, kw_only=True, tag_field="probe"):
    """What every observation has: an id unique in its report, and when it was made."""

    id: str
    at_s: float
    took_s: float
