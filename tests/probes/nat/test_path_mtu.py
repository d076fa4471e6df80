"""Path MTU against a link of every size, on loopback."""

from __future__ import annotations

import sys

import pytest

from netcheck.diagnosis import sizes
from netcheck.diagnosis.facts import Facts
from probes import hop_errors
from probes.nat import path_mtu
from probes.observation import Loss, PathMtu
from tests.probes.nat.sized_server import behind, up_to

HERE = "127.0.62.3"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere packets may be fragmented against our will"
)


def judged(found: PathMtu, lost: int = 0) -> int | None:
    loss = Loss(id="loss", at_s=0, took_s=0, control_sent=200, control_lost=lost)
    return sizes.path_mtu(Facts([found, loss]), found)


@pytest.mark.parametrize("limit", [1492, 1491, 1433, 700])
async def test_a_black_hole_is_measured_to_the_byte(limit: int) -> None:
    async with behind(HERE, up_to(limit)) as (session, port, _):
        found = await path_mtu.run(session, port)
    assert judged(found) == limit, found.sizes


@pytest.mark.parametrize("seed", range(3))
async def test_loss_never_makes_it_wrong(seed: int) -> None:
    async with behind(HERE, up_to(1420, 0.19, seed)) as (session, port, _):
        found = await path_mtu.run(session, port)
    assert judged(found, lost=38) in (1420, None), found.sizes


async def test_nothing_larger_than_the_internets_packets_is_sent() -> None:
    async with behind(HERE, up_to(1 << 16)) as (session, port, server):
        found = await path_mtu.run(session, port)
    assert server.largest == path_mtu.MTU_MAX
    assert judged(found) == path_mtu.MTU_MAX
    assert all(s.sent == 1 for s in found.sizes[1:])


async def test_where_nothing_passes_nothing_is_said() -> None:
    async with behind(HERE, up_to(0)) as (session, port, _):
        found = await path_mtu.run(session, port)
    assert judged(found) is None
    assert sum(s.sent for s in found.sizes) < 100


async def test_elsewhere_it_is_not_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop_errors, "available", lambda: False)
    async with behind(HERE, up_to(1500)) as (session, port, server):
        found = await path_mtu.run(session, port)
    assert found.untested
    assert server.largest == 0
