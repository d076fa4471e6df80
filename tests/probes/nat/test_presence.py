"""First contact with a STUN server: what it says, and what is not believed."""

from __future__ import annotations

import time

import msgspec
import pytest

from probes.nat import presence
from probes.path import Path, StunServer
from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.probes.nat.simulated import OTHER, SERVER, Nat, Server, known, simulated


async def test_what_a_server_says_of_itself() -> None:
    async with simulated() as simulation:
        path = simulation.path()
        seen = await presence.look(path)
    assert seen.server == f"{SERVER}:{simulation.port}"
    assert [a.outcome for a in seen.attempts] == ["answered"]
    assert seen.software == "simulated"
    assert (seen.other_address, seen.other_used) == (f"{OTHER}:{simulation.other_port}", True)
    assert not seen.classic
    assert seen.rtt_ms is not None
    assert path.pace.rtt_s == pytest.approx(seen.rtt_ms / 1000, rel=0.1)


async def test_the_second_port_is_learned_and_the_second_address_is_not() -> None:
    async with simulated() as simulation:
        path = Path(
            server_address=SERVER,
            local_address="127.0.0.1",
            began=time.monotonic(),
            stun=StunServer(address=SERVER, port=simulation.port),
        )
        seen = await presence.look(path)
    assert path.stun == StunServer(
        address=SERVER, port=simulation.port, other_port=simulation.other_port
    )
    assert seen.other_used is False


async def test_a_server_of_rfc_3489() -> None:
    def classic(message: stun.Message) -> stun.Message:
        return stun.Message(
            kind="success",
            transaction=message.transaction,
            mapped_address=message.mapped_address,
            source_address=message.response_origin,
            changed_address=message.other_address,
        )

    async with simulated(server=Server(edit=classic)) as simulation:
        seen = await presence.look(simulation.path())
    assert seen.classic
    assert seen.other_address == f"{OTHER}:{simulation.other_port}"


async def test_a_closed_port_is_refused() -> None:
    async with simulated() as simulation:
        path = simulation.path()
    seen = await presence.look(path)  # the simulation is gone
    assert {a.outcome for a in seen.attempts} == {"refused"}
    assert seen.rtt_ms is None


async def test_a_silent_server() -> None:
    async with simulated(Nat(loss=1.0)) as simulation:
        seen = await presence.look(known(simulation.path()))
    assert {a.outcome for a in seen.attempts} == {"silent"}
    assert len(seen.attempts) >= 6


async def test_an_address_that_this_computer_does_not_have() -> None:
    async with simulated() as simulation:
        path = simulation.path()
        path.local_address = "192.0.2.1"
        seen = await presence.look(path)
    assert [a.outcome for a in seen.attempts] == ["local-error"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"", "silent"),
        (b"\x01\x01\x00\x04" + bytes(16), "silent"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "silent"),
        (stun.Message(kind="success", transaction=stun.transaction(bytes(12))), "silent"),
        (stun.Message(kind="request", transaction=b"="), "silent"),
        (stun.Message(kind="success", transaction=b"="), "altered"),
        (stun.Message(kind="error", transaction=b"=", error_code=500, reason="\x1b[2J"), "closed"),
    ],
)
async def test_answers_that_are_none(answer: bytes | stun.Message, outcome: str) -> None:
    """A transaction of "=" stands for the right one."""

    def hostile(message: stun.Message) -> stun.Message | bytes:
        if isinstance(answer, stun.Message) and answer.transaction == b"=":
            return msgspec.structs.replace(answer, transaction=message.transaction)
        return answer

    async with simulated(server=Server(edit=hostile)) as simulation:
        seen = await presence.look(known(simulation.path()))
    assert {a.outcome for a in seen.attempts} == {outcome}
    assert all(a.detail.isprintable() for a in seen.attempts)
    assert seen.rtt_ms is None


async def test_what_a_server_makes_up_is_bounded() -> None:
    def boasting(message: stun.Message) -> stun.Message:
        return msgspec.structs.replace(
            message, software="\x1b]0;x\x07" + "ä" * 300, other_address=Endpoint(SERVER, 0)
        )

    async with simulated(server=Server(edit=boasting)) as simulation:
        path = simulation.path()
        path.stun = StunServer(address=SERVER, port=simulation.port)
        seen = await presence.look(path)
    assert len(seen.software) <= 80
    assert seen.software.isprintable()
    assert path.stun.other_port is None
