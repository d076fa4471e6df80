"""A client that holds calls by H.323: the pure ends, on sockets of an address of its own."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from msgspec.structs import replace

from netcheck.server.serve import EchoServer
from probes.editors.contract import End, Own, Step
from probes.editors.h323 import addresses, control, signalling
from probes.editors.h323.channels import SESSIONS, Kind
from probes.wire import label, media, rtp
from probes.wire.frame import Endpoint
from probes.wire.messages import Directory, MediaSpec, Overheard, TerminalReady, TerminalRequest
from tests.netcheck import loopback
from tests.netcheck.server.client import LOOPBACK, PATIENCE_S, Client, session
from tests.netcheck.server.speaking import DIALOGUES

NUMBER = 7
DURATION_S = 0.25
PACKETS: dict[Kind, int] = {"audioData": 13, "videoData": 8}
REPORTS = 2
SPECS = (
    MediaSpec(
        number=1, client_port=2, ssrc=0x1111_0001, server_ssrc=0x2222_0002,
        payload_bytes=24, packets_per_s=50,
    ),
    MediaSpec(
        number=2, client_port=4, ssrc=0x3333_0003, server_ssrc=0x4444_0004,
        payload_bytes=400, packets_per_s=30, payload_type=rtp.H263,
    ),
)  # fmt: skip
LISTENING = 20_000
"""Each client has an address to itself, so all of them may have the same ports."""


def request(**changes: Any) -> TerminalRequest:
    usual: dict[str, Any] = {
        "id": 5,
        "number": NUMBER,
        "duration_ms": round(DURATION_S * 1000),
        "patience_ms": 100,
        "streams": SPECS,
    }
    return TerminalRequest(**(usual | changes))


class Line:
    """One connection and the end that speaks there."""

    def __init__(self, sock: socket.socket, end: End) -> None:
        self.sock = sock
        self.end = end
        self.arrived: list[bytes] = []
        self.over = False

    async def take(self, step: Step) -> None:
        self.arrived += step.arrived
        self.over |= step.over
        for message in step.send:
            await asyncio.get_running_loop().sock_sendall(self.sock, message)

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not enough():
                data = await asyncio.get_running_loop().sock_recv(self.sock, 65536)
                assert data, "the server ended the dialogue"
                await self.take(self.end.receive(data))

    async def talk(self) -> None:
        """Until only the goodbye is left."""
        await self.take(self.end.begin())
        await self.until(lambda: self.over)

    async def goodbye(self) -> None:
        await self.take(self.end.finish())

    async def ended(self) -> bytes:
        """What else came before the server ended the connection."""
        rest = b""
        async with asyncio.timeout(PATIENCE_S):
            while data := await asyncio.get_running_loop().sock_recv(self.sock, 65536):
                rest += data
        return rest


class Sound:
    """Both media at the client's end: everything that comes is kept, whoever sent it."""

    def __init__(self, client: Client, own: Own) -> None:
        self.ends: dict[Kind, media.End] = {}
        self.socks: dict[Kind, tuple[socket.socket, socket.socket]] = {}
        for kind, spec in zip(SESSIONS, SPECS, strict=True):
            at = addresses.media(own, "h245")[kind]
            self.socks[kind] = udp_at(at.rtp), udp_at(at.rtcp)
            self.ends[kind] = media.End(
                client.secret,
                media.Shape(
                    payload_type=spec.payload_type,
                    payload_bytes=spec.payload_bytes,
                    packets_per_s=spec.packets_per_s,
                ),
                ssrc=spec.ssrc,
                peer_ssrc=spec.server_ssrc,
                duration_s=DURATION_S,
                epoch_s=time.time() - time.monotonic(),
            )

    def close(self) -> None:
        for pair in self.socks.values():
            for sock in pair:
                sock.close()

    async def send(self, kind: Kind, rtp_to: Endpoint, rtcp_to: Endpoint) -> None:
        end = self.ends[kind]
        began = time.monotonic()
        for due in media.schedule((end.shape,), DURATION_S, media.CALL_REPORT_S):
            await asyncio.sleep(max(0.0, began + due.at_s - time.monotonic()))
            now = time.monotonic()
            if due.index is None:
                self.socks[kind][1].sendto(end.report(now), (rtcp_to.address, rtcp_to.port))
            else:
                packet = end.packet(due.index, now - began - due.at_s)
                self.socks[kind][0].sendto(packet, (rtp_to.address, rtp_to.port))
                end.sent += 1

    def heard(self) -> dict[Kind, tuple[int, int]]:
        """Packets and reports of the server's that have come until now."""
        for kind, end in self.ends.items():
            even, odd = self.socks[kind]
            for data in drained(even):
                assert end.hear(data, time.monotonic())
            for data in drained(odd):
                assert end.hear_report(data, time.monotonic())
        return {kind: (end.count.received, end.reports_heard) for kind, end in self.ends.items()}


