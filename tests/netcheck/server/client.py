"""A bare client: the control connection, and frames and sockets by hand."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, Self, TypeVar

import aiohttp

from netcheck.server.serve import EchoServer
from probes.wire import frame, messages

LOOPBACK = "127.0.0.1"

PATIENCE_S = 5.0
"""How long anything on loopback may take before a test fails: never waited for otherwise."""

M = TypeVar("M", bound=messages.Message)


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[int, ...]:
    """Ports of loopback that nobody has, all different."""
    sockets = [socket.socket(socket.AF_INET, kind) for _ in range(count)]
    try:
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return tuple(each.getsockname()[1] for each in sockets)
    finally:
        for each in sockets:
            each.close()


def free_udp_ports(count: int) -> tuple[int, ...]:
    return free_ports(count, socket.SOCK_DGRAM)


def url(server: EchoServer) -> str:
    return f"wss://{LOOPBACK}:{server.control_ports[0]}{messages.PATH}"


def trust(server: EchoServer) -> aiohttp.Fingerprint:
    return aiohttp.Fingerprint(bytes.fromhex(server.fingerprint))


async def until(condition: Callable[[], bool]) -> bool:
    """Wait for what has no event, since it happens inside the server."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return True


class Client:
    """A session with a server."""

    def __init__(
        self, http: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse, text: str
    ) -> None:
        self.http = http
        self.ws = ws
        welcome = messages.read_from_server(text)
        assert isinstance(welcome, messages.Welcome)
        self.welcome = welcome
        self.id = bytes.fromhex(welcome.session)
        self.secret = bytes.fromhex(welcome.secret)

    @classmethod
    async def connect(cls, server: EchoServer, source: str = LOOPBACK) -> Self:
        http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(source, 0)))
        try:
            ws = await http.ws_connect(
                url(server),
                protocols=(messages.PROTOCOL,),
                ssl=trust(server),
                max_msg_size=messages.MAX_MESSAGE,
                autoping=False,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),
            )
            return cls(http, ws, await ws.receive_str(timeout=PATIENCE_S))
        except BaseException:
            await http.close()
            raise

    async def close(self) -> None:
        await self.ws.close()
        await self.http.close()

    async def say(self, message: messages.Message) -> None:
        await self.ws.send_str(messages.write(message))

    async def hello(
        self,
        *,
        direct: bool = True,
        tcp: tuple[int, ...] = (),
        udp: tuple[int, ...] = (),
        session: str | None = None,
    ) -> None:
        """Say hello; with ``direct`` the server then holds loopback for proven."""
        await self.say(
            messages.Hello(
                software="test",
                session=session or self.welcome.session,
                direct=direct,
                tcp_ports=tcp,
                udp_ports=udp,
            )
        )

    async def next(self, *kinds: type[M]) -> M:
        """The next message of one of ``kinds``; others are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = messages.read_from_server(await self.ws.receive_str())
                if isinstance(message, kinds):
                    return message

    async def ask(self, request: messages.Message, *kinds: type[M]) -> M:
        await self.say(request)
        return await self.next(*kinds)

    async def all_until(self, last: type[messages.Message]) -> list[messages.Message]:
        """Every message up to the first of kind ``last``, that one left out."""
        got: list[messages.Message] = []
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = messages.read_from_server(await self.ws.receive_str())
                if isinstance(message, last):
                    return got
                got.append(message)

    async def proven(self) -> list[str]:
        """The addresses told as proven in all that the server has said until now."""
        await self.say(messages.Ping(n=0))
        said = await self.all_until(messages.Pong)
        return [m.address for m in said if isinstance(m, messages.Proven)]

    async def ledger(self) -> messages.LedgerPage:
        return await self.ask(messages.LedgerRequest(id=99), messages.LedgerPage)

    async def ended(self) -> None:
        """Wait for the server to end the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                got = await self.ws.receive()
                if got.type in (
                    aiohttp.WSMsgType.CLOSE,
                    aiohttp.WSMsgType.CLOSED,
                    aiohttp.WSMsgType.CLOSING,
                    aiohttp.WSMsgType.ERROR,
                ):
                    return

    def signed(
        self, kind: int, body: bytes = b"", *, number: int = 1, nonce: bytes | None = None
    ) -> bytes:
        nonce = nonce or secrets.token_bytes(frame.NONCE_SIZE)
        return frame.write(frame.Frame(kind, number, self.id, nonce, body), self.secret)

    def probe(
        self, port: int, transport: Literal["tcp", "udp"] = "tcp", *, number: int = 1
    ) -> bytes:
        body = frame.probe_body(transport, port, frame.Endpoint(LOOPBACK, 1))
        return self.signed(frame.PROBE, body, number=number)

    def answer(self, data: bytes) -> frame.Answer:
        """What an authentic answer says; the test fails for anything else."""
        got = frame.read(data, self.secret)
        assert got.authentic
        assert got.kind == frame.ANSWER
        return frame.read_answer(got.body)


@asynccontextmanager
async def session(server: EchoServer, source: str = LOOPBACK) -> AsyncIterator[Client]:
    """Of a client at ``source``, which is an address of loopback."""
    client = await Client.connect(server, source)
    try:
        yield client
    finally:
        await client.close()


class Tcp:
    """A TCP connection to an echo port."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def receive(self, size: int = frame.SIZE) -> bytes:
        """``size`` bytes, or fewer if the connection ended before, by FIN or by reset."""
        data = b""
        async with asyncio.timeout(PATIENCE_S):
            while len(data) < size:
                try:
                    more = await asyncio.get_running_loop().sock_recv(self.sock, size - len(data))
                except ConnectionError:
                    break
                if not more:
                    break
                data += more
        return data

    async def exchange(self, data: bytes) -> bytes:
        await self.send(data)
        return await self.receive()

    async def ended(self) -> bool:
        """Wait for the end; whether not a byte came before."""
        return await self.receive() == b""


@asynccontextmanager
async def tcp(port: int) -> AsyncIterator[Tcp]:
    with socket.socket() as sock:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
        yield Tcp(sock)


@contextmanager
def udp(port: int | None = None) -> Iterator[socket.socket]:
    """A UDP socket on loopback, connected to ``port`` if one is given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((LOOPBACK, 0))
        if port is not None:
            sock.connect((LOOPBACK, port))
        yield sock


async def heard(sock: socket.socket) -> bytes:
    """The next datagram."""
    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.get_running_loop().sock_recv(sock, 65536)
