"""Finding a way to the echo server: directly on each control port, and through the
system's HTTP proxy, all racing, the first that is a netcheck server wins."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
import time
from typing import TYPE_CHECKING, Any

import msgspec

from probes.attempts import classify
from probes.control.quick_import import import_aiohttp
from probes.observation import ControlAttempt, ControlOutcome
from probes.path import cancelled_at_end
from probes.wire import messages
from probes.wire.link import Link, is_address

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

DIAL_S = 6.0
"""Long enough for several lost packets on the way through TCP, TLS and HTTP (TCP repeats
its first packet after 1 and 3 s); a person does not wait longer for "not reached"."""

AGAIN_S = 1.2
"""Each way is tried a second time: with 10 % loss each way one try alone would miss
DIAL_S once in a hundred checks."""

NEXT_PORT_S = 0.25
"""The head start of one control port over the next (RFC 8305 section 5)."""

PROXY_S = 0.4
"""The head start of the direct way over the proxy: direct says more about the network."""


GOODBYE_S = 0.01
"""Time to send our goodbye; the server's is not waited for, the report is."""


_NO_AUTHORITY = "no authority that this computer trusts vouches for it"
_DISTRUSTED = {
    9: "it is not valid yet",
    10: "it has expired",
    62: "it is for another name",
    64: "it is for another name",  # for an address that it does not name
}
"""By OpenSSL's X509_V_ERR_… (openssl-verification-options): a wrong clock is no false authority."""


