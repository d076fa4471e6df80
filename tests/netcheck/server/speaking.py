"""The client's end of a dialogue, over real sockets on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from probes.editors import NAMES, dialogues
from probes.editors.contract import Dialogue, End, Own, Step
from probes.wire import label
from probes.wire.frame import Endpoint
from probes.wire.messages import Overheard
from tests.netcheck.server.client import LOOPBACK, PATIENCE_S, Client

DIALOGUES = {each.name: each for name in NAMES for each in dialogues(name)}
LISTENING = 20001


class Speaker:
    """One dialogue on a socket of its own; ``sent`` and ``arrived`` are whole messages."""

    def __init__(self, dialogue: Dialogue, sock: socket.socket, end: End) -> None:
        self.dialogue = dialogue
        self.sock = sock
        self.source = str(Endpoint(*sock.getsockname()))
        self.end = end
        self.sent: list[bytes] = []
        self.arrived: list[bytes] = []
        self.over = False

    async def take(self, step: Step) -> None:
        self.arrived += step.arrived
        self.over |= step.over
        for message in step.send:
            self.sent.append(message)
            await asyncio.get_running_loop().sock_sendall(self.sock, message)

    async def talk(self) -> None:
        """Until only the goodbye is left."""
        await self.take(self.end.begin())
        async with asyncio.timeout(PATIENCE_S):
            while not self.over:
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
                assert data, "the server ended the dialogue"
                await self.take(self.end.receive(data))

    async def goodbye(self) -> None:
        await self.take(self.end.finish())


@asynccontextmanager
async def speaking(
    client: Client, dialogue: Dialogue, port: int, *, number: int = 7, listening: int = LISTENING
) -> AsyncIterator[Speaker]:
    """A socket that is connected to ``port``, and an end that will talk on it for ``client``."""
    kind = socket.SOCK_STREAM if dialogue.transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
        own = Own(
            socket=Endpoint(*sock.getsockname()),
            listening=Endpoint(LOOPBACK, listening),
            peer=Endpoint(LOOPBACK, port),
            label=label.write(client.id, number, client.secret),
        )
        yield Speaker(dialogue, sock, dialogue.client(own))


async def overheard(client: Client, count: int) -> list[Overheard]:
    """The next ``count`` messages that the server tells of."""
    return [await client.next(Overheard) for _ in range(count)]
