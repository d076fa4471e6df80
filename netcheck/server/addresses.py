"""Which address of the server is the "other" of an address, and what clients call it (pure)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable


def _kind(address: str) -> tuple[int, bool, bool, bool]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, parsed.is_loopback, parsed.is_link_local, parsed.is_global


def others(addresses: Iterable[str], public: dict[str, str]) -> dict[str, str]:
    """For each address the next one of its kind (IP version; loopback, link-local, private or
    global), if it is not the only one.

    What clients know counts: ``public`` gives the address that a 1:1 NAT shows for an address.
    A private address is of no use to a client that reached a global one.
    """
    kinds: dict[tuple[int, bool, bool, bool], list[str]] = {}
    for address in addresses:
        kinds.setdefault(_kind(public.get(address, address)), []).append(address)
    return {
        address: group[(place + 1) % len(group)]
        for group in kinds.values()
        if len(group) > 1
        for place, address in enumerate(group)
    }
