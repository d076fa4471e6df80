"""Many checks at once in one process, each from a loopback address of its own, as JSON.

python -m benchmarks.crowd LINK COUNT
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import msgspec

from netcheck import profile
from netcheck.check import Check, Options
from netcheck.report.model import Report
from probes.observation import Control
from probes.wire.link import parse
from tests.lab.scenarios import Truth, port_key

TRUTH = Truth(inbound="open", nat=False).states


async def crowd(link: str, count: int) -> list[Report]:
    """All start in the same turn of the loop; ``count`` is at most 254."""
    server, profiles = parse(link), profile.built_in()
    checks = [
        Check(Options(link=server, profiles=profiles, bind=f"127.1.0.{number}", depth="quick"))
        for number in range(1, count + 2)
    ]
    # A check imports much when it needs it; a hundred computers would each do so for themselves.
    await checks.pop().run()
    return await asyncio.gather(*(check.run() for check in checks))


def tries(report: Report) -> int:
    """Probes that were sent and calls that were made; in an open network one of each would do."""
    return sum(
        len(getattr(observation, "attempts", ())) + len(getattr(observation, "calls", ()))
        for observation in report.observations
        if not isinstance(observation, Control)
    )


def wrong(report: Report) -> dict[str, str]:
    """The ports whose state is not the truth."""
    states = {port_key(port): str(port["state"]) for port in msgspec.to_builtins(report.ports)}
    if not report.server.reached:
        return {"server": "not reached"}
    return {
        port: states.get(port, "-")
        for port in sorted(states.keys() | TRUTH.keys())
        if states.get(port) != TRUTH.get(port)
    }


def main() -> None:
    link, count = sys.argv[1:]
    before = time.process_time()
    reports = asyncio.run(crowd(link, int(count)))
    cpu_s = time.process_time() - before
    told = {
        "seconds": [report.duration_s for report in reports],
        "wrong": [found for report in reports if (found := wrong(report))],
        "tries": sum(map(tries, reports)),
        "cpu_s": cpu_s,
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
