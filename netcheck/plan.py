"""From profiles to probe runs (pure): what is tested, and what must not overlap.

Everything runs at the same time, but for this:

- A packet *from* a local UDP port opens a way through most NATs and firewalls to that port,
  so the calls *to* it, which nothing asked for, come first and are over when it is sent from.
- Who has asked a server to send from another address never sends to that address from
  the same socket: the unasked packet may leave a half-open entry in the NAT that gives the
  next packet there another port.  So every question about a NAT has sockets of its own.
- A NAT editor opens a way to the port that a message announces.  Where that port has to be a
  certain one (H.323's 1720, which a directory entry stands for; those at which MSN Messenger
  offers files), and is called without having been announced as well, those calls come first,
  are over, and the port is free again.  So a call waits for them, out as well as in: it
  announces T.120 at 1503.  The call in waits for whoever else announces 1720, too.
- Media begins when the ports have had their burst, so that it hears the network and not us.
- Where a packet gets lost is asked when it is known which ones do.
- A binding's lifetime is what the check's own length allows: it is asked for last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, get_args

import msgspec

from netcheck.profile import Profile, Requirement
from probes.errors import SetupError

Part = Literal["ports", "nat", "editors", "range", "media"]
"""The ports that the profiles name, how the NAT behaves, addresses inside messages, the dynamic
ports, voice and video."""

PARTS: tuple[Part, ...] = get_args(Part)
Depth = Literal["quick", "default", "deep"]

_STEPS: dict[Part, int] = {"ports": 0, "nat": 9, "editors": 36, "range": 2, "media": 4}
"""Probes that report in every check, for a progress bar; the ports are counted one by one."""

_QUICK_STEPS: dict[Part, int] = _STEPS | {"nat": 4}
"""A quick look at the NAT is its mapping, filtering, ports and hairpinning over UDP."""

INVITED_MAX = 16
"""Ports that are announced to a contact together; MSN Messenger has ten (fact M3)."""

CALLS = frozenset({"h323", "h323-audio", "h323-video", "h323-in"})
"""What a profile may ask of a call (netcheck/diagnosis/calls.py).  For other words none is made."""

CALLED_MAX = 64
"""Ports of one transport on which a server calls a client (docs/protocol.md, ``hello``)."""


class UdpPort(msgspec.Struct, frozen=True):
    """A UDP port that matters as source and as destination, both ways (fact M4)."""

    port: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``groups``: TCP ports that are also tested at the same time, and carry data together.
    ``invited``: local ones that invitations announce, all together.  ``calls``: a call is made,
    out and in."""

    outbound_tcp: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    from_local: tuple[tuple[int, int], ...]  # (remote port, local port)
    inbound_tcp: tuple[int, ...]
    udp: tuple[UdpPort, ...]
    invited: tuple[int, ...] = ()
    calls: bool = False
    parts: frozenset[Part] = frozenset({"ports"})
    depth: Depth = "quick"

    @property
    def deep(self) -> bool:
        return self.depth == "deep"

    @property
    def tcp_ports(self) -> tuple[int, ...]:
        """Every TCP port that the server should offer."""
        remote = (port for port, _ in self.from_local)
        return tuple(sorted({*self.outbound_tcp, *remote}))

    @property
    def udp_ports(self) -> tuple[int, ...]:
        return tuple(sorted(entry.port for entry in self.udp))

    @property
    def steps(self) -> int:
        """How many probes will report, for a progress bar."""
        steps = _QUICK_STEPS if self.depth == "quick" else _STEPS
        others = sum(steps[part] for part in self.parts)
        if "editors" in self.parts:
            others += bool(self.invited) + 2 * self.calls
        return others + (self._ports if "ports" in self.parts else 0)

    @property
    def _ports(self) -> int:
        return (
            len(self.outbound_tcp)
            + len(self.from_local)
            + sum(len(group) > 1 for group in self.groups)
            + len(self.inbound_tcp)
            + 4 * len(self.udp)
        )


def make(profiles: Iterable[Profile], depth: Depth = "quick", only: Iterable[Part] = ()) -> Plan:
    """The least that answers every requirement, each port once.

    ``depth`` "quick" is the ports alone; ``only`` names the parts to run instead, of which a
    quick check does the least.
    Raises SetupError if that is more than one check can test.
    """
    profiles = tuple(profiles)
    required = [r for p in profiles for f in p.features for r in f.requires]
    outbound = _of(required, "outbound-tcp")
    plain = [r for r in outbound if r.local_port is None]
    grouped = [r.port_numbers for r in plain if r.capacity]
    made = Plan(
        # A port that must be reached from a certain local port is reached from any as
        # well: only the difference shows whether source or destination is filtered.
        outbound_tcp=tuple(sorted({port for r in outbound for port in r.port_numbers})),
        groups=_apart(grouped),
        from_local=tuple(
            sorted(
                {(r.port_numbers[0], r.local_port) for r in outbound if r.local_port is not None}
            )
        ),
        inbound_tcp=tuple(
            sorted({p for r in _of(required, "inbound-tcp") for p in r.port_numbers})
        ),
        udp=tuple(
            UdpPort(p) for p in sorted({p for r in _of(required, "udp") for p in r.port_numbers})
        ),
        invited=tuple(sorted({port for p in profiles for port in _invited(p)}))[:INVITED_MAX],
        calls=any(r.protocol in CALLS for r in _of(required, "call")),
        parts=frozenset(only) or _parts(required, depth),
        depth=depth,
    )
    # A UDP port is called, and a second port is called from it.
    if max(len(made.inbound_tcp), 2 * len(made.udp)) > CALLED_MAX:
        raise SetupError(
            "These profiles together need more calls from outside than one check can test; "
            "check fewer profiles at once."
        )
    return made


def _parts(required: list[Requirement], depth: Depth) -> frozenset[Part]:
    """Dynamic ports and media only where a profile talks through them."""
    if depth == "quick":
        return frozenset({"ports"})
    return frozenset(PARTS if _of(required, "media") else ("ports", "nat", "editors"))


def _of(required: list[Requirement], probe: str) -> list[Requirement]:
    return [r for r in required if r.probe == probe]


def _invited(profile: Profile) -> Iterator[int]:
    """The ports of the features that need invitations to files to be right."""
    for feature in profile.features:
        if any(r.protocol == "msn-file" for r in _of(feature.requires, "embedded-address")):
            for r in _of(feature.requires, "inbound-tcp"):
                yield from r.port_numbers


def _apart(groups: list[tuple[int, ...]]) -> tuple[tuple[int, ...], ...]:
    """Groups that share a port become one, so that each port is tested once."""
    apart: list[set[int]] = []
    for group in map(set, groups):
        touching = [other for other in apart if other & group]
        apart = [other for other in apart if not other & group]
        apart.append(group.union(*touching))
    return tuple(tuple(sorted(group)) for group in apart)
