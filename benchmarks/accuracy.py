"""``python -m benchmarks.accuracy [--runs N] [--only NAME] [--output FILE]``: truth and verdicts.

What was measured is kept in a file, so that a run that was ended goes on where it was; the file
belongs to this very source, so that no verdict of another version counts.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import accuracy_editors, accuracy_nat
from benchmarks.accuracy_work import Memory, Work

PARTS = {"nat": accuracy_nat, "editors": accuracy_editors}
"""In the order of the page."""

MINUTES = 120
"""All runs of both parts take an hour and a half on two cores; what is then left is told, and done
next time."""

_ROOT = Path(__file__).parent.parent
_SOURCES = ("netcheck", "probes", "tests/lab", "benchmarks")

HEAD = """# Accuracy

What netcheck says, held against the truth, in networks that were made so that the truth is known.
Made by `make accuracy`; every number here was measured by it.
"""


def main() -> int:
    options = _options()
    work = Work(Memory(options.state or _state()), time.monotonic() + 60 * options.minutes)
    made: dict[str, str] = {}
    good = True
    for name, part in PARTS.items():
        asked = {each for each in part.NAMES if {each, name} & set(options.only)}
        if names := asked if options.only else set(part.NAMES):
            runs = part.RUNS if options.runs is None else options.runs
            made[name], well = part.part(names, runs, work)
            good = good and well
    if options.output:
        before = options.output.read_text(encoding="utf-8") if options.output.exists() else ""
        options.output.write_text(page(before, made), encoding="utf-8")
    else:
        sys.stdout.write("\n".join(made.values()))
    return 0 if good else 1


def page(before: str, made: dict[str, str]) -> str:
    """The whole of it: parts that were not made this time stay as they were ``before``."""
    parts = [
        f"<!-- {name} -->\n{made[name] if name in made else _kept(before, name)}<!-- /{name} -->\n"
        for name in PARTS
    ]
    return "\n".join([HEAD, *parts])


def _kept(before: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*)<!-- /{name} -->\n", before, re.DOTALL)
    return found[1] if found else ""


def _options() -> argparse.Namespace:
    names = [*PARTS, *sorted({name for part in PARTS.values() for name in part.NAMES})]
    runs = ", ".join(f"{part.RUNS} of {name}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description="Hold netcheck's verdicts against the truth.",
    )
    parser.add_argument("--runs", type=int, help=f"of each network [default: {runs}]")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=names,
        default=[],
        help=f"a part ({' or '.join(PARTS)}), or a network",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="[default: standard output]")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help=f"begin nothing later [default: {MINUTES}]"
    )
    parser.add_argument("--state", type=Path, metavar="FILE", help="what was measured already")
    return parser.parse_args()


def _state() -> Path:
    """Of this very source: with another one nothing that was measured counts."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return Path(tempfile.gettempdir(), f"netcheck-accuracy-{digest.hexdigest()[:16]}.jsonl")


if __name__ == "__main__":
    raise SystemExit(main())
