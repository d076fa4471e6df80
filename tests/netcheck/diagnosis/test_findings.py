"""Findings: each cause from what shows it, with its evidence, its parameters and its weight."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import kb
from netcheck.cause import CAUSES, Cause
from netcheck.diagnosis import Diagnosis, diagnose
from netcheck.diagnosis.findings import graded
from netcheck.report.model import Finding
from probes.observation import AnyObservation, ControlAttempt

from .measured import (
    PLAN,
    PROFILES,
    PUBLIC,
    TRANSFER_PORTS,
    all_inbound,
    arrived,
    control,
    inbound_tcp,
    inbound_udp,
    inbound_udp_from_6901,
    ledger,
    lookup,
    loss,
    network,
    networks,
    open_network,
    outbound_tcp,
    outbound_udp,
    portal,
    silent,
    tries,
    udp_from_6901,
    unreached,
)

RESET = tries("refused", "refused")
UDP = outbound_udp(silent())
FROM_6901 = udp_from_6901(silent())
PROXY = "http://proxy.example:3128"
THROUGH_A_PROXY = control(via_proxy=PROXY)

# cause -> (what is observed in an otherwise open network, evidence, parameters)
CAUSED: dict[str, tuple[list[AnyObservation], set[str], dict[str, Any]]] = {
    "outbound-tcp-blocked": (
        [outbound_tcp(389, silent()), outbound_tcp(1503, silent())],
        {"outbound-tcp-389", "outbound-tcp-1503"},
        {"ports": [389, 1503], "transport": "tcp"},
    ),
    "outbound-tcp-refused": (
        [outbound_tcp(1863, RESET)],
        {"outbound-tcp-1863"},
        {"ports": [1863], "transport": "tcp"},
    ),
    "outbound-tcp-intercepted": (
        [outbound_tcp(1863, tries("foreign"))],
        {"outbound-tcp-1863"},
        {"ports": [1863], "transport": "tcp"},
    ),
    "payload-altered": (
        [outbound_tcp(1863, tries("altered"))],
        {"outbound-tcp-1863"},
        {"ports": [1863], "transport": "tcp"},
    ),
    "outbound-udp-blocked": (
        [UDP],
        {"outbound-udp-6901"},
        {"ports": [6901], "transport": "udp"},
    ),
    "udp-reply-blocked": (
        [UDP, ledger(arrived(UDP))],
        {"outbound-udp-6901"},
        {"ports": [6901], "transport": "udp"},
    ),
    "inbound-tcp-blocked": (
        [inbound_tcp(port, silent()) for port in TRANSFER_PORTS],
        {f"inbound-tcp-{port}" for port in TRANSFER_PORTS},
        {"ports": list(TRANSFER_PORTS), "transport": "tcp", "called_address": PUBLIC},
    ),
    "inbound-tcp-refused": (
        [inbound_tcp(1720, tries("refused"))],
        {"inbound-tcp-1720"},
        {"ports": [1720], "transport": "tcp", "called_address": PUBLIC},
    ),
    "inbound-wrong-host": (
        [inbound_tcp(1503, tries("foreign"))],
        {"inbound-tcp-1503"},
        {"ports": [1503], "transport": "tcp", "called_address": PUBLIC},
    ),
    "inbound-udp-blocked": (
        [inbound_udp(silent())],
        {"inbound-udp-6901"},
        {"ports": [6901], "transport": "udp", "called_address": PUBLIC},
    ),
    "local-port-in-use": (
        [inbound_tcp(1720, (), busy=True, busy_by="conf.exe")],
        {"inbound-tcp-1720"},
        {"ports": [1720], "transport": "tcp", "program": "conf.exe"},
    ),
    "source-port-translated": (
        [udp_from_6901(tries("answered"), source=f"{PUBLIC}:50001")],
        {"outbound-udp-any-from-6901"},
        {"ports": [6901], "local_port": 6901, "seen_port": 50001},
    ),
    "high-loss": ([loss(20)], {"loss"}, {"loss_percent": 10}),
    "proxy-required": (
        [
            THROUGH_A_PROXY,
            *(outbound_tcp(port, silent()) for port in PLAN.outbound_tcp),
            outbound_tcp(6901, silent(), local_port=6901),
        ],
        {"control", "outbound-tcp-6901-from-6901"}
        | {f"outbound-tcp-{port}" for port in PLAN.outbound_tcp},
        {"proxy": PROXY},
    ),
    "captive-portal": (
        [unreached(), portal()],
        {"portal"},
        {"location": "http://login.example/"},
    ),
    "dns-failure": (
        [lookup(detail="no such name"), unreached(attempts=())],
        {"dns"},
        {"name": "echo.example.net", "detail": "no such name"},
    ),
    "dns-rewritten": (
        [lookup("resolved", addresses=("203.0.113.1",), invented="203.0.113.1"), unreached()],
        {"dns"},
        {"name": "echo.example.net", "address": "203.0.113.1"},
    ),
    "server-unreachable": (
        [unreached(ControlAttempt(port=8463, outcome="refused"))],
        {"control"},
        {
            "server_host": "echo.example.net",
            "ports": [8463],
            "detail": "port 8463: the connection was refused",
        },
    ),
    "server-port-unavailable": (
        [outbound_tcp(522, (), untested="no"), control(unavailable_tcp=(522,))],
        {"outbound-tcp-522"},
        {"ports": [522], "transport": "tcp"},
    ),
}

# Where one cause brings another by its nature.
COMPANIONS = {
    "proxy-required": {"outbound-tcp-blocked"},
    "captive-portal": {"server-unreachable"},
    "dns-rewritten": {"server-unreachable"},
}

WHOLE_CHECK = {"captive-portal", "dns-failure", "dns-rewritten", "server-unreachable"}


def diagnosed(*changes: AnyObservation, **more: Any) -> Diagnosis:
    """With these changes to the open network; where there is no server, without it."""
    if any(o.id == "control" and not getattr(o, "connected", True) for o in changes):
        return diagnose(PROFILES, PLAN, changes, **more)
    return diagnose(PROFILES, PLAN, network(*changes), **more)


def found(cause: str, seen: Iterable[AnyObservation], **more: Any) -> list[Finding]:
    return [f for f in diagnosed(*seen, **more).findings if f.cause == cause]


ELSEWHERE = {
    "udp-range-limited": "dynamic_range",
    "tcp-range-limited": "dynamic_range",
    "symmetric-mapping": "nat",
    "filtering-needs-peer-first": "nat",
    "no-hairpin": "nat",
    "short-binding-lifetime": "nat",
    "carrier-grade-nat": "route",
    "double-nat": "route",
    "fragments-dropped": "route",
    "calls-without-media": "media",
    "calls-only-outward": "media",
    "one-way-media": "media",
    "poor-media": "media",
    "embedded-address-untouched": "editors",
    "embedded-address-mangled": "editors",
    "editor-pinhole-closed": "editors",
    "protocol-filtered": "editors",
}
"""Found by a family of its own, whose tests have its case."""


def test_every_cause_has_its_case() -> None:
    assert set(CAUSED).isdisjoint(ELSEWHERE)
    assert set(CAUSED) | set(ELSEWHERE) == set(CAUSES)
    for cause, family in ELSEWHERE.items():
        tests = Path(__file__).with_name(f"test_{family}.py").read_text(encoding="utf-8")
        assert cause in tests or "{transport}" + cause[3:] in tests


@pytest.mark.parametrize("cause", CAUSED)
def test_a_cause_is_found_where_it_is_and_nothing_else(cause: str) -> None:
    seen, evidence, parameters = CAUSED[cause]
    diagnosis = diagnosed(*seen)
    assert {f.cause for f in diagnosis.findings} == {cause} | COMPANIONS.get(cause, set())
    (finding,) = (f for f in diagnosis.findings if f.cause == cause)
    assert set(finding.evidence) == evidence
    assert len(finding.evidence) == len(evidence)
    assert finding.parameters == parameters
    article = kb.article_for(finding.cause)
    assert (finding.article, finding.title) == (article.id, article.title)


@pytest.mark.parametrize("cause", CAUSED)
def test_findings_have_unique_ids_and_evidence_that_exists(cause: str) -> None:
    seen = CAUSED[cause][0]
    known = {o.id for o in network(*seen)}
    findings = diagnosed(*seen).findings
    assert len({f.id for f in findings}) == len(findings)
    for finding in findings:
        assert finding.evidence
        assert set(finding.evidence) <= known


def test_in_an_open_network_nothing_is_found() -> None:
    assert diagnose(PROFILES, PLAN, open_network()).findings == []


def test_ports_of_one_cause_are_one_finding() -> None:
    (finding,) = found(
        "outbound-tcp-blocked", [outbound_tcp(p, silent()) for p in (1720, 389, 522)]
    )
    assert finding.parameters["ports"] == [389, 522, 1720]


def test_the_calls_from_outside_are_one_finding_whichever_port() -> None:
    findings = diagnosed(*all_inbound(silent())).findings
    assert [f.cause for f in findings] == ["inbound-tcp-blocked", "inbound-udp-blocked"]
    assert findings[0].parameters["ports"] == list(PLAN.inbound_tcp)


def test_programs_that_hold_ports_are_told_apart() -> None:
    findings = found(
        "local-port-in-use",
        [
            inbound_tcp(6891, (), busy=True, busy_by="skype.exe"),
            inbound_tcp(6892, (), busy=True, busy_by="skype.exe"),
            inbound_tcp(6893, (), busy=True),
            inbound_udp((), busy=True, busy_by="skype.exe"),
        ],
    )
    assert sorted(
        (f.parameters["transport"], f.parameters["program"], f.parameters["ports"])
        for f in findings
    ) == [("tcp", "", [6893]), ("tcp", "skype.exe", [6891, 6892]), ("udp", "skype.exe", [6901])]
    assert len({f.id for f in findings}) == 3


def test_a_taken_local_port_is_named_by_its_own_number() -> None:
    (finding,) = found("local-port-in-use", [udp_from_6901((), busy=True, busy_by="ekiga")])
    assert finding.parameters == {"ports": [6901], "transport": "udp", "program": "ekiga"}


def test_a_filtered_source_port_is_said_to_be_one() -> None:
    (finding,) = found("outbound-tcp-blocked", [outbound_tcp(6901, silent(), local_port=6901)])
    assert finding.parameters == {"ports": [6901], "transport": "tcp", "local_port": 6901}
    (finding,) = found("outbound-udp-blocked", [FROM_6901])
    assert finding.parameters == {"ports": [6901], "transport": "udp", "local_port": 6901}
    (finding,) = found("udp-reply-blocked", [FROM_6901, ledger(arrived(FROM_6901))])
    assert finding.parameters == {"ports": [6901], "transport": "udp", "local_port": 6901}


def test_a_destination_filtered_whatever_the_source_is_said_once() -> None:
    (finding,) = found(
        "outbound-tcp-blocked",
        [outbound_tcp(6901, silent()), outbound_tcp(6901, silent(), local_port=6901)],
    )
    assert finding.parameters == {"ports": [6901], "transport": "tcp"}


def test_calls_from_a_certain_port_are_mentioned_only_where_they_differ() -> None:
    (finding,) = found("inbound-udp-blocked", [inbound_udp_from_6901(silent())])
    assert finding.parameters["remote_port"] == 6901
    (finding,) = found(
        "inbound-udp-blocked", [inbound_udp(silent()), inbound_udp_from_6901(silent())]
    )
    assert "remote_port" not in finding.parameters


def test_udp_that_something_else_answers_is_altered() -> None:
    (finding,) = found("payload-altered", [outbound_udp(tries("foreign"))])
    assert finding.parameters == {"ports": [6901], "transport": "udp"}


def test_a_preserved_source_port_is_no_finding() -> None:
    kept = udp_from_6901(tries("answered"), source=f"{PUBLIC}:6901")
    assert not found("source-port-translated", [kept])
    other = outbound_udp(tries("answered"), source=f"{PUBLIC}:50001")  # no certain port is needed
    assert not found("source-port-translated", [other])


@pytest.mark.parametrize(
    ("lost", "sent", "said"),
    [
        (0, 0, False),
        (2, 15, False),
        (3, 14, False),
        (3, 15, True),
        (3, 61, False),
        (3, 60, True),
        (9, 200, False),
        (10, 200, True),
    ],
)
def test_loss_is_high_from_five_percent_on(lost: int, sent: int, said: bool) -> None:
    assert bool(found("high-loss", [loss(lost, sent)])) == said


def test_tries_that_may_have_been_slow_are_not_called_loss() -> None:
    assert not found("high-loss", [loss(0, 100, tcp_sent=50, tcp_lost=25, udp_sent=9, udp_lost=9)])


def test_a_proxy_is_required_only_where_nothing_gets_through_directly() -> None:
    assert not found("proxy-required", [THROUGH_A_PROXY])
    some = [outbound_tcp(port, silent()) for port in PLAN.outbound_tcp[1:]]
    assert not found("proxy-required", [THROUGH_A_PROXY, *some])


def test_a_proxy_is_not_called_required_before_anything_was_tried() -> None:
    findings = diagnose(PROFILES, PLAN, [THROUGH_A_PROXY], cancelled=True).findings
    assert findings == []


def test_a_portal_is_none_where_the_server_was_reached_after_all() -> None:
    assert not found("captive-portal", [portal()])
    assert not found("captive-portal", [unreached(), portal("answered")])


def test_a_name_that_only_the_other_family_lacks_is_no_failure() -> None:
    assert not found("dns-failure", [lookup("failed")])


@pytest.mark.parametrize("server", [control(), unreached()])
def test_name_servers_that_invent_addresses_may_know_this_name(server: AnyObservation) -> None:
    known = lookup("resolved", addresses=(PUBLIC,), invented="203.0.113.1")
    assert not found("dns-rewritten", [known, server])


def test_a_server_that_was_reached_has_the_right_address() -> None:
    same = lookup("resolved", addresses=("203.0.113.1",), invented="203.0.113.1")
    assert not found("dns-rewritten", [same, control()])


def test_a_server_that_was_lost_is_not_reachable() -> None:
    (finding,) = found(
        "server-unreachable", [control(confirmed_at_end=False, lost_reason="it went away")]
    )
    assert finding.parameters["detail"] == "it went away"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([], False),
        ([control(confirmed_at_end=False)], False),
        ([unreached(attempts=())], False),
        ([unreached(ControlAttempt(port=8463, outcome="connected"))], False),
        ([unreached(ControlAttempt(port=8463, outcome="refused"))], True),
        ([unreached(ControlAttempt(port=8463, outcome="connected"), lost_reason="mute")], True),
    ],
)
def test_a_cancelled_check_does_not_say_that_the_server_is_out_of_reach(
    seen: list[AnyObservation], said: bool
) -> None:
    findings = diagnose(PROFILES, PLAN, seen, cancelled=True).findings
    assert [f.cause for f in findings] == ["server-unreachable"] * said


@pytest.mark.parametrize(
    ("attempt", "words"),
    [
        (ControlAttempt(port=443, outcome="silent"), "port 443: there was no answer"),
        (ControlAttempt(port=443, outcome="unreachable"), "says that it cannot be reached"),
        (
            ControlAttempt(port=443, outcome="wrong-certificate", detail="it shows ab"),
            "not the expected one (it shows ab)",
        ),
        (ControlAttempt(port=443, outcome="not-netcheck"), "not a netcheck server"),
        (ControlAttempt(port=443, outcome="busy"), "busy with other checks"),
        (ControlAttempt(port=443, outcome="other-version"), "another version"),
        (
            ControlAttempt(port=443, outcome="proxy-refused", via_proxy=True),
            "port 443 through the proxy: the proxy did not",
        ),
    ],
)
def test_why_the_server_could_not_be_reached(attempt: ControlAttempt, words: str) -> None:
    (finding,) = found("server-unreachable", [unreached(attempt)])
    detail = finding.parameters["detail"]
    assert isinstance(detail, str)
    assert words in detail
    assert finding.parameters["ports"] == [443]


def severity(diagnosis: Diagnosis) -> dict[str, str]:
    return {f.cause: f.severity for f in diagnosis.findings}


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([outbound_tcp(1863, silent())], {"outbound-tcp-blocked": "error"}),
        ([outbound_tcp(389, silent())], {"outbound-tcp-blocked": "warning"}),
        ([outbound_udp(silent())], {"outbound-udp-blocked": "warning"}),
        ([inbound_tcp(1503, silent())], {"inbound-tcp-blocked": "info"}),
        ([inbound_udp(silent())], {"inbound-udp-blocked": "info"}),
        ([loss(20)], {"high-loss": "warning"}),
        (CAUSED["source-port-translated"][0], {"source-port-translated": "info"}),
        (CAUSED["server-port-unavailable"][0], {"server-port-unavailable": "info"}),
        (CAUSED["local-port-in-use"][0], {"local-port-in-use": "warning"}),
        (CAUSED["dns-failure"][0], {"dns-failure": "error"}),
        (
            CAUSED["dns-rewritten"][0],
            {"dns-rewritten": "error", "server-unreachable": "error"},
        ),
        (
            CAUSED["captive-portal"][0],
            {"captive-portal": "error", "server-unreachable": "error"},
        ),
    ],
)
def test_severity_follows_from_the_harm(
    seen: list[AnyObservation], expected: dict[str, str]
) -> None:
    assert severity(diagnosed(*seen)) == expected


def test_the_gravest_comes_first() -> None:
    diagnosis = diagnosed(
        inbound_udp(silent()), outbound_tcp(389, silent()), outbound_tcp(1863, RESET), loss(20, 200)
    )
    assert [f.severity for f in diagnosis.findings] == sorted(
        (f.severity for f in diagnosis.findings), key=["error", "warning", "info"].index
    )
    assert diagnosis.findings[0].cause == "outbound-tcp-refused"


@given(networks(), st.booleans())
def test_findings_are_sound_whatever_was_measured(
    seen: tuple[AnyObservation, ...], cancelled: bool
) -> None:
    diagnosis = diagnose(PROFILES, PLAN, seen, cancelled=cancelled)
    known = {o.id for o in seen}
    ids = [f.id for f in diagnosis.findings]
    assert len(set(ids)) == len(ids)
    said = [
        (f.cause, {k: v for k, v in f.parameters.items() if k != "ports"})
        for f in diagnosis.findings
    ]
    for n, each in enumerate(said):
        assert each not in said[:n]  # else the two were one finding
    order = [["error", "warning", "info"].index(f.severity) for f in diagnosis.findings]
    assert order == sorted(order)
    for finding in diagnosis.findings:
        assert finding.cause in CAUSES
        assert set(finding.evidence) <= known
        ports = finding.parameters.get("ports", [])
        assert isinstance(ports, list)
        assert all(isinstance(port, int) and 0 < port < 65536 for port in ports)
        assert list(dict.fromkeys(ports)) == ports
    for feature in diagnosis.features:
        assert set(feature.findings) <= set(ids)


@pytest.mark.parametrize("shared", ["carrier-grade-nat", "double-nat"])
def test_a_shared_address_is_no_aside_where_it_keeps_calls_out(shared: Cause) -> None:
    def found(cause: Cause) -> Finding:
        return Finding(
            id=cause, cause=cause, severity="info", article=cause, title="", evidence=[]
        )  # fmt: skip

    alone = graded([found(shared)], [])
    assert [f.severity for f in alone] == ["info"]
    together = graded([found(shared), found("inbound-tcp-blocked")], [])
    assert {f.cause: f.severity for f in together}[shared] == "warning"
