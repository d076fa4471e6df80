"""The router's own editor (see `description.Rewriting`): what the LAN says passes through here.

It knows as little of the protocols as it can, so that it may judge those who know them: it looks
for the client's address in all the spellings that there are, and of the protocols it knows no more
than where a message ends and which lengths count an address.

Its settings are one JSON object as the only argument. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

if sys.platform != "linux":
    raise ImportError("transparent sockets are Linux's")

CHUNK = 65536
CONNECT_S = 10.0  # longer than any scenario waits for the far end
FLOWS_MAX = 4096  # of UDP at a time; the oldest is forgotten
MESSAGE_MAX = 65536  # octets that wait for the rest of their message
IP_TRANSPARENT = 19  # linux/in.h
IP_RECVORIGDSTADDR = 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger of socket(7): on, at once
CALLED = 1720  # where NetMeeting waits, whatever it tells the directory

Change = Callable[[bytes], bytes]
Address = tuple[str, int]


# spellings


def spelled(address: str, *, longer: bool = False) -> tuple[bytes, ...]:
    """An IPv4 address with dots, with commas, in UTF-16, as a number of either byte order, and as
    four octets. `longer` takes more octets than any host of the lab needs."""
    packed = ipaddress.IPv4Address(address).packed
    digits = [f"{octet:03}" if longer else str(octet) for octet in packed]
    dotted = ".".join(digits)
    zero = "0" if longer else ""
    return (
        dotted.encode(),
        ",".join(digits).encode(),
        dotted.encode("utf-16-le"),
        f"{zero}{int.from_bytes(packed, 'big')}".encode(),
        f"{zero}{int.from_bytes(packed, 'little')}".encode(),
        packed + (b"\0" if longer else b""),
    )


TEXT = (0, 1)
DUMB = (*TEXT, 5)  # what one finds who looks for text and octets


class Editor:
    """What happens to the messages of one connection, or of one flow of datagrams."""

    def __init__(self, flavour: str, inside: str, outside: str) -> None:
        self.flavour = flavour
        old, new = spelled(inside), spelled(outside, longer=flavour == "wrong-length")
        dumb = flavour == "search-and-replace"
        chosen = DUMB if dumb else range(len(old))
        # 192.168.77.2 is no part of 192.168.77.20. Where a number ends cannot be seen: what follows
        # it in a directory's entry is the tag of a sequence, which is a digit too.
        edges = {i: (rb"(?<![0-9])", rb"(?![0-9])") for i in TEXT if not dumb}
        forms = [re.escape(old[i]).join(edges.get(i, (b"", b""))) for i in chosen]
        self._new = {i + 1: new[which] for i, which in enumerate(chosen)}
        self._pattern = re.compile(b"|".join(b"(%b)" % form for form in forms))
        self.found = 0

    def edit(self, message: bytes, port: int) -> bytes | None:
        """One message to a server's `port`; None when it is lost."""
        if not self._pattern.search(message):
            return message
        if self.flavour == "drop":
            return None
        if self.flavour in ("wrong-length", "search-and-replace") or port not in CORRECTED:
            return self._replace(message)
        return CORRECTED[port](message, self._replace)

    def _replace(self, text: bytes) -> bytes:
        return self._pattern.sub(self._swap, text)

    def _swap(self, match: re.Match[bytes]) -> bytes:
        self.found += 1
        if self.flavour == "half" and self.found > 1:
            return match[0]
        assert match.lastindex is not None
        return self._new[match.lastindex]


# messages and their lengths


def msn_size(data: bytes) -> int | None:
    """Of the first message, which is a line, and a payload after it when it is a MSG."""
    line, end, _ = data.partition(b"\r\n")
    if not end:
        return None
    size = re.fullmatch(rb"MSG .* ([0-9]{1,5})", line)
    return len(line) + 2 + (int(size[1]) if size else 0)


def msn(message: bytes, change: Change) -> bytes:
    line, end, body = message.partition(b"\r\n")
    edited = change(body)
    words = line.rpartition(b" ")[0]
    return words + b" %d" % len(edited) + end + edited


def ber_size(data: bytes) -> int | None:
    """X.690: a tag, a length, and as many octets."""
    if len(data) < 2:
        return None
    more = data[1] & 0x7F if data[1] & 0x80 else 0
    if len(data) < 2 + more:
        return None
    size = int.from_bytes(data[2 : 2 + more], "big") if more else data[1]
    return 2 + more + size


def ber(data: bytes, change: Change) -> bytes:
    """Every value that is not made of others is changed alone; a length keeps its form."""
    out = b""
    while size := ber_size(data):
        more = data[1] & 0x7F if data[1] & 0x80 else 0
        body = data[2 + more : size]
        body = ber(body, change) if data[0] & 0x20 else change(body)
        length = len(body).to_bytes(max(more, 1), "big")
        out += data[:1] + (bytes([0x80 | more]) if more else b"") + length + body
        data = data[size:]
    return out + data


