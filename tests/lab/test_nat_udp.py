"""The UDP probes against the kernel's NATs, with STUN servers that others wrote and our own."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path as File
from typing import Any, Literal, TypeVar, get_args

import pytest

from netcheck.diagnosis import binding_lifetime, nat
from netcheck.diagnosis.facts import Facts
from netcheck.report.model import Behaviour, Nat
from probes.nat import filtering, hairpin, lifetime, mapping, ports, presence
from probes.observation import AnyObservation, BindingLifetime, Loss
from probes.path import Path, StunServer
from tests.lab.description import SERVER, SERVER_2, Forward, Network
from tests.lab.network import Lab
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

_T = TypeVar("_T")
ServerName = Literal["netcheck", "coturn", "stund"]
CLASSES: tuple[Behaviour, ...] = get_args(Behaviour)[:3]  # the fourth is unknown
EIM, ADM, APDM = "endpoint-independent", "address-dependent", "address-and-port-dependent"


@contextmanager
def stun_server(lab: Lab, name: ServerName, folder: File) -> Iterator[None]:
    """A STUN server on both addresses and both ports of the server node."""
    if name == "netcheck":
        with served(lab):
            yield
        return
    argv: Sequence[str] = ("stund", "-h", SERVER, "-a", SERVER_2)
    if name == "coturn":
        argv = (
            *("turnserver", "-n", "--no-auth", "--no-tls", "--no-dtls", "--no-cli", "--stun-only"),
            *("-L", SERVER, "-L", SERVER_2, "-p", "3478", "--alt-listening-port", "3479"),
            *("--log-file", "stdout", "--pidfile", str(folder / "pid")),
            *("--userdb", str(folder / "users")),
        )
    with lab.popen("server", argv):
        lab.wait_listening("server", "udp", 3478)
        lab.wait_listening("server", "udp", 3479)
        yield


def from_client(lab: Lab, probe: Callable[[Path], Awaitable[_T]], *, vouched: bool = True) -> _T:
    """Run a probe in the client's network."""

    async def run() -> _T:
        server = StunServer(address=SERVER, port=3478, other_address=SERVER_2 if vouched else None)
        path = Path(
            server_address=SERVER,
            local_address=lab.network.client,
            began=time.monotonic(),
            stun=server,
        )
        return await probe(path)

    with lab.inside("client"):
        return asyncio.run(run())


async def observed(path: Path) -> tuple[AnyObservation, ...]:
    """Everything that the default check asks by UDP."""
    idle = lifetime.Lifetime()
    seen = await presence.look(path)
    await idle.begin(path)
    found: tuple[AnyObservation, ...] = await asyncio.gather(
        mapping.run(path), filtering.run(path), hairpin.run(path), ports.run(path)
    )
    life = await idle.finish()
    tally = path.tallies["udp"]
    loss = Loss(
        id="loss",
        at_s=0.0,
        took_s=path.now(),
        control_sent=0,
        control_lost=0,
        udp_sent=tally.sent,
        udp_lost=tally.lost,
    )
    return (seen, *found, life, loss)


def judged(lab: Lab, name: ServerName, folder: File, *, vouched: bool = True) -> Nat:
    with stun_server(lab, name, folder):
        return nat.judge(Facts(from_client(lab, observed, vouched=vouched)))


def plain(**traits: Any) -> Network:
    return Network(dns=None, **traits)


SERVERS: tuple[ServerName, ...] = get_args(ServerName)
FULL_CONE = (Forward("udp", "1-65535"),)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize(
    ("network", "maps", "filters", "hairpins"),
    [
        (plain(), EIM, APDM, False),
        (plain(router_input="accept"), EIM, APDM, False),
        (plain(mapping="random"), APDM, APDM, False),
        (plain(mapping="fully-random", router_input="accept"), APDM, APDM, False),
        (plain(forwards=FULL_CONE), EIM, EIM, False),
        (plain(forwards=FULL_CONE, hairpin=True), EIM, EIM, True),
        (plain(nat=False), EIM, EIM, None),
        (plain(nat=False, inbound="drop"), EIM, APDM, None),
    ],
    ids=[
        "nat",
        "nat-no-input",
        "random",
        "fully-random-no-input",
        "cone",
        "hairpin",
        "routed",
        "firewall",
    ],
)
def test_each_server_shows_each_network(
    server: ServerName,
    network: Network,
    maps: str,
    filters: str,
    hairpins: bool | None,
    tmp_path: File,
) -> None:
    with Lab(network) as lab:
        found = judged(lab, server, tmp_path)
    assert (found.mapping, found.filtering, found.hairpin) == (maps, filters, hairpins)
    assert found.present is network.nat
    assert found.public_addresses == [network.public]
    assert found.port_preservation is ("random" not in network.mapping)
    assert (found.binding_lifetime_min_s is None) == (server == "stund")


