"""How NATs behave for TCP: what the probes find in real networks, against what is so."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from probes.nat import punch, tcp_filtering, tcp_lifetime, tcp_mapping
from probes.observation import BindingLifetime, NatFiltering, NatMapping, Punched, Unasked
from probes.path import Path, StunServer
from probes.session import Session
from probes.wire.link import parse
from tests.lab import firewall
from tests.lab.description import Network
from tests.lab.network import Lab
from tests.lab.scenarios import served
from tests.lab.traffic import plain
from tests.netcheck.checking import session_with

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

T = TypeVar("T")

ECHO = (6891, 1863)
INDEPENDENT, ADDRESS, BOTH = (
    "endpoint-independent",
    "address-dependent",
    "address-and-port-dependent",
)
Found = tuple[NatMapping, NatFiltering, Punched]


def measured(network: Network, ask: Callable[[Session], Awaitable[T]]) -> T:
    """What ``ask`` finds in the client's place."""

    async def client(link: str) -> T:
        async with session_with(parse(link)) as session:
            return await ask(session)

    with Lab(network) as lab, served(lab) as (_, link), lab.inside("client"):
        return asyncio.run(client(link))


async def everything(session: Session) -> Found:
    """All questions at the same time, as a check asks them."""
    return await asyncio.gather(
        tcp_mapping.run(session), tcp_filtering.run(session, ECHO), punch.run(session, ECHO)
    )


def mapping_class(found: NatMapping) -> str:
    """RFC 5382 section 4.1, from two ports of two addresses."""
    a1, a2, b1, b2 = (m.xored for m in found.seen)
    assert None not in (a1, a2, b1, b2)
    if a1 == a2 == b1 == b2:
        return INDEPENDENT
    return ADDRESS if (a1, b1) == (a2, b2) else BOTH


def filtering_class(found: NatFiltering) -> str:
    other_port, other_address = found.tests
    assert not other_port.untested
    assert not other_address.untested
    if other_address.heard:
        return INDEPENDENT
    return ADDRESS if other_port.heard else BOTH


def got(test: Unasked) -> set[str]:
    return {a.outcome for a in test.attempts}


CLASSES = [*itertools.product((INDEPENDENT, ADDRESS, BOTH), repeat=2)]


@pytest.mark.parametrize(("mapping", "filtering"), CLASSES, ids=str)
@pytest.mark.parametrize("rtt_ms", [0, 50])
def test_the_nine_classes(mapping: str, filtering: str, rtt_ms: int) -> None:
    network = plain(mapping=mapping, filtering=filtering, rtt_ms=rtt_ms)
    found = measured(network, everything)
    assert mapping_class(found[0]) == mapping
    assert filtering_class(found[1]) == filtering
    if mapping == BOTH and filtering != BOTH:
        return  # the server's SYN may come in by the mapping that it knows: both can happen
    if rtt_ms:
        assert found[2].opened is (mapping != BOTH)
    else:
        # Without a delay the ends may not meet where a SYN that comes too early is let in and
        # reset; then nothing is said.
        assert found[2].opened in (mapping != BOTH, None)


@pytest.mark.parametrize(("mapping", "filtering"), [CLASSES[0], CLASSES[4], CLASSES[8]], ids=str)
def test_loss_gives_no_wrong_class(mapping: str, filtering: str) -> None:
    network = plain(mapping=mapping, filtering=filtering, rtt_ms=10, loss_percent=10)
    seen, let, opened = measured(network, everything)
    assert mapping_class(seen) == mapping
    if not any(test.untested for test in let.tests):
        assert filtering_class(let) == filtering
    assert opened.opened in (mapping != BOTH, None)


@pytest.mark.parametrize("mapping", ["random", "fully-random"])
def test_a_new_port_for_each_destination(mapping: str) -> None:
    seen, let, opened = measured(plain(mapping=mapping), everything)
    assert mapping_class(seen) == BOTH
    assert filtering_class(let) == BOTH
    assert opened.opened is False


def test_masquerade_keeps_the_port_and_opens_to_both_ends() -> None:
    seen, let, opened = measured(plain(), everything)
    assert mapping_class(seen) == INDEPENDENT
    assert seen.seen[0].xored is not None
    assert seen.seen[0].xored.rpartition(":")[2] == seen.local.rpartition(":")[2]
    assert filtering_class(let) == BOTH
    assert [got(test) for test in let.tests] == [{"silent"}, {"silent"}]
    assert opened.opened is True


@pytest.mark.parametrize("policy", ["reject", "accept"])
def test_an_unasked_syn_is_reset_by_the_router_itself(policy: str) -> None:
    """No socket of the router listens there, whether or not its firewall lets the SYN in."""
    _, let, opened = measured(plain(router_input=policy), everything)
    assert filtering_class(let) == BOTH
    assert [got(test) for test in let.tests] == [{"refused"}, {"refused"}]
    # The ends do not meet where a reset is back within a tenth of a millisecond.
    assert opened.opened in (True, None)