def rpc_size(data: bytes) -> int | None:
    """C706 section 12.6.3.1: the fragment's length stands at octet 8."""
    return struct.unpack_from("<H", data, 8)[0] if len(data) >= 10 else None


_OBJREF = b"MEOW"
_BINDINGS = 64  # octets from an object reference's signature to its addresses


def rpc(message: bytes, change: Change) -> bytes:
    """Of [MS-DCOM] 2.2.18 all lengths that count an object reference; elsewhere four octets remain
    four, so there is nothing to correct."""
    at = message.find(_OBJREF)
    if at < 8:
        return change(message)
    size = struct.unpack_from("<I", message, at - 4)[0]
    end = at + size
    edited = change(message[at:end])
    grown = len(edited) - size
    entries, security = struct.unpack_from("<HH", edited, _BINDINGS)
    counts = struct.pack("<HH", entries + grown // 2, security + grown // 2)
    edited = edited[:_BINDINGS] + counts + edited[_BINDINGS + 4 :]
    # the stub begins at octet 24, a multiple of 4, as the next number in it has to
    rest = message[end + -end % 4 :]
    before = message[: at - 8] + struct.pack("<II", len(edited), len(edited)) + edited
    whole = bytearray(before + bytes(-len(before) % 4) + rest)
    longer = len(whole) - len(message)
    struct.pack_into("<H", whole, 8, len(whole))
    struct.pack_into("<I", whole, 16, struct.unpack_from("<I", message, 16)[0] + longer)
    return bytes(whole)


def tpkt_size(data: bytes) -> int | None:
    """RFC 1006 section 6."""
    return struct.unpack_from("!H", data, 2)[0] if len(data) >= 4 else None


class Framing(NamedTuple):
    """How a message of a protocol begins, and how long it is as far as one can tell."""

    begins: re.Pattern[bytes]
    size: Callable[[bytes], int | None]


_MSN = Framing(re.compile(rb"[A-Z]{3}[ \r]"), msn_size)
_BER = Framing(re.compile(rb"\x30"), ber_size)
_RPC = Framing(re.compile(rb"\x05\x00"), rpc_size)
_TPKT = Framing(re.compile(rb"\x03\x00"), tpkt_size)
FRAMED = {135: _RPC, 389: _BER, 1002: _BER, 1720: _TPKT, 1863: _MSN}
CORRECTED = {135: rpc, 389: ber, 1002: ber, 1863: msn}


class Messages:
    """Whole messages out of a stream; what is no message of the protocol passes as it comes."""

    def __init__(self, port: int, *, framed: bool) -> None:
        self._framing = FRAMED.get(port) if framed else None
        self._buffer = b""

    def add(self, data: bytes) -> Iterable[tuple[bytes, bool]]:
        """Pieces of the stream, and whether each is a message."""
        self._buffer += data
        while self._buffer:
            framing = self._framing
            if framing is None or not framing.begins.match(self._buffer):
                yield self.rest(), framing is None
                return
            size = framing.size(self._buffer)
            if size is None or size > len(self._buffer):
                if len(self._buffer) > MESSAGE_MAX:
                    yield self.rest(), False
                return
            yield self._buffer[: max(size, 1)], True
            self._buffer = self._buffer[max(size, 1) :]

    def rest(self) -> bytes:
        """What is no whole message when the stream ends."""
        left, self._buffer = self._buffer, b""
        return left


_PORTS = re.compile(
    rb"\n(?:Port: *|IP-Address: *[0-9.]+:)([0-9]{1,5})\r|\[\0((?:[0-9]\0){1,5})\]\0"
)


def announced(message: bytes, port: int) -> set[int]:
    """The ports at which a message to a server's `port` says that its sender waits."""
    if port in (389, 1002):
        return {CALLED}
    texts = (match[1] or match[2].replace(b"\0", b"") for match in _PORTS.finditer(message))
    return {number for text in texts if 0 < (number := int(text)) < 65536}


# ways in


class Ways:
    """Ports of the router's that lead to a host of the LAN: each to one at a time."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._users: Counter[Address] = Counter()

    def open(self, address: str, ports: set[int]) -> None:
        for port in ports:
            self._users[address, port] += 1
            if self._users[address, port] == 1:
                self._nft("add", f"{{ {port} : {address} }}")

    def close(self, address: str, ports: set[int]) -> None:
        for port in ports:
            self._users[address, port] -= 1
            if not self._users[address, port]:
                self._nft("delete", f"{{ {port} }}")

    def _nft(self, verb: str, element: str) -> None:
        # taken by another host, or by a forwarding: the first one keeps it
        commands = [f"{verb} element {self._table} opened_{p} {element}" for p in ("tcp", "udp")]
        subprocess.run(["nft", "\n".join(commands)], check=False)


# sockets


class Box:
    """All connections of the LAN that come here."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self._flavour: str = settings["flavour"]
        self._outside: str = settings["outside"]
        self._ways = Ways(settings["table"])
        self._flows: dict[tuple[Address, Address], tuple[socket.socket, Editor]] = {}
        self._speaking: dict[Address, socket.socket] = {}

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One TCP connection, which is made on to where it was meant to go."""
        client: Address = writer.get_extra_info("peername")
        server: Address = writer.get_extra_info("sockname")
        try:
            far_reader, far_writer = await asyncio.wait_for(_beyond(client, server), CONNECT_S)
        except (OSError, TimeoutError):
            _abort(writer)
            return
        opened: set[int] = set()
        try:
            await asyncio.gather(
                self._outward(reader, far_writer, client, server[1], opened),
                _inward(far_reader, writer),
            )
        except OSError:
            _abort(writer)
            _abort(far_writer)
        finally:
            self._shut(client, opened)
            far_writer.close()
            writer.close()

    async def _outward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        client: Address,
        port: int,
        opened: set[int],
    ) -> None:
        editor = Editor(self._flavour, client[0], self._outside)
        messages = Messages(port, framed=self._flavour != "search-and-replace")
        while data := await reader.read(CHUNK):
            for piece, known in messages.add(data):
                edited = editor.edit(piece, port) if known else piece
                if edited is None:
                    continue
                if edited != piece and self._flavour in ("right", "half"):
                    new = announced(edited, port) - opened
                    opened |= new
                    self._ways.open(client[0], new)
                writer.write(edited)
                await writer.drain()
        writer.write(messages.rest())
        self._shut(client, opened)  # before the far end hears that it is over
        writer.write_eof()

    def _shut(self, client: Address, opened: set[int]) -> None:
        self._ways.close(client[0], opened)
        opened.clear()

    def datagram(self, listening: socket.socket) -> None:
        """A datagram of the LAN, to wherever."""
        with contextlib.suppress(OSError):
            data, told, _, client = listening.recvmsg(CHUNK, 256)
            port, packed = next(struct.unpack_from("!2xH4s", t[2]) for t in told)
            server = socket.inet_ntoa(packed), port
            out, editor = self._flow(client, server)
            edited = editor.edit(data, port)
            if edited is not None:
                out.send(edited)

    def _flow(self, client: Address, server: Address) -> tuple[socket.socket, Editor]:
        flow = self._flows.get((client, server))
        if flow is None:
            if len(self._flows) >= FLOWS_MAX:
                oldest = self._flows.pop(next(iter(self._flows)))[0]
                asyncio.get_running_loop().remove_reader(oldest)
                oldest.close()
            out = transparent(socket.SOCK_DGRAM, client)
            out.connect(server)
            flow = out, Editor(self._flavour, client[0], self._outside)
            self._flows[client, server] = flow
            asyncio.get_running_loop().add_reader(out, self._answer, out, client, server)
        return flow

    def _answer(self, out: socket.socket, client: Address, server: Address) -> None:
        with contextlib.suppress(OSError):
            data = out.recv(CHUNK)
            if server not in self._speaking:
                if len(self._speaking) >= FLOWS_MAX:
                    self._speaking.pop(next(iter(self._speaking))).close()
                self._speaking[server] = transparent(socket.SOCK_DGRAM, server)
            self._speaking[server].sendto(data, client)


def transparent(kind: socket.SocketKind, address: Address) -> socket.socket:
    """A socket with an address that is another's."""
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_TRANSPARENT, 1)
        sock.setblocking(False)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


async def _beyond(
    client: Address, server: Address
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = transparent(socket.SOCK_STREAM, client)
    try:
        await asyncio.get_running_loop().sock_connect(sock, server)
        return await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise


async def _inward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.close()


async def serve(settings: dict[str, Any]) -> None:
    """Until cancelled."""
    box = Box(settings)
    here = ("0.0.0.0", settings["port"])
    server = await asyncio.start_server(box.connected, sock=transparent(socket.SOCK_STREAM, here))
    datagrams = transparent(socket.SOCK_DGRAM, here)
    datagrams.setsockopt(socket.IPPROTO_IP, IP_RECVORIGDSTADDR, 1)
    asyncio.get_running_loop().add_reader(datagrams, box.datagram, datagrams)
    os.write(1, b"ready\n")
    await server.serve_forever()


if __name__ == "__main__":
    service = threading.Thread(
        target=lambda: asyncio.run(serve(json.loads(sys.argv[1]))), daemon=True
    )
    service.start()
    sys.stdin.read()
