"""The facts a probe can state: frozen, JSON-able, and free of any judgement.

A list of observations is all that the diagnosis reads, so a saved list can be
diagnosed again, years later, by a newer diagnosis.  Times are seconds since
the check began; addresses are text, with the port as ``192.0.2.1:6891`` or
``[2001:db8::1]:6891``.
"""

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


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """One address of one network interface; ``prefix`` is its length in bits."""

    interface: str
    address: str
    prefix: int | None = None


class LocalFacts(Observation, frozen=True, kw_only=True, tag="local"):
    """This computer's own network settings, as the operating system tells them."""

    hostname: str
    system: str
    addresses: tuple[Address, ...] = ()
    gateways: tuple[str, ...] = ()  # default routes, the preferred one first
    dns_servers: tuple[str, ...] = ()
    vpn_interfaces: tuple[str, ...] = ()
    proxies: dict[str, str] = {}  # scheme -> URL without credentials
    unavailable: tuple[str, ...] = ()  # facts this system would not tell


class NameLookup(Observation, frozen=True, kw_only=True, tag="dns"):
    """What the echo server's name resolves to, and why not.

    ``outcome`` speaks of the operating system's resolver, which applications
    use; ``dns_outcome`` is what the name servers say when asked directly.
    ``invented`` holds the address given for a name that cannot exist
    (RFC 6761 section 6.4, ``.invalid``): a resolver that invents answers.
    """

    name: str
    outcome: Literal["resolved", "no-such-name", "no-address", "failed", "silent"]
    addresses: tuple[str, ...] = ()
    dns_outcome: Literal[
        "resolved", "no-such-name", "no-address", "failed", "silent", "untested"
    ] = "untested"
    dns_addresses: tuple[str, ...] = ()
    service: tuple[str, ...] = ()  # SRV _netcheck._tcp targets as host:port (RFC 2782)
    invented: str | None = None
    detail: str = ""


class ControlAttempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One way that was tried to reach the control connection."""

    port: int
    outcome: Literal[
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


class Portal(Observation, frozen=True, kw_only=True, tag="portal"):
    """What answers plain HTTP at the server's address when the echo server cannot be reached."""

    outcome: Literal["redirected", "login-required", "answered", "refused", "silent"]
    location: str = ""


AnyObservation = (
    LocalFacts
    | NameLookup
    | Control
    | Loss
    | Ledger
    | OutboundTcp
    | OutboundUdp
    | AtOnce
    | InboundTcp
    | InboundUdp
    | Portal
)
