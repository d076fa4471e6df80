"""What an address says by itself: a private one, a carrier's, or one that everybody can reach
(pure)."""

from __future__ import annotations

import ipaddress
from typing import Literal

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Kind = Literal["carrier", "link-local", "private", "public"]

# Not Python's is_private: that holds the blocks of documentation and of tests as well.
_NETWORKS: tuple[tuple[Kind, ipaddress.IPv4Network | ipaddress.IPv6Network], ...] = (
    ("carrier", ipaddress.ip_network("100.64.0.0/10")),  # RFC 6598: for homes that it translates
    ("link-local", ipaddress.ip_network("169.254.0.0/16")),  # RFC 3927
    ("link-local", ipaddress.ip_network("fe80::/10")),  # RFC 4291
    ("private", ipaddress.ip_network("10.0.0.0/8")),  # RFC 1918
    ("private", ipaddress.ip_network("172.16.0.0/12")),
    ("private", ipaddress.ip_network("192.168.0.0/16")),
    ("private", ipaddress.ip_network("fc00::/7")),  # RFC 4193
)


# The same for everybody: the well-known prefix of NAT64, and what its name stands for (RFC 7050).
_WELL_KNOWN = frozenset(
    map(ipaddress.ip_address, ("64:ff9b::", "192.0.0.170", "192.0.0.171", "255.255.255.255"))
)


def kind(address: Address) -> Kind:
    """By the first network that holds it; ``public`` if none does."""
    return next(
        (
            kind
            for kind, network in _NETWORKS
            if network.version == address.version and address in network
        ),
        "public",
    )


def kind_of(text: str | None) -> Kind | None:
    """The same of a text, with a zone or not; None if it is no address."""
    try:
        return kind(ipaddress.ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


def is_for_everybody(address: Address) -> bool:
    """Whether it says nothing of anybody."""
    return (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address in _WELL_KNOWN
    )
