"""The door of the control ports: TLS connections, counted from their first packet on.

asyncio tells nobody of a connection before its TLS handshake is complete.  Until then each
costs a file and 256 kB of buffers, so whoever opened many and said nothing could take all
files and memory, and the tested ports with them: those would then look blocked.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections import Counter
from collections.abc import Callable

from netcheck.server.limits import ServerLimits
from netcheck.server.session import canonical, neighbourhood

_SHUTDOWN_S = 1.0
"""For the other side's goodbye within TLS; who does not say it is ended all the same."""


class Door:
    """Lets connections in, so many in all and from one source.  ``handler`` makes what
    serves one once its TLS is complete."""

    def __init__(
        self, limits: ServerLimits, tls: ssl.SSLContext, handler: Callable[[], asyncio.Protocol]
    ) -> None:
        self.limits = limits
        self._tls = tls
        self._handler = handler
        self._inside: dict[asyncio.Transport, str] = {}
        self._per_source: Counter[str] = Counter()
        self._closed = False

    def connection(self) -> asyncio.BaseProtocol:
        """For a connection that was just accepted."""
        if self._full:  # before anything is made for it
            return _Refused()
        return _Tls(self, self._handler(), self._tls)

    @property
    def _full(self) -> bool:
        return self._closed or len(self._inside) >= self.limits.control_connections

    def enter(self, connection: asyncio.Transport) -> bool:
        """Whether there is room for it; it must then leave at its end."""
        peer = connection.get_extra_info("peername")
        source = neighbourhood(canonical(peer[0])) if peer else ""
        if (
            self._full
            or not source
            or self._per_source[source] >= self.limits.control_connections_per_source
        ):
            return False
        self._inside[connection] = source
        self._per_source[source] += 1
        return True

    def leave(self, connection: asyncio.Transport) -> None:
        source = self._inside.pop(connection, None)
        if source is not None:
            self._per_source[source] -= 1
            if self._per_source[source] <= 0:
                del self._per_source[source]

    def close(self) -> None:
        """End every connection now, and let nobody in any more."""
        self._closed = True
        for connection in tuple(self._inside):
            connection.abort()


class _Tls(sslproto.SSLProtocol):
    """What ``create_server(ssl=…)`` puts beneath a protocol, and that counts itself."""

    def __init__(self, door: Door, handler: asyncio.Protocol, tls: ssl.SSLContext) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            handler,
            tls,
            None,  # type: ignore[arg-type]  # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=door.limits.request_s,  # type: ignore[arg-type]  # seconds
            ssl_shutdown_timeout=_SHUTDOWN_S,
        )
        self._door = door
        self._carrier: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._door.enter(transport):
            self._carrier = transport
            super().connection_made(transport)
        else:
            transport.close()  # not by a reset, which would look as if nobody listened

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._carrier is not None:
            self._door.leave(self._carrier)
        super().connection_lost(exc)


class _Refused(asyncio.Protocol):
    """Ends a connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.close()
