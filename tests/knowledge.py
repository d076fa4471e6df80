"""Values for every article of the knowledge base, and what the tests of it look into."""

import itertools
from collections.abc import Iterator

import pytest
from markdown_it import MarkdownIt

from netcheck import kb

FILES = list(range(6891, 6901))
ODD = list(range(1, 40, 2))
INWARDS = "1503, 1720 and 6891–6900"

FULL: dict[str, object] = {
    "lan_address": "192.168.1.7",
    "router_address": "192.168.1.1",
    "server_host": "probe.example.net",
    "server_address": "203.0.113.5",
    "public_address": "198.51.100.4",
    "called_address": "198.51.100.4",
    "address": "10.0.0.1",
    "hostname": "desk",
    "name": "directory.example.net",
    "system": "Linux",
    "transport": "tcp",
    "local_port": 6901,
    "remote_port": 6901,
    "seen_port": 40001,
    "loss_percent": 12,
    "percent": 25,
    "open_ranges": ["5004", "16384–32767"],
    "public_addresses": ["198.51.100.4", "198.51.100.5"],
    "carrier_address": "100.64.3.1",
    "external_address": "100.64.3.7",
    "outer_router": "192.168.0.1",
    "last_hop": "192.168.1.1",
    "device": "router",
    "filtering": "address-dependent",
    "direction": "inbound",
    "kind": "audio",
    "seconds": 30,
    "jitter_ms": 45,
    "mos": "2.7",
    "program": "listener.exe",
    "proxy": "http://proxy.example.net:8080",
    "location": "http://portal.example.net/login",
    "detail": "no such name",
    "features": ["Receive files", "Receive calls"],
    "ports": [1503, *FILES],
    "nat_present": True,
    "carrier_grade": False,
    "again": "--server probe.example.net",
    "protocols": ["h323", "snmp"],
    "field": "h245Address",
    "sent": "192.168.1.7:1720",
    "received": "198.51.100.4:1720",
    "entry": "192.168.1.7:1720",
    "answer": "192.168.1.7:20001",
    "opened": 1720,
    "sound": "one-way",
    "editors": {"ftp": "edited", "h323": "mangled"},
}
# What the template gets besides, made from these.
MADE = {"single", "helpers", "helped", "advised", "advice", "inspected", "matrix"}
FREE = ["server_host", "hostname", "name", "program", "proxy", "location", "detail"]
EXACT = [
    "lan_address", "router_address", "called_address", "public_address", "address",
    "carrier_address", "external_address", "outer_router", "last_hop", "device", "filtering",
    "direction", "kind", "seconds", "jitter_ms", "mos", "percent", "field", "sent", "received",
    "entry", "answer", "opened", "sound",
]  # fmt: skip

each_article = pytest.mark.parametrize("article", kb.articles(), ids=lambda article: article.id)


def article(name: str) -> kb.Article:
    found = kb.find(name)
    assert found is not None
    return found


def code_blocks(markdown: str) -> list[str]:
    return [token.content for token in MarkdownIt().parse(markdown) if token.type == "fence"]


def code(name: str, values: dict[str, object]) -> str:
    return "\n".join(code_blocks(kb.render(article(name), values)))


def variants() -> Iterator[dict[str, object]]:
    """Every combination of the values on which the articles branch."""
    branches: list[list[dict[str, object]]] = [
        [{}, {"system": "Windows"}, {"system": "Linux"}, {"system": "Darwin"}],
        [{}, {"nat_present": False}, {"nat_present": True}, {"carrier_grade": True}],
        [{}, {"transport": "tcp"}, {"transport": "udp"}],
        [{}, {"local_port": 6901}],
        [{}, {"ports": [1720]}],
        [
            {},
            {"entry": "192.168.1.7:1720", "opened": 1720},
            {"sound": "one-way"},
            {"answer": "192.168.1.7:20001"},
        ],
    ]
    for chosen in itertools.product(*branches):
        yield {name: value for part in chosen for name, value in part.items()}
    # These branch beside the former, not within them.
    streams: list[list[dict[str, object]]] = [
        [
            {},
            {"device": "computer"},
            {"device": "router"},
            {"device": "carrier"},
            {"device": "beyond"},
        ],
        [{}, {"last_hop": "100.64.3.1"}],
        [{}, {"direction": "outbound"}, {"direction": "inbound"}, {"direction": "both"}],
        [{}, {"kind": "audio"}, {"kind": "video"}],
        [
            {},
            {"protocols": ["msn"]},
            {"protocols": ["ldap"], "carrier_grade": True},
            {"protocols": ["ldap"]},
            {"protocols": ["ftp", "pptp", "snmp", "sip", "irc", "rpc", "dcom"]},
        ],
    ]
    for chosen in itertools.product(*streams):
        yield {name: value for part in chosen for name, value in part.items()}
