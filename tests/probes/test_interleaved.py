"""Silence beside answers: when it means something, and when the tries end."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import msgspec
import pytest

from probes.binding import BindingSocket, Question
from probes.interleaved import TRIES_MAX, Interleaved, interleave
from probes.pace import GAP_BESIDE_S
from probes.path import Path
from probes.wire import stun
from probes.wire.frame import Endpoint
from tests.probes.nat.simulated import known

SERVER = Endpoint("127.0.0.5", 3478)


@dataclass
class Line:
    """Questions that are answered after ``rtt_s``, or lost."""

    rtt_s: float = 0.001
    loss: float = 0.0
    blocked: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def ask(self, *, control: bool) -> Question:
        question = Question(SERVER, stun.transaction(bytes(12)))
        if not (self.chance.random() < self.loss or (self.blocked and not control)):
            answer = stun.Message(
                kind="success", transaction=question.transaction, mapped_address=SERVER
            )
            asyncio.get_running_loop().call_later(
                self.rtt_s, question.answered, answer, SERVER, BindingSocket()
            )
        return question

    async def run(self, path: Path, **more: int) -> Interleaved:
        return await interleave(
            path, lambda: self.ask(control=False), lambda: self.ask(control=True), **more
        )


def a_path() -> Path:
    return Path(server_address="127.0.0.5", local_address="127.0.0.1", began=time.monotonic())


async def test_one_answer_ends_it() -> None:
    result = await Line().run(known(a_path()))
    assert [a.outcome for a in result.attempts] == ["answered"]
    assert result.decided
    assert result.answered is not None


async def test_silence_on_a_good_path() -> None:
    path = known(a_path())
    began = time.monotonic()
    result = await Line(blocked=True).run(path)
    assert result.decided
    assert result.answered is None
    assert (result.controls, result.controls_heard) == (7, 7)
    assert time.monotonic() - began >= 6 * GAP_BESIDE_S
    assert (path.tallies["udp"].sent, path.tallies["udp"].lost) == (47, 0)


async def test_nothing_known_of_the_path_takes_more_tries() -> None:
    path = a_path()
    path.pace = path.pace.measured(0.001)
    result = await Line(blocked=True).run(path)
    assert result.decided
    assert len(result.attempts) > 7


async def test_a_dead_path_decides_nothing() -> None:
    path = known(a_path())
    result = await Line(loss=1.0).run(path)
    assert not result.decided or result.controls_heard == 0
    assert path.tallies["udp"].lost == result.controls


@pytest.mark.parametrize("seed", range(5))
async def test_loss_hides_no_answer(seed: int) -> None:
    """A fifth of all round trips is lost: what gets through is found nevertheless."""
    result = await Line(loss=0.19, seed=seed).run(known(a_path()))
    assert result.answered is not None


async def test_too_much_loss_ends_undecided() -> None:
    path = a_path()
    path.pace = path.pace.measured(0.001)
    path.tallies["udp"].add(40, 30)
    result = await Line(loss=0.75, blocked=True).run(path)
    assert len(result.attempts) == TRIES_MAX
    assert not result.decided


async def test_loss_that_is_noticed_late_asks_for_more() -> None:
    """Whether the last controls are lost is known only after the tries that seemed enough."""

    class Dying(Line):
        def ask(self, *, control: bool) -> Question:
            self.controls += control
            self.loss = float(self.controls > 4)
            return super().ask(control=control)

        controls = 0

    path = a_path()
    path.pace = path.pace.measured(0.2)  # so long that nothing is overdue by then
    path.tallies["udp"].add(20, 0)
    result = await Dying(blocked=True).run(path)
    assert path.tallies["udp"].lost > 0
    assert result.controls_heard == 4
    assert result.decided


async def test_a_bound_of_tries() -> None:
    result = await Line(loss=1.0).run(a_path(), tries_max=3)
    assert len(result.attempts) == 3
    assert not result.decided


async def test_the_last_answer_may_take_a_round_trip() -> None:
    """What was asked last is answered after the silence is long enough: it still counts."""
    late = Line(rtt_s=0.03)
    asked = 0

    def ask() -> Question:
        nonlocal asked
        asked += 1
        late.blocked = asked < 7
        return late.ask(control=False)

    result = await interleave(known(a_path()), ask, lambda: late.ask(control=True))
    assert result.answered is not None
    assert [a.outcome for a in result.attempts] == ["silent"] * 6 + ["answered"]


async def test_a_packet_that_does_not_leave() -> None:
    def ask() -> Question:
        question = Question(SERVER, stun.transaction(bytes(12)))
        question.failed(PermissionError(1, "Operation not permitted"))
        return question

    result = await interleave(known(a_path()), ask, None)
    assert [(a.outcome, a.detail) for a in result.attempts] == [
        ("local-error", "Operation not permitted")
    ]
    assert msgspec.to_builtins(result.attempts[0])
