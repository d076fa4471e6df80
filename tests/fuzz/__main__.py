"""``python -m tests.fuzz [--messages N] [--only NAME] [--processes N] [--seed TEXT]``

A million mutated messages for every decoder.  Each must give a value or a WireError, in bounded
memory and time.  What fails is written down in ``tests/fuzz/found`` and makes it exit with 1.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TextIO

from tests.fuzz.decoders import decoders

if sys.platform != "linux":
    raise ImportError("the fuzzer needs interval timers and /proc")

from tests.fuzz.run import AT_MOST_S, ROOM_MB, Tally, bounded, fuzzed, keep

MESSAGES = 1_000_000
PART = 25_000
"""Messages in a process of its own: its memory is that of this decoder alone."""

_DECODERS = {each.name: each for each in decoders()}
_Part = tuple[str, int, str]


def main() -> int:
    options = _options()
    names = options.only or list(_DECODERS)
    began = time.monotonic()
    tallies = {name: Tally(name) for name in names}
    wanted = {name: max(1, round(options.messages * _DECODERS[name].share)) for name in names}
    parts = [part for name in names for part in _parts(name, wanted[name], options.seed)]
    with multiprocessing.get_context("fork").Pool(options.processes, maxtasksperchild=1) as pool:
        for number, tally in enumerate(pool.imap(_fuzz, parts), start=1):
            tallies[tally.decoder].add(tally)
            whole = tallies[tally.decoder]
            if whole.messages >= wanted[whole.decoder]:
                _say(sys.stdout, _row(whole))
            _say(sys.stderr, f"{number} of {len(parts)}, {time.monotonic() - began:.0f} s")
    bad = [each for each in tallies.values() if each.failed or each.grew_mb > ROOM_MB]
    for tally in bad:
        for failure in tally.failures:
            _say(sys.stdout, f"{failure.decoder}: {failure.what}: {keep(failure)}")
    total = sum(each.messages for each in tallies.values())
    _say(sys.stdout, f"{total:,} messages, {len(bad)} of {len(tallies)} decoders failed")
    return 1 if bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the decoders.")
    parser.add_argument("--messages", type=int, default=MESSAGES, help="for each [%(default)s]")
    parser.add_argument("--only", action="append", metavar="NAME", choices=_DECODERS)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="[%(default)s]")
    parser.add_argument("--seed", default=str(time.time_ns()), help="to have the same again")
    options = parser.parse_args()
    _say(
        sys.stdout,
        f"seed {options.seed}; at most {AT_MOST_S} s and {ROOM_MB} MB\n"
        + _line(("decoder", "messages", "understood", "failed", "µs each", "slowest ms", "MB")),
    )
    return options


def _parts(name: str, messages: int, seed: str) -> Iterable[_Part]:
    for number, begin in enumerate(range(0, messages, PART)):
        yield name, min(PART, messages - begin), f"{seed} {number}"


def _fuzz(part: _Part) -> Tally:
    name, count, seed = part
    gc.freeze()  # or each collection of garbage looks through all that is imported
    with bounded():
        return fuzzed(_DECODERS[name], count, seed)


def _row(tally: Tally) -> str:
    each_us = tally.seconds / max(1, tally.messages) * 1e6
    figures = (tally.messages, f"{tally.understood / max(1, tally.messages):.0%}", tally.failed)
    rest = (f"{each_us:.0f}", f"{tally.slowest_s * 1000:.1f}", f"{tally.grew_mb:.1f}")
    return _line((tally.decoder, *map(str, figures), *rest))


def _line(cells: Sequence[str]) -> str:
    return f"{cells[0]:36}" + "".join(f"{cell:>12}" for cell in cells[1:])


def _say(to: TextIO, text: str) -> None:
    to.write(text + "\n")
    to.flush()


if __name__ == "__main__":
    raise SystemExit(main())
