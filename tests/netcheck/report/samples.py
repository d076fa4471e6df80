"""Sample reports, as realistic as the tests need them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from netcheck.report.model import (
    Dynamic,
    Editor,
    EditorDialogue,
    Feature,
    Finding,
    Host,
    Nat,
    PathHop,
    PlacedCall,
    PlacedMedium,
    Port,
    PortMapping,
    Report,
    Server,
    Stream,
    Tool,
    Verdict,
)
from probes.observation import (
    Address,
    Arrival,
    AtOnce,
    Attempt,
    BindingLifetime,
    Call,
    CallConnection,
    CallMedia,
    Control,
    ControlAttempt,
    DynamicRange,
    Followed,
    Fragments,
    Heard,
    Hop,
    Hops,
    IcmpErrors,
    InboundTcp,
    InboundUdp,
    Invitation,
    Invited,
    Ledger,
    LifetimeTrial,
    LocalFacts,
    Loss,
    Mapped,
    MediaStream,
    NameLookup,
    Nat64,
    NatFiltering,
    NatHairpin,
    NatMapping,
    NatPorts,
    OutboundTcp,
    OutboundUdp,
    PathMtu,
    Portal,
    PortMapper,
    PortMappers,
    PortSample,
    PortSeen,
    Punched,
    RawProtocol,
    Said,
    SizeTried,
    StunSeen,
    Talk,
    Unasked,
)

TRANSFER_PORTS = range(6891, 6901)

_DIRECTIONS: tuple[Literal["outbound", "inbound"], ...] = ("outbound", "inbound")

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


_OWN, _PUBLIC, _STUN = "192.168.1.20", "198.51.100.7", "192.0.2.10"

# At least one of every kind of observation that the other samples lack.
_BEHAVIOUR = (
    StunSeen(
        id="stun",
        at_s=0.1,
        took_s=0.02,
        server=f"{_STUN}:3478",
        attempts=(Attempt(at_s=0.1, outcome="answered", took_s=0.021),),
        rtt_ms=21.0,
        software="netcheck/0.1.0",
        other_address="192.0.2.11",
        other_used=True,
    ),
    NatMapping(
        id="nat-mapping-udp",
        at_s=0.2,
        took_s=0.1,
        transport="udp",
        local=f"{_OWN}:40001",
        seen=tuple(
            Mapped(
                destination=f"{_STUN}:{port}",
                attempts=(Attempt(at_s=0.2, outcome="answered", took_s=0.02),),
                xored=f"{_PUBLIC}:{port + 1000}",
                plain=f"{_PUBLIC}:{port + 1000}",
            )
            for port in (3478, 3479)
        ),
    ),
    NatFiltering(
        id="nat-filtering-tcp",
        at_s=0.2,
        took_s=1.0,
        transport="tcp",
        local=f"{_OWN}:40002",
        mapped=f"{_PUBLIC}:40002",
        tests=(
            Unasked(
                source="other-port",
                asked=6,
                attempts=(Attempt(at_s=0.3, outcome="refused", detail="connection refused"),),
                control_sent=6,
                control_heard=6,
            ),
            Unasked(source="other-address", untested="the server has one address"),
        ),
    ),
    NatPorts(
        id="nat-ports-udp",
        at_s=0.2,
        took_s=0.2,
        transport="udp",
        destination=f"{_STUN}:3478",
        sockets=tuple(
            PortSeen(local=f"{_OWN}:{port}", mapped=f"{_PUBLIC}:{port}")
            for port in range(41000, 41024)
        ),
    ),
    NatHairpin(
        id="nat-hairpin",
        at_s=0.4,
        took_s=0.6,
        target=f"{_PUBLIC}:42000",
        attempts=tuple(Attempt(at_s=0.4 + n, outcome="silent") for n in range(6)),
        hop_limit=8,
    ),
    BindingLifetime(
        id="binding-lifetime-udp",
        at_s=0.5,
        took_s=400.0,
        transport="udp",
        trials=tuple(
            LifetimeTrial(
                idle_s=5.0 * n,
                alive=None if n == 3 else n < 7,
                refreshed="inbound" if n == 4 else "nothing",
            )
            for n in range(1, 40)
        ),
        deep=True,
    ),
    Punched(
        id="tcp-simultaneous-open", at_s=0.5, took_s=1.0, mapped=f"{_PUBLIC}:43000", opened=True
    ),
    PathMtu(
        id="path-mtu",
        at_s=0.5,
        took_s=0.5,
        sizes=(
            SizeTried(size=1280, sent=3, answered=3),
            SizeTried(size=1500, sent=3, answered=0, detail="message too long", limit=1492),
        ),
    ),
    Fragments(
        id="fragments-outbound",
        at_s=0.5,
        took_s=0.5,
        order="in-order",
        direction="outbound",
        sent=6,
    ),
    IcmpErrors(id="icmp-errors", at_s=0.5, took_s=0.1, destination=f"{_STUN}:33450"),
    Hops(
        id="hops-open-udp",
        at_s=0.6,
        took_s=0.1,
        aim="open",
        transport="udp",
        destination=_STUN,
        port=3478,
        hops=(
            Hop(ttl=1, address="192.168.1.1", rtt_ms=0.6, sent=1),
            Hop(ttl=2, sent=4),
            Hop(ttl=3, address=_STUN, rtt_ms=21.0, end=True, sent=1, detail="port unreachable"),
        ),
    ),
    PortMappers(
        id="port-mappers",
        at_s=0.6,
        took_s=1.0,
        found=(
            PortMapper(
                protocol="upnp-igd",
                gateway="192.168.1.1",
                external_address="100.64.3.7",
                detail="IGD 2",
            ),
        ),
        asked=("192.168.1.1",),
    ),
    Nat64(id="nat64", at_s=0.6, took_s=0.1, outcome="found", prefixes=("64:ff9b::/96",)),
    DynamicRange(
        id="dynamic-udp",
        at_s=0.7,
        took_s=3.0,
        transport="udp",
        strata=64,
        first=64,
        samples=tuple(
            PortSample(
                port=1024 + 1000 * n, outcome="open" if n in range(16, 32) else "blocked", tries=6
            )
            for n in range(64)
        ),
        unavailable=(5060,),
    ),
    *(
        MediaStream(
            id=f"media-audio-{direction}",
            at_s=1.0,
            took_s=3.2,
            kind="audio",
            direction=direction,
            local_port=53924,
            server_port=52788,
            sent=150,
            received=None if direction == "inbound" else 141,
            gaps=6,
            jitter_ms=2.4,
            packets_per_s=50,
            source=f"{_PUBLIC}:53924",
            losses=(0, 1, 2, 3),
            jitters_ms=(0.5, None, None, 41.2),
        )
        for direction in _DIRECTIONS
    ),
    AtOnce(id="at-once-6891-6900", at_s=0.4, took_s=0.1, ports=(6891,), carried=(), settled=False),
    InboundUdp(
        id="inbound-udp-6901", at_s=0.4, took_s=0.1, port=6901, number=3, untested="no address"
    ),
    Portal(id="portal", at_s=0.1, took_s=0.1, outcome="redirected", location="http://192.168.1.1/"),
    Ledger(
        id="ledger",
        at_s=4.0,
        took_s=0.1,
        complete=True,
        arrivals=tuple(
            Arrival(transport="tcp", port=1024 + n, number=n, source=f"{_PUBLIC}:{n}", count=1)
            for n in range(40)
        ),
        proven_addresses=(_PUBLIC,),
    ),
    Loss(id="loss", at_s=0.0, took_s=4.0, control_sent=40, control_lost=1, udp_sent=90),
)


_TALK = Talk(
    id="talk-sip-udp-5060",
    at_s=1.0,
    took_s=0.4,
    protocol="sip",
    dialogue="sip-udp",
    transport="udp",
    port=5060,
    aim="own-port",
    outcome="broken-off",
    local="192.168.1.20:5060",
    source=f"{_PUBLIC}:5060",
    out=Heard(
        expected=2,
        kinds=("INVITE",),
        said=(
            Said(
                field="m=audio",
                sent="192.168.1.20:7078",
                arrived=f"{_PUBLIC}:7078",
                announced=True,
            ),
        ),
        faults=("Content-Length: 190, and the body has 192 bytes",),
    ),
    followed=(
        Followed(
            field="m=audio",
            target=f"{_PUBLIC}:7078",
            attempts=(Attempt(at_s=1.2, outcome="silent"),),
        ),
    ),
    tries=9,
)

_EDITORS = [
    Editor(
        protocol="ftp",
        verdict="edited",
        sent="192.168.1.20:20001",
        received=f"{_PUBLIC}:20001",
        pinhole=True,
        reason="PORT: rewritten, and reached there; EPRT: not tested",
        field="PORT",
        acts_on="port",
        own_address_only=True,
        dialogues=[
            EditorDialogue(name="PORT", verdict="edited", pinhole=True, reason="reached there"),
            EditorDialogue(name="EPRT", verdict="not-tested", reason="it was not tried"),
        ],
        evidence=["talk-ftp-port-21", "talk-ftp-port-control"],
    ),
    Editor(protocol="icmp", verdict="edited", reason="mapped back", evidence=["icmp-errors"]),
    Editor(protocol="pptp", verdict="untouched", sent="4660", received="4660", reason="as sent"),
    Editor(protocol="snmp", verdict="blocked", reason="version 1: nothing of it arrives"),
    Editor(
        protocol="msn",
        verdict="untouched",
        sent="192.168.1.20:6891",
        received="192.168.1.20:6891",
        reason="IP-Address still says 192.168.1.20:6891",
        field="IP-Address",
    ),
    Editor(
        protocol="sip",
        verdict="mangled",
        sent="192.168.1.20:7078",
        received=f"{_PUBLIC}:7078",
        reason="Content-Length: 190, and the body has 192 bytes",
        field="m=audio",
        acts_on="content",
        evidence=["talk-sip-udp-5060"],
    ),
    Editor(
        protocol="h323",
        verdict="edited-unreachable",
        pinhole=False,
        reason=f"rewritten to {_PUBLIC}:30001; nobody gets in there",
    ),
    Editor(protocol="irc", verdict="not-tested", reason="it was not tried"),
]


_CALL = Call(
    id="call-outbound",
    at_s=0.4,
    took_s=1.7,
    direction="outbound",
    signalling=CallConnection(to=f"{_STUN}:1720", outcome="answered", attempts=1, over=True),
    control=CallConnection(to=f"{_STUN}:30001", outcome="answered", attempts=1, over=True),
    media=(
        CallMedia(
            kind="audio",
            direction="inbound",
            rtp_to="192.168.1.20:20008",
            rtcp_to="192.168.1.20:20009",
            refused="not-proven",
            rtcp_refused="not-proven",
        ),
    ),
)
_INVITED = Invited(
    id="invited",
    at_s=0.6,
    took_s=0.4,
    invitations=(
        Invitation(port=6891, sent="192.168.1.20:6891", arrived="192.168.1.20:6891",
                   refused="not-proven"),
        Invitation(port=6892, busy=True),
    ),
    talk="talked",
)  # fmt: skip
_RAW = RawProtocol(id="raw-gre", at_s=0.7, took_s=0.1, protocol="gre", sent=2, answered=True)
_PLACED = [
    PlacedCall(
        direction="outbound",
        reached="media",
        set_up=True,
        signalling=f"{_STUN}:1720",
        control=f"{_STUN}:30001",
        data="192.168.1.20:1503",
        data_reached=False,
        sound="only-they",
        picture="unknown",
        media=[
            PlacedMedium(
                kind="audio",
                direction="outbound",
                to=f"{_STUN}:30010",
                rtcp_to=f"{_STUN}:30011",
                sent=50,
                received=49,
                reports=8,
                arrives=True,
                reports_arrive=True,
            ),
            PlacedMedium(
                kind="audio",
                direction="inbound",
                to="192.168.1.20:20008",
                rtcp_to="192.168.1.20:20009",
                sent=0,
                received=0,
                reports=0,
                arrives=False,
                reports_arrive=None,
                reason="they send to 192.168.1.20",
            ),
            PlacedMedium(
                kind="video",
                direction="inbound",
                to=None,
                rtcp_to=None,
                sent=30,
                received=None,
                reports=None,
                arrives=None,
                reports_arrive=None,
                reason="the other end's count did not arrive",
            ),
        ],
        evidence=["call-outbound"],
    ),
    PlacedCall(
        direction="inbound",
        reached="nothing",
        set_up=False,
        reason="the directory names 192.168.1.20:1720, where nobody outside can reach you",
        signalling="192.168.1.20:1720",
        evidence=["call-inbound"],
    ),
]


def everything() -> Report:
    """A carrier's NAT behind a router, a range-limited firewall: every field, every probe."""
    base = two_profiles()
    return msgspec.structs.replace(
        base,
        nat=Nat(
            present=True,
            public_addresses=[_PUBLIC, "198.51.100.8"],
            mapping="address-dependent",
            filtering="address-and-port-dependent",
            tcp_mapping="endpoint-independent",
            tcp_filtering="address-and-port-dependent",
            hairpin=False,
            port_preservation=True,
            port_parity=True,
            port_contiguity=False,
            port_overloading=False,
            pooling="arbitrary",
            binding_lifetime_s=32.0,
            carrier_grade=True,
            layers=2,
            tcp_port_preservation=False,
            tcp_unsolicited="reset",
            simultaneous_open=True,
            binding_lifetime_min_s=30.0,
            refreshed_by=["outbound"],
            fragments="dropped",
            fragments_out_of_order="dropped",
            path_mtu=1492,
            icmp_errors=True,
            nat64_prefix="64:ff9b::/96",
            port_mapping=[
                PortMapping(
                    protocol="upnp-igd", gateway="192.168.1.1", external_address="100.64.3.7"
                ),
                PortMapping(protocol="pcp", gateway="192.168.1.1"),
            ],
            evidence=[
                "nat-mapping-udp",
                "nat-filtering-tcp",
                "nat-ports-udp",
                "binding-lifetime-udp",
                "nat-hairpin",
                "tcp-simultaneous-open",
                "hops-open-udp",
                "fragments-outbound",
                "path-mtu",
                "icmp-errors",
                "nat64",
                "port-mappers",
            ],
        ),
        path=[
            PathHop(ttl=1, address="192.168.1.1", rtt_ms=0.6, place="router"),
            PathHop(ttl=2, address="100.64.0.1", rtt_ms=6.2, place="carrier"),
            PathHop(ttl=3, address=None),
            PathHop(ttl=4, address="203.0.113.1", rtt_ms=12.1, place="beyond"),
            PathHop(ttl=5, address=_STUN, rtt_ms=23.4, place="server"),
        ],
        dynamic_udp=Dynamic(
            sampled=64,
            open=16,
            fraction=0.25,
            ci95=[0.16, 0.37],
            open_ranges=[[17024, 32024]],
            edges_within=500,
            observation="dynamic-udp",
        ),
        dynamic_tcp=Dynamic(
            sampled=36, open=36, fraction=1.0, ci95=[0.9, 1.0], open_ranges=[[1024, 65535]]
        ),
        media=[
            Stream(
                direction="outbound",
                sent=150,
                received=141,
                loss=0.06,
                jitter_ms=2.4,
                reordered=2,
                duplicates=1,
                rtt_ms=23.0,
                mos=2.9,
                observation="media-audio-outbound",
            ),
            Stream(direction="inbound", sent=150, received=None, loss=None),
            Stream(kind="video", direction="outbound", sent=90, received=0, loss=1.0),
        ],
        editors=_EDITORS,
        calls=_PLACED,
        findings=[
            *base.findings,
            *(
                Finding(
                    id=f"poor-media-{number}",
                    cause="poor-media",
                    severity="warning",
                    article="poor-media",
                    title="Sound or picture arrive, but too badly for a good conversation",
                    evidence=[f"media-audio-{direction}"],
                    parameters={"kind": "audio", "direction": direction, "mos": "2.9"},
                )
                for number, direction in enumerate(_DIRECTIONS, 1)
            ),
        ],
        observations=[*base.observations, *_BEHAVIOUR, _TALK, _CALL, _INVITED, _RAW],
    )


