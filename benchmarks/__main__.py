"""``python -m benchmarks [--only NAME] [--json FILE]``: runs the benchmarks, shows the figures.

The exit status is 0 when all of them ran, whether or not the targets are met: a figure of this
machine is no verdict on the program.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.row import Row

NAMES = (
    *("start", "all_open", "all_dropped", "loss", "server", "imports", "stun"),
    *("nat", "full", "editors", "window"),
)


def main() -> int:
    options = _options()
    rows: dict[str, list[Row]] = {}
    failures: dict[str, str] = {}
    for name in options.only or NAMES:
        began = time.monotonic()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        try:
            run: Callable[[], Iterable[Row]] = import_module(f"benchmarks.{name}").run
            rows[name] = list(run())
        except Exception as error:  # the others are still worth running
            failures[name] = f"{type(error).__name__}: {error}"
        print(f"{time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    _show(rows)
    for name, reason in failures.items():
        print(f"{name} did not run: {reason}", file=sys.stderr)
    if options.json:
        options.json.write_text(_json(rows, failures), encoding="utf-8")
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure netcheck.")
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=NAMES, help=", ".join(NAMES)
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures here as well")
    return parser.parse_args()


def _machine() -> dict[str, str | int | float]:
    return {
        "cores": os.cpu_count() or 0,
        "system": platform.platform(),
        "python": platform.python_version(),
        # What else the machine was doing: much above 1 at the end tells of company.
        "load": float(Path("/proc/loadavg").read_text().split()[0]),
    }


def _show(rows: dict[str, list[Row]]) -> None:
    # Imported late: what this process holds in memory counts in that of a check it starts.
    from rich.console import Console
    from rich.table import Table

    table = Table("Figure", "Measured", "Target", "Met", "", box=None, pad_edge=False)
    table.columns[1].justify = table.columns[2].justify = "right"
    table.columns[0].no_wrap = table.columns[1].no_wrap = table.columns[2].no_wrap = True
    for benchmark in rows.values():
        for row in benchmark:
            target = "" if row.at_most is None else f"≤ {row.at_most:g} {row.unit}"
            met = {None: "", True: "yes", False: "NO"}[row.met]
            table.add_row(row.name, f"{_short(row.value)} {row.unit}", target, met, row.detail)
        table.add_section()
    machine = ", ".join(f"{key} {value}" for key, value in _machine().items())
    width = None if sys.stdout.isatty() else 160
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    console.print(table)
    console.print(machine)


def _short(value: float) -> str:
    return f"{value:g}" if value == int(value) else f"{value:.3g}"


def _json(rows: dict[str, list[Row]], failures: dict[str, str]) -> str:
    told = {
        "machine": _machine(),
        "rows": [
            {"benchmark": name, **asdict(row), "met": row.met}
            for name, benchmark in rows.items()
            for row in benchmark
        ],
        "failures": failures,
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
