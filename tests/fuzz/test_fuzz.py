"""A small corpus for every decoder, all inputs that ever failed, and the fuzzer itself."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.errors import WireError
from tests.fuzz.decoders import Decoder, decoders
from tests.fuzz.mutation import SIZE_MAX, Case
from tests.probes.wire.damage import damaged

if sys.platform != "linux":
    raise ImportError("the fuzzer needs interval timers and /proc")

from tests.fuzz.run import AT_MOST_S, FOUND, Failure, Tally, bounded, cases, fed, fuzzed, keep, kept

MESSAGES = 200
"""For each decoder: all of them in a few seconds."""

MEMORY_MAX = 2 * 2**20
"""Bytes for one case of SIZE_MAX, a hundred times as much: each byte may become an object."""

DECODERS = {each.name: each for each in decoders()}
each_decoder = pytest.mark.parametrize("name", DECODERS)


@each_decoder
def test_a_few_mutated_messages(name: str) -> None:
    decoder = DECODERS[name]
    assert all(decoder.feed(case) for case in decoder.cases)
    tally = fuzzed(decoder, max(5, round(MESSAGES * decoder.share)), "a small corpus")
    assert not tally.failures


@given(st.data())
@settings(max_examples=100)
def test_messages_that_hypothesis_damages(data: st.DataObject) -> None:
    decoder = DECODERS[data.draw(st.sampled_from(sorted(DECODERS)))]
    genuine = data.draw(st.sampled_from(decoder.cases))
    at = data.draw(st.integers(0, len(genuine) - 1))
    message = data.draw(damaged(genuine) | st.binary(max_size=300))
    decoder.feed((*genuine[:at], message, *genuine[at + 1 :]))


@pytest.mark.parametrize("name", [name for name, each in DECODERS.items() if each.share == 1])
def test_the_memory_for_a_message_that_is_too_long(name: str) -> None:
    decoder = DECODERS[name]
    genuine = max(decoder.cases, key=len)
    *before, last = genuine
    half = last[len(last) // 2 :]
    long = [last * (SIZE_MAX // len(last) + 1), last + half * (SIZE_MAX // len(half) + 1)]
    for message in long:
        decoder.feed((*before, message))  # what is made once and kept
        tracemalloc.start()
        try:
            decoder.feed((*before, message))
            assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.txt")), ids=lambda path: path.stem)
def test_what_failed_once_is_understood_or_refused(path: Path) -> None:
    name, case = kept(path)
    assert fed(DECODERS[name], case, Tally(name)) == ""


# the fuzzer


def _decoder(feed: Callable[[Case], bool], *genuine: bytes) -> Decoder:
    return Decoder("made up", (genuine or (b"one", b"two"),), feed)


def _breaks(case: Case) -> bool:
    raise ValueError("no value")


def _hangs(case: Case) -> bool:
    try:
        while True:
            pass
    except Exception:  # as a decoder may that has a library which raises anything
        return True


def _fills(case: Case) -> bool:
    return bool(bytearray(2**40))


def _refuses(case: Case) -> bool:
    raise WireError("fuzz", "it is none")


def _leaves_wire_error(case: Case) -> bool:
    try:
        return _refuses(case)
    except WireError:
        return False


@pytest.mark.parametrize(
    ("feed", "what"),
    [
        (_breaks, "ValueError: no value (test_fuzz.py:"),
        (_hangs, f"more than {AT_MOST_S} s"),
        (_fills, "MemoryError: "),
        (_refuses, "WireError: fuzz: it is none"),
    ],
)
def test_a_decoder_that_fails_is_found(feed: Callable[[Case], bool], what: str) -> None:
    with bounded():
        tally = fuzzed(_decoder(feed), 1, "any")
    assert (tally.messages, tally.understood, tally.failed) == (1, 0, 1)
    assert tally.failures[0].what.startswith(what)


def test_a_decoder_that_refuses_has_not_failed() -> None:
    tally = fuzzed(_decoder(_leaves_wire_error), 10, "any")
    assert (tally.messages, tally.understood, tally.failed) == (10, 0, 0)


def test_the_same_seed_gives_the_same_cases() -> None:
    decoder = DECODERS["ftp-port server"]
    assert list(cases(decoder, 50, "one")) == list(cases(decoder, 50, "one"))
    assert list(cases(decoder, 50, "one")) != list(cases(decoder, 50, "two"))


def test_cases_are_mutated_and_bounded() -> None:
    decoder = DECODERS["ftp-port server"]
    genuine = decoder.cases[0]
    made = list(cases(decoder, 2000, "any"))
    assert sum(b"".join(case) in b"".join(genuine) for case in made) < 200
    assert max(len(chunk) for case in made for chunk in case) > SIZE_MAX // 2
    assert all(sum(map(len, case)) <= SIZE_MAX + sum(map(len, genuine)) for case in made)


def test_what_fails_is_written_down(tmp_path: Path) -> None:
    case = (b"", b"\0\xff", b"text\n")
    path = keep(Failure("ftp-port server", case, "why"), tmp_path)
    assert kept(path) == ("ftp-port server", case)
    assert path.name.startswith("ftp-port-server-")
