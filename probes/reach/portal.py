"""When the echo server cannot be reached: does a captive portal answer in its place?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from probes.observation import Portal, PortalOutcome

HTTP_PORT = 80
PORTAL_S = 2.0
"""A portal stands in the local network; two seconds are many of its round trips."""

_LONGEST = 4096  # bytes of the answer that are looked at
_REDIRECTS = {301, 302, 303, 307, 308}
_LOGIN_REQUIRED = 511  # RFC 6585 section 6


async def look(server_address: str, *, now: Callable[[], float]) -> Portal:
    """Ask for a page at the server's own address; nothing is raised."""
    began = now()
    outcome: PortalOutcome = "silent"
    location = ""
    try:
        async with asyncio.timeout(PORTAL_S):
            reader, writer = await asyncio.open_connection(
                server_address, HTTP_PORT, limit=_LONGEST
            )
            try:
                host = f"[{server_address}]" if ":" in server_address else server_address
                writer.write(
                    f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
                )
                outcome, location = read_answer(await _head(reader))
            finally:
                writer.transport.abort()
    except TimeoutError:
        pass
    except OSError:
        outcome = "refused"
    return Portal(
        id="portal",
        at_s=began,
        took_s=round(now() - began, 4),
        outcome=outcome,
        location=location,
    )


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError:
        return await reader.read(_LONGEST)


def read_answer(head: bytes) -> tuple[PortalOutcome, str]:
    """What the head of an HTTP answer means, and where it leads (pure)."""
    text = head[:_LONGEST].decode("latin-1")
    status = re.match(r"HTTP/1\.[01] (\d{3})", text)
    if status is None:
        return "answered", ""
    code = int(status[1])
    where = re.search(r"(?im)^location:[ \t]*([^\r\n]*)", text)
    location = "".join(c for c in where[1] if c.isprintable())[:200].strip() if where else ""
    if code == _LOGIN_REQUIRED:
        return "login-required", location
    if code in _REDIRECTS and location:
        return "redirected", location
    return "answered", ""
