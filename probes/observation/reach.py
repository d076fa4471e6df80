"""Ports and ranges of ports, outbound and inbound."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Attempt, Observation, Transport


class Outbound(Observation, frozen=True, kw_only=True):
    """Client to server on one port.  ``number`` finds it in the ledger."""

    port: int
    number: int
    local_port: int | None = None  # only if it had to be a certain one
    attempts: tuple[Attempt, ...] = ()
    rtt_ms: float | None = None
    source: str | None = None  # our address as the server saw it
    arrived_on: int | None = None  # server port, if it was another one than was sent to
    busy: bool = False  # the local port is taken
    busy_by: str | None = None
    untested: str = ""  # why it was not tried, in words
    any_port: bool = False  # the server's port was of no matter (fact M4)


class OutboundTcp(Outbound, frozen=True, kw_only=True, tag="outbound-tcp"):
    """TCP client to server (facts M1-M4, N1-N4)."""


class OutboundUdp(Outbound, frozen=True, kw_only=True, tag="outbound-udp"):
    """UDP client to server and back (facts M4, N5)."""


class AtOnce(Observation, frozen=True, kw_only=True, tag="at-once"):
    """Connections that carried data both ways while all of them were open (fact M3).

    ``settled`` is False if some neither answered nor ended in time.
    """

    ports: tuple[int, ...]
    carried: tuple[int, ...]
    settled: bool


class Inbound(Observation, frozen=True, kw_only=True):
    """Server to client on one local port.

    ``calls`` is what the server saw happen; ``heard`` counts the calls that
    reached this computer and knew the secret, ``reached`` the connections from the
    server's address that reached it at all.
    """

    port: int
    number: int
    address: str | None = None  # the address of ours that the server called
    calls: tuple[Attempt, ...] = ()
    heard: int = 0
    reached: int = 0
    rtt_ms: float | None = None
    busy: bool = False
    busy_by: str | None = None
    untested: str = ""
    remote_port: int | None = None  # only if the server had to send from a certain port


class InboundTcp(Inbound, frozen=True, kw_only=True, tag="inbound-tcp"):
    """TCP server to client (facts M2, N8)."""


class InboundUdp(Inbound, frozen=True, kw_only=True, tag="inbound-udp"):
    """UDP server to client, not asked for by a packet of ours (fact M4)."""


class PortSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dynamic port of the server's.  ``reply-lost``: it arrived by the server's ledger,
    the answer did not; ``intercepted``: something other than the echo server answered;
    ``undecided``: loss may explain the silence."""

    port: int
    outcome: Literal[
        "open", "refused", "reply-lost", "blocked", "altered", "intercepted", "undecided"
    ]
    tries: int = 1


class DynamicRange(Observation, frozen=True, kw_only=True, tag="dynamic-range"):
    """A stratified random sample of ports 1024-65535 (fact N5), and what narrowed the edges
    of what is open.  ``strata`` is how many equal parts the first sample was drawn from;
    the samples after ``first`` were chosen by what came before and are no random ones."""

    transport: Transport
    strata: int
    first: int
    samples: tuple[PortSample, ...]
    unavailable: tuple[int, ...] = ()  # the server could not open these
    untested: str = ""
