"""Sample reports, as realistic as the tests need them."""

from __future__ import annotations

from typing import Any

import msgspec

from netcheck.report.model import (
    Dynamic,
    Editor,
    Feature,
    Finding,
    Host,
    Nat,
    Port,
    Report,
    Server,
    Stream,
    Tool,
    Verdict,
)
from probes.observation import (
    Address,
    Attempt,
    Control,
    ControlAttempt,
    InboundTcp,
    LocalFacts,
    NameLookup,
    OutboundTcp,
    OutboundUdp,
)

TRANSFER_PORTS = range(6891, 6901)

_HOST = Host(
    name="study-pc",
    system="Linux",
    addresses=["192.168.1.20"],
    gateways=["192.168.1.1"],
    dns_servers=["192.168.1.1"],
)
_SERVER = Server(
    host="echo.example.net",
    embedded=False,
    reached=True,
    addresses=["192.0.2.10"],
    rtt_ms=23.4,
    software="netcheck 0.1.0",
    certificate="pinned",
    fingerprint="ab" * 32,
)
_LOCAL = LocalFacts(
    id="local-1",
    at_s=0.01,
    took_s=0.02,
    hostname="study-pc",
    system="Linux",
    addresses=(Address(interface="eth0", address="192.168.1.20", prefix=24),),
    gateways=("192.168.1.1",),
    dns_servers=("192.168.1.1",),
)
_CONTROL = Control(
    id="control-1",
    at_s=0.03,
    took_s=11.2,
    host="echo.example.net",
    attempts=(ControlAttempt(port=8463, outcome="connected"),),
    connected=True,
    server_address="192.0.2.10:8463",
    observed_address="198.51.100.7:40112",
    certificate="pinned",
    rtt_ms=23.4,
    confirmed_at_end=True,
)


def _feature(
    feature: str, title: str, verdict: Verdict, summary: str, *findings: str, **more: Any
) -> Feature:
    return Feature(
        profile=more.pop("profile", "msn-messenger"),
        feature=feature,
        title=title,
        verdict=verdict,
        summary=summary,
        findings=list(findings),
        **more,
    )


def all_good() -> Report:
    """A computer with a public address and no firewall."""
    return Report(
        id="7f3a9c2e",
        started_at="2026-03-14T09:26:53Z",
        duration_s=11.6,
        tool=Tool(name="netcheck", version="0.1.0"),
        host=_HOST,
        server=_SERVER,
        overall="works",
        features=[
            _feature("messaging", "Chat", "works", "Chat reaches the message server."),
            _feature(
                "send-files",
                "Send files",
                "works",
                "Contacts reach this computer for ten transfers at once.",
                capacity=10,
            ),
            _feature(
                "receive-files",
                "Receive files",
                "works",
                "This computer reaches contacts for ten transfers at once.",
                capacity=10,
            ),
            _feature("voice", "Voice", "works", "Sound travels both ways."),
        ],
        ports=[
            Port(
                transport="tcp",
                direction="outbound",
                port=1863,
                state="open",
                rtt_ms=24.0,
                attempts=1,
                reached_server=True,
                observation="outbound-tcp-1863",
            ),
            *(
                Port(
                    transport="tcp",
                    direction=direction,
                    port=port,
                    state="open",
                    rtt_ms=20.0 + port % 10,
                    attempts=1,
                    reached_server=True,
                )
                for direction in ("outbound", "inbound")
                for port in TRANSFER_PORTS
            ),
            Port(
                transport="tcp",
                direction="outbound",
                port=443,
                local_port=6901,
                state="open",
                rtt_ms=25.0,
                attempts=1,
                reached_server=True,
            ),
        ],
        nat=Nat(present=False, public_addresses=["192.168.1.20"]),
        observations=[
            _LOCAL,
            NameLookup(
                id="dns-1",
                at_s=0.02,
                took_s=0.01,
                name="echo.example.net",
                outcome="resolved",
                addresses=("192.0.2.10",),
            ),
            _CONTROL,
            OutboundTcp(
                id="outbound-tcp-1863",
                at_s=0.4,
                took_s=0.02,
                port=1863,
                number=1,
                attempts=(Attempt(at_s=0.4, outcome="answered", took_s=0.024),),
                rtt_ms=24.0,
                source="198.51.100.7:40113",
            ),
        ],
    )


