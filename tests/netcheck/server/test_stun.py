"""STUN, answered: the rules of RFC 5780, and what nobody may use the server for.

The rules are tested without sockets, then what only sockets can show on loopback.  Loopback
keeps the order of datagrams: what must stay unanswered is followed by a request, and the first
answer must be to that one.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.server import stun as rules
from netcheck.server.limits import ServerLimits, SharedBuckets
from netcheck.server.serve import EchoServer, ServerConfig
from netcheck.server.stun import Here, reply_to
from netcheck.server.stun_ports import StunService, StunUdp
from probes.wire import messages, stun
from probes.wire.frame import Endpoint
from probes.wire.stun import Message
from tests.netcheck.loopback import address
from tests.netcheck.server.client import PATIENCE_S, session

SOURCE = Endpoint("203.0.113.7", 40000)
ONE, OTHER = "198.51.100.5", "198.51.100.6"
ALONE = Here(address=ONE, port=3478)
PAIR = Here(address=ONE, port=3478, other_address=OTHER, other_port=3479)
PLENTY = 200
"""Bytes of a request that no answer of ours exceeds, IPv6 included."""


def request(classic: bool = False, **fields: Any) -> Message:
    key = secrets.token_bytes(16) if classic else stun.transaction(secrets.token_bytes(12))
    return Message(kind="request", transaction=key, **fields)


def asked(
    wanted: Message,
    here: Here = PAIR,
    *,
    source: Endpoint = SOURCE,
    transport: Literal["tcp", "udp"] = "udp",
    at_least: int = PLENTY,
) -> tuple[rules.Reply, Message]:
    data = stun.write(wanted, at_least=at_least)
    reply = reply_to(data, source, here, transport)
    assert reply is not None
    answer = stun.read(reply.data)
    assert answer.transaction == wanted.transaction
    assert reply.gain is (transport == "udp" and len(reply.data) > len(data))
    return reply, answer


# The rules: RFC 5780 section 6.1


@pytest.mark.parametrize(
    ("change_ip", "change_port", "origin"),
    [
        (False, False, Endpoint(ONE, 3478)),
        (False, True, Endpoint(ONE, 3479)),
        (True, False, Endpoint(OTHER, 3478)),
        (True, True, Endpoint(OTHER, 3479)),
    ],
)
def test_the_answer_leaves_from_where_it_was_asked_to(
    change_ip: bool, change_port: bool, origin: Endpoint
) -> None:
    reply, answer = asked(request(change_ip=change_ip, change_port=change_port))
    assert (reply.change_ip, reply.change_port, reply.port) == (change_ip, change_port, None)
    assert answer == Message(
        kind="success",
        transaction=answer.transaction,
        mapped_address=SOURCE,
        xor_mapped_address=SOURCE,
        response_origin=origin,
        other_address=Endpoint(OTHER, 3479),
        software=rules.SOFTWARE,
    )


def test_a_server_with_one_address_names_no_other() -> None:
    _, answer = asked(request(), ALONE)
    assert answer.kind == "success"
    assert answer.other_address is None
    assert answer.response_origin == Endpoint(ONE, 3478)


@pytest.mark.parametrize("change", [{"change_ip": True}, {"change_port": True}])
@pytest.mark.parametrize(("here", "transport"), [(ALONE, "udp"), (PAIR, "tcp"), (ALONE, "tcp")])
@pytest.mark.parametrize("classic", [False, True])
def test_what_cannot_be_changed_is_refused_clearly(
    change: dict[str, bool], here: Here, transport: Literal["tcp", "udp"], classic: bool
) -> None:
    reply, answer = asked(request(classic, **change), here, transport=transport)
    assert (answer.kind, answer.error_code) == ("error", 420)
    assert answer.unknown_attributes == (0x0003,)
    assert not reply.change_ip
    assert not reply.change_port


@pytest.mark.parametrize(("port", "source_port"), [(1024, 40000), (65535, 40000), (500, 500)])
def test_an_answer_to_another_port_of_the_same_address(port: int, source_port: int) -> None:
    source = Endpoint(SOURCE.address, source_port)
    reply, answer = asked(request(response_port=port), source=source)
    assert answer.kind == "success"
    assert answer.xor_mapped_address == source
    assert reply.port == port


@pytest.mark.parametrize(
    "fields",
    [
        {"response_port": 0},
        {"response_port": 53},
        {"response_port": 1023},
        {"response_port": 5000, "change_ip": True},
        {"response_port": 5000, "change_port": True},
        {"response_port": 5000, "padding": 4},
    ],
)
def test_a_response_port_that_is_refused(fields: dict[str, Any]) -> None:
    reply, answer = asked(request(**fields))
    assert (answer.kind, answer.error_code) == ("error", 400)
    assert answer.reason
    assert (reply.port, reply.change_ip, reply.change_port) == (None, False, False)


def test_over_tcp_there_is_no_response_port() -> None:
    reply, answer = asked(request(response_port=5000), transport="tcp")
    assert (answer.error_code, answer.unknown_attributes) == (420, (0x0027,))
    assert reply.port is None


@pytest.mark.parametrize("number", [0x0002, 0x000B, 0x0024, 0x7FFF])
@pytest.mark.parametrize("key", [stun.transaction(bytes(12)), bytes(16)])
def test_what_is_not_understood_is_named(number: int, key: bytes) -> None:
    """0x0002 is RESPONSE-ADDRESS, by which a server could be aimed at anybody."""
    attribute = number.to_bytes(2, "big") + b"\0\x08" + bytes.fromhex("0001c000c0000221")
    data = b"\0\x01\0\x0c" + key + attribute
    reply = reply_to(data, SOURCE, PAIR, "udp")
    assert reply is not None
    answer = stun.read(reply.data)
    assert (answer.kind, answer.error_code) == ("error", 420)
    assert answer.unknown_attributes == (number,)
    assert reply.port is None


@pytest.mark.parametrize("padding", [200, 1000, 1472, 8001])
def test_padding_is_answered_with_as_much_as_came(padding: int) -> None:
    wanted = request(padding=padding)
    reply, answer = asked(wanted, at_least=0)
    assert len(reply.data) == len(stun.write(wanted))
    assert answer.xor_mapped_address == SOURCE


def test_padding_that_brings_no_room_is_not_answered_with_any() -> None:
    reply, answer = asked(request(padding=4), at_least=0)
    assert answer.padding is None
    assert len(reply.data) == 44


def test_a_fingerprint_is_answered_with_one() -> None:
    for asks in (False, True):
        _, answer = asked(request(fingerprint=asks))
        assert answer.fingerprint is asks


@pytest.mark.parametrize("change", [{}, {"change_ip": True, "change_port": True}])
def test_an_old_client_is_answered_in_its_own_words(change: dict[str, bool]) -> None:
    """RFC 3489 section 8.1."""
    _, answer = asked(request(True, **change))
    assert answer == Message(
        kind="success",
        transaction=answer.transaction,
        mapped_address=SOURCE,
        source_address=Endpoint(OTHER, 3479) if change else Endpoint(ONE, 3478),
        changed_address=Endpoint(OTHER, 3479),
    )


@pytest.mark.parametrize("kind", ["indication", "success", "error"])
def test_only_requests_are_answered(kind: Literal["indication", "success", "error"]) -> None:
    data = stun.write(Message(kind=kind, transaction=stun.transaction(bytes(12))))
    assert reply_to(data, SOURCE, PAIR, "udp") is None


def test_other_methods_are_not_answered() -> None:
    """0x003 is TURN's Allocate: this is no relay."""
    assert reply_to(stun.write(request(method=3)), SOURCE, PAIR, "udp") is None


