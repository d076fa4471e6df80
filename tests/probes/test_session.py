"""What a session asks of the server by its control connection."""

from __future__ import annotations

from typing import Any, cast

import pytest

from probes.session import ControlLine, Session
from probes.wire import messages


class Line:
    """Opens these ports, whatever it was asked for."""

    def __init__(self, ports: tuple[int, ...]) -> None:
        self._ports = ports

    async def open_ports(self, transport: Any, count: int) -> messages.Opened:
        return messages.Opened(id=1, transport=transport, ports=self._ports, for_s=30.0)


@pytest.mark.parametrize(
    ("opened", "used"),
    [
        ((1024, 1025), (1024, 1025)),
        (tuple(range(1, 4097)), (1, 2)),  # else each would be connected to, all at once
        ((), "the echo server had no port to open"),
    ],
)
async def test_no_more_ports_are_used_than_were_asked_for(
    opened: tuple[int, ...], used: tuple[int, ...] | str
) -> None:
    session = Session(
        control=cast(ControlLine, Line(opened)),
        session_id=bytes(8),
        secret=bytes(32),
        server_address="127.0.0.1",
        local_address="127.0.0.1",
        began=0.0,
    )
    assert await session.echo_ports("tcp", 2) == used
