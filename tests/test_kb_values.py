"""What an article is filled with, of the report it stands in."""

import re
from typing import Any

import pytest

from netcheck import kb
from netcheck.report.model import Feature, Finding, Host, Nat, Report, Server, Tool
from probes.observation import (
    AnyObservation,
    Control,
    ControlAttempt,
    Mapped,
    NatMapping,
    StunSeen,
)
from probes.wire import link
from tests.knowledge import (
    FILES,
    code,
)


def report(**changes: Any) -> Report:
    finding = Finding(
        id="f1",
        cause="inbound-tcp-blocked",
        severity="error",
        article="inbound-tcp-blocked",
        title="",
        evidence=[],
        parameters={"ports": [*FILES], "called_address": "198.51.100.4"},
    )
    given: dict[str, Any] = {
        "id": "r1",
        "started_at": "2024-05-01T12:00:00Z",
        "duration_s": 1.0,
        "tool": Tool(name="netcheck", version="0"),
        "host": Host(
            name="desk",
            system="Linux",
            addresses=["127.0.0.1", "::1", "172.17.0.1", "192.168.1.7"],
            gateways=["192.168.1.1"],
        ),
        "server": Server(host="probe.example.net", embedded=False, reached=True),
        "overall": "fails",
        "features": [
            Feature(
                profile="p", feature="a", title="Send files", verdict="fails", summary="",
                findings=["f1"],
            ),
            Feature(profile="p", feature="b", title="Messaging", verdict="works", summary=""),
        ],
        "nat": Nat(present=True, public_addresses=["198.51.100.4"]),
        "findings": [finding],
    }  # fmt: skip
    return Report(**{**given, **changes})


def test_values_of_a_report() -> None:
    r = report()
    values = kb.values_of(r, r.findings[0])
    assert values == {
        "hostname": "desk",
        "system": "Linux",
        "lan_address": "192.168.1.7",
        "router_address": "192.168.1.1",
        "server_host": "probe.example.net",
        "public_address": "198.51.100.4",
        "nat_present": True,
        "features": ["Send files"],
        "ports": FILES,
        "called_address": "198.51.100.4",
    }
    text = kb.render(kb.article_for("inbound-tcp-blocked"), values)
    assert "To the internal address: 192.168.1.7" in text


PRINT = "0f" * 32


def control(port: int = 8463) -> Control:
    return Control(
        id="control", at_s=0, took_s=1, host="x", connected=True, server_address="203.0.113.5",
        attempts=(ControlAttempt(port=port, outcome="connected"),),
        server_addresses=("203.0.113.5", "203.0.113.66"),
    )  # fmt: skip


def stun_seen(port: int = 3478) -> StunSeen:
    return StunSeen(
        id="stun", at_s=0, took_s=0, server=f"203.0.113.5:{port}", other_address="203.0.113.66:3479"
    )


def mapping(*destinations: str) -> NatMapping:
    seen = tuple(Mapped(destination=each, attempts=()) for each in destinations)
    return NatMapping(id="nat-mapping-udp", at_s=0, took_s=0, transport="udp", local="", seen=seen)


BOTH = mapping("203.0.113.5:3478", "203.0.113.6:3478", "203.0.113.6:3479")
ONE = mapping("203.0.113.5:3478", "203.0.113.5:3479")


@pytest.mark.parametrize(
    ("server", "observations", "options"),
    [
        ({}, [control()], " --server probe.example.net"),
        ({}, [control(443)], " --server probe.example.net"),
        ({}, [control(9000)], " --server probe.example.net:9000"),
        ({"host": "2001:db8::5"}, [control(9000)], " --server [2001:db8::5]:9000"),
        ({"certificate": "unchecked"}, [control()], " --server probe.example.net --insecure"),
        (
            {"certificate": "pinned", "fingerprint": PRINT},
            [control(), BOTH],
            f' --server "netcheck://probe.example.net:8463?also=203.0.113.6#{PRINT}"',
        ),
        (
            {"certificate": "pinned", "fingerprint": PRINT},
            [control(), ONE],
            f' --server "netcheck://probe.example.net:8463#{PRINT}"',
        ),
        ({"host": "203.0.113.5:3478"}, [stun_seen(), BOTH],
         " --stun 203.0.113.5:3478 --stun 203.0.113.6"),
        ({"host": "203.0.113.5:9"}, [stun_seen(9), ONE], " --stun 203.0.113.5:9"),
        ({"embedded": True}, [control()], ""),
        ({"host": "a;reboot"}, [control(9000)], " --server <test server>"),
        ({"certificate": "pinned", "fingerprint": '"; reboot'}, [control()],
         " --server probe.example.net"),
    ],
)  # fmt: skip
def test_the_command_to_check_again_reaches_the_same_server(
    server: dict[str, Any], observations: list[AnyObservation], options: str
) -> None:
    given = {"host": "probe.example.net", "embedded": False, "reached": True, **server}
    r = report(server=Server(**given), observations=observations)
    rendered = code("inbound-tcp-blocked", kb.values_of(r, r.findings[0]))
    assert rendered.splitlines()[-1] == f"netcheck check{options}"
    for said in re.findall('--server "?([^ "<]+)|--stun ([^ ]+)', options):
        link.parse("".join(said))


@pytest.mark.parametrize(
    "again", ["--server a; reboot", "--output /etc/passwd", "--server $(x)", "--server -x", 7]
)
def test_a_finding_does_not_choose_the_command(again: object) -> None:
    values = {"again": again, "server_host": "probe.example.net"}
    rendered = code("inbound-tcp-blocked", values)
    assert rendered.splitlines()[-1] == "netcheck check --server probe.example.net"


@pytest.mark.parametrize(
    ("addresses", "gateways", "expected"),
    [
        (["10.8.0.2", "192.168.1.7"], ["192.168.1.1"], "192.168.1.7"),
        (["169.254.3.4", "192.168.1.7"], [], "192.168.1.7"),
        (["2001:db8::7"], ["fe80::1"], "2001:db8::7"),
        ([], [], None),
    ],
)
def test_the_lan_address_is_the_one_towards_the_router(
    addresses: list[str], gateways: list[str], expected: str | None
) -> None:
    r = report(host=Host(name="", system="unknown", addresses=addresses, gateways=gateways))
    assert kb.values_of(r, r.findings[0]).get("lan_address") == expected
