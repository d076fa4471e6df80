"""How addresses and ports are translated, and whose packets a translation lets in."""

from __future__ import annotations

from typing import Literal

import msgspec

from probes.observation.base import Attempt, Observation, Transport


class StunSeen(Observation, frozen=True, kw_only=True, tag="stun"):
    """A STUN server (RFC 8489, 5780) as it answered, or did not.

    ``other_address`` is the one it names; ``other_used`` says that it is also one that the
    user or his resolver named, or from which a true answer came, so that it was sent to.
    """

    server: str  # address and port
    attempts: tuple[Attempt, ...] = ()
    rtt_ms: float | None = None
    software: str = ""
    other_address: str | None = None
    other_used: bool = False
    classic: bool = False  # it speaks RFC 3489 only


class Mapped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one destination saw a socket.  ``xored`` is from XOR-MAPPED-ADDRESS, ``plain``
    from MAPPED-ADDRESS: where both are there and differ, something rewrites addresses in
    payloads."""

    destination: str
    attempts: tuple[Attempt, ...] = ()
    xored: str | None = None
    plain: str | None = None


class NatMapping(Observation, frozen=True, kw_only=True, tag="nat-mapping"):
    """One socket, several destinations (RFC 4787 section 4.1, RFC 5382 section 4.1)."""

    transport: Transport
    local: str
    seen: tuple[Mapped, ...]


class PortSeen(msgspec.Struct, frozen=True, kw_only=True):
    local: str
    mapped: str | None  # None: no answer


class NatPorts(Observation, frozen=True, kw_only=True, tag="nat-ports"):
    """Many sockets, one destination: which ports and addresses a NAT chooses.

    The sockets come in pairs, an even port and the next (RFC 4787 sections 4.1, 4.2).
    """

    transport: Transport
    destination: str
    sockets: tuple[PortSeen, ...]


class Unasked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of packets from a source that a socket had never sent to.

    ``source``: which one, against the address and port that it had sent to.  ``asked``
    times the server was asked to send from there, ``heard`` times it came through.
    ``control_sent`` and ``control_heard`` count answers from where the socket had sent to,
    in the same moments: what the loss of the path was.
    """

    source: Literal["other-port", "other-address"]
    asked: int = 0
    heard: int = 0
    attempts: tuple[Attempt, ...] = ()
    control_sent: int = 0
    control_heard: int = 0
    untested: str = ""


class NatFiltering(Observation, frozen=True, kw_only=True, tag="nat-filtering"):
    """Whose packets a mapping lets in (RFC 4787 section 5, RFC 5382 section 4.3).

    For TCP the attempts say what an unasked SYN got: silence, a reset or an ICMP error.
    """

    transport: Transport
    local: str
    mapped: str | None
    tests: tuple[Unasked, ...]


class NatHairpin(Observation, frozen=True, kw_only=True, tag="nat-hairpin"):
    """Packets from one socket to the public address of another (RFC 4787 section 6).

    ``source`` is from where they came, if they came.
    """

    target: str | None
    attempts: tuple[Attempt, ...] = ()
    heard: int = 0
    source: str | None = None
    hop_limit: int = 0
    untested: str = ""


class LifetimeTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A binding left alone for ``idle_s`` and then sent to from outside.  ``refreshed``:
    what had passed in the meantime.  ``alive`` is None where loss hides the answer."""

    idle_s: float
    alive: bool | None
    refreshed: Literal["nothing", "outbound", "inbound"] = "nothing"


class BindingLifetime(Observation, frozen=True, kw_only=True, tag="binding-lifetime"):
    """How long an idle binding lives (RFC 4787 section 4.3, RFC 5382 section 5)."""

    transport: Transport
    trials: tuple[LifetimeTrial, ...]
    deep: bool
    untested: str = ""


class Punched(Observation, frozen=True, kw_only=True, tag="tcp-simultaneous-open"):
    """Both ends connect to each other at the same moment (RFC 5382 REQ-2)."""

    mapped: str | None
    attempts: tuple[Attempt, ...] = ()
    opened: bool | None = None
    untested: str = ""
