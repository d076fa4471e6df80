"""Binding lifetimes against a NAT that forgets in tenths of a second."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from netcheck.diagnosis import binding_lifetime
from netcheck.diagnosis.facts import Facts
from probes.nat import lifetime
from probes.observation import BindingLifetime
from probes.path import Path
from tests.probes.nat.simulated import Nat, Server, Simulation, known, simulated


async def one_trial(
    simulation: Simulation, idle_s: float = 0.1, path: Path | None = None
) -> BindingLifetime:
    path = path or known(simulation.path())
    trial = lifetime.Lifetime()
    await trial.begin(path)
    await asyncio.sleep(idle_s)
    return await trial.finish()


@pytest.mark.parametrize("loss", [0.0, 0.1])
async def test_a_binding_that_lives(loss: float) -> None:
    async with simulated(Nat(loss=loss)) as simulation:
        found = await one_trial(simulation)
    (trial,) = found.trials
    assert trial.alive is True
    assert trial.refreshed == "nothing"
    assert 0.1 <= trial.idle_s < 2
    assert not found.deep


@pytest.mark.parametrize("loss", [0.0, 0.1])
async def test_a_binding_that_died(loss: float) -> None:
    nat = Nat(lifetime_s=0.5, loss=loss)
    async with simulated(nat) as simulation:
        found = await one_trial(simulation, 0.6)
    assert [t.alive for t in found.trials] == [False, False]  # it was made sure
    assert min(t.idle_s for t in found.trials) >= 0.6


async def test_a_nat_that_forgets_everything_once_says_nothing_of_lifetimes() -> None:
    async with simulated(Nat(lifetime_s=60)) as simulation:
        path = known(simulation.path())
        trial = lifetime.Lifetime()
        await trial.begin(path)
        simulation.forget()
        await asyncio.sleep(0.2)
        found = await trial.finish()
    assert [t.alive for t in found.trials] == [False, True]
    life = binding_lifetime.judge(Facts((found,)))
    assert (life.found_s, life.at_least_s, life.at_most_s) == (None, None, None)


async def test_one_that_lived_long_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "AGAIN_MAX_S", 0.5)
    async with simulated(Nat(lifetime_s=0.5)) as simulation:
        found = await one_trial(simulation, 0.6)
    assert [t.alive for t in found.trials] == [False]


@pytest.mark.parametrize(
    ("does", "says"),
    [
        ("refuses", "declines: error 420"),
        ("ignores", "does not know RESPONSE-PORT"),
        ("silent", "does not answer to another port"),
    ],
)
async def test_a_server_without_response_port(
    does: Literal["refuses", "ignores", "silent"], says: str
) -> None:
    async with simulated(server=Server(response_port=does)) as simulation:
        found = await one_trial(simulation)
    assert found.trials == ()
    assert says in found.untested


async def test_several_public_addresses_are_no_death() -> None:
    async with simulated(Nat(pooling="arbitrary")) as simulation:
        found = await one_trial(simulation)
    assert found.trials == ()
    assert "several public addresses" in found.untested


async def test_no_server() -> None:
    async with simulated(Nat(loss=1.0)) as simulation:
        found = await one_trial(simulation)
    assert found.untested == "the STUN server did not answer"


async def test_finish_without_begin() -> None:
    found = await lifetime.Lifetime().finish()
    assert found.untested == "it was not begun"


async def test_the_binding_is_left_alone() -> None:
    async with simulated() as simulation:
        path = known(simulation.path())
        trial = lifetime.Lifetime()
        await trial.begin(path)
        first = simulation.received[0][0]
        await trial.finish()
        assert [client for client, _ in simulation.received].count(first) == 1


@pytest.mark.parametrize("refreshed_by", [("outbound", "inbound"), ("outbound",), ("inbound",), ()])
async def test_deep_finds_the_lifetime_and_what_refreshes_it(refreshed_by: tuple[str, ...]) -> None:
    nat = Nat(lifetime_s=1.7, refreshed_by=refreshed_by)
    async with simulated(nat) as simulation:
        found = await lifetime.deep(known(simulation.path()), 4.0, first_s=1.0)
    life = binding_lifetime.judge(Facts((found,)))
    assert found.deep
    if refreshed_by:
        assert life.found_s == pytest.approx(1.7, abs=0.25)
    assert life.refreshed_by == [*refreshed_by]


async def test_trials_between_come_nearer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "NEAR_S", 0.4)
    nat = Nat(lifetime_s=1.2)
    async with simulated(nat) as simulation:
        found = await lifetime.deep(known(simulation.path()), 1.8, first_s=0.9)
    alive = max(t.idle_s for t in found.trials if t.refreshed == "nothing" and t.alive)
    assert alive == pytest.approx(1.2, abs=0.15)
    assert len(found.trials) > 6


async def test_deep_says_what_a_long_life_outlasts() -> None:
    async with simulated() as simulation:
        found = await lifetime.deep(known(simulation.path()), 1.0, first_s=0.4)
    assert all(t.alive for t in found.trials)
    assert binding_lifetime.judge(Facts((found,))).at_least_s == pytest.approx(1.0, abs=0.05)


async def test_deep_without_response_port() -> None:
    async with simulated(server=Server(response_port="refuses")) as simulation:
        found = await lifetime.deep(known(simulation.path()), 0.4, first_s=0.2)
    assert found.trials == ()
    assert "declines" in found.untested


def test_the_ladder() -> None:
    assert lifetime._ladder(2.0, 10.0) == [2.0, 3.0, 4.5, 6.75, 10.0]
    assert lifetime._ladder(2.0, 1.0) == [1.0]
    for lower, higher in zip(
        lifetime._ladder(2.0, 600.0), lifetime._ladder(2.0, 600.0)[1:], strict=False
    ):
        assert higher < 1.8 * lower