def all_samples() -> dict[str, Report]:
    """Every sample, by name."""
    return {
        each.__name__: each()
        for each in (
            all_good,
            behind_nat,
            no_server,
            embedded,
            two_profiles,
            everything,
            hostile,
        )
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
        _poisoned(msgspec.to_builtins(everything(), str_keys=True), texts), Report, str_keys=True
    )


# Keys whose values come from a closed list or have a format.
_CLOSED = frozenset(
    {
        "schema", "probe", "overall", "verdict", "transport", "direction", "state", "cause",
        "severity", "outcome", "dns_outcome", "certificate", "mapping", "filtering",
        "tcp_mapping", "tcp_filtering", "pooling", "tcp_unsolicited", "fragments",
        "fragments_out_of_order", "place", "kind", "aim", "order", "acts_on", "refreshed",
        "refreshed_by", "reached", "sound", "picture",
    }
)  # fmt: skip


# Of keys that hold such a value in one struct and free text in another.
_CLOSED_VALUES = frozenset({"other-port", "other-address", "upnp-igd", "nat-pmp", "pcp", "gre"})


def _poisoned(value: Any, texts: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: each if key in _CLOSED else _poisoned(each, texts) for key, each in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_poisoned(each, texts) for each in value]
    return next(texts) if isinstance(value, str) and value not in _CLOSED_VALUES else value
