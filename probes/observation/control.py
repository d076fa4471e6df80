"""The control connection: how it went, what the path lost, what the server recorded."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Observation, Transport

ControlOutcome = Literal[
    "connected",
    "refused",
    "silent",
    "unreachable",
    "wrong-certificate",
    "not-netcheck",
    "busy",
    "other-version",
    "proxy-refused",
    "abandoned",  # another way was faster
]


class ControlAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way that was tried to reach the control connection."""

    port: int
    outcome: ControlOutcome
    via_proxy: bool = False
    detail: str = ""


class Control(Observation, frozen=True, kw_only=True, tag="control"):
    """The control connection, from the first try to the end of the check.

    ``alive_until_s`` is the last moment at which the server was heard;
    ``confirmed_at_end`` says that it still answered after the last probe, which
    is what makes silence elsewhere mean something.
    """

    host: str
    attempts: tuple[ControlAttempt, ...]
    connected: bool
    server_address: str | None = None
    local_address: str | None = None
    observed_address: str | None = None  # of the control connection, as the server saw it
    via_proxy: str | None = None
    certificate: Literal["pinned", "authority", "unchecked", "none"] = "none"
    fingerprint: str | None = None
    software: str = ""
    rtt_ms: float | None = None
    alive_until_s: float | None = None
    confirmed_at_end: bool = False
    lost_reason: str = ""
    unavailable_tcp: tuple[int, ...] = ()
    unavailable_udp: tuple[int, ...] = ()
    server_addresses: tuple[str, ...] = ()


class Loss(Observation, frozen=True, kw_only=True, tag="loss"):
    """Round trips that were tried and lost in this run, where an answer was certain to exist."""

    control_sent: int
    control_lost: int
    tcp_sent: int = 0
    tcp_lost: int = 0
    udp_sent: int = 0
    udp_lost: int = 0


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the server's ledger: what arrived for a probe, from where, and when."""

    transport: Transport
    port: int
    number: int  # of the probe
    source: str
    count: int
    altered: int = 0
    first_s: float = 0.0
    last_s: float = 0.0


class Ledger(Observation, frozen=True, kw_only=True, tag="ledger"):
    """The server's own record.  ``accepted`` are the TCP ports on which a connection from
    an address of ours arrived, ``garbled`` those where what we sent arrived as other bytes."""

    complete: bool
    arrivals: tuple[Arrival, ...] = ()
    accepted: tuple[int, ...] = ()
    garbled: tuple[int, ...] = ()
    proven_addresses: tuple[str, ...] = ()