@pytest.mark.parametrize("policy", ["reject", "accept"])
def test_a_reset_does_not_close_the_hole_once_our_own_syn_is_out(policy: str) -> None:
    """Linux' connection tracking meets the server's SYN half-way: REQ-2 is kept."""
    _, _, opened = measured(plain(router_input=policy, rtt_ms=40), everything)
    assert opened.opened is True


def test_an_icmp_error_for_an_unasked_syn() -> None:
    rule = 'iifname "wan" tcp flags & (syn | ack) == syn ct state new'
    network = plain(nat=False, firewall=(f"{rule} reject with icmpx type admin-prohibited",))
    _, let, _ = measured(network, everything)
    assert filtering_class(let) == BOTH
    assert [got(test) for test in let.tests] == [{"unreachable"}, {"unreachable"}]


@pytest.mark.parametrize("inbound", ["accept", "drop"])
def test_without_a_nat(inbound: str) -> None:
    seen, let, opened = measured(plain(nat=False, inbound=inbound, rtt_ms=20), everything)
    assert {m.xored for m in seen.seen} == {seen.local}
    assert let.mapped == let.local
    assert filtering_class(let) == (INDEPENDENT if inbound == "accept" else BOTH)
    assert opened.opened is True


def test_two_nats_in_a_row() -> None:
    seen, let, opened = measured(plain(carrier=True), everything)
    assert mapping_class(seen) == INDEPENDENT
    assert filtering_class(let) == BOTH
    assert opened.opened is True


def test_ipv6() -> None:
    network = plain(ipv4=False, ipv6=True, nat=False, inbound="drop", rtt_ms=20)
    seen, let, opened = measured(network, everything)
    assert {m.xored for m in seen.seen} == {seen.local}
    assert filtering_class(let) == BOTH
    assert opened.opened is True


def test_frames_ask_where_stun_is_blocked() -> None:
    network = plain(mapping="random", firewall=(firewall.drop("tcp", ("3478-3479",)),))
    found = measured(network, tcp_mapping.run)
    assert len(found.seen) == 2
    assert len({m.xored for m in found.seen} - {None}) == 2


@pytest.mark.parametrize("mapping", ["endpoint-independent", "random"])
def test_a_server_that_others_wrote(mapping: str) -> None:
    network = plain(mapping=mapping)
    coturn = ("turnserver", "-n", "--no-auth", "--no-tls", "--no-dtls", "--log-file", "stdout")
    listen = ("-L", network.server, "-L", network.server_2, "--pidfile", "/dev/null")
    with Lab(network) as lab:
        lab.popen("server", (*coturn, *listen))
        lab.wait_listening("server", "tcp", 3478)
        lab.wait_listening("server", "tcp", 3479)
        path = Path(
            server_address=network.server,
            local_address=network.client,
            began=time.monotonic(),
            stun=StunServer(
                address=network.server,
                port=3478,
                other_port=3479,
                other_address=network.server_2,
            ),
        )
        with lab.inside("client"):
            found = asyncio.run(tcp_mapping.run(path))
    assert mapping_class(found) == (INDEPENDENT if mapping == INDEPENDENT else BOTH)


# Lifetime


async def idle(session: Session) -> BindingLifetime:
    life = tcp_lifetime.Lifetime()
    await life.begin(session, ECHO)
    # As long as a check takes: the lifetime itself is what is tested.
    await asyncio.sleep(2.2)
    return await life.finish()


@pytest.mark.parametrize(
    ("how", "alive"),
    [
        ({}, True),
        ({"tcp_timeout_s": 1, "router_input": "reject"}, False),
        ({"tcp_timeout_s": 1}, None),
    ],
    ids=str,
)
def test_an_idle_connection_at_the_end_of_a_check(how: dict[str, Any], alive: bool | None) -> None:
    """A reset shows that the router has forgotten it; silence of two seconds shows nothing."""
    (trial,) = measured(plain(**how), idle).trials
    assert trial.alive is alive
    assert 2 <= trial.idle_s <= 4


def test_a_deep_check_finds_the_lifetime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp_lifetime, "FIRST_S", 0.5)

    async def deep(session: Session) -> BindingLifetime:
        return await tcp_lifetime.deep(session, ECHO, most_s=12.0)

    found = measured(plain(tcp_timeout_s=2, router_input="reject"), deep)
    lived, died = tcp_lifetime.bounds(found.trials)
    assert (found.deep, found.untested) == (True, "")
    assert 1.5 <= lived < died <= 3.0
    assert died - lived < 0.6
