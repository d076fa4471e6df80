"""The observations of one check, found by what they are (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from probes import silence
from probes.observation import (
    AnyObservation,
    Arrival,
    AtOnce,
    BindingLifetime,
    Call,
    Control,
    DynamicRange,
    Fragments,
    Hops,
    IcmpErrors,
    InboundTcp,
    InboundUdp,
    Invited,
    Ledger,
    LocalFacts,
    Loss,
    MediaStream,
    NameLookup,
    Nat64,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    Observation,
    OutboundTcp,
    OutboundUdp,
    PathMtu,
    Portal,
    PortMappers,
    Punched,
    RawProtocol,
    StunSeen,
    Talk,
    Transport,
)

_O = TypeVar("_O", bound=Observation)


class Facts:
    """A list of observations with the questions that a diagnosis asks of it."""

    def __init__(self, observations: Iterable[AnyObservation]) -> None:
        self.all: Sequence[AnyObservation] = tuple(observations)
        self.local = self._one(LocalFacts)
        self.control = self._one(Control)
        self.loss = self._one(Loss)
        self.ledger = self._one(Ledger)
        self.portal = self._one(Portal)
        self.lookups = self._many(NameLookup)
        self.outbound_tcp = self._many(OutboundTcp)
        self.outbound_udp = self._many(OutboundUdp)
        self.inbound_tcp = self._many(InboundTcp)
        self.inbound_udp = self._many(InboundUdp)
        self.at_once = self._many(AtOnce)
        self.stun = self._many(StunSeen)
        self.nat_mapping = self._many(NatMapping)
        self.nat_ports = self._many(NatPorts)
        self.nat_filtering = self._many(NatFiltering)
        self.hairpin = self._one(NatHairpin)
        self.lifetimes = self._many(BindingLifetime)
        self.punched = self._one(Punched)
        self.path_mtu = self._one(PathMtu)
        self.fragments = self._many(Fragments)
        self.icmp_errors = self._one(IcmpErrors)
        self.hops = self._many(Hops)
        self.port_mappers = self._one(PortMappers)
        self.nat64 = self._one(Nat64)
        self.dynamic_ranges = self._many(DynamicRange)
        self.media = self._many(MediaStream)
        self.raw = self._many(RawProtocol)
        self.talks = self._many(Talk)
        self.calls = self._many(Call)
        self.invited = self._one(Invited)

    @property
    def trusted_silence(self) -> bool:
        """Whether the server still answered after the last probe, so that no answer, or a
        refusal, is the network's doing."""
        if self.control is None or not self.control.confirmed_at_end:
            return False
        # An incomplete ledger: the server passed over packets because of limits of its own.
        return self.ledger is None or self.ledger.complete

    def arrivals(self, transport: Transport, number: int) -> tuple[Arrival, ...]:
        """What the server's ledger holds for a probe."""
        lines = self.ledger.arrivals if self.ledger else ()
        return tuple(a for a in lines if a.transport == transport and a.number == number)

    @property
    def path_loss(self) -> tuple[int, int]:
        """Round trips of every kind, tried and lost in this run."""
        loss = self.loss
        if loss is None:
            return 0, 0
        return (
            loss.control_sent + loss.tcp_sent + loss.udp_sent,
            loss.control_lost + loss.tcp_lost + loss.udp_lost,
        )

    def chance_of_silence(self, transport: Transport, attempts: int) -> float:
        """The chance that the loss seen in this run alone explains ``attempts`` silences."""
        loss = self.loss
        if loss is None:
            return 1.0
        tcp, udp = (loss.tcp_sent, loss.tcp_lost), (loss.udp_sent, loss.udp_lost)
        return silence.chance(attempts, self.path_loss, tcp if transport == "tcp" else udp)

    def _one(self, kind: type[_O]) -> _O | None:
        return next((o for o in self.all if isinstance(o, kind)), None)

    def _many(self, kind: type[_O]) -> tuple[_O, ...]:
        return tuple(o for o in self.all if isinstance(o, kind))