def behind_nat() -> Report:
    """A plain NAT: out works, nothing comes in, and the voice port is taken by a program."""
    good = all_good()
    return msgspec.structs.replace(
        good,
        id="51b0d7aa",
        overall="fails",
        features=[
            good.features[0],
            _feature(
                "send-files",
                "Send files",
                "fails",
                "Contacts cannot reach this computer at 198.51.100.7, so a transfer that it"
                " offers never begins.",
                "f2",
            ),
            good.features[2],
            _feature(
                "voice",
                "Voice",
                "limited",
                "You hear your contact, but your contact does not hear you.",
                "f1",
                "f2",
            ),
        ],
        ports=[
            *(port for port in good.ports if port.direction == "outbound"),
            *(
                Port(
                    transport="tcp",
                    direction="inbound",
                    port=port,
                    state="blocked",
                    attempts=3,
                    reached_server=None,
                    why="three calls to 198.51.100.7 were met with silence",
                    observation=f"inbound-tcp-{port}",
                )
                for port in TRANSFER_PORTS
            ),
            Port(
                transport="udp",
                direction="inbound",
                port=6901,
                remote_port=6901,
                state="busy",
                why="taken by skype.exe",
            ),
            Port(
                transport="udp",
                direction="outbound",
                port=6901,
                state="blocked",
                attempts=5,
                reached_server=True,
                why="no answer came back",
            ),
        ],
        nat=Nat(
            present=True,
            public_addresses=["198.51.100.7"],
            mapping="endpoint-independent",
            filtering="address-and-port-dependent",
            hairpin=False,
        ),
        findings=[
            Finding(
                id="f1",
                cause="local-port-in-use",
                severity="warning",
                article="local-port-in-use",
                title="Another program uses UDP port 6901",
                evidence=["inbound-udp-6901"],
                parameters={"ports": [6901], "transport": "udp", "program": "skype.exe"},
            ),
            Finding(
                id="f2",
                cause="inbound-tcp-blocked",
                severity="error",
                article="inbound-tcp-blocked",
                title="Nothing from outside reaches TCP ports 6891–6900",
                evidence=[f"inbound-tcp-{port}" for port in TRANSFER_PORTS],
                parameters={"ports": list(TRANSFER_PORTS), "called_address": "198.51.100.7"},
            ),
        ],
        observations=[
            *good.observations,
            OutboundUdp(
                id="outbound-udp-6901",
                at_s=3.0,
                took_s=5.0,
                port=6901,
                number=14,
                attempts=tuple(Attempt(at_s=3.0 + n, outcome="silent") for n in range(5)),
            ),
            *(
                InboundTcp(
                    id=f"inbound-tcp-{port}",
                    at_s=4.2,
                    took_s=6.0,
                    port=port,
                    number=port - 6871,
                    address="198.51.100.7",
                    calls=tuple(Attempt(at_s=4.2 + n, outcome="silent") for n in range(3)),
                )
                for port in TRANSFER_PORTS
            ),
        ],
    )


