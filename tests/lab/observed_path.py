"""What a path does to packets beside NAT: TTL, fragments, sizes and ICMP, seen by plain sockets."""

from __future__ import annotations

import itertools
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Literal

from tests.lab.description import SERVER
from tests.lab.network import Lab
from tests.lab.traffic import PATIENCE_S, SILENCE_S, silent, udp

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

# linux/in.h and linux/errqueue.h; the socket module names none of them
IP_RECVERR = 11
IP_MTU = 14
IP_MTU_DISCOVER = 10
IP_PMTUDISC_DO = 2
IP_PMTUDISC_PROBE = 3
IP_AND_UDP = 28  # octets of their headers
MORE_FRAGMENTS = 0x2000  # RFC 791
PORT = 5100
_identifications = itertools.count(4711)


def _client(lab: Lab) -> socket.socket:
    with lab.inside("client"):
        return udp("0.0.0.0")


def hop(lab: Lab, ttl: int) -> str | None:
    """Who says that the TTL of a datagram ended; None for nobody."""
    with _client(lab) as sock:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sock.connect((SERVER, PORT))
        sock.send(b"ttl")
        sock.setblocking(False)
        deadline = time.monotonic() + SILENCE_S
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                ancillary = sock.recvmsg(100, 100, socket.MSG_ERRQUEUE)[1]
                # struct sock_extended_err, then the offender's struct sockaddr_in
                return socket.inet_ntoa(ancillary[0][2][20:24])
            time.sleep(0.005)
    return None


def port_unreachable(lab: Lab) -> bool:
    """Whether the client is told that nobody has the server's port."""
    with _client(lab) as sock:
        sock.connect((SERVER, PORT))
        sock.send(b"anybody?")
        sock.settimeout(SILENCE_S)
        try:
            sock.recv(10)
        except ConnectionRefusedError:
            return True
        except TimeoutError:
            return False
    raise AssertionError("somebody has the port")


def fragments_arrive(lab: Lab, *, in_order: bool, node: str = "client") -> bool:
    """Whether a datagram in two fragments reaches the other end, written octet by octet."""
    data = b"fragment" * 200
    with lab.inside("server"):
        server = udp(SERVER, PORT)
    client = _client(lab)
    with server, client:
        client.sendto(b"open", (SERVER, PORT))
        public = server.recvfrom(10)[1]
        source, target = (lab.network.client, client.getsockname()[1]), (SERVER, PORT)
        sink = server
        if node == "server":
            source, target, sink = target, public, client
        identification = next(_identifications)
        datagram = struct.pack("!4H", source[1], target[1], 8 + len(data), 0) + data
        with (
            lab.inside("server" if node == "server" else "client"),
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw,
        ):
            cut = 800  # a multiple of 8, the unit of the offset
            parts = [(MORE_FRAGMENTS, datagram[:cut]), (cut // 8, datagram[cut:])]
            for field, part in parts if in_order else reversed(parts):
                header = struct.pack(
                    *("!BBHHHBBH4s4s", 0x45, 0, 20 + len(part), identification),
                    *(field, 64, socket.IPPROTO_UDP, 0),
                    *(socket.inet_aton(address) for address in (source[0], target[0])),
                )
                raw.sendto(header + part, (target[0], 0))
        sink.settimeout(SILENCE_S)
        with suppress(TimeoutError):
            return sink.recv(65535) == data
    return False


def fits(lab: Lab, octets: int, *, to_client: bool = False) -> bool:
    """Whether a packet of `octets`, which must not be fragmented, gets through."""
    with lab.inside("server"):
        server = udp(SERVER, PORT)
    client = _client(lab)
    with server, client:
        client.sendto(b"open", (SERVER, PORT))
        public = server.recvfrom(10)[1]
        sender, target, sink = client, (SERVER, PORT), server
        if to_client:
            sender, target, sink = server, public, client
        # "probe": whatever errors have told this host before
        sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
        sender.sendto(bytes(octets - IP_AND_UDP), target)
        return not silent(sink)


def mtu_told(lab: Lab) -> int:
    """The path MTU in octets that the client's system knows after a packet of 1500."""
    with _client(lab) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        sock.connect((SERVER, PORT))
        sock.settimeout(SILENCE_S)
        with suppress(OSError):  # "too long" once it has been told
            sock.send(bytes(1500 - IP_AND_UDP))
            sock.recv(10)
        return int(sock.getsockopt(socket.IPPROTO_IP, IP_MTU))


def unsolicited_syn(lab: Lab, port: int = 45678) -> Literal["silence", "reset", "icmp", "accepted"]:
    """What the server gets that calls a port of the public address which nobody has used."""
    with (
        lab.inside("server"),
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as errors,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as caller,
    ):
        caller.settimeout(SILENCE_S)
        try:
            caller.connect((lab.network.public, port))
        except TimeoutError:
            return "silence"
        except ConnectionRefusedError:  # the system's name for both
            errors.setblocking(False)
            with suppress(BlockingIOError):
                errors.recv(100)
                return "icmp"
            return "reset"
    return "accepted"


def passes(lab: Lab, port: int) -> bool:
    """Whether a datagram from the client reaches the server's `port`."""
    with lab.inside("server"):
        server = udp(SERVER, port)
    with server, _client(lab) as client:
        client.sendto(b"out", (SERVER, port))
        return not silent(server)


def accepts(lab: Lab, port: int) -> bool:
    """Whether a TCP connection from the client reaches the server's `port`."""
    with lab.inside("server"):
        listener = socket.create_server((SERVER, port))
    with (
        listener,
        lab.inside("client"),
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as caller,
    ):
        caller.settimeout(SILENCE_S)
        with suppress(TimeoutError):
            caller.connect((SERVER, port))
            listener.settimeout(PATIENCE_S)
            listener.accept()[0].close()
            return True
    return False
