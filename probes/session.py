"""What a probe is given that deals with an echo server: the secret and the control connection."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from probes.errors import SetupError
from probes.path import Path, StunServer
from probes.wire import frame, messages

PROOF_S = 3.0
"""Behind a proxy an address of ours is proved by the outbound probes; their first
answer takes a few round trips, or three seconds where a packet is lost."""


class ControlLine(Protocol):
    """What probes may ask of the control connection.  Each raises ControlLost when it is gone."""

    @property
    def alive(self) -> bool: ...

    @property
    def raw_arrivals(self) -> Sequence[messages.RawArrived]: ...

    async def open_ports(
        self,
        transport: messages.TransportName,
        count: int = 0,
        ports: tuple[int, ...] = (),
        speaks: str = "",
    ) -> messages.Opened | messages.Refusal: ...

    def call(
        self, request: Callable[[int], messages.CallRequest | messages.FollowRequest]
    ) -> AsyncIterator[messages.Called | messages.Refusal]: ...

    def overhear(
        self, number: int, take: Callable[[messages.Overheard], None]
    ) -> AbstractContextManager[None]: ...

    def stop_call(self, request_id: int, port: int, after: int = 0) -> None: ...

    def ask(
        self, request: Callable[[int], messages.ClientMessage]
    ) -> AsyncIterator[messages.ServerMessage]: ...

    async def ledger(self, sent: tuple[messages.Sent, ...] = ()) -> messages.LedgerPage | None: ...

    async def unread(self) -> tuple[messages.UnreadLine, ...]: ...

    async def proven(self, wait_s: float) -> tuple[str, ...]: ...


class ControlLost(Exception):
    """The control connection ended while a probe waited for it."""


class Session(Path):
    """One check's dealings with one echo server."""

    def __init__(
        self,
        *,
        control: ControlLine,
        session_id: bytes,
        secret: bytes,
        server_address: str,
        local_address: str,
        began: float,
        unavailable: frozenset[tuple[str, int]] = frozenset(),
        stun: StunServer | None = None,
    ) -> None:
        super().__init__(
            server_address=server_address, local_address=local_address, began=began, stun=stun
        )
        self.control = control
        self.id = session_id
        self.secret = secret
        self.unavailable = unavailable
        self.unproved: dict[int, bytes] = {}  # TCP port -> a frame that got no proper answer
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """A new probe number, by which the ledger knows it."""
        number = next(self._numbers)
        if number > 0xFFFF:
            raise SetupError("This check has more than 65535 probes; choose fewer profiles.")
        return number

    async def echo_ports(
        self, transport: messages.TransportName, count: int
    ) -> tuple[int, ...] | str:
        """Dynamic ports on which the server now echoes to this session, or why there are none."""
        try:
            opened = await self.control.open_ports(transport, count)
        except ControlLost as error:
            return f"the control connection was lost: {error}"
        if isinstance(opened, messages.Refusal):
            return f"the echo server opened no port: {opened.detail or opened.reason}"
        return opened.ports[:count] or "the echo server had no port to open"

    def probe_frame(
        self, transport: messages.TransportName, port: int, number: int, own: frame.Endpoint
    ) -> bytes:
        """A new signed probe, with a nonce of its own."""
        body = frame.probe_body(transport, port, own)
        nonce = secrets.token_bytes(frame.NONCE_SIZE)
        return frame.write(frame.Frame(frame.PROBE, number, self.id, nonce, body), self.secret)
