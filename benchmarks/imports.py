"""Where the time goes before a check can begin: what each package costs to import."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator

from benchmarks.row import BenchmarkError, Row
from tests.lab.description import Network
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from tests.lab.network import Lab

SHOWN = 15
_LINE = re.compile(r"^import time: +(\d+) \| +(\d+) \| *(\S+)$", re.MULTILINE)


def run() -> Iterator[Row]:
    with Lab(Network(nat=False)) as lab, served(lab) as (_, link):
        argv = (sys.executable, "-X", "importtime", program.NETCHECK, "check", "--server", link)
        program.start(lab, argv).wait()  # compiles and reads everything once
        said = program.start(lab, argv).wait().stderr
    itself: Counter[str] = Counter()
    whole: dict[str, int] = {}
    for own_us, all_us, module in _LINE.findall(said):
        itself[module.partition(".")[0]] += int(own_us)
        whole.setdefault(module, int(all_us))
    if not itself:
        raise BenchmarkError(f"Python said nothing about its imports:\n{said[-2000:]}")
    yield Row("importing, in all", sum(itself.values()) / 1000, "ms", detail="measuring adds to it")
    for package, own_us in itself.most_common(SHOWN):
        with_all = whole.get(package)
        detail = f"{with_all / 1000:.1f} ms with what its first import brings" if with_all else ""
        yield Row(f"  {package}", own_us / 1000, "ms", detail=detail)
