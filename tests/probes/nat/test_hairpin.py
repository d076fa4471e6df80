"""Hairpinning: what is sent to the address that a server names, and when nothing is."""

from __future__ import annotations

import socket
import sys

import msgspec
import pytest

from probes.nat import hairpin
from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.probes.nat.simulated import OTHER, PUBLIC, Nat, Server, known, simulated

IP_RECVTTL = 12  # linux/in.h; the socket module does not name it


async def test_heard() -> None:
    async with simulated(Nat(hairpin=True)) as simulation:
        found = await hairpin.run(simulation.path())
    assert found.heard == 1
    assert found.source is not None
    assert found.source.startswith(f"{PUBLIC}:")
    assert found.hop_limit == 8


def door() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    sock.bind(("127.0.0.99", 0))
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("loss", [0.0, 0.2])
async def test_what_somebody_would_get_who_is_not_us(loss: float) -> None:
    """A lying server names the address of somebody else, at every destination."""
    if sys.platform != "linux":  # the addresses of the simulation are Linux' as well
        raise OSError("these addresses are Linux'")
    with door() as victim:
        name = Endpoint(*victim.getsockname())

        def lie(message: stun.Message) -> stun.Message:
            return msgspec.structs.replace(message, xor_mapped_address=name, mapped_address=None)

        async with simulated(Nat(loss=loss), Server(edit=lie)) as simulation:
            found = await hairpin.run(simulation.path())
        got: list[tuple[int, int]] = []
        for _ in range(len(found.attempts)):
            data, ancillary, _, _ = victim.recvmsg(2048, 64)
            got.append((len(data), int.from_bytes(ancillary[0][2], "little")))
        with pytest.raises(BlockingIOError):
            victim.recv(2048)
    assert 6 <= len(got) <= hairpin.PACKETS_MAX
    assert set(got) == {(20, 8)}
    assert found.heard == 0


@pytest.mark.parametrize(
    ("address", "why"),
    [("224.0.0.251", "cannot be"), ("255.255.255.255", "cannot be"), ("0.0.0.0", "cannot be")],
)
async def test_addresses_that_nobody_has(address: str, why: str) -> None:
    def lie(message: stun.Message) -> stun.Message:
        named = Endpoint(address, 5000)
        return msgspec.structs.replace(message, xor_mapped_address=named)

    async with simulated(server=Server(edit=lie)) as simulation:
        found = await hairpin.run(simulation.path())
    assert why in found.untested
    assert found.attempts == ()


async def test_servers_that_disagree() -> None:
    def lie(message: stun.Message) -> stun.Message:
        origin = message.response_origin
        if origin is None or origin.address != OTHER:
            return message
        return msgspec.structs.replace(message, xor_mapped_address=Endpoint("127.0.0.99", 5000))

    async with simulated(server=Server(edit=lie)) as simulation:
        found = await hairpin.run(simulation.path())
    assert found.untested == "one socket has several public addresses"


async def test_one_witness_is_not_enough() -> None:
    async with simulated(server=Server(second_port=False, second_address=False)) as simulation:
        found = await hairpin.run(simulation.path())
    assert "only one server port" in found.untested


async def test_nothing_learned() -> None:
    async with simulated(Nat(loss=1.0)) as simulation:
        found = await hairpin.run(known(simulation.path()))
    assert found.untested == "the public address was not learned"


async def test_no_translation() -> None:
    async with simulated(Nat(present=False)) as simulation:
        found = await hairpin.run(simulation.path())
    assert found.untested == "no address is translated"


async def test_no_socket() -> None:
    async with simulated() as simulation:
        path = simulation.path()
        path.local_address = "192.0.2.1"
        found = await hairpin.run(path)
    assert found.untested.startswith("this computer: ")


def test_a_private_address_is_none_that_the_internet_sees() -> None:
    assert not hairpin.may_be_ours("192.168.1.1", "8.8.8.8")
    assert hairpin.may_be_ours("192.168.1.1", "10.0.0.1")
    for own in ("127.0.0.1", "169.254.1.1"):  # a private server could aim us at ourselves
        assert not hairpin.may_be_ours(own, "10.0.0.1")
        assert hairpin.may_be_ours(own, own)
    assert hairpin.may_be_ours("8.8.4.4", "8.8.8.8")
