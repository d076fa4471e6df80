"""The editor matrix: its rows, what of it harms, and what it decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import kb
from netcheck.diagnosis import Diagnosis, diagnose, editors
from netcheck.profile import FeatureSpec, Profile, Requirement
from netcheck.protocols import IN_THE_ARTICLE, IN_WORDS, PROTOCOLS
from netcheck.report import json
from netcheck.report.model import Editor, Feature, Report, Tool
from netcheck.report.read import parse
from probes import editors as protocols
from probes.observation import AnyObservation, Heard, Hop, Hops, IcmpErrors, Talk

from . import talked
from .measured import (
    OURS,
    PLAN,
    PROFILES,
    PUBLIC,
    SERVER,
    TRANSFER_PORTS,
    all_inbound,
    inbound_tcp,
    ledger,
    network,
    outbound_tcp,
    silent,
    tries,
)
from .talked import EDITED, KEPT, REACHED, SHUT, SOCKET, said
from .test_dialogue import TALKS

FILE: dict[str, Any] = {"protocol": "msn", "dialogue": "msn-file", "port": 1863}
VOICE = FILE | {"dialogue": "msn-voice"}
CALL: dict[str, Any] = {"protocol": "h323", "dialogue": "h323", "port": 1720}
V1: dict[str, Any] = {"protocol": "snmp", "dialogue": "snmp-v1", "transport": "udp", "port": 162}
V2C = V1 | {"dialogue": "snmp-v2c"}
IKE: dict[str, Any] = {
    "protocol": "ipsec", "dialogue": "ipsec", "transport": "udp", "out": talked.heard(),
}  # fmt: skip
ADDRESS = said(f"{OURS}:6891", f"{OURS}:6891", "IP-Address")
ADDRESS_EDITED = said(f"{PUBLIC}:6891", f"{OURS}:6891", "IP-Address")


def pair(*carried: Any, **more: Any) -> tuple[Talk, Talk]:
    """On its own port, and left alone on the control port."""
    known = {"protocol", "dialogue", "transport"}
    kept = [msgspec.structs.replace(each, arrived=each.sent) for each in carried]
    return (
        talked.talk(*carried, **more),
        talked.control(*kept, **{k: v for k, v in more.items() if k in known}),
    )


def found(*observations: AnyObservation) -> Diagnosis:
    return diagnose(PROFILES, PLAN, network(ledger(proven_addresses=(PUBLIC,)), *observations))


def row(diagnosis: Diagnosis, protocol: str) -> Editor:
    (editor,) = (each for each in diagnosis.editors if each.protocol == protocol)
    return editor


def feature(diagnosis: Diagnosis, name: str) -> Feature:
    (one,) = (each for each in diagnosis.features if each.feature == name)
    return one


def causes(diagnosis: Diagnosis) -> dict[str, list[Any]]:
    names: dict[str, list[Any]] = {}
    for finding in diagnosis.findings:
        names.setdefault(finding.cause, []).append(finding.parameters.get("protocols"))
    return {cause: names[cause] for cause in names if cause in editors._CAUSES.values()}


# ---- the rows ----


def test_there_is_a_row_for_each_protocol_and_none_where_nothing_was_asked() -> None:
    assert found().editors == []
    matrix = found(*pair()).editors
    assert [each.protocol for each in matrix] == list(PROTOCOLS)
    assert {each.verdict for each in matrix if each.protocol != "ftp"} == {"not-tested"}
    assert all(each.reason for each in matrix)


def test_the_protocols_are_those_of_the_article_and_of_the_codecs() -> None:
    assert {*PROTOCOLS} == {*protocols.NAMES, "icmp"} == {*IN_WORDS}
    assert [p for p in IN_THE_ARTICLE if IN_THE_ARTICLE[p]] == ["ftp", "icmp", "pptp"]
    assert sum(not had for had in IN_THE_ARTICLE.values()) == 6


def test_a_protocol_that_only_a_later_netcheck_knows_has_its_row_too() -> None:
    assert row(found(*pair(protocol="later", dialogue="later-x")), "later").verdict == "untouched"


def test_a_row_is_its_worst_dialogue_and_names_it() -> None:
    v1 = talked.unheard(**V1)
    v1_control = talked.control(**{k: v for k, v in V1.items() if k != "port"})
    v2c = pair(said(PUBLIC, OURS, "agent-addr", announced=False), **V2C)
    snmp = row(found(v1, v1_control, *v2c), "snmp")
    assert snmp.verdict == "blocked"
    assert snmp.reason.startswith("version 1: nothing of it arrives")
    assert snmp.reason.endswith("version 2c: edited")
    assert [(d.name, d.verdict) for d in snmp.dialogues] == [
        ("version 1", "blocked"), ("version 2c", "edited"),
    ]  # fmt: skip
    assert set(snmp.evidence) == {v1.id, v1_control.id, v2c[0].id, v2c[1].id}


def test_what_was_not_tested_makes_no_row_worse_or_better() -> None:
    edited = pair(said(EDITED), followed=REACHED)
    untested = talked.talk(dialogue="ftp-eprt", outcome="untested", untested="no server")
    ftp = row(found(*edited, untested), "ftp")
    assert (ftp.verdict, ftp.pinhole) == ("edited", True)
    assert ftp.reason.endswith("EPRT: not tested")
    assert row(found(untested), "ftp").verdict == "not-tested"
    assert row(found(untested), "ftp").reason == "no server"


def test_a_dialogue_without_an_address_of_ours_decides_no_row() -> None:
    passive = talked.talk(dialogue="ftp-pasv", out=talked.heard())
    assert row(found(*pair(), passive), "ftp").verdict == "untouched"
    assert row(found(*pair(), passive), "ftp").reason.startswith("PORT still says")
    assert row(found(passive), "ftp").verdict == "not-needed"
    unknown = row(found(passive, talked.talk(outcome="untested", untested="no server")), "ftp")
    assert (unknown.verdict, unknown.reason) == ("not-tested", "no server")


def test_two_ports_of_one_dialogue_are_told_apart() -> None:
    ldap: dict[str, Any] = {"protocol": "ldap", "dialogue": "ldap"}
    shut = talked.talk(said(EDITED), followed=SHUT, port=389, **ldap)
    kept = talked.talk(port=1002, **ldap)
    found_row = row(found(shut, kept, talked.control(**ldap)), "ldap")
    assert found_row.verdict == "edited-unreachable"
    assert found_row.reason.startswith("on TCP 389: rewritten to")
    assert [d.name for d in found_row.dialogues] == ["on TCP 389", "on TCP 1002"]


@pytest.mark.parametrize(
    ("talks", "verdict", "reason"),
    [
        ([talked.talk(port=500, **IKE), talked.talk(port=4500, **IKE)], "untouched", "passes"),
        ([talked.talk(port=500, **IKE)], "untouched", "was not tested"),
        ([talked.talk(port=500, source=SOCKET, **IKE)], "not-needed", "unchanged"),
        (
            [
                talked.talk(port=500, **IKE),
                talked.unheard(port=4500, **{k: v for k, v in IKE.items() if k != "out"}),
                talked.control(**IKE),
            ],
            "blocked",
            "on UDP 4500: nothing of it arrives",
        ),
        (
            [talked.talk(port=500, **(IKE | {"out": talked.heard(changed=True)}))],
            "mangled",
            "more than addresses",
        ),
    ],
)
def test_what_ipsec_would_do(talks: list[Talk], verdict: str, reason: str) -> None:
    ipsec = row(found(*talks), "ipsec")
    assert ipsec.verdict == verdict
    assert reason in ipsec.reason


def icmp(*outcomes: Any) -> IcmpErrors:
    return IcmpErrors(
        id="icmp-errors", at_s=0.1, took_s=0.1, destination=f"{SERVER}:33434",
        attempts=tries(*outcomes),
    )  # fmt: skip


def route(*addresses: str | None) -> Hops:
    hops = [
        Hop(ttl=n, address=address, end=address == SERVER) for n, address in enumerate(addresses, 1)
    ]
    return Hops(
        id="hops-open-udp", at_s=0.1, took_s=0.1, aim="open", transport="udp",
        destination=SERVER, hops=tuple(hops),
    )  # fmt: skip


BEHIND = outbound_tcp(1863, tries("answered"), source=f"{PUBLIC}:50000")


@pytest.mark.parametrize(
    ("observations", "verdict", "evidence"),
    [
        ([icmp("refused"), BEHIND], "edited", ["icmp-errors"]),
        ([icmp("refused")], "not-needed", ["icmp-errors"]),
        ([icmp("silent", "silent"), BEHIND], "not-tested", []),
        ([BEHIND], "not-tested", []),
        (
            [icmp("silent"), route("192.168.1.1", "203.0.113.9"), BEHIND],
            "edited",
            ["hops-open-udp"],
        ),
        ([icmp("silent"), route("192.168.1.1", None), BEHIND], "not-tested", []),
    ],
)
def test_icmp_errors_are_mapped_back(
    observations: list[AnyObservation], verdict: str, evidence: list[str]
) -> None:
    editor = row(found(talked.talk(), *observations), "icmp")
    assert (editor.verdict, editor.evidence) == (verdict, evidence)
    assert editor.reason


# ---- findings ----


def test_plain_nat_is_one_finding_of_the_program_and_one_of_the_rest() -> None:
    several = [
        *pair(ADDRESS, **FILE),
        *pair(**CALL),
        *pair(),
        *pair(protocol="sip", dialogue="sip-tcp", port=5060),
        *pair(said("4660", "4660", "Call ID"), protocol="pptp", dialogue="pptp", port=1723),
        talked.talk(port=500, **IKE),
    ]
    diagnosis = found(*several)
    assert causes(diagnosis) == {"embedded-address-untouched": [["msn"], ["ftp", "sip", "h323"]]}
    (first,) = (f for f in diagnosis.findings if f.parameters.get("protocols") == ["msn"])
    assert first.parameters | {"detail": ""} == {
        "protocols": ["msn"], "protocol": "msn", "field": "IP-Address",
        "sent": f"{OURS}:6891", "received": f"{OURS}:6891", "detail": "",
    }  # fmt: skip
    assert first.severity == "error"
    rest = [f for f in diagnosis.findings if f.cause == first.cause and f is not first]
    assert {f.severity for f in rest} == {"info"}


@pytest.mark.parametrize(
    ("talks", "cause", "severity"),
    [
        (pair(said(EDITED), followed=SHUT), "editor-pinhole-closed", "warning"),
        (pair(out=talked.heard(said(KEPT), changed=True)), "embedded-address-mangled", "warning"),
        ((talked.unheard(), talked.control()), "protocol-filtered", "info"),
        ((talked.unheard(**FILE), talked.control(**FILE)), "protocol-filtered", "error"),
    ],
)
def test_each_harm_is_a_finding(talks: Iterable[Talk], cause: str, severity: str) -> None:
    diagnosis = found(*talks)
    (finding,) = (f for f in diagnosis.findings if f.cause in editors._CAUSES.values())
    assert (finding.cause, finding.severity, finding.article) == (cause, severity, cause)
    assert finding.evidence[0].startswith("talk-")
    assert kb.remedy(kb.article_for(finding.cause), finding.parameters)


def test_good_editors_and_no_nat_are_no_finding() -> None:
    assert causes(found(*pair(said(EDITED), followed=REACHED))) == {}
    assert causes(found(*pair(source=SOCKET))) == {}


# ---- features ----

INVITED: dict[str, tuple[Any, str, str]] = {
    "untouched": (pair(ADDRESS, **FILE), "fails", f"names {OURS}:6891, where your contact cannot"),
    "not-needed": (pair(ADDRESS, source=SOCKET, **FILE), "works", "Everything it needs"),
    "edited": (pair(ADDRESS_EDITED, followed=REACHED, **FILE), "works", "Everything it needs"),
    "shut": (
        pair(ADDRESS_EDITED, followed=SHUT, **FILE), "fails",
        f"A router has the invitation rewritten to {talked.EDITED}; nobody gets in there.",
    ),
    "mangled": (
        pair(out=talked.heard(ADDRESS, faults=("MSG length: 9, and 12 bytes follow",)), **FILE),
        "fails", "damaged on the way: MSG length",
    ),
    "blocked": (
        (talked.unheard(**FILE), talked.control(**FILE)), "fails", "does not get through",
    ),
    "not-tested": (
        (talked.talk(outcome="untested", untested="no IPv6", **FILE),), "unknown", "no IPv6",
    ),
    "none": ((), "unknown", "not tested: whether the address in an invitation"),
    "another": (pair(**VOICE), "unknown", "not tested: whether the address in an invitation"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVITED)
def test_the_invitation_as_it_arrived_decides_sending_files(case: str) -> None:
    talks, verdict, summary = INVITED[case]
    send = feature(found(*talks), "send-files")
    assert send.verdict == verdict
    assert summary in send.summary


def test_sending_files_rests_on_the_dialogue_and_names_the_finding() -> None:
    diagnosis = found(*pair(ADDRESS, **FILE))
    send = feature(diagnosis, "send-files")
    (finding,) = (f for f in diagnosis.findings if f.id in send.findings)
    assert finding.cause == "embedded-address-untouched"


def test_where_an_editor_opens_the_way_calls_that_nobody_announced_decide_nothing() -> None:
    edited = pair(ADDRESS_EDITED, followed=REACHED, **FILE)
    send = feature(found(*edited, *all_inbound(silent(), tcp=TRANSFER_PORTS)), "send-files")
    assert send.verdict == "unknown"
    assert "where the router opened the way" in send.summary
    forwarded = feature(found(*edited, inbound_tcp(6900, silent())), "send-files")
    assert forwarded.verdict == "unknown"
    calls = feature(found(*edited, *all_inbound(silent())), "receive-calls")
    assert calls.verdict == "fails"


@pytest.mark.parametrize(
    ("talks", "verdict"),
    [
        (pair(said(f"{OURS}:6901", f"{OURS}:6901", "IP-Address"), **VOICE), "fails"),
        (pair(source=SOCKET, **VOICE), "works"),
        (pair(ADDRESS, **FILE), "unknown"),
    ],
)
def test_the_invitation_to_talk_decides_voice(talks: Iterable[Talk], verdict: str) -> None:
    assert feature(found(*talks), "voice").verdict == verdict


def _own(protocol: str) -> Profile:
    needs = Requirement(probe="embedded-address", protocol=protocol, means="the address")
    return Profile(id="own", title="O", features=[FeatureSpec(id="f", title="F", requires=[needs])])


@pytest.mark.parametrize(
    ("protocol", "verdict", "said_of_it"),
    [
        ("msn-file", "fails", "The invitation names"),
        ("h323", "fails", "The message names"),
        ("msn", "unknown", "there is no test named 'msn'"),
    ],
)
def test_a_profile_may_ask_for_any_message(protocol: str, verdict: str, said_of_it: str) -> None:
    talks = (*pair(ADDRESS, **FILE), *pair(said(KEPT), **CALL))
    only = diagnose([_own(protocol)], PLAN, network(ledger(proven_addresses=(PUBLIC,)), *talks))
    (one,) = only.features
    assert one.verdict == verdict
    assert said_of_it in one.summary


DAMAGED = talked.heard(said(EDITED), faults=("User-user: it cannot be read",))


@pytest.mark.parametrize(
    ("talks", "verdict", "summary"),
    [
        (pair(**CALL), "unknown", "not tested: a call out"),
        (pair(said(EDITED), followed=REACHED, **CALL), "unknown", "not tested: a call out"),
        (pair(out=DAMAGED, **CALL), "unknown", "not tested: a call out"),
        (pair(out=DAMAGED, back=Heard(), outcome="broken-off", **CALL), "fails", "is damaged"),
        ((talked.unheard(**CALL), talked.control(**CALL)), "fails", "does not get through"),
    ],
)
def test_how_a_call_is_set_up_decides_calls_only_where_it_fails(
    talks: Iterable[Talk], verdict: str, summary: str
) -> None:
    diagnosis = found(*talks)
    call = feature(diagnosis, "call-out")
    assert call.verdict == verdict
    assert summary in call.summary
    assert feature(diagnosis, "receive-calls").verdict == "unknown"
    assert feature(diagnosis, "audio").verdict == verdict


# ---- anything ----

NAMES = st.sampled_from(["ftp-port", "ftp-eprt", "msn-file", "msn-voice", "h323", "ipsec", "x"])


@st.composite
def talks(draw: st.DrawFn) -> list[Talk]:
    given: list[Talk] = []
    for one in draw(st.lists(TALKS, max_size=6)):
        name, aim = draw(NAMES), draw(st.sampled_from(["own-port", "own-port", "control"]))
        changed = msgspec.structs.replace(
            one, id=f"talk-{len(given)}", dialogue=name, aim=aim, port=draw(st.integers(1, 3))
        )
        given.append(changed)
    return given


@given(talks())
def test_every_row_has_evidence_and_no_untested_one_becomes_another(given: list[Talk]) -> None:
    diagnosis = found(*given)
    tried = {t.protocol for t in given if t.aim == "own-port" and not t.untested}
    for each in diagnosis.editors:
        assert each.reason
        if each.verdict != "not-tested":
            assert each.protocol in tried
            assert set(each.evidence) <= {t.id for t in given}
            assert each.evidence
    known = {t.id for t in given}
    for finding in diagnosis.findings:
        if finding.cause in editors._CAUSES.values():
            assert finding.evidence
            assert set(finding.evidence) <= known
            assert kb.render(kb.article_for(finding.cause), finding.parameters)


@given(talks())
def test_a_saved_report_is_diagnosed_again_to_the_same(given: list[Talk]) -> None:
    observations = network(*given)
    first = diagnose(PROFILES, PLAN, observations)
    report = Report(
        id="1", started_at="2025-01-01T00:00:00Z", duration_s=1.0,
        tool=Tool(name="netcheck", version="0"), host=first.host, server=first.server,
        overall=first.overall, features=first.features, editors=first.editors,
        findings=first.findings, observations=list(observations),
    )  # fmt: skip
    again = parse(json.render(report).encode())
    assert again.editors == first.editors
    second = diagnose(PROFILES, PLAN, again.observations)
    assert (second.editors, second.features, second.findings) == (
        first.editors, first.features, first.findings,
    )  # fmt: skip