# The size of an answer

SIZES = {
    # What turnutils_natdiscovery, aioice, pystun3 and Debian's stun send, and what they need.
    "bare": (request(), 20, {"xor_mapped_address", "other_address"}),
    "bare, asked to change": (request(change_ip=True), 28, {"xor_mapped_address"}),
    "old": (request(True), 20, {"mapped_address", "changed_address"}),
    "old, asked to change": (request(True, change_ip=True), 28, {"mapped_address"}),
}


@pytest.mark.parametrize("name", SIZES)
def test_to_a_short_request_only_the_least_is_said(name: str) -> None:
    wanted, size, least = SIZES[name]
    assert len(stun.write(wanted)) == size
    reply, answer = asked(wanted, at_least=0)
    named = {field for field in Message.__struct_fields__ if "address" in field}
    assert {field for field in named if getattr(answer, field)} == least
    assert answer.software is None
    assert len(reply.data) <= 44


endpoints = st.builds(Endpoint, st.ip_addresses().map(str), st.integers(1, 65535))
heres = st.one_of(
    st.builds(Here, address=st.ip_addresses().map(str), port=st.just(3478)),
    st.builds(
        Here,
        address=st.ip_addresses(v=6).map(str),
        port=st.just(3478),
        other_address=st.ip_addresses(v=6).map(str),
        other_port=st.just(3479),
    ),
)
requests = st.builds(
    Message,
    kind=st.just("request"),
    transaction=st.binary(min_size=16, max_size=16)
    | st.binary(min_size=12, max_size=12).map(stun.transaction),
    change_ip=st.booleans(),
    change_port=st.booleans(),
    response_port=st.none() | st.integers(0, 65535),
    padding=st.none() | st.integers(0, 300),
    fingerprint=st.booleans(),
    software=st.none() | st.text(max_size=20),
)