@pytest.mark.parametrize("loss", [0, 10])
@pytest.mark.parametrize("filters", CLASSES)
@pytest.mark.parametrize("maps", CLASSES)
def test_all_nine_classes(maps: Behaviour, filters: Behaviour, loss: int, tmp_path: File) -> None:
    network = plain(mapping=maps, filtering=filters, loss_percent=loss)
    with Lab(network) as lab:
        found = judged(lab, "netcheck", tmp_path)
    assert found.mapping == maps
    if loss == 0 or found.filtering != "unknown":
        assert found.filtering == filters
    assert found.hairpin in ((False,) if loss == 0 else (False, None))


@pytest.mark.parametrize("maps", CLASSES)
def test_hairpin_in_every_mapping(maps: Behaviour, tmp_path: File) -> None:
    with Lab(plain(mapping=maps, hairpin=True)) as lab:
        assert judged(lab, "netcheck", tmp_path).hairpin is True


@pytest.mark.parametrize(
    ("choice", "preservation", "parity", "contiguity"),
    [
        ("preserved", True, True, True),
        ("contiguous", False, True, True),
        ("parity", False, True, False),
        ("parity-lost", False, False, False),
    ],
)
def test_port_choices(
    choice: str, preservation: bool, parity: bool, contiguity: bool, tmp_path: File
) -> None:
    with Lab(plain(mapping=EIM, port_choice=choice)) as lab:
        found = judged(lab, "netcheck", tmp_path)
    assert found.port_preservation is preservation
    assert found.port_parity is parity
    assert found.port_contiguity is contiguity


@pytest.mark.parametrize("pooling", ["paired", "arbitrary"])
def test_pooling(pooling: str, tmp_path: File) -> None:
    with Lab(plain(mapping=EIM, pooling=pooling, public_addresses=4)) as lab:
        found = judged(lab, "netcheck", tmp_path)
    assert found.pooling == pooling
    assert found.mapping == EIM
    assert (len(found.public_addresses) == 1) is (pooling == "paired")


@pytest.mark.parametrize("vouched", [False, True])
def test_a_foreign_server_is_asked_at_its_own_address_only(vouched: bool, tmp_path: File) -> None:
    """It names its second address; only who configured that one too has packets go there."""
    with Lab(plain()) as lab:
        rule = f"type filter hook input priority 0; ip daddr {SERVER_2} counter"
        lab.nft("server", f"table ip count {{\n chain seen {{\n {rule}\n }}\n}}")
        found = judged(lab, "coturn", tmp_path, vouched=vouched)
        counted = lab.run("server", ["nft", "list", "chain", "ip", "count", "seen"]).stdout
    assert ("packets 0 " in counted) is not vouched
    assert found.filtering == APDM
    assert found.mapping == (EIM if vouched else "unknown")


@pytest.mark.parametrize(("timeout_s", "alive"), [(1, False), (30, True)])
def test_the_default_lifetime_trial(timeout_s: int, alive: bool, tmp_path: File) -> None:
    async def trial(path: Path) -> BindingLifetime:
        await presence.look(path)
        idle = lifetime.Lifetime()
        await idle.begin(path)
        await asyncio.sleep(2.2)  # longer than the shorter one, as the kernel counts
        return await idle.finish()

    with Lab(plain(udp_timeout_s=timeout_s)) as lab, stun_server(lab, "netcheck", tmp_path):
        found = from_client(lab, trial)
    # That it died is looked at twice: a table that was emptied once is no short lifetime.
    assert {t.alive for t in found.trials} == {alive}


@pytest.mark.parametrize("inbound_refresh", [True, False])
def test_deep_finds_the_lifetime(inbound_refresh: bool, tmp_path: File) -> None:
    async def search(path: Path) -> BindingLifetime:
        await presence.look(path)
        return await lifetime.deep(path, 10.0, first_s=1.5)

    network = plain(udp_timeout_s=3)
    network = dataclasses.replace(network, inbound_refresh=inbound_refresh)
    with Lab(network) as lab, stun_server(lab, "netcheck", tmp_path):
        life = binding_lifetime.judge(Facts((from_client(lab, search),)))
    # The kernel forgets an entry up to a second late.
    assert life.found_s is not None
    assert 2.5 <= life.found_s <= 4.2
    assert life.refreshed_by == (["outbound", "inbound"] if inbound_refresh else ["outbound"])