class Dialled(msgspec.Struct):
    """An open control connection and how it was reached."""

    http: Any  # aiohttp.ClientSession, to be closed with the WebSocket
    socket: Any  # aiohttp.ClientWebSocketResponse
    port: int
    via_proxy: str | None
    rtt_s: float  # of the request that opened the WebSocket
    fingerprint: str | None
    peer: str
    local: str

    async def close(self) -> None:
        """At once: our goodbye is sent, the server's is not waited for."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                await self.socket.close()
        except TimeoutError:
            pass
        finally:
            await self.http.close()


class Way(msgspec.Struct, frozen=True):
    """One way to try: a port, a proxy or none, and its start after the first."""

    port: int
    proxy: str | None
    after_s: float


def ways(ports: tuple[int, ...], proxy: str | None) -> tuple[Way, ...]:
    """All ways to try, in the order of preference (pure)."""
    starts = [(port, index * NEXT_PORT_S) for index, port in enumerate(ports)]
    direct = [Way(port, None, start) for port, start in starts]
    through = [Way(port, proxy, PROXY_S + start) for port, start in starts] if proxy else []
    first = (*direct, *through)
    return (*first, *(Way(way.port, way.proxy, way.after_s + AGAIN_S) for way in first))


async def dial(
    link: Link,
    addresses: tuple[str, ...],
    ports: tuple[int, ...],
    *,
    proxy: str | None,
    insecure: bool,
    bind: str | None,
) -> tuple[Dialled | None, tuple[ControlAttempt, ...]]:
    """Try every way; give the first connection, or None, and what became of each way.

    ``addresses`` are what the host resolves to; without any, only a proxy can help.
    """
    plan = ways(ports, proxy)
    if not addresses and not is_address(link.host):
        plan = tuple(way for way in plan if way.proxy)
    results: dict[Way, ControlAttempt] = {}
    won: list[Dialled] = []

    async def one(way: Way) -> None:
        await asyncio.sleep(way.after_s - plan[0].after_s)
        if _settled(way, results):
            return
        got = await _try(link, addresses, way, insecure=insecure, bind=bind)
        if isinstance(got, Dialled):
            won.append(got)
            results[way] = _attempt(way, "connected")
        else:
            results[way] = got

    tasks = {asyncio.create_task(one(way)) for way in plan}
    try:
        async with cancelled_at_end(tasks):
            try:
                async with asyncio.timeout(DIAL_S):
                    pending = set(tasks)
                    while pending and not won and not all(_settled(way, results) for way in plan):
                        _, pending = await asyncio.wait(
                            pending, return_when=asyncio.FIRST_COMPLETED
                        )
            except TimeoutError:
                pass
        for late in won[1:]:
            await late.close()
    except BaseException:  # cancelled: nobody will take what was won
        for each in won:
            await each.close()
        raise
    first = won[0] if won else None
    unfinished: ControlOutcome = "abandoned" if first else "silent"
    attempts = tuple(
        results.get(way) or _attempt(way, unfinished)
        for way in plan
        if way in results or way.after_s < AGAIN_S
    )
    return first, attempts


def _settled(way: Way, results: dict[Way, ControlAttempt]) -> bool:
    """Whether a try of this way has had an answer: then there is nothing to repeat."""
    return any(
        (other.port, other.proxy) == (way.port, way.proxy) and result.outcome != "silent"
        for other, result in results.items()
    )


def _attempt(way: Way, outcome: ControlOutcome, detail: str = "") -> ControlAttempt:
    return ControlAttempt(
        port=way.port, outcome=outcome, via_proxy=way.proxy is not None, detail=detail
    )


async def _try(
    link: Link, addresses: tuple[str, ...], way: Way, *, insecure: bool, bind: str | None
) -> Dialled | ControlAttempt:
    # Loaded here: the heaviest import of a check, and only a check needs it.
    import_aiohttp()
    import aiohttp

    trust: ssl.SSLContext | bool | aiohttp.Fingerprint
    if link.fingerprint:
        trust = aiohttp.Fingerprint(bytes.fromhex(link.fingerprint))
    else:
        trust = False if insecure else ssl.create_default_context()
    host = f"[{link.host}]" if ":" in link.host else link.host
    connected_at = 0.0

    async def note(*_: object) -> None:
        nonlocal connected_at
        connected_at = time.monotonic()

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(note)
    trace.on_request_redirect.append(_stay)
    http = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=_known(link.host, addresses), local_addr=(bind, 0) if bind else None
        ),
        trace_configs=[trace],
        trust_env=False,
    )
    try:
        opened = await http.ws_connect(
            f"wss://{host}:{way.port}{messages.PATH}",
            protocols=(messages.PROTOCOL,),
            proxy=way.proxy,
            ssl=trust,
            max_msg_size=messages.MAX_MESSAGE,
            compress=0,
            timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
        )
    except BaseException as error:
        await http.close()
        if isinstance(
            error, (aiohttp.ClientError, OSError, ssl.SSLError, ValueError, TimeoutError)
        ):
            return _failure(way, error)
        raise
    rtt_s = time.monotonic() - connected_at
    if opened.protocol != messages.PROTOCOL:
        await opened.close()
        await http.close()
        return _attempt(way, "not-netcheck", "it speaks WebSocket, but not netcheck's protocol")
    peer = opened.get_extra_info("peername") or ("", 0)
    local = opened.get_extra_info("sockname") or ("", 0)
    return Dialled(
        http, opened, way.port, way.proxy, rtt_s, _fingerprint(opened), peer[0], local[0]
    )


class _LeadsElsewhere(ValueError):
    pass


async def _stay(*_: object) -> None:
    """Nothing is sent to where only the server says: aiohttp would follow a redirect."""
    raise _LeadsElsewhere


def _fingerprint(opened: aiohttp.ClientWebSocketResponse) -> str | None:
    tls = opened.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls else None
    return hashlib.sha256(certificate).hexdigest() if certificate else None


def _known(link_host: str, addresses: tuple[str, ...]) -> AbstractResolver:
    """Gives aiohttp the addresses that were resolved already, for its own racing (RFC 8305);
    the proxy's own name is still the system's to resolve."""
    from aiohttp.abc import AbstractResolver, ResolveResult
    from aiohttp.resolver import ThreadedResolver

    class Known(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            if not addresses or host != link_host:
                return await ThreadedResolver().resolve(host, port, family)
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST,
                )
                for address in addresses
            ]

        async def close(self) -> None:
            pass

    return Known()


def _failure(way: Way, error: BaseException) -> ControlAttempt:
    import aiohttp

    match error:
        case aiohttp.ServerFingerprintMismatch():
            return _attempt(way, "wrong-certificate", f"it shows {error.got.hex()}")
        case aiohttp.ClientHttpProxyError():
            return _attempt(way, "proxy-refused", f"the proxy answered {error.status}")
        case aiohttp.ClientProxyConnectionError():
            return _attempt(way, "proxy-refused", "the proxy could not be reached")
        case aiohttp.ClientConnectorCertificateError():
            code = getattr(error.certificate_error, "verify_code", 0)
            return _attempt(way, "wrong-certificate", _DISTRUSTED.get(code, _NO_AUTHORITY))
        case aiohttp.WSServerHandshakeError():
            if error.status == 426:
                return _attempt(way, "other-version")
            if error.status == 503:
                return _attempt(way, "busy")
            return _attempt(way, "not-netcheck", f"HTTP status {error.status}")
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return _attempt(way, "not-netcheck", "it does not speak TLS as a netcheck server does")
        case TimeoutError() | aiohttp.ServerTimeoutError():
            return _attempt(way, "silent")
        case aiohttp.ClientConnectorError():
            return _os_failure(way, error.os_error)
        case (
            aiohttp.ServerDisconnectedError()
            | aiohttp.ClientPayloadError()
            | aiohttp.ClientOSError()
        ):
            return _attempt(way, "not-netcheck", "it ended the connection")
        case _LeadsElsewhere():
            return _attempt(way, "not-netcheck", "it leads elsewhere")
        case aiohttp.ClientError() | ValueError():
            return _attempt(way, "not-netcheck", "its answer is no proper HTTP")
        case OSError():
            return _os_failure(way, error)
    return _attempt(way, "not-netcheck")


def _os_failure(way: Way, error: OSError) -> ControlAttempt:
    if isinstance(error, ConnectionError) and error.errno is None:  # from asyncio's TLS
        return _attempt(way, "not-netcheck", "it ended the connection")
    # Not asyncio's own words, which repeat the address in Python's spelling.
    from_windows = getattr(error, "winerror", None)  # whose errno may say something else
    said = os.strerror(error.errno) if error.errno and not from_windows else error.strerror
    outcome, _ = classify(error)
    if outcome in ("refused", "silent"):
        return _attempt(way, outcome, said or "")
    return _attempt(way, "unreachable", said or "")