class Phone:
    """``own`` is true of the client; what its H.245 messages say of its media may be changed."""

    def __init__(self, client: Client, address: str, server: EchoServer, port: int) -> None:
        self.client = client
        self.address = address
        self.server = server
        self.port = port  # where the server takes calls
        self.own = Own(
            socket=Endpoint(address, 0),
            listening=Endpoint(address, LISTENING),
            peer=Endpoint(LOOPBACK, port),
            label=label.write(client.id, NUMBER, client.secret),
        )
        self.sound = Sound(client, self.own)

    def own_at(self, listening: Endpoint) -> Own:
        return replace(self.own, listening=listening)

    def own_of_server(self, port: int) -> Own:
        return self.own_at(Endpoint(LOOPBACK, port))

    async def terminal(self, **changes: Any) -> TerminalReady:
        return await self.client.ask(request(**changes), TerminalReady)

    @asynccontextmanager
    async def connected(self, port: int, make: Callable[[Own], End]) -> AsyncIterator[Line]:
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.bind((self.address, 0))
            await asyncio.get_running_loop().sock_connect(sock, (LOOPBACK, port))
            yield Line(sock, make(replace(self.own, socket=Endpoint(*sock.getsockname()))))

    @asynccontextmanager
    async def signalling(self) -> AsyncIterator[Line]:
        """Set up a call out."""
        caller = lambda own: signalling.Caller(own, fast_start=False)  # noqa: E731
        async with self.connected(self.port, caller) as line:
            await line.talk()
            yield line

    @asynccontextmanager
    async def controlling(
        self, port: int, *, listening: Endpoint | None = None, said: bytes | None = None
    ) -> AsyncIterator[Line]:
        """Agree on the channels, which then are open.  ``listening`` is said instead of what is
        true, and ``said`` as the label."""

        def make(own: Own) -> End:
            label_, at = said or own.label, listening or own.listening
            return control.client(replace(own, listening=at, label=label_))

        async with self.connected(port, make) as line:
            await line.talk()
            yield line

    async def media(self, line: Line) -> None:
        """Send both to where the messages say."""
        agreed = [found for message in line.arrived if (found := control.agreed(message))]
        async with asyncio.TaskGroup() as group:
            for each in agreed:
                assert each.rtp
                assert each.rtcp
                group.create_task(self.sound.send(each.kind, each.rtp, each.rtcp))

    async def registered(self, address: str = "") -> Directory:
        """An entry in the directory, which says ``address``; the talk is over then."""
        dialogue = DIALOGUES["ldap"]
        spoken = next(each for each in self.client.welcome.spoken if each.dialogue == "ldap")
        listening = Endpoint(address or self.address, 1720)
        make = lambda own: dialogue.client(replace(own, socket=listening, listening=listening))  # noqa: E731
        async with self.connected(spoken.port, make) as line:
            await line.talk()
            while True:
                told = await self.client.next(Overheard)
                for place, said in enumerate(dialogue.read(bytes.fromhex(told.data)).carried):
                    if said.port == 1720:
                        return Directory(overheard=told.index, carried=place)

    @contextmanager
    def listening(self, port: int, *, from_the_start: bool = True) -> Iterator[socket.socket]:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setblocking(False)
            sock.bind((self.address, port))
            if from_the_start:
                sock.listen()
            yield sock


async def accepted(listener: socket.socket) -> socket.socket:
    async with asyncio.timeout(PATIENCE_S):
        sock, _ = await asyncio.get_running_loop().sock_accept(listener)
    sock.setblocking(False)
    return sock


@asynccontextmanager
async def phone(server: EchoServer, port: int) -> AsyncIterator[Phone]:
    """A client whose address is proved, and whose server takes calls at ``port``."""
    address = loopback.address()
    async with session(server, address) as client:
        await client.hello()
        assert await client.proven() == [address]
        made = Phone(client, address, server, port)
        try:
            yield made
        finally:
            made.sound.close()


def udp_at(here: Endpoint) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((here.address, here.port))
    return sock


def drained(sock: socket.socket) -> list[bytes]:
    got = []
    while True:
        try:
            got.append(sock.recv(4096))
        except BlockingIOError:
            return got
