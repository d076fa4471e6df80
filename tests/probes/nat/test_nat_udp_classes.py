"""All UDP probes together, on every class of NAT: what they state, read by the diagnosis."""

from __future__ import annotations

import asyncio

import pytest

from netcheck.diagnosis import nat as diagnosis
from netcheck.diagnosis.facts import Facts
from netcheck.report import model
from probes.nat import filtering, hairpin, mapping, ports, presence
from probes.observation import AnyObservation, Loss
from probes.path import Path
from tests.probes.nat.simulated import CLASSES, Behaviour, Nat, Server, Simulation, simulated


def loss_of(path: Path) -> Loss:
    tally = path.tallies["udp"]
    return Loss(
        id="loss",
        at_s=0.0,
        took_s=0.0,
        control_sent=0,
        control_lost=0,
        udp_sent=tally.sent,
        udp_lost=tally.lost,
    )


async def behaviour(simulation: Simulation, path: Path | None = None) -> model.Nat:
    path = path or simulation.path()
    seen = await presence.look(path)
    found: tuple[AnyObservation, ...] = await asyncio.gather(
        mapping.run(path), filtering.run(path), hairpin.run(path), ports.run(path)
    )
    return diagnosis.judge(Facts((seen, *found, loss_of(path))))


@pytest.mark.parametrize("hairpins", [False, True])
@pytest.mark.parametrize("filters", CLASSES)
@pytest.mark.parametrize("maps", CLASSES)
async def test_every_class(maps: Behaviour, filters: Behaviour, hairpins: bool) -> None:
    async with simulated(Nat(mapping=maps, filtering=filters, hairpin=hairpins)) as simulation:
        found = await behaviour(simulation)
    assert (found.mapping, found.filtering) == (maps, filters)
    assert found.present is True
    if maps == "endpoint-independent" or not hairpins:
        assert found.hairpin is hairpins


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("filters", CLASSES)
@pytest.mark.parametrize("maps", CLASSES)
async def test_loss_never_gives_a_wrong_class(
    maps: Behaviour, filters: Behaviour, seed: int
) -> None:
    lossy = Nat(mapping=maps, filtering=filters, loss=0.1)
    async with simulated(lossy, seed=seed) as simulation:
        found = await behaviour(simulation)
    assert found.mapping == maps
    assert found.filtering in (filters, "unknown")
    assert found.hairpin in (False, None)


async def test_no_translation_and_no_firewall() -> None:
    async with simulated(Nat(present=False, filtering="endpoint-independent")) as simulation:
        found = await behaviour(simulation)
    assert found.present is False
    assert (found.mapping, found.filtering) == ("endpoint-independent", "endpoint-independent")
    assert found.hairpin is None
    assert found.public_addresses == ["127.0.0.1"]


async def test_no_translation_and_a_firewall() -> None:
    async with simulated(Nat(present=False)) as simulation:
        found = await behaviour(simulation)
    assert (found.present, found.filtering) == (False, "address-and-port-dependent")


@pytest.mark.parametrize(
    ("maps", "filters", "mapped", "filtered"),
    [
        ("endpoint-independent", "endpoint-independent", "unknown", "unknown"),
        ("endpoint-independent", "address-dependent", "unknown", "unknown"),
        ("address-dependent", "address-and-port-dependent", "unknown", "unknown"),
        ("address-and-port-dependent", "endpoint-independent", None, "unknown"),
    ],
)
async def test_one_address_tells_less(
    maps: Behaviour, filters: Behaviour, mapped: str | None, filtered: str
) -> None:
    alone = Server(second_address=False, names_other=False)
    async with simulated(Nat(mapping=maps, filtering=filters), alone) as simulation:
        found = await behaviour(simulation)
    assert found.mapping == (mapped or maps)
    assert found.filtering == filtered


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("endpoint-independent", "endpoint-independent"),  # an answer from there proves it
        ("address-dependent", "unknown"),  # nothing shows that the other address sends at all
        ("address-and-port-dependent", "address-and-port-dependent"),
    ],
)
async def test_an_address_that_only_the_server_names(filters: Behaviour, expected: str) -> None:
    async with simulated(Nat(filtering=filters)) as simulation:
        found = await behaviour(simulation, simulation.path(vouched=False))
        sent_to = {to.address for _, to in simulation.received}
    assert found.filtering == expected
    assert found.mapping == "unknown"
    assert sent_to == {"127.0.0.5"}


@pytest.mark.parametrize(
    ("choice", "preservation", "parity", "contiguity"),
    [
        ("preserve", True, True, True),
        ("random", False, False, False),
        ("parity", False, True, False),
        ("sequential", False, False, None),
    ],
)
async def test_how_ports_are_chosen(
    choice: str, preservation: bool, parity: bool, contiguity: bool | None
) -> None:
    for seed in range(3):
        nat = Nat(ports=choice)  # type: ignore[arg-type]
        async with simulated(nat, seed=seed) as simulation:
            path = simulation.path()
            found = diagnosis.judge(Facts((await ports.run(path), loss_of(path))))
        assert found.port_preservation is preservation
        assert found.port_parity is parity
        assert found.port_contiguity is contiguity


@pytest.mark.parametrize("pooling", ["paired", "arbitrary"])
async def test_pooling(pooling: str) -> None:
    nat = Nat(pooling=pooling)  # type: ignore[arg-type]
    async with simulated(nat) as simulation:
        found = await behaviour(simulation)
    assert found.pooling == pooling
    assert len(found.public_addresses) == (1 if pooling == "paired" else 2)
