"""The facts a probe can state: frozen, JSON-able, and free of any judgement.

A list of observations is all that the diagnosis reads, so a saved list can be
diagnosed again, years later, by a newer diagnosis.  Times are seconds since
the check began; addresses are text, with the port as ``192.0.2.1:6891`` or
``[2001:db8::1]:6891``.
"""

from __future__ import annotations

from probes.observation.base import Attempt, AttemptOutcome, Observation, Transport
from probes.observation.calling import Call, CallConnection, CallMedia
from probes.observation.control import (
    Arrival,
    Control,
    ControlAttempt,
    ControlOutcome,
    Ledger,
    Loss,
)
from probes.observation.editors import Followed, Heard, Said, Talk
from probes.observation.inviting import Invitation, Invited
from probes.observation.media import MediaStream
from probes.observation.nat import (
    BindingLifetime,
    LifetimeTrial,
    Mapped,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    PortSeen,
    Punched,
    StunSeen,
    Unasked,
)
from probes.observation.passing import RawProtocol
from probes.observation.reach import (
    AtOnce,
    DynamicRange,
    Inbound,
    InboundTcp,
    InboundUdp,
    Outbound,
    OutboundTcp,
    OutboundUdp,
    PortSample,
)
from probes.observation.route import Fragments, Hop, Hops, IcmpErrors, PathMtu, SizeTried
from probes.observation.surroundings import (
    Address,
    LocalFacts,
    NameLookup,
    Nat64,
    Portal,
    PortalOutcome,
    PortMapper,
    PortMappers,
)

__all__ = [
    "Address",
    "AnyObservation",
    "Arrival",
    "AtOnce",
    "Attempt",
    "AttemptOutcome",
    "BindingLifetime",
    "Call",
    "CallConnection",
    "CallMedia",
    "Control",
    "ControlAttempt",
    "ControlOutcome",
    "DynamicRange",
    "Followed",
    "Fragments",
    "Heard",
    "Hop",
    "Hops",
    "IcmpErrors",
    "Inbound",
    "InboundTcp",
    "InboundUdp",
    "Invitation",
    "Invited",
    "Ledger",
    "LifetimeTrial",
    "LocalFacts",
    "Loss",
    "Mapped",
    "MediaStream",
    "NameLookup",
    "Nat64",
    "NatFiltering",
    "NatHairpin",
    "NatMapping",
    "NatPorts",
    "Observation",
    "Outbound",
    "OutboundTcp",
    "OutboundUdp",
    "PathMtu",
    "PortMapper",
    "PortMappers",
    "PortSample",
    "PortSeen",
    "Portal",
    "PortalOutcome",
    "Punched",
    "RawProtocol",
    "Said",
    "SizeTried",
    "StunSeen",
    "Talk",
    "Transport",
    "Unasked",
]

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
    | StunSeen
    | NatMapping
    | NatPorts
    | NatFiltering
    | NatHairpin
    | BindingLifetime
    | Punched
    | PathMtu
    | Fragments
    | IcmpErrors
    | Hops
    | PortMappers
    | Nat64
    | DynamicRange
    | MediaStream
    | RawProtocol
    | Talk
    | Call
    | Invited
)
