"""Does the resolver make IPv6 addresses for names that have only IPv4 ones?  (RFC 7050)

``ipv4only.arpa`` has two well-known IPv4 addresses and no other.  If a name server answers
with an IPv6 address, that holds one of them, and what stands around it is the prefix by
which a NAT64 is reached (RFC 6052 section 2.2).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal

from probes.observation import Nat64

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

NAME = "ipv4only.arpa."
WELL_KNOWN = (ipaddress.IPv4Address("192.0.0.170"), ipaddress.IPv4Address("192.0.0.171"))
LENGTHS = (96, 64, 56, 48, 40, 32)  # RFC 6052 section 2.2

PATIENCE_S = 1.5
"""For the whole question: one packet may be lost, and what depends on the answer can wait no
longer."""

TRY_S = 0.6
"""For one packet: the name servers of a network with NAT64 know this name by themselves."""

MOST_ADDRESSES = 16  # two for each prefix; a network has one or two prefixes
MAX_DETAIL = 300

_U_OCTET = 8  # bits 64 to 71, reserved and zero


def embedded(address: ipaddress.IPv6Address, length: int) -> ipaddress.IPv4Address | None:
    """The IPv4 address that follows a prefix of ``length`` bits, by RFC 6052 section 2.2; None
    where the reserved octet, which it steps over, is not zero."""
    octets = address.packed
    if length == 96:
        return ipaddress.IPv4Address(octets[12:])
    if octets[_U_OCTET]:
        return None
    without = octets[:_U_OCTET] + octets[_U_OCTET + 1 :]
    start = length // 8
    return ipaddress.IPv4Address(without[start : start + 4])


def prefixes(addresses: Iterable[str]) -> tuple[str, ...]:
    """The prefixes in which ``addresses`` hold a well-known address (RFC 7050 section 3).

    One address may fit several lengths by accident; the prefix is then the one that both
    well-known addresses were found behind.
    """
    behind: dict[str, set[ipaddress.IPv4Address]] = {}
    for text in addresses:
        address = ipaddress.IPv6Address(text)
        for length in LENGTHS:
            inside = embedded(address, length)
            if inside in WELL_KNOWN:
                prefix = str(ipaddress.IPv6Network((address, length), strict=False))
                behind.setdefault(prefix, set()).add(inside)
    most = max(map(len, behind.values()), default=0)
    return tuple(prefix for prefix, found in behind.items() if len(found) == most)


async def look(
    now: Callable[[], float],
    *,
    resolver: Resolver | None = None,
    patience_s: float = PATIENCE_S,
) -> Nat64:
    """Ask the configured name servers, or ``resolver``; nothing is raised.

    ``now`` tells the seconds since the check began.
    """
    began_s = now()
    found: tuple[str, ...] = ()
    outcome: Literal["found", "none", "failed"] = "failed"
    try:
        async with asyncio.timeout(patience_s):
            if resolver is None:
                resolver = await asyncio.to_thread(_configured)
            addresses = await _ask(resolver, patience_s)
        found = prefixes(addresses)
        outcome = "found" if found else "none"
        strange = addresses and not found
        detail = "the answer holds neither well-known address" if strange else ""
    except TimeoutError:
        detail = "no answer in time"
    except Exception as error:  # whatever a broken answer or unreadable settings provoke
        detail = " ".join((str(error) or type(error).__name__).split())[:MAX_DETAIL]
    return Nat64(
        id="nat64",
        at_s=began_s,
        took_s=round(now() - began_s, 4),
        outcome=outcome,
        prefixes=found,
        detail=detail,
    )


def _configured() -> Resolver:
    """The name servers of this computer.  Raises what dnspython makes of unreadable settings."""
    import dns.asyncresolver

    resolver = dns.asyncresolver.Resolver()
    resolver.timeout = TRY_S
    return resolver


async def _ask(resolver: Resolver, patience_s: float) -> tuple[str, ...]:
    """The IPv6 addresses of the name, none if it has none.  Raises TimeoutError and
    dns.exception.DNSException."""
    import dns.exception
    import dns.resolver

    try:
        answer = await resolver.resolve(NAME, "AAAA", search=False, lifetime=patience_s)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return ()
    except dns.exception.Timeout:
        raise TimeoutError from None
    return tuple(dict.fromkeys(str(record.address) for record in answer))[:MOST_ADDRESSES]
