"""A NAT of a given behaviour (RFC 4787, RFC 5382) as nftables rules (pure).

Linux' own NAT decides for each connection alone. Here the kernel also keeps tables of endpoints,
which it fills from the packets themselves:

out_PROTO   inside endpoint [and remote address]  ->  outside endpoint: the mapping
in_PROTO    outside endpoint  ->  inside endpoint: where packets from outside go
peers_PROTO outside endpoint and remote address: who may send there

What the kernel's connection tracking knows it handles itself: a packet of a known connection
asks none of these tables. So "address and port-dependent" needs none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.lab.description import (
    PUBLIC,
    PUBLIC_OF_GATEWAY,
    PUBLIC_POOL,
    Behaviour,
    NatMapping,
    Network,
    PortChoice,
    Protocol,
)

PROTOCOLS: tuple[Protocol, ...] = ("udp", "tcp")
LIFETIME_S = 120
"""Of a table's entry where the network gives none: the kernel's for UDP that goes both ways."""
_ENDPOINT = "ipv4_addr . inet_service"
_BEHAVIOURS = ("endpoint-independent", "address-dependent", "address-and-port-dependent")
# A xor is a bijection: two ports inside never get the same one outside. It stays within a block of
# 1024 ports, so that no port becomes a privileged one.
_XOR: dict[PortChoice, tuple[int, int]] = {
    "contiguous": (0x354, 0x354),  # for even ports, for odd ports
    "parity": (0x354, 0x2A8),
    "parity-lost": (0x355, 0x355),
}


@dataclass(frozen=True)
class Translation:
    """One NAT: its traits as in `Network`, its outside addresses, and its inside subnet.

    `secondary`: the outside address is not the one that its WAN interface has first.
    """

    outside: tuple[str, ...]
    inside: str
    mapping: dict[Protocol, NatMapping]
    filtering: dict[Protocol, Behaviour]
    hairpin: bool = False
    pooling: str = "paired"
    port_choice: PortChoice = "preserved"
    lifetime_s: dict[Protocol, int | None] | None = None
    inbound_refresh: bool = True
    secondary: bool = False

    def learns(self, protocol: Protocol) -> bool:
        """Whether it needs tables of its own."""
        return (
            self.hairpin
            or self._keeps_mappings(protocol)
            or self.filtering[protocol] != "address-and-port-dependent"
        )

    def _keeps_mappings(self, protocol: Protocol) -> bool:
        return self.mapping[protocol] in ("endpoint-independent", "address-dependent")

    def _filters_by_address(self, protocol: Protocol) -> bool:
        return self.filtering[protocol] == "address-dependent"

    def _lifetime(self, protocol: Protocol) -> int:
        return (self.lifetime_s or {}).get(protocol) or LIFETIME_S

    # the tables

    def tables(self) -> list[str]:
        """Declarations for the top of the ruleset."""
        declared = []
        for protocol in PROTOCOLS:
            if not self.learns(protocol):
                continue
            how = f"flags dynamic,timeout; timeout {self._lifetime(protocol)}s; size 65535;"
            declared.append(f"map in_{protocol} {{ type {_ENDPOINT} : {_ENDPOINT}; {how} }}")
            if self._keeps_mappings(protocol):
                key = _ENDPOINT + (" . ipv4_addr" if self._by_address(protocol) else "")
                declared.append(f"map out_{protocol} {{ type {key} : {_ENDPOINT}; {how} }}")
                declared.append(f"set mapped_{protocol} {{ type {_ENDPOINT}; {how} }}")
            if self._filters_by_address(protocol):
                peer = f"{_ENDPOINT} . ipv4_addr"
                declared.append(f"set peers_{protocol} {{ type {peer}; {how} }}")
        if not self.inbound_refresh:
            how = f"flags dynamic,timeout; timeout {self._lifetime('udp')}s; size 65535;"
            declared.append(f"set renewed_udp {{ type {_ENDPOINT}; {how} }}")
        return declared

    def _by_address(self, protocol: Protocol) -> bool:
        return self.mapping[protocol] == "address-dependent"

    # the way out

    def sources(self) -> list[str]:
        """Rules for the first packet of a connection, in a NAT chain of postrouting."""
        return [
            *self._hairpinned(),
            *(rule for protocol in PROTOCOLS for rule in self._mapped(protocol)),
            f'meta nfproto ipv4 oifname "wan" {self._new("")}',
        ]

    def _mapped(self, protocol: Protocol) -> Iterator[str]:
        match = f'meta nfproto ipv4 oifname "wan" meta l4proto {protocol}'
        if self._keeps_mappings(protocol):
            key = f"ip saddr . {protocol} sport"
            key += " . ip daddr" if self._by_address(protocol) else ""
            yield f"{match} snat ip to {key} map @out_{protocol}"
        if self.port_choice != "preserved":
            for parity, mask in enumerate(_XOR[self.port_choice]):
                port = f"{protocol} sport"
                yield f"{match} {port} & 1 == {parity} {self._new(f' : {port} ^ {mask:#x}')}"
        elif self.mapping[protocol] == "random":
            yield f"{match} {self._new('')} random"
        elif self.mapping[protocol] in ("fully-random", *_BEHAVIOURS[1:]):
            yield f"{match} {self._new('')} fully-random"

    def _new(self, port: str) -> str:
        """A new mapping's address and `port`, which is the kernel's choice when empty."""
        if len(self.outside) == 1:
            only = self.outside[0]
            return f"snat ip to {only}{port}" if port or self.secondary else "masquerade"
        # Modulo the number of addresses: of the inside host, or of the mappings made so far.
        number = "jhash ip saddr" if self.pooling == "paired" else "numgen inc"
        choice = ", ".join(f"{i} : {address}" for i, address in enumerate(self.outside))
        return f"snat ip to {number} mod {len(self.outside)} map {{ {choice} }}{port}"

    def _hairpinned(self) -> Iterator[str]:
        if not self.hairpin:
            return
        # RFC 4787 REQ-9: from the sender's own outside endpoint where that is one for all.
        match = f'ip saddr {self.inside} oifname "lan" ct status dnat'
        for protocol in PROTOCOLS:
            if self.mapping[protocol] == "endpoint-independent":
                key = f"ip saddr . {protocol} sport"
                yield f"{match} meta l4proto {protocol} snat ip to {key} map @out_{protocol}"
        yield f'ip saddr {self.inside} ip daddr {self.inside} oifname "lan" masquerade'

    # the way in

    def destinations(self) -> list[str]:
        """Rules for the first packet of a connection, in a NAT chain of prerouting."""
        rules = []
        for protocol in PROTOCOLS:
            to = f"dnat ip to ip daddr . {protocol} dport map @in_{protocol}"
            if self.hairpin:
                rules.append(f'iifname "lan" meta l4proto {protocol} {to}')
            if self.filtering[protocol] == "endpoint-independent":
                rules.append(f'iifname "wan" meta l4proto {protocol} {to}')
            elif self._filters_by_address(protocol):
                peer = f"ip daddr . {protocol} dport . ip saddr @peers_{protocol}"
                rules.append(f'iifname "wan" {peer} {to}')
        return rules

    def filtered(self) -> list[str]:
        """Rules for the router's own input: what filtering keeps from a mapping is dropped.

        Should the router take it for its own, connection tracking would hold the mapping's
        endpoint to be in use, and drop the packet that the mapping sends there later.
        """
        return [
            f'iifname "wan" ip daddr . {protocol} dport @mapped_{protocol} drop'
            for protocol in PROTOCOLS
            if self._keeps_mappings(protocol)
        ]

    def expired(self) -> list[str]:
        """Rules in front of the NAT: packets to what only packets from outside keep alive.

        Connection tracking renews a mapping in both directions and cannot be told otherwise.
        """
        if self.inbound_refresh:
            return []
        endpoint = "ip daddr . udp dport"
        return [f'iifname "wan" ct state established {endpoint} != @renewed_udp drop']

    # learning

    def learned(self) -> list[str]:
        """Rules for every packet that leaves, in a filter chain behind those of `sources`.

        Source and destination are read from the connection, so that they hold for both
        directions of a packet. An entry that exists is renewed, not changed.
        """
        rules = []
        for protocol in PROTOCOLS:
            if not self.learns(protocol):
                continue
            match = f"meta nfproto ipv4 meta l4proto {protocol}"
            if protocol == "udp" and not self.inbound_refresh:
                match += ' oifname "wan"'
            began_inside = f"{match} ct status & (snat | dnat) == snat"
            began_outside = f"{match} ct status & (snat | dnat) == dnat"
            inner = "ct original ip saddr . ct original proto-src"
            outer = "ct reply ip daddr . ct reply proto-dst"
            answerer = "ct reply ip saddr . ct reply proto-src"
            answered = "ct original ip daddr . ct original proto-dst"
            rules.append(f"{began_inside} update @in_{protocol} {{ {outer} : {inner} }}")
            rules.append(f"{began_outside} update @in_{protocol} {{ {answered} : {answerer} }}")
            if self._keeps_mappings(protocol):
                rules.append(f"{began_inside} update @mapped_{protocol} {{ {outer} }}")
                key = f"{inner} . ct original ip daddr" if self._by_address(protocol) else inner
                rules.append(f"{began_inside} update @out_{protocol} {{ {key} : {outer} }}")
            if self.mapping[protocol] == "endpoint-independent":
                rules.append(f"{began_outside} update @mapped_{protocol} {{ {answered} }}")
                rules.append(
                    f"{began_outside} update @out_{protocol} {{ {answerer} : {answered} }}"
                )
            if self._filters_by_address(protocol):
                peer = f"ip saddr . {protocol} sport . ip daddr"
                rules.append(f'{match} oifname "wan" update @peers_{protocol} {{ {peer} }}')
        if not self.inbound_refresh:
            rules.append('oifname "wan" update @renewed_udp { ip saddr . udp sport }')
        return rules


def of_router(network: Network) -> Translation:
    """The home router's NAT."""
    return Translation(
        outside=(network.router_wan, *PUBLIC_POOL[1 : network.public_addresses]),
        inside=f"{network.lan_v4}.0/24",
        mapping={"udp": network.mapping, "tcp": network.tcp_mapping or network.mapping},
        filtering={"udp": network.filtering, "tcp": network.tcp_filtering or network.filtering},
        hairpin=network.hairpin,
        pooling=network.pooling,
        port_choice=network.port_choice,
        lifetime_s={"udp": network.udp_timeout_s, "tcp": network.tcp_timeout_s},
        inbound_refresh=network.inbound_refresh,
        secondary=network.public == PUBLIC_OF_GATEWAY,
    )


def of_carrier(network: Network) -> Translation:
    """The provider's NAT."""
    return Translation(
        outside=(PUBLIC,),
        inside=f"{network.carrier_v4}.0/24",
        mapping=dict.fromkeys(PROTOCOLS, network.carrier_mapping),
        filtering=dict.fromkeys(PROTOCOLS, network.carrier_filtering),
        hairpin=network.carrier_hairpin,
        lifetime_s={"udp": network.udp_timeout_s, "tcp": network.tcp_timeout_s},
    )
