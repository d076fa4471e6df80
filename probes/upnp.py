"""Ask a UPnP Internet gateway for its public address, whatever it is or pretends to be.

This is what everybody else needs; upnp_http.py holds the library, which is heavy.
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
from urllib.parse import urlsplit

import msgspec

DETAIL_MAX = 200


class Answer(msgspec.Struct, frozen=True):
    """``address`` is the public one it claims to have; ``detail`` says why there is none."""

    address: str | None
    detail: str = ""


async def external_address(host: str, location: str, *, within_s: float) -> Answer:
    """Read the description at ``location`` and call GetExternalIPAddress; nothing is raised.

    Only ``host``, an IPv4 address, is connected to, over plain HTTP without redirections.
    """
    try:
        check(host, location)
        # The library's import takes long enough to spoil what others measure meanwhile.
        http = await asyncio.to_thread(importlib.import_module, "probes.upnp_http")
        async with asyncio.timeout(within_s):
            address = await http.ask(location, lambda url: check(host, url))
    except TimeoutError:
        return Answer(None, "it took too long to describe itself")
    except Exception as error:  # whatever a gateway's answer provokes is a result
        reason = " ".join((str(error) or type(error).__name__).split())
        return Answer(None, "".join(filter(str.isprintable, reason))[:DETAIL_MAX])
    return _read(address)


def _read(address: str | None) -> Answer:
    if not address:
        return Answer(None, "it names no address")
    try:
        known = ipaddress.IPv4Address(address)
    except ValueError:
        return Answer(None, "what it names is no address")
    if known.is_unspecified:
        return Answer(None, "it names no address")
    return Answer(str(known))


def check(host: str, url: str) -> None:
    """Raises ValueError unless ``url`` leads to ``host`` itself."""
    parts = urlsplit(url)
    port = parts.port  # raises ValueError itself
    if parts.scheme != "http" or parts.hostname != host or port == 0 or "@" in parts.netloc:
        raise ValueError("its description is said to be elsewhere")
