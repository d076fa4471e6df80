"""Filtering against servers that do not do as they are asked, and sockets that are kept apart."""

from __future__ import annotations

from typing import Literal

import pytest

from probes.nat import filtering
from probes.observation import NatFiltering, Unasked
from probes.wire import stun
from tests.probes.nat.simulated import Nat, Server, known, simulated

OPEN = Nat(filtering="endpoint-independent")


def by_source(observation: NatFiltering) -> dict[str, Unasked]:
    return {t.source: t for t in observation.tests}


async def test_each_question_has_a_socket_that_sends_to_one_place_only() -> None:
    async with simulated(OPEN) as simulation:
        await filtering.run(simulation.path())
        destinations: dict[int, set[str]] = {}
        changes: dict[int, set[bool]] = {}
        for (client, to), data in zip(simulation.received, simulation.requests, strict=True):
            destinations.setdefault(client.port, set()).add(str(to))
            request = stun.read(data)
            if request.change_port:
                changes.setdefault(client.port, set()).add(request.change_ip)
    assert len(destinations) == 2
    assert all(to == {f"127.0.0.5:{simulation.port}"} for to in destinations.values())
    assert sorted(map(len, changes.values())) == [1, 1]


async def test_silence_beside_answers() -> None:
    async with simulated(Nat(filtering="address-dependent")) as simulation:
        found = by_source(await filtering.run(simulation.path()))
    assert (found["other-port"].heard, found["other-port"].untested) == (1, "")
    silent = found["other-address"]
    assert (silent.heard, silent.untested) == (0, "")
    assert silent.asked >= 6
    assert silent.control_sent == silent.control_heard == silent.asked
    assert {a.outcome for a in silent.attempts} == {"silent"}


@pytest.mark.parametrize(
    ("change", "says"), [("refuses", "declines: error 420 Unknown"), ("ignores", "did not answer")]
)
async def test_a_server_that_does_not_change(
    change: Literal["refuses", "ignores"], says: str
) -> None:
    async with simulated(OPEN, Server(change=change)) as simulation:
        found = await filtering.run(simulation.path())
    for test in found.tests:
        assert says in test.untested
        assert test.heard == 0


async def test_a_server_with_one_address_is_not_asked() -> None:
    async with simulated(OPEN, Server(names_other=False)) as simulation:
        found = await filtering.run(simulation.path())
        assert len(simulation.received) == 2
    assert {t.untested for t in found.tests} == {"the STUN server has no second address"}


async def test_no_answer_at_all_is_untested() -> None:
    async with simulated(Nat(loss=1.0)) as simulation:
        found = await filtering.run(known(simulation.path()))
    assert {t.untested for t in found.tests} == {"the STUN server did not answer"}


async def test_no_socket() -> None:
    async with simulated() as simulation:
        path = simulation.path()
        path.local_address = "192.0.2.1"
        found = await filtering.run(path)
    assert all(t.untested.startswith("this computer: ") for t in found.tests)
