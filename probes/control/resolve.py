"""From the name a user gave to the addresses to try, by way of a service record if there is one."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from probes.local import dns
from probes.observation import Observation
from probes.wire.link import Link, is_address


async def resolve(
    link: Link,
    *,
    insecure: bool,
    now: Callable[[], float],
    tell: Callable[[Observation], None],
) -> tuple[Link, tuple[str, ...]]:
    """The addresses to try; a domain that names its echo server (SRV, RFC 2782) leads there."""
    if is_address(link.host):
        return link, (link.host,)
    found = await dns.look_up(link.host, at_s=now, service=not link.ports)
    tell(found)
    service = next((s for s in found.service if may_follow(link, s, insecure=insecure)), None)
    if service is None:
        return link, found.addresses
    host, _, port = service.rpartition(":")
    named = Link(host, (int(port),), link.fingerprint, link.also)
    if is_address(host):
        return named, (host,)
    target = await dns.look_up(host, at_s=now)
    tell(msgspec.structs.replace(target, id="dns-service"))
    return named, target.addresses


def may_follow(link: Link, service: str, *, insecure: bool) -> bool:
    """Whether a service that DNS alone names may stand for the domain the user named.

    Without a fingerprint it must lie within that domain: the certificate of any
    other name proves nothing (RFC 6125 section 6.2.1).
    """
    if link.fingerprint or insecure:
        return True
    host = service.rpartition(":")[0].rstrip(".").lower()
    return f".{host}".endswith(f".{link.host.rstrip('.').lower()}")
