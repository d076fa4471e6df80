"""The way to the server: its hops, its largest packets, its errors."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Attempt, Observation, Transport


class SizeTried(msgspec.Struct, frozen=True, kw_only=True):
    """Datagrams of ``size`` bytes, IP header included: how many went out, how many were
    answered, and what this computer or a router said of them.  ``limit``: how many bytes it
    says pass."""

    size: int
    sent: int
    answered: int
    detail: str = ""
    limit: int | None = None


class PathMtu(Observation, frozen=True, kw_only=True, tag="path-mtu"):
    """Which sizes pass unfragmented, client to server (RFC 1191, 8201, 8899).  Those of the
    smallest size went out in the same moments as the others, to show the loss."""

    sizes: tuple[SizeTried, ...]
    untested: str = ""


class Fragments(Observation, frozen=True, kw_only=True, tag="fragments"):
    """Datagrams too large for one packet (RFC 4787 section 11)."""

    order: Literal["in-order", "out-of-order"]
    direction: Literal["outbound", "both"]
    sent: int = 0
    answered: int = 0
    control_sent: int = 0  # small datagrams in the same moments
    control_answered: int = 0
    untested: str = ""


class IcmpErrors(Observation, frozen=True, kw_only=True, tag="icmp-errors"):
    """Whether an ICMP error about a datagram of ours finds its way back (RFC 5508 section 4)."""

    destination: str
    attempts: tuple[Attempt, ...] = ()
    untested: str = ""


class Hop(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who answered a packet whose hop limit was ``ttl``; no address: nobody did.

    ``sent`` packets, until one was answered.  ``control_sent`` packets that pass went out with
    the same hop limit in the same moments, and routers answered ``control_answered`` of them.
    ``detail``: what was said, where that was not that the hop limit was used up.
    """

    ttl: int
    address: str | None = None
    rtt_ms: float | None = None
    end: bool = False  # it went no further: the destination, or who answered in its place
    sent: int = 0
    control_sent: int = 0
    control_answered: int = 0
    detail: str = ""


class Hops(Observation, frozen=True, kw_only=True, tag="hops"):
    """Packets that die on the way, and who says so (RFC 792, RFC 4443: time exceeded).

    ``aim``: the server on a port that passes, one that does not, or our own public address.
    ``kept_back``: this computer itself did not let the packets out, in words.
    """

    aim: Literal["open", "blocked", "own-address"]
    transport: Transport
    destination: str
    port: int | None = None
    hops: tuple[Hop, ...] = ()
    kept_back: str = ""
    untested: str = ""