def no_server() -> Report:
    """The echo server cannot be reached, so nothing is known."""
    good = all_good()
    return msgspec.structs.replace(
        good,
        overall="unknown",
        server=Server(host="echo.example.net", embedded=False, reached=False),
        features=[
            msgspec.structs.replace(
                feature,
                verdict="unknown",
                capacity=None,
                summary="The echo server could not be reached.",
                findings=["f1"],
            )
            for feature in good.features
        ],
        ports=[
            msgspec.structs.replace(
                port, state="untested", rtt_ms=None, attempts=0, reached_server=None
            )
            for port in good.ports
        ],
        nat=Nat(),
        findings=[
            Finding(
                id="f1",
                cause="server-unreachable",
                severity="error",
                article="server-unreachable",
                title="The echo server echo.example.net does not answer",
                evidence=["control-1"],
                parameters={"server_host": "echo.example.net", "ports": [8463, 443]},
            )
        ],
        observations=[
            _LOCAL,
            Control(
                id="control-1",
                at_s=0.1,
                took_s=10.0,
                host="echo.example.net",
                attempts=(
                    ControlAttempt(port=8463, outcome="silent"),
                    ControlAttempt(port=443, outcome="refused", detail="connection refused"),
                ),
                connected=False,
            ),
        ],
    )


def embedded() -> Report:
    """No server was given: the computer tested itself."""
    return msgspec.structs.replace(
        all_good(),
        server=Server(host="127.0.0.1", embedded=True, reached=True, rtt_ms=0.2),
    )


def two_profiles() -> Report:
    """More features than the first sentence can name."""
    good = behind_nat()
    more: list[tuple[str, str, Verdict]] = [
        ("directory", "Directory", "works"),
        ("data-sharing", "Share data", "works"),
        ("audio", "Hear and be heard", "fails"),
        ("video", "See and be seen", "unknown"),
    ]
    return msgspec.structs.replace(
        good,
        features=[
            *good.features,
            *(
                _feature(name, title, verdict, "As the title says.", profile="netmeeting")
                for name, title, verdict in more
            ),
        ],
        dynamic_udp=Dynamic(
            sampled=64,
            open=32,
            fraction=0.5,
            ci95=[0.38, 0.62],
            open_ranges=[[1024, 4999], [49152, 65535]],
        ),
        media=[
            Stream(direction="outbound", sent=500, received=490, loss=0.02, jitter_ms=3.5, mos=4.1)
        ],
        editors=[
            Editor(protocol="ftp", verdict="edited", sent="192.168.1.20:5001", pinhole=True),
            Editor(protocol="h323", verdict="not-tested", reason="the server does not offer it"),
        ],
    )


def all_samples() -> dict[str, Report]:
    """Every sample, by name."""
    return {
        each.__name__: each()
        for each in (all_good, behind_nat, no_server, embedded, two_profiles, hostile)
    }


# What a host name, a program name or a server might hold in order to deceive the reader.
HOSTILE_TEXTS = (
    "[bold red]markup[/bold red]",
    "[link=https://evil.example]click[/link]",
    "[/]unbalanced",
    ":smile:",
    "\x1b[2J\x1b]0;title\x07screen",
    "\x9b31mC1",
    "back\b\b\b\b\rspace",
    "one\ntwo\r\nthree\u2028four",
    "right\u202eot tfel\u202c",
    "\u2066isolate\u2069 zero\u200bwidth",
    "a\u0301\u0301\u0301",
    "漢字かな" * 30,
    "x" * 5000,
    "lone \ud83d surrogate",
    "\U000e0041tag",
    "",
)


def hostile() -> Report:
    """Two NATs' worth of findings in which every free text is an attack on the reader."""
    texts = iter(HOSTILE_TEXTS * 200)
    return msgspec.convert(
        _poisoned(msgspec.to_builtins(two_profiles(), str_keys=True), texts), Report, str_keys=True
    )


# Keys whose values come from a closed list or have a format.
_CLOSED = frozenset(
    {
        "schema", "probe", "overall", "verdict", "transport", "direction", "state", "cause",
        "severity", "outcome", "dns_outcome", "certificate", "mapping", "filtering",
        "tcp_mapping", "tcp_filtering", "pooling",
    }
)  # fmt: skip


def _poisoned(value: Any, texts: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: each if key in _CLOSED else _poisoned(each, texts) for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_poisoned(each, texts) for each in value]
    return next(texts) if isinstance(value, str) else value
