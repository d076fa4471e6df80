from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from rich.cells import cell_len

from netcheck.report.compare import as_text, compare
from netcheck.report.model import Feature, Finding, Port, PortState, Report, Verdict
from netcheck.report.redact import redact

from .samples import all_good, all_samples, behind_nat, embedded, everything, hostile, no_server
from .strategies import reports


def _feature(verdict: Verdict, capacity: int | None = None) -> Report:
    feature = Feature(
        profile="p", feature="f", title="F", verdict=verdict, summary="", capacity=capacity
    )
    return msgspec.structs.replace(all_good(), features=[feature], ports=[])


def _port(state: PortState, **more: Any) -> Report:
    port = Port(transport="udp", direction="inbound", port=6901, state=state, **more)
    return msgspec.structs.replace(all_good(), features=[], ports=[port])


@pytest.mark.parametrize("name", sorted(all_samples()))
def test_a_report_does_not_differ_from_itself(name: str) -> None:
    report = all_samples()[name]
    comparison = compare(report, report)
    assert not comparison.features
    assert not comparison.ports
    assert not comparison.findings_gone
    assert not comparison.findings_new
    assert not comparison.worse
    assert as_text(comparison).startswith("Nothing changed.\n")


@pytest.mark.parametrize(
    ("old", "new", "trend"),
    [
        ("works", "limited", "worse"),
        ("limited", "fails", "worse"),
        ("fails", "limited", "better"),
        ("limited", "works", "better"),
        ("works", "unknown", "changed"),
        ("unknown", "fails", "changed"),
    ],
)
def test_verdicts(old: Verdict, new: Verdict, trend: str) -> None:
    comparison = compare(_feature(old), _feature(new))
    assert [change.trend for change in comparison.features] == [trend]
    assert comparison.worse is (trend == "worse")


@pytest.mark.parametrize(
    ("old", "new", "trends"),
    [(3, 7, ["better"]), (7, 3, ["worse"]), (3, 3, []), (None, 3, []), (3, None, [])],
)
def test_capacities(old: int | None, new: int | None, trends: list[str]) -> None:
    comparison = compare(_feature("limited", old), _feature("limited", new))
    assert [change.trend for change in comparison.features] == trends


@pytest.mark.parametrize(
    ("old", "new", "trend"),
    [
        ("open", "blocked", "worse"),
        ("open", "busy", "worse"),
        ("refused", "open", "better"),
        ("refused", "blocked", "changed"),
        ("open", "untested", "changed"),
        ("unknown", "open", "changed"),
    ],
)
def test_states(old: PortState, new: PortState, trend: str) -> None:
    comparison = compare(_port(old), _port(new))
    assert [change.trend for change in comparison.ports] == [trend]
    assert comparison.worse is (trend == "worse")


def test_the_same_port_from_another_local_port_is_another_port() -> None:
    comparison = compare(_port("open"), _port("open", remote_port=6901))
    assert [(change.old is None, change.new is None) for change in comparison.ports] == [
        (False, True),
        (True, False),
    ]
    assert not comparison.worse


def test_a_round_trip_is_not_a_change() -> None:
    assert not compare(_port("open", rtt_ms=20.0), _port("open", rtt_ms=90.0)).ports


def test_what_is_only_in_one_report_is_changed() -> None:
    nothing = msgspec.structs.replace(all_good(), features=[])
    comparison = compare(_feature("works"), nothing)
    assert [change.trend for change in comparison.features] == ["changed"]
    assert "works → not tested" in as_text(comparison)


def test_findings_are_known_by_cause_and_place_and_not_by_id() -> None:
    old = behind_nat()
    renumbered = [
        msgspec.structs.replace(
            finding, id=f"n{finding.id}", title="Otherwise", evidence=[], article="renamed"
        )
        for finding in reversed(old.findings)
    ]
    comparison = compare(old, msgspec.structs.replace(old, findings=renumbered))
    assert not comparison.findings_gone
    assert not comparison.findings_new
    moved = msgspec.structs.replace(
        old.findings[0], parameters={**old.findings[0].parameters, "transport": "tcp"}
    )
    comparison = compare(old, msgspec.structs.replace(old, findings=[moved, old.findings[1]]))
    assert comparison.findings_gone == [old.findings[0]]
    assert comparison.findings_new == [moved]


def _unread(protocol: str) -> Report:
    parameters: dict[str, Any] = {"protocol": protocol, "protocols": [protocol]}
    finding = Finding(
        id=f"embedded-address-untouched-{protocol}",
        cause="embedded-address-untouched",
        severity="warning",
        article="embedded-address-untouched",
        title="Programs tell others an address",
        evidence=[],
        parameters=parameters,
    )
    return msgspec.structs.replace(all_good(), findings=[finding])


