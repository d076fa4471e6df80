"""Every Linux command for nftables and sysctl that an article gives works as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from netcheck import kb

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

VALUES: dict[str, object] = {
    "lan_address": "192.168.1.7",
    "router_address": "192.168.1.1",
    "public_address": "198.51.100.4",
    "server_host": "203.0.113.5",
}
BRANCHES: list[dict[str, object]] = [
    {},
    {"local_port": 6901},
    {"nat_present": False},
    {"carrier_grade": True},
    {"device": "computer"},
    {"device": "router"},
    {"ports": [1720]},
]


def handle(word: str) -> str:
    """A rule's handle differs from firewall to firewall: the command before shows it."""
    return f"$(nft -a list ruleset | sed -n 's/.*{word}.*# handle //p')"


# What the reader puts in himself.
STANDS_FOR = {
    "<outside interface>": "out0",
    "<home network>": "192.168.1.0/24",
    "<handle of the masquerade rule>": handle("masquerade"),
    "<handle of that rule>": handle("frag-off"),
}
# The tables and chains that the articles name, and what lists and deletions are to find there.
ROUTER = """
ip link add out0 type veth peer name in0 && ip link set out0 up
nft -f - <<END
table inet filter {
  chain input { type filter hook input priority filter; }
  chain output { type filter hook output priority filter; }
  chain forward {
    type filter hook forward priority filter;
    ip frag-off & 0x1fff != 0 drop
    reject
  }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority dstnat; }
  chain postrouting { type nat hook postrouting priority srcnat; oifname "out0" masquerade; }
}
END
"""


def commands(article: kb.Article) -> Iterator[str]:
    """What the article has the reader type on Linux, without sudo."""
    for branch in BRANCHES:
        text = kb.render(article, {**VALUES, **branch})
        for command in re.findall(r"^ *sudo ((?:nft|sysctl) .+)$", text, re.MULTILINE):
            for placeholder, word in STANDS_FOR.items():
                command = command.replace(placeholder, word)
            yield command


ALL = {a.id: tuple(dict.fromkeys(commands(a))) for a in kb.articles()}


@pytest.mark.parametrize("name", [name for name, found in ALL.items() if found])
def test_commands_of_an_article_work(name: str) -> None:
    script = ROUTER + "\n".join(ALL[name])
    assert "<" not in script.replace("<<END", "")
    done = subprocess.run(
        ["unshare", "--net", "sh", "-eu"], input=script, text=True, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_most_articles_have_commands() -> None:
    assert sum(bool(found) for found in ALL.values()) >= 12
