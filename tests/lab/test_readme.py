"""The reports that README.md shows are what netcheck says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.lab.description import Network
from tests.lab.network import Lab
from tests.lab.scenarios import NETCHECK, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

README = Path(__file__).parents[2] / "README.md"
# These differ from run to run, and a busy computer is slower and loses packets of a stream.
_DIFFERENT = re.compile(r"^  (Round trip|When|Computer|Made by) .*\n", re.MULTILINE)
_MEASURED = re.compile(r"(^  (?:Audio|Video) to \w+|outlast) .*", re.MULTILINE)


def shown(name: str) -> str:
    """The block of that name, without its command."""
    text = README.read_text(encoding="utf-8")
    block = re.search(rf"<!-- {name} -->\n```\n\$ .+\n((?:.*\n)*?)```\n<!-- /{name} -->", text)
    assert block is not None
    return block[1]


def same(text: str) -> str:
    return _MEASURED.sub(r"\1", _DIFFERENT.sub("", text))


def test_the_report_behind_a_home_router() -> None:
    with Lab(Network(rtt_ms=50)) as lab, served(lab) as (_, link):
        done = lab.run("client", (*NETCHECK, "check", "--server", link))
    assert same(done.stdout) == same(shown("report"))


def test_the_report_of_make_run() -> None:
    done = subprocess.run(
        [*NETCHECK, "check"], capture_output=True, encoding="utf-8", check=False, timeout=30
    )
    assert same(done.stdout) == same(shown("run"))
