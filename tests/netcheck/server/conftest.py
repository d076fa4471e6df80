"""Real echo servers on loopback, each closed at the end of its test."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from netcheck.server.limits import ServerLimits
from netcheck.server.serve import EchoServer, ServerConfig

Serve = Callable[..., Coroutine[Any, Any, EchoServer]]

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, so that one certificate serves all tests."""
    return tmp_path_factory.mktemp("server")


@pytest.fixture
async def serve(data_dir: Path) -> AsyncIterator[Serve]:
    """Start a server: ``await serve(tcp=(port,), udp=(port,), dialogues={"irc-chat": port},
    calls=3)``; any other keyword is one of its limits."""
    running: list[EchoServer] = []

    async def start(
        *,
        tcp: tuple[int, ...] = (),
        udp: tuple[int, ...] = (),
        dialogues: Mapping[str, int] | None = None,
        **limits: Any,
    ) -> EchoServer:
        server = EchoServer(
            ServerConfig(
                listen=(LOOPBACK,),
                control_ports=(0,),
                tcp_ports=tcp,
                udp_ports=udp,
                stun_port=None,
                dialogue_ports=dialogues,
                data_dir=data_dir,
                limits=ServerLimits(**limits),
            )
        )
        running.append(server)
        await server.start()
        return server

    yield start
    for server in running:
        await server.close()
