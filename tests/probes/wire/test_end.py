"""What every end does with what comes, whatever its protocol."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from probes.errors import WireError
from probes.wire.end import Step, Talker
from probes.wire.stream import Stream, line


class Parrot(Talker):
    """Repeats each line; is over at ``over``, ends at ``bye``, and does not know ``?``."""

    def __init__(self) -> None:
        super().__init__(Stream("parrot", line))

    def _answers(self, message: bytes) -> Sequence[bytes]:
        if message == b"?\n":
            raise WireError("parrot", "what?")
        self._over |= message == b"over\n"
        self._ended = message == b"bye\n"
        return [message]


def step(*messages: bytes, over: bool = False) -> Step:
    return Step(send=messages, arrived=messages, over=over)


def test_each_message_has_its_answer() -> None:
    end = Parrot()
    assert end.begin() == Step()
    assert end.receive(b"a\nb\nc") == step(b"a\n", b"b\n")
    assert end.receive(b"\n") == step(b"c\n")
    assert end.finish() == Step()


def test_who_is_over_still_listens_and_answers() -> None:
    end = Parrot()
    assert end.receive(b"over\n") == step(b"over\n", over=True)
    assert end.receive(b"a\n") == step(b"a\n", over=True)


def test_who_has_ended_does_not() -> None:
    end = Parrot()
    assert end.receive(b"a\nbye\nb\n") == step(b"a\n", b"bye\n", over=True)
    assert end.receive(b"c\n?\n") == Step(over=True)


@pytest.mark.parametrize("junk", [b"?\n", b"x" * 9000])
def test_what_comes_before_junk_is_in_the_last_step(junk: bytes) -> None:
    end = Parrot()
    assert end.receive(b"a\nb\n" + junk) == step(b"a\n", b"b\n", over=True)
    assert end.receive(b"c\n") == Step(over=True)


@pytest.mark.parametrize("junk", [b"?\n", b"x" * 9000])
def test_junk_alone_is_an_error(junk: bytes) -> None:
    end = Parrot()
    assert end.receive(b"a\n") == step(b"a\n")
    with pytest.raises(WireError):
        end.receive(junk + b"b\n")
