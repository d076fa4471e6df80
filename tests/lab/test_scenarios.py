"""A whole check across real networks: for each, netcheck must find exactly the truth."""

from __future__ import annotations

import sys
from collections.abc import Callable

import msgspec
import pytest

from netcheck.report.schema import schema
from tests.lab import firewall
from tests.lab.description import Dns, Forward, Network, Transparent
from tests.lab.network import Lab, NodeProcess
from tests.lab.scenarios import (
    BEHIND_NAT,
    CONTROL_PORT,
    OPEN_NETWORK,
    Outcome,
    Scenario,
    Truth,
    port_key,
    run,
)

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

BLOCKED_IN = frozenset({"inbound-tcp-blocked", "inbound-udp-blocked"})
UNREACHED = dict.fromkeys(OPEN_NETWORK, "unknown")
NOTHING = Truth(
    outbound="untested",
    inbound="untested",
    features=UNREACHED,
    causes=frozenset({"server-unreachable"}),
    capacity=None,
    nat=None,
    reached=False,
)
ROUTED = Network(nat=False)
NAT = Network()


def busy(lab: Lab) -> None:
    lab.occupy("client", "tcp", "0.0.0.0", 6891)


def without_522(lab: Lab) -> None:
    lab.occupy("server", "tcp", lab.network.server, 522)
    lab.occupy("server", "tcp", lab.network.server_2, 522)


def strangers(lab: Lab) -> None:
    lab.accepting("other", tuple(range(6891, 6901)))


def one_to_one_nat(lab: Lab) -> None:
    """A cloud's 1:1 NAT before the server: 198.51.100.77 outside is 198.51.100.5 inside."""
    lab.nft(
        "internet",
        """table ip cloud {
            chain before { type nat hook prerouting priority dstnat;
                ip daddr 198.51.100.77 dnat to 198.51.100.5; }
            chain after { type nat hook postrouting priority srcnat;
                ip saddr 198.51.100.5 snat to 198.51.100.77; }
        }""",
    )


def crossed(lab: Lab) -> None:
    """The router leads calls for 6892 to 6891."""
    lab.nft(
        "router",
        """table ip crossed {
            chain before { type nat hook prerouting priority dstnat - 5;
                iifname "wan" tcp dport 6892 dnat to 192.168.77.2:6891; }
        }""",
    )


