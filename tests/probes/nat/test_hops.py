"""Which hop limits are asked again, by simulated routers; and what a run on loopback says."""

from __future__ import annotations

import random
import socket
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import hop_errors, silence
from probes.binding import REQUEST_BYTES
from probes.hop_errors import Reaction
from probes.nat import hops
from probes.nat.hops import Aim, Distance, questions
from probes.path import Path, StunServer
from probes.wire import stun
from probes.wire.frame import Endpoint

HERE = "127.0.62.2"
QUIET = (200, 0)  # of the path: round trips sent, lost

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells who sent an ICMP error"
)


class Routers:
    """A way with a server ``length`` hops away.  ``stops`` is the last hop that the copies
    reach, None if they arrive; ``mute`` hops never answer; ``loss`` is of each answer."""

    def __init__(
        self, length: int, stops: int | None, mute: frozenset[int], loss: float, seed: int
    ) -> None:
        self.length, self.stops, self.mute, self.loss = length, stops, mute, loss
        self.chance = random.Random(seed)

    def _heard(self) -> bool:
        return self.chance.random() >= self.loss

    def copy(self, d: Distance, at: float) -> None:
        d.sent.append(at)
        if not self._heard() or d.reaction is not None:
            return
        if d.ttl < self.length and d.ttl not in self.mute:
            if self.stops is None or d.ttl <= self.stops:
                d.reaction = Reaction(kind="time-exceeded", address=f"192.0.2.{d.ttl}")
        elif d.ttl >= self.length and self.stops is None:
            d.reaction = Reaction(kind="answered", address="198.51.100.5")

    def twin(self, d: Distance, at: float) -> None:
        d.twins.append(at)
        if self._heard():
            if d.ttl >= self.length:
                d.twin_arrived = True
            elif d.ttl not in self.mute:
                d.twins_heard += 1

    def asked(self, aim: Aim) -> list[Distance]:
        """Everything that ``questions`` asks for; what is sent is overdue in the next moment."""
        distances = [Distance(ttl) for ttl in range(1, hops.HOPS_MAX + 1)]
        for moment in range(200):
            wanted = [
                d
                for d, tries in questions(aim, distances, float(moment), QUIET)
                if len(d.sent) < tries
            ]
            if not wanted:
                return distances
            for d in wanted:
                self.copy(d, moment - 0.5)
                if aim != "open":
                    self.twin(d, moment - 0.5)
        raise AssertionError("it never ends")


def test_on_a_good_path_every_hop_is_asked_once() -> None:
    distances = Routers(5, None, frozenset(), 0, 1).asked("open")
    assert all(len(d.sent) == 1 for d in distances)
    assert next(d.ttl for d in distances if d.ended) == 5


def test_a_mute_router_is_asked_a_few_times() -> None:
    distances = Routers(5, None, frozenset({2}), 0, 1).asked("open")
    assert [len(d.sent) for d in distances[:5]] == [1, hops.TRIES_MAX, 1, 1, 1]


def test_the_next_router_is_asked_until_its_silence_means_something() -> None:
    distances = Routers(6, 2, frozenset(), 0, 1).asked("blocked")
    following = distances[2]
    assert following.reaction is None
    assert following.twins_heard == len(following.sent)
    assert silence.ATTEMPTS_MIN <= len(following.sent) <= hops.SILENT_TRIES_MAX
    assert all(len(d.sent) <= hops.TRIES_MAX for d in distances[3:])


@given(
    st.sampled_from(("open", "blocked", "own-address")),
    st.integers(1, 16),
    st.one_of(st.none(), st.integers(0, 15)),
    st.frozensets(st.integers(1, 15)),
    st.floats(0, 1),
    st.integers(0, 1000),
)
def test_asking_is_bounded_whatever_answers(
    aim: Aim, length: int, stops: int | None, mute: frozenset[int], loss: float, seed: int
) -> None:
    distances = Routers(length, stops, mute, loss, seed).asked(aim)
    assert all(len(d.sent) <= hops.SILENT_TRIES_MAX for d in distances)
    many = [d for d in distances if len(d.sent) > hops.TRIES_MAX]
    # With every loss another router may look like the next one, but nobody is flooded.
    assert sum(len(d.sent) for d in many) <= 16 * hops.SILENT_TRIES_MAX
    if aim == "open":
        assert not many


def path(stun_port: int = 0) -> Path:
    server = StunServer(address=HERE, port=stun_port) if stun_port else None
    return Path(server_address=HERE, local_address=HERE, began=time.monotonic(), stun=server)


@linux
async def test_a_server_next_door_is_the_end_of_the_way() -> None:
    with socket.socket() as listener:
        listener.bind((HERE, 0))
        listener.listen()
        found = await hops.run(path(), "open", "tcp", HERE, listener.getsockname()[1])
    assert [(h.ttl, h.address, h.end, h.sent) for h in found.hops] == [(1, HERE, True, 1)]
    assert found.id == "hops-open-tcp"
    assert not found.untested


@linux
async def test_a_refusal_is_an_end_too_and_says_what_it_is() -> None:
    found = await hops.run(path(), "blocked", "udp", HERE, 9)
    assert [(h.ttl, h.end, h.detail) for h in found.hops] == [(1, True, "ICMP: port unreachable")]
    assert found.id == "hops-blocked-udp-9"


@linux
async def test_what_comes_back_from_the_public_address_shows_nothing() -> None:
    found = await hops.run(path(), "own-address", "udp", HERE)
    assert found.hops == ()
    assert "comes back" in found.untested


async def test_where_icmp_errors_are_not_told_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hop_errors, "available", lambda: False)
    found = await hops.run(path(), "open", "udp", HERE, 9)
    assert found.untested == hop_errors.UNAVAILABLE
    assert found.hops == ()


async def test_a_network_that_is_not_there_is_a_result() -> None:
    found = await hops.run(
        Path(server_address=HERE, local_address="192.0.2.77", began=time.monotonic()),
        "open",
        "udp",
        HERE,
        9,
    )
    assert found.untested
    assert found.hops == ()


def test_a_binding_request_is_as_long_as_any_answer() -> None:
    request = hops.binding_request(Endpoint(HERE, 1))
    assert len(request) == REQUEST_BYTES
    assert stun.read(request).kind == "request"