@given(requests, endpoints, heres, st.integers(0, 400))
def test_no_answer_is_larger_than_a_request_that_is_large_enough(
    wanted: Message, source: Endpoint, here: Here, at_least: int
) -> None:
    data = stun.write(wanted, at_least=at_least)
    reply = reply_to(data, source, here, "udp")
    assert reply is not None
    stun.read(reply.data)
    assert reply.gain is (len(reply.data) > len(data))
    assert len(reply.data) <= max(len(data), 20 + 24 + 24 + 8)
    if at_least >= 20 + 24 + 24 + 8:
        assert not reply.gain


@given(st.binary(max_size=300), st.sampled_from(["tcp", "udp"]))
def test_any_bytes_get_an_answer_or_none(data: bytes, transport: Literal["tcp", "udp"]) -> None:
    head = b"\0\x01" + len(data[: len(data) // 4 * 4]).to_bytes(2, "big")
    for each in (data, head + stun.transaction(bytes(12)) + data[: len(data) // 4 * 4]):
        reply = reply_to(each, SOURCE, PAIR, transport)
        if reply is not None:
            assert stun.read(reply.data).kind in ("success", "error")


# Sockets

Stun = Callable[..., Coroutine[Any, Any, EchoServer]]


@pytest.fixture
async def serve_stun(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stun]:
    """Start a server with STUN on its usual ports: ``await serve_stun("127.1.2.3", ...)``; a
    keyword is one of its limits or, for the server as a whole, ``advertise`` or ``stun_port``."""
    running: list[EchoServer] = []
    folder: Path = tmp_path_factory.getbasetemp() / "stun-server"

    async def start(*listen: str, **changes: Any) -> EchoServer:
        whole = {k: changes.pop(k) for k in ("advertise", "stun_port") if k in changes}
        server = EchoServer(
            ServerConfig(
                listen=listen,
                control_ports=(0,),
                data_dir=folder,
                limits=ServerLimits(**changes),
                **whole,
            )
        )
        running.append(server)
        await server.start()
        return server

    yield start
    for server in running:
        await server.close()


class Client:
    """A UDP socket on an address of its own."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, wanted: Message | bytes, to: str, port: int = 3478, at_least: int = 200) -> None:
        data = wanted if isinstance(wanted, bytes) else stun.write(wanted, at_least=at_least)
        self.sock.sendto(data, (to, port))

    async def hear(self) -> tuple[Message, Endpoint, int]:
        """The next message, from where it came, and its size."""
        async with asyncio.timeout(PATIENCE_S):
            data, sender = await asyncio.get_running_loop().sock_recvfrom(self.sock, 65536)
        return stun.read(data), Endpoint(*sender[:2]), len(data)

    async def ask(self, wanted: Message, to: str, port: int = 3478) -> tuple[Message, Endpoint]:
        self.send(wanted, to, port)
        answer, sender, _ = await self.hear()
        assert answer.transaction == wanted.transaction
        return answer, sender

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(*self.sock.getsockname()[:2])


@contextmanager
def client(at: str | None = None) -> Iterator[Client]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((at or address(), 0))
        yield Client(sock)


async def test_answers_come_from_all_four_endpoints(serve_stun: Stun) -> None:
    one, two = address(), address()
    await serve_stun(one, two)
    mine = {one: two, two: one}
    for to in (one, two):
        for port in (3478, 3479):
            for change_ip in (False, True):
                for change_port in (False, True):
                    with client() as each:
                        wanted = request(change_ip=change_ip, change_port=change_port)
                        answer, sender = await each.ask(wanted, to, port)
                        changed = 3478 + 3479 - port
                        expected = Endpoint(
                            mine[to] if change_ip else to, changed if change_port else port
                        )
                        assert sender == expected
                        assert answer.response_origin == expected
                        assert answer.other_address == Endpoint(mine[to], changed)
                        assert answer.xor_mapped_address == each.endpoint


async def test_it_answers_over_ipv6(serve_stun: Stun) -> None:
    server = await serve_stun("::1", stun_port=(port := _free_pair("::1")))
    assert server.problems == []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(("::1", 0))
        each = Client(sock)
        wanted = request(response_port=each.endpoint.port)
        for to in (port, port + 1):
            answer, sender = await each.ask(wanted, "::1", to)
            assert sender == answer.response_origin == Endpoint("::1", to)
            assert answer.xor_mapped_address == answer.mapped_address == each.endpoint
            assert answer.other_address is None


async def test_a_response_port_is_another_socket_of_the_same_host(serve_stun: Stun) -> None:
    one, home = address(), address()
    await serve_stun(one)
    with client(home) as asking, client(home) as named:
        asking.send(request(response_port=named.endpoint.port), one)
        answer, sender, _ = await named.hear()
        assert sender == Endpoint(one, 3478)
        assert answer.xor_mapped_address == asking.endpoint


async def test_response_address_aims_the_server_at_nobody(serve_stun: Stun) -> None:
    one, two = address(), address()
    await serve_stun(one, two)
    with client() as victim, client() as attacker:
        target = stun.write(request(True, mapped_address=victim.endpoint))
        aimed = target.replace(b"\0\x01\0\x08", b"\0\x02\0\x08")  # the same as RESPONSE-ADDRESS
        assert aimed != target
        for key in (aimed[4:20], stun.transaction(bytes(12))):
            attacker.send(aimed[:4] + key + aimed[20:], one)
            answer, _, size = await attacker.hear()
            assert (answer.error_code, answer.unknown_attributes) == (420, (2,))
            assert size <= len(aimed) + 8
        victim.send(wanted := request(), one)
        first, _, _ = await victim.hear()
        assert first.transaction == wanted.transaction


async def test_hostile_datagrams_stay_unanswered(serve_stun: Stun) -> None:
    one = address()
    await serve_stun(one)
    good = stun.write(request(fingerprint=True))
    hostile = [b"", b"\0", good[:-1], good[:-4] + b"\0\0\0\0", b"\xff" * 1400, bytes(20) + b"x"]
    with client() as each:
        for data in hostile:
            each.send(data, one)
        answer, _ = await each.ask(request(), one)
        assert answer.kind == "success"


async def test_for_our_client_the_gain_is_at_most_one(serve_stun: Stun) -> None:
    one, two = address(), address()
    await serve_stun(one, two, stun_gain_burst=0)
    with client() as each:
        for fields in ({}, {"change_ip": True}, {"padding": 1200}, {"response_port": 53}):
            wanted = request(fingerprint=True, **fields)
            each.send(wanted, one)
            answer, _, size = await each.hear()
            assert answer.transaction == wanted.transaction
            assert size <= len(stun.write(wanted, at_least=200))


async def test_larger_answers_are_rationed_for_each_source(serve_stun: Stun) -> None:
    one, greedy, calm = address(), address(), address()
    await serve_stun(one, stun_gain_per_s=0.001, stun_gain_burst=3)
    with client(greedy) as each, client(greedy) as again, client(calm) as other:
        for _ in range(10):
            each.send(request(), one, at_least=0)
        again.send(request(), one, at_least=0)  # another port is no other source
        again.send(padded := request(), one)
        each.send(last := request(), one)
        answers = [(await each.hear())[0] for _ in range(4)]
        assert answers[-1].transaction == last.transaction
        assert (await again.hear())[0].transaction == padded.transaction
        other.send(bare := request(), one, at_least=0)
        assert (await other.hear())[0].transaction == bare.transaction


class Behind(asyncio.DatagramTransport):
    """A transport that has ``unsent`` bytes to send."""

    def __init__(self, unsent: int) -> None:
        super().__init__()
        self.unsent = unsent
        self.sent: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def sendto(self, data: Any, addr: Any = None) -> None:
        self.sent.append(data)


@pytest.mark.parametrize(("unsent", "answered"), [(0, True), (999, True), (1000, False)])
async def test_answers_that_cannot_leave_do_not_pile_up(unsent: int, answered: bool) -> None:
    sender = StunUdp(StunService(ServerLimits(stun_unsent=1000)), (ONE, 3478))
    transport = Behind(unsent)
    sender.connection_made(transport)
    sender.send(b"answer", (SOURCE.address, SOURCE.port))
    assert transport.sent == ([b"answer"] if answered else [])


# The ration


def test_no_flood_of_sources_refills_a_bucket() -> None:
    buckets = SharedBuckets(0.001, 5, count=64)
    assert [buckets.take("203.0.113.1", 0.0) for _ in range(6)] == [True] * 5 + [False]
    for number in range(20_000):
        buckets.take(f"forged {number}", 0.0)
    assert not buckets.take("203.0.113.1", 1.0)
    assert len(buckets._buckets) == 64


def test_all_sources_together_have_no_more_than_the_buckets_hold() -> None:
    buckets = SharedBuckets(0.001, 5, count=64)
    assert sum(buckets.take(f"forged {number}", 0.0) for number in range(20_000)) == 64 * 5


# TCP


@contextmanager
def connected(to: str, port: int = 3478) -> Iterator[socket.socket]:
    with socket.socket() as sock:
        sock.bind((address(), 0))
        sock.connect((to, port))  # at once on loopback
        sock.setblocking(False)
        yield sock


async def received(sock: socket.socket, size: int) -> bytes:
    """``size`` bytes, or fewer where the connection ended."""
    data = b""
    async with asyncio.timeout(PATIENCE_S):
        while len(data) < size:
            try:
                more = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
            except ConnectionError:
                break
            if not more:
                break
            data += more
    return data


async def one_answer(sock: socket.socket) -> Message:
    head = await received(sock, 4)
    return stun.read(head + await received(sock, stun.length_of(head) - 4))


async def test_requests_over_tcp_are_told_apart_and_answered_in_order(serve_stun: Stun) -> None:
    one, two = address(), address()
    await serve_stun(one, two)
    wanted = [request(), request(fingerprint=True), request(change_ip=True), request(True)]
    stream = b"".join(map(stun.write, wanted))
    with connected(one, 3479) as sock:
        for start in range(0, len(stream), 7):
            sock.send(stream[start : start + 7])
            await asyncio.sleep(0)
        answers = [await one_answer(sock) for _ in wanted]
        assert [a.transaction for a in answers] == [w.transaction for w in wanted]
        assert answers[0].xor_mapped_address == Endpoint(*sock.getsockname())
        assert answers[0].response_origin == Endpoint(one, 3479)
        assert answers[0].other_address == Endpoint(two, 3478)
        assert answers[2].error_code == 420


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\x01\0\x02" + bytes(18),
        b"\0\x01\xff\xfc" + stun.transaction(bytes(12)),
        stun.write(Message(kind="indication", transaction=bytes(16))),
        stun.write(request(method=3)),
        stun.write(request(fingerprint=True))[:-1] + b"x",
    ],
    ids=["http", "no-cookie-odd-length", "too-long", "indication", "unknown-method", "damaged"],
)
async def test_other_bytes_end_a_connection(serve_stun: Stun, data: bytes) -> None:
    one = address()
    await serve_stun(one)
    with connected(one) as sock:
        sock.send(data)
        assert await received(sock, 1) == b""


async def test_a_silent_connection_is_ended(serve_stun: Stun) -> None:
    one = address()
    await serve_stun(one, first_frame_s=0.05, connection_s=0.1)
    with connected(one) as silent, connected(one) as busy:
        assert await received(silent, 1) == b""
        assert await received(busy, 1) == b""
    with connected(one) as slow:
        slow.send(stun.write(request()))
        assert (await one_answer(slow)).kind == "success"
        assert await received(slow, 1) == b""


async def test_connections_and_their_requests_are_bounded(serve_stun: Stun) -> None:
    one = address()
    await serve_stun(one, stun_connections=2, stun_requests=3)
    with connected(one) as first, connected(one) as second:
        for sock in (first, second):
            sock.send(stun.write(request()))
            await one_answer(sock)
        with connected(one) as third:
            assert await received(third, 1) == b""
        first.send(stun.write(request()) * 9)
        assert [(await one_answer(first)).kind for _ in range(2)] == ["success"] * 2
        assert await received(first, 1) == b""


async def test_one_source_does_not_take_all_connections(serve_stun: Stun) -> None:
    one, home = address(), address()
    await serve_stun(one, stun_connections_per_source=2)
    with socket.socket() as a, socket.socket() as b, socket.socket() as c, connected(one) as other:
        for sock in (a, b, c):
            sock.bind((home, 0))
            sock.connect((one, 3478))
            sock.setblocking(False)
        assert await received(c, 1) == b""
        for sock in (a, b, other):
            sock.send(stun.write(request()))
            assert (await one_answer(sock)).kind == "success"


# The server as a whole


async def offered(server: EchoServer) -> messages.StunOffer | None:
    """What the welcome on the server's first address says."""
    return server._offer(server.addresses[0]).stun


@pytest.mark.parametrize("port", [None, 0])
async def test_it_can_be_off(serve_stun: Stun, port: int | None) -> None:
    server = await serve_stun(one := address(), stun_port=port)
    assert await offered(server) is None
    with socket.socket() as sock:
        assert sock.connect_ex((one, 3478)) != 0


async def test_the_welcome_offers_what_there_is(serve_stun: Stun) -> None:
    server = await serve_stun("127.0.0.1", stun_port=(port := _free_pair("127.0.0.1")))
    async with session(server) as check:
        assert check.welcome.stun == messages.StunOffer(port=port, other_port=port + 1)


async def test_the_other_address_is_offered_and_in_the_link(serve_stun: Stun) -> None:
    one, two = address(), address()
    server = await serve_stun(one, two)
    expected = messages.StunOffer(port=3478, other_port=3479, other_address=two)
    assert await offered(server) == expected
    assert server.problems == []
    assert [(link.host, link.also) for link in server.links()] == [(one, (two,)), (two, (one,))]
    assert server.other_address(one) == two


async def test_behind_a_nat_the_public_addresses_are_named(serve_stun: Stun) -> None:
    one, two = address(), address()
    server = await serve_stun(one, two, advertise=("198.51.100.5", "198.51.100.6"))
    with client() as each:
        answer, sender = await each.ask(request(change_ip=True), one)
        assert sender == Endpoint(two, 3478)
        assert answer.response_origin == Endpoint("198.51.100.6", 3478)
        assert answer.other_address == Endpoint("198.51.100.6", 3479)
    assert server.links()[0].also == ("198.51.100.6",)
    offer = await offered(server)
    assert offer is not None
    assert offer.other_address == "198.51.100.6"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_taken_port_is_named_and_offered_over_neither_transport(
    serve_stun: Stun, kind: socket.SocketKind
) -> None:
    one, two = address(), address()
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((two, 3479))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        server = await serve_stun(two, one)
        name = "TCP" if kind is socket.SOCK_STREAM else "UDP"
        assert server.problems == [f"STUN {name} 3479 on {two}: taken by another program"]
        assert await offered(server) == messages.StunOffer(port=3478)
        with client() as each, socket.socket() as other:
            # Without the same two ports on both addresses there is no other (RFC 5780 section 6).
            answer, _ = await each.ask(request(), one)
            assert answer.other_address is None
            answer, _ = await each.ask(request(change_port=True), one)
            assert answer.error_code == 420
            if kind is socket.SOCK_DGRAM:
                assert other.connect_ex((two, 3479)) != 0


def _free_pair(at: str) -> int:
    """A port whose neighbour is free as well, over both transports."""
    family = socket.AF_INET6 if ":" in at else socket.AF_INET
    for _ in range(100):
        with socket.socket(family) as first:
            first.bind((at, 0))
            port: int = first.getsockname()[1]
            try:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(family, kind) as second:
                        second.bind((at, port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no free ports")
