"""The reports that README.md shows: ``python -m tests.lab.readme`` writes them anew.

They are what netcheck says in the lab, on a computer that is called ``lab``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.lab.description import Network
from tests.lab.network import Lab
from tests.lab.scenarios import NETCHECK, served

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

README = Path(__file__).parents[2] / "README.md"

ENDS_S = 60.0
"""A check takes some seconds, and here other tests run beside it."""

_CALLED_LAB = ("unshare", "--uts", "sh", "-euc", 'hostname lab; exec "$@"', "called_lab")


def _behind_a_home_router() -> str:
    with Lab(Network(rtt_ms=50)) as lab, served(lab) as (_, link):
        argv = (*_CALLED_LAB, *NETCHECK, "check", "--server", link)
        return lab.run("client", argv, timeout=ENDS_S).stdout


def _of_make_run() -> str:
    argv = (*_CALLED_LAB, *NETCHECK, "check")
    done = subprocess.run(argv, capture_output=True, encoding="utf-8", check=False, timeout=ENDS_S)
    return done.stdout


REPORTS: Mapping[str, Callable[[], str]] = {
    "report": _behind_a_home_router,
    "run": _of_make_run,
}
"""How each block of the page is made."""


def shown(text: str, name: str) -> str:
    """What the block of that name says, without its command."""
    return _block(text, name)["report"]


def with_report(text: str, name: str, report: str) -> str:
    """The page with that in the block instead."""
    begin, end = _block(text, name).span("report")
    return text[:begin] + report + text[end:]


def _block(text: str, name: str) -> re.Match[str]:
    block = re.search(
        rf"<!-- {name} -->\n```\n\$ .+\n(?P<report>(?:.*\n)*?)```\n<!-- /{name} -->", text
    )
    assert block is not None, name
    return block


def main() -> None:
    text = README.read_text(encoding="utf-8")
    for name, made in REPORTS.items():
        report = made()
        assert report, f"{name}: netcheck said nothing"
        text = with_report(text, name, report)
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