def test_what_several_protocols_suffer_from_is_told_apart() -> None:
    said = as_text(compare(_unread("h323"), _unread("msn"))).splitlines()
    gone, new = said.index("No longer found"), said.index("Newly found")
    assert said[gone + 1] == "  -  Programs tell others an address (H.323)"
    assert said[new + 1] == "  -  Programs tell others an address (MSN Messenger)"


def test_the_text_of_a_network_that_got_worse() -> None:
    assert as_text(compare(all_good(), behind_nat())).splitlines() == [
        "Features: 2 worse.",
        "",
        "Worse",
        "  Send files (msn-messenger)          works, 10 at once → fails",
        "  Voice (msn-messenger)               works → limited",
        "  TCP in 6891–6900                    open → blocked",
        "",
        "Changed",
        "  UDP in 6901 (from 6901)             not tested → busy",
        "  UDP out 6901                        not tested → blocked",
        "",
        "Newly found",
        "  -  Another program uses UDP port 6901",
        "  -  Nothing from outside reaches TCP ports 6891–6900",
    ]


def test_the_text_of_a_network_that_got_better() -> None:
    text = as_text(compare(behind_nat(), all_good()))
    assert text.startswith("Features: 2 better.\n")
    assert "Better\n  Send files (msn-messenger)          fails → works, 10 at once\n" in text
    assert "No longer found\n" in text
    assert "Worse" not in text


def test_where_this_computer_happened_to_listen_is_no_caution() -> None:
    """Each check of this computer alone has a server of its own, at an address of its own."""
    server = msgspec.structs.replace(embedded().server, host="127.201.226.163")
    assert compare(embedded(), msgspec.structs.replace(embedded(), server=server)).cautions == []


def test_reports_that_may_not_be_comparable_say_so() -> None:
    text = as_text(compare(all_good(), embedded()))
    assert "!  One of the reports tested its computer alone" in text
    assert "!  The echo servers differ" not in text
    other = msgspec.structs.replace(
        no_server(),
        complete=False,
        server=msgspec.structs.replace(no_server().server, host="echo2.example.net"),
        host=msgspec.structs.replace(no_server().host, name="laptop"),
    )
    cautions = compare(all_good(), other).cautions
    assert cautions == [
        "The echo servers differ: echo.example.net, then echo2.example.net.",
        "The computers differ: study-pc, then laptop.",
        "The new report is of a check that was not finished.",
    ]


def test_names_and_addresses_that_were_redacted_are_not_compared() -> None:
    """Each report counts its placeholders anew."""
    for sample in (behind_nat(), everything()):
        hidden = redact(sample)
        for old, new, name in ((sample, hidden, "new"), (hidden, sample, "old")):
            found = compare(old, new)
            assert (found.network, found.findings_gone, found.findings_new) == ([], [], [])
            assert found.cautions == [
                f"The {name} report has placeholders for names and addresses, which were not"
                " compared."
            ]
            assert as_text(found).startswith("Nothing changed.\n")


def test_a_computer_that_is_called_like_a_placeholder_is_compared() -> None:
    one, other = (
        msgspec.structs.replace(
            behind_nat(), host=msgspec.structs.replace(behind_nat().host, name=name)
        )
        for name in ("computer-1", "computer-2")
    )
    assert compare(one, other).cautions == ["The computers differ: computer-1, then computer-2."]


def test_what_the_length_of_the_check_says_is_no_change() -> None:
    one, other = (
        msgspec.structs.replace(
            behind_nat(),
            nat=msgspec.structs.replace(
                behind_nat().nat, binding_lifetime_min_s=seconds, tcp_lifetime_min_s=seconds
            ),
        )
        for seconds in (3.2, 3.0)
    )
    assert compare(one, other).network == []


def test_ascii_has_a_substitute_for_the_arrow() -> None:
    text = as_text(compare(all_good(), behind_nat()), ascii_only=True)
    assert text.isascii()
    assert "works -> limited" in text


def test_hostile_text_is_shown_as_text() -> None:
    text = as_text(compare(all_good(), hostile()), width=80)
    assert all(character == "\n" or character.isprintable() for character in text)
    assert max(map(cell_len, text.splitlines())) <= 80


@given(reports(), reports())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_two_reports_can_be_compared_and_the_way_back_is_the_opposite(
    old: Report, new: Report
) -> None:
    there, back = compare(old, new), compare(new, old)
    assert max(map(cell_len, as_text(there).splitlines())) <= 80
    opposite = {"better": "worse", "worse": "better", "changed": "changed"}
    for forward, backward in ((there.features, back.features), (there.ports, back.ports)):
        assert sorted(change.trend for change in forward) == sorted(
            opposite[change.trend] for change in backward
        )
    assert there.findings_gone == back.findings_new