SCENARIOS = (
    Scenario("routed-and-open", ROUTED, Truth(inbound="open", nat=False)),
    Scenario("plain-nat", NAT, Truth(features=BEHIND_NAT, causes=BLOCKED_IN)),
    Scenario(
        "plain-nat-without-input-rule",
        Network(router_input="accept"),
        Truth(
            inbound="refused",
            # The server sends these from a socket that serves all its clients, and so
            # is not told of the ICMP error that the first of them meets.
            ports={"udp in any from 6901": "blocked"},
            features=BEHIND_NAT,
            causes=frozenset({"inbound-tcp-refused", "inbound-udp-blocked"}),
        ),
    ),
    Scenario(
        "all-file-ports-forwarded",
        Network(forwards=(Forward("tcp", "6891-6900"),)),
        Truth(
            ports={"tcp in 6891-6900": "open"},
            features={"receive-calls": "fails"},
            causes=BLOCKED_IN,
        ),
    ),
    Scenario(
        "only-6891-forwarded",
        Network(forwards=(Forward("tcp", 6891),)),
        Truth(
            ports={"tcp in 6891": "open"},
            features={"receive-calls": "fails"},
            causes=BLOCKED_IN,
        ),
    ),
    Scenario(
        "firewall-drops",
        Network(nat=False, firewall=(firewall.drop("tcp", (1863, 522, "6892-6900")),)),
        Truth(
            inbound="open",
            ports={
                "tcp out 1863": "blocked",
                "tcp out 522": "blocked",
                "tcp out 6892-6900": "blocked",
            },
            features={"messaging": "fails", "directory": "limited", "receive-files": "limited"},
            causes=frozenset({"outbound-tcp-blocked"}),
            capacity=1,
            nat=False,
        ),
    ),
    Scenario(
        "firewall-resets",
        Network(nat=False, firewall=(firewall.reject_with_reset((1863, 1503)),)),
        Truth(
            inbound="open",
            ports={"tcp out 1863": "refused", "tcp out 1503": "refused"},
            features={"messaging": "fails", "data-sharing": "fails"},
            causes=frozenset({"outbound-tcp-refused"}),
            nat=False,
        ),
    ),
    Scenario(
        "firewall-says-so-by-icmp",
        Network(
            nat=False,
            firewall=(
                firewall.reject_with_icmp("tcp", (1720,)),
                firewall.reject_with_icmp("udp", (6901,)),
            ),
        ),
        Truth(
            inbound="open",
            ports={"tcp out 1720": "refused", "udp out 6901": "refused"},
            features={"call-out": "fails", "audio": "fails", "video": "fails"},
            causes=frozenset({"outbound-tcp-refused", "outbound-udp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "transparent-proxy-answers",
        Network(nat=False, transparent=(Transparent(1863, "answer"),)),
        Truth(
            inbound="open",
            ports={"tcp out 1863": "intercepted"},
            features={"messaging": "fails"},
            causes=frozenset({"outbound-tcp-intercepted"}),
            nat=False,
        ),
    ),
    Scenario(
        "transparent-proxy-swallows",
        Network(nat=False, transparent=(Transparent(1863, "swallow"),)),
        Truth(
            inbound="open",
            # A box that accepts and says nothing cannot be told from one that lets the
            # handshake through and drops what follows.
            ports={"tcp out 1863": "blocked"},
            features={"messaging": "fails"},
            causes=frozenset({"outbound-tcp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "handshake-passes-and-data-does-not",
        Network(nat=False, firewall=('iifname "lan" tcp dport 1863 meta length > 100 drop',)),
        Truth(
            inbound="open",
            ports={"tcp out 1863": "blocked"},
            features={"messaging": "fails"},
            causes=frozenset({"outbound-tcp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "calls-shake-hands-and-lose-their-data",
        Network(nat=False, firewall=('oifname "lan" tcp dport 6891 meta length > 100 drop',)),
        Truth(
            inbound="open",
            ports={"tcp in 6891": "blocked"},
            causes=frozenset({"inbound-tcp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "router-leads-6892-to-6891",
        Network(forwards=(Forward("tcp", "6891-6900"),)),
        Truth(
            ports={"tcp in 6891-6900": "open", "tcp in 6892": "intercepted"},
            features={"receive-calls": "fails"},
            causes=BLOCKED_IN | {"inbound-wrong-host"},
        ),
        before=crossed,
    ),
    *(
        Scenario(
            f"proxy-alters-{direction}-by-{alteration}",
            Network(nat=False, transparent=(proxy,)),
            Truth(
                inbound="open",
                ports={"tcp out 1863": "altered"},
                features={"messaging": "fails"},
                causes=frozenset({"payload-altered"}),
                nat=False,
            ),
        )
        for direction in ("out", "in", "both")
        for alteration, proxy in (
            ("xor", Transparent(1863, "alter", direction, "xor")),
            ("capitals", Transparent(1863, "alter", direction, "upper")),
        )
        if not (alteration == "capitals" and direction == "in")
    ),
    Scenario(
        "box-rewrites-addresses-in-payloads",
        Network(
            transparent=(
                Transparent(
                    1863, "alter", "out", replace=(b"\xc0\xa8\x4d\x02", b"\xcb\x00\x71\x02")
                ),
            )
        ),
        Truth(
            ports={"tcp out 1863": "altered"},
            features=BEHIND_NAT | {"messaging": "fails"},
            causes=BLOCKED_IN | {"payload-altered"},
        ),
    ),
    Scenario(
        "udp-payload-altered",
        Network(nat=False, firewall=(firewall.overwrite_udp_payload(6901, "in"),)),
        Truth(
            inbound="open",
            ports={"udp out 6901": "altered", "udp in any from 6901": "blocked"},
            causes=frozenset({"payload-altered", "inbound-udp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "another-host-answers",
        Network(other=True, forwards=(Forward("tcp", "6891-6900", "other"),)),
        Truth(
            ports={"tcp in 6891-6900": "intercepted"},
            features=BEHIND_NAT,
            causes=BLOCKED_IN | {"inbound-wrong-host"},
        ),
        before=strangers,
    ),
    Scenario(
        "udp-replies-dropped",
        Network(nat=False, firewall=(firewall.drop_udp_replies(),)),
        Truth(
            inbound="open",
            ports={
                "udp out 6901": "blocked",
                "udp out any from 6901": "blocked",
                "udp in 6901": "blocked",
                "udp in any from 6901": "blocked",
            },
            causes=frozenset({"udp-reply-blocked", "inbound-udp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "udp-dropped-outbound",
        Network(nat=False, firewall=(firewall.drop("udp"),)),
        Truth(
            inbound="open",
            ports={"udp out 6901": "blocked", "udp out any from 6901": "blocked"},
            causes=frozenset({"outbound-udp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "udp-dropped-both-ways-behind-nat",
        Network(firewall=(firewall.drop("udp"),)),
        Truth(
            ports={"udp out 6901": "blocked", "udp out any from 6901": "blocked"},
            features=BEHIND_NAT | {"voice": "fails"},
            causes=BLOCKED_IN | {"outbound-udp-blocked"},
        ),
    ),
    Scenario(
        "tcp-source-6901-blocked",
        Network(nat=False, firewall=(firewall.drop_source_ports("tcp", 6901),)),
        Truth(
            inbound="open",
            ports={"tcp out 6901 from 6901": "blocked"},
            features={"voice": "fails"},
            causes=frozenset({"outbound-tcp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "6891-busy-on-the-client",
        ROUTED,
        Truth(
            inbound="open",
            ports={"tcp in 6891": "busy"},
            causes=frozenset({"local-port-in-use"}),
            nat=False,
        ),
        before=busy,
    ),
    Scenario(
        "server-without-522",
        ROUTED,
        Truth(
            inbound="open",
            ports={"tcp out 522": "unavailable"},
            features={"directory": "unknown"},
            causes=frozenset({"server-port-unavailable"}),
            nat=False,
        ),
        before=without_522,
    ),
    Scenario("carrier-nat", Network(carrier=True), Truth(features=BEHIND_NAT, causes=BLOCKED_IN)),
    Scenario(
        "source-port-translated",
        Network(mapping="random"),
        Truth(features=BEHIND_NAT, causes=BLOCKED_IN | {"source-port-translated"}),
    ),
    Scenario(
        "slow-path",
        Network(nat=False, rtt_ms=200, firewall=(firewall.drop("tcp", (1863,)),)),
        Truth(
            inbound="open",
            ports={"tcp out 1863": "blocked"},
            features={"messaging": "fails"},
            causes=frozenset({"outbound-tcp-blocked"}),
            nat=False,
        ),
    ),
    Scenario(
        "only-443-open",
        Network(
            nat=False,
            firewall=(
                'iifname "lan" tcp dport != 443 drop',
                firewall.drop("udp", direction="both"),
                firewall.drop("tcp", (*range(6891, 6901), 1503, 1720), direction="in"),
            ),
        ),
        Truth(
            outbound="blocked",
            features={
                "messaging": "fails",
                "receive-files": "fails",
                "directory": "fails",
                "data-sharing": "fails",
                "call-out": "fails",
                "audio": "fails",
                "video": "fails",
                "voice": "fails",
            }
            | BEHIND_NAT,
            causes=BLOCKED_IN | {"outbound-tcp-blocked", "outbound-udp-blocked"},
            capacity=None,
            nat=False,
        ),
        server=("--control-port", "8463", "--control-port", "443"),
        target="netcheck://198.51.100.5#FINGERPRINT",
    ),
    Scenario(
        "only-an-http-proxy",
        Network(http_proxy=True, firewall=('iifname "lan" drop',)),
        Truth(
            outbound="blocked",
            inbound="untested",
            ports={"udp out any from 6901": "blocked"},
            features={
                feature: "fails"
                for feature in OPEN_NETWORK
                if feature not in ("send-files", "receive-calls")
            },
            causes=frozenset({"proxy-required", "outbound-tcp-blocked", "outbound-udp-blocked"}),
            capacity=None,
            nat=None,
        ),
        server=("--control-port", "443"),
        environment={"HTTPS_PROXY": NAT.http_proxy_url},
    ),
    Scenario(
        "no-server-but-a-host",
        ROUTED,
        NOTHING,
        serve=False,
        target="198.51.100.5",
    ),
    Scenario(
        "no-host-at-all",
        Network(nat=False, firewall=(firewall.drop_address("198.51.100.5"),)),
        NOTHING,
        serve=False,
        target="198.51.100.5",
    ),
    Scenario(
        "wrong-name",
        ROUTED,
        Truth(
            outbound="untested",
            inbound="untested",
            features=UNREACHED,
            causes=frozenset({"dns-failure"}),
            capacity=None,
            nat=None,
            reached=False,
        ),
        serve=False,
        target="no-such-server.example",
    ),
    Scenario(
        "found-by-service-record",
        Network(
            nat=False,
            dns=Dns(
                hosts={"echo.example": ("198.51.100.5",)},
                services={"_netcheck._tcp.company.example": ((0, 0, 8463, "echo.example"),)},
            ),
        ),
        Truth(inbound="open", nat=False),
        target="netcheck://company.example#FINGERPRINT",
    ),
    Scenario(
        "resolver-invents-addresses",
        Network(nat=False, dns=Dns(hijack_to="203.0.113.66")),
        Truth(
            outbound="untested",
            inbound="untested",
            features=UNREACHED,
            causes=frozenset({"dns-rewritten", "server-unreachable"}),
            capacity=None,
            nat=None,
            reached=False,
        ),
        serve=False,
        target="no-such-server.example",
    ),
    Scenario(
        "ipv6-only",
        Network(nat=False, ipv4=False, ipv6=True),
        Truth(inbound="open", nat=False),
    ),
    Scenario(
        "server-behind-1-to-1-nat",
        ROUTED,
        Truth(inbound="open", nat=False),
        server=("--advertise", "198.51.100.77"),
        before=one_to_one_nat,
    ),
    Scenario(
        "server-without-privilege",
        ROUTED,
        Truth(
            inbound="open",
            ports={"tcp out 389": "unavailable", "tcp out 522": "unavailable"},
            features={"directory": "unknown"},
            causes=frozenset({"server-port-unavailable"}),
            nat=False,
        ),
        server_prefix=(
            "setpriv",
            "--bounding-set=-net_bind_service",
            "--inh-caps=-net_bind_service",
        ),
    ),
    Scenario(
        "wrong-fingerprint",
        ROUTED,
        NOTHING,
        target="netcheck://198.51.100.5:8463#" + "ab" * 32,
    ),
)


def compare(outcome: Outcome, truth: Truth) -> None:
    """Every port, feature, cause and the exit status must be the truth."""
    report = outcome.report
    assert report, outcome.stderr
    states = {port_key(port): port["state"] for port in report["ports"]}
    expected = truth.states
    if truth.outbound == "untested":  # nothing ran: ports that the server chooses are not known
        states = {k: v for k, v in states.items() if " in any " not in k}
        expected = {k: v for k, v in expected.items() if " in any " not in k}
    wrong = {
        key: (expected.get(key), states.get(key))
        for key in expected.keys() | states.keys()
        if expected.get(key) != states.get(key)
    }
    why = {port_key(p): p["why"] for p in report["ports"] if port_key(p) in wrong}
    assert not wrong, (wrong, why)
    verdicts = {f["feature"]: f["verdict"] for f in report["features"]}
    assert verdicts == truth.verdicts
    assert {f["cause"] for f in report["findings"]} == truth.causes
    capacity = {f["feature"]: f["capacity"] for f in report["features"]}
    assert capacity["receive-files"] == truth.capacity
    assert report["nat"]["present"] == truth.nat
    assert report["server"]["reached"] == truth.reached
    assert outcome.status == truth.exit_status
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.name)
def test_the_truth_is_found(scenario: Scenario, validate: Callable[[object], None]) -> None:
    outcome = run(scenario)
    compare(outcome, scenario.truth)
    validate(outcome.report)
    evidence_exists(outcome.report)


def evidence_exists(report: dict[str, object]) -> None:
    """Every finding and every verdict leads to observations that are in the report."""
    import netcheck.report.model as model

    read = msgspec.convert(report, model.Report)
    known = {observation.id for observation in read.observations}
    assert len(known) == len(read.observations)
    for finding in read.findings:
        assert finding.evidence
        assert known.issuperset(finding.evidence)
    ids = {finding.id for finding in read.findings}
    assert all(ids.issuperset(feature.findings) for feature in read.features)
    assert {i for f in read.features for i in f.findings} or not ids or read.overall != "fails"


@pytest.fixture(scope="session")
def validate() -> Callable[[object], None]:
    import jsonschema

    validator = jsonschema.Draft202012Validator(schema())
    return validator.validate


def cut_control(lab: Lab, server: NodeProcess) -> None:
    lab.wait_listening("client", "tcp", 6891)
    lab.router_rule(firewall.drop("tcp", (CONTROL_PORT,)))


def kill_server(lab: Lab, server: NodeProcess) -> None:
    lab.wait_listening("client", "tcp", 6891)
    server.popen.kill()


@pytest.mark.parametrize("act", [cut_control, kill_server], ids=["control-cut", "server-killed"])
def test_what_happens_half_way_is_never_called_blocked(
    act: Callable[[Lab, NodeProcess], None], validate: Callable[[object], None]
) -> None:
    """The network drops all inbound; when the server is lost meanwhile, that proves nothing."""
    scenario = Scenario("half-way", Network(rtt_ms=60), Truth(), during=act)
    outcome = run(scenario)
    report = outcome.report
    states = {port_key(p): p["state"] for p in report["ports"]}
    assert set(states.values()) <= {"open", "unknown", "untested"}
    assert all(state != "open" for key, state in states.items() if " in " in key)
    assert {f["cause"] for f in report["findings"]} <= {"server-unreachable", "high-loss"}
    assert "server-unreachable" in {f["cause"] for f in report["findings"]}
    assert {f["verdict"] for f in report["features"]} <= {"works", "unknown"}
    assert outcome.status == 3
    assert outcome.seconds < 15
    validate(report)


def test_capacity_is_how_many_were_open_at_the_same_time() -> None:
    """A router that allows five connections at once: each port passes, but not all together."""
    limit = 'iifname "lan" tcp dport 6891-6900 ct state new ct count over 5 reject with tcp reset'
    outcome = run(Scenario("five-at-once", Network(nat=False, firewall=(limit,)), Truth()))
    (received,) = (f for f in outcome.report["features"] if f["feature"] == "receive-files")
    assert (received["verdict"], received["capacity"]) == ("limited", 5)
    (at_once,) = (o for o in outcome.report["observations"] if o["probe"] == "at-once")
    assert len(at_once["carried"]) == 5


@pytest.mark.parametrize("nat", [False, True], ids=["routed", "nat"])
@pytest.mark.parametrize("attempt", range(3))
def test_ten_percent_loss_each_way_makes_nothing_blocked_that_is_not(
    nat: bool, attempt: int
) -> None:
    outcome = run(Scenario("lossy", Network(nat=nat, loss_percent=10, rtt_ms=20), Truth()))
    states = {port_key(p): p["state"] for p in outcome.report["ports"]}
    assert {state for key, state in states.items() if " out " in key} <= {"open", "unknown"}
    inbound = {state for key, state in states.items() if " in " in key}
    assert inbound <= ({"blocked", "unknown"} if nat else {"open", "unknown"})
    verdicts = {f["feature"]: f["verdict"] for f in outcome.report["features"]}
    assert verdicts["messaging"] == "works"
    assert verdicts["receive-files"] == "works"


def test_a_blocked_port_on_a_lossy_path_is_never_called_open() -> None:
    network = Network(
        nat=False, loss_percent=10, rtt_ms=20, firewall=(firewall.drop("tcp", (1863,)),)
    )
    outcome = run(Scenario("lossy-and-blocked", network, Truth()))
    states = {port_key(p): p["state"] for p in outcome.report["ports"]}
    assert states.pop("tcp out 1863") in {"blocked", "unknown"}
    assert set(states.values()) <= {"open", "unknown"}
    assert "high-loss" in {f["cause"] for f in outcome.report["findings"]}
