"""Where the time goes before a check can begin: what each package costs to import; and what a
plain ``netcheck --help`` costs, which needs none of them."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator

from benchmarks.row import REPEATS, BenchmarkError, Row, timing
from tests.lab.description import Network
from tests.lab.scenarios import served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

from benchmarks import program
from tests.lab.network import Lab

SHOWN = 15
CODECS = {"probes", "asn1tools", "bitstruct", "pyparsing"}
_LINE = re.compile(r"^import time: +(\d+) \| +(\d+) \| *(\S+)$", re.MULTILINE)


def run() -> Iterator[Row]:
    with Lab(Network(nat=False)) as lab, served(lab) as (_, link):
        argv = (sys.executable, "-X", "importtime", program.NETCHECK, "check", "--server", link)
        program.start(lab, argv).wait()  # compiles and reads everything once
        said = program.start(lab, argv).wait().stderr
        helped = [_help(lab) for _ in range(REPEATS)]
    yield timing("importing for netcheck --help", helped, "ms", detail="no codec among it")
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


def _help(lab: Lab) -> float:
    """Milliseconds.  Raises BenchmarkError if it loads what only a check needs."""
    argv = (sys.executable, "-X", "importtime", program.NETCHECK, "--help")
    found = _LINE.findall(program.start(lab, argv).wait().stderr)
    needless = CODECS & {module.partition(".")[0] for _, _, module in found}
    if needless or not found:
        raise BenchmarkError(f"{len(found)} modules loaded for --help, {sorted(needless)} in vain")
    return sum(int(own_us) for own_us, _, _ in found) / 1000
