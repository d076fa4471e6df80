"""What a remedy concerns, and the old and the new diagnosed together."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from netcheck import again, plan, profile
from netcheck.cause import Cause
from netcheck.report.model import Report
from probes.errors import LinkError
from probes.observation import Control, Ledger, MediaStream, OutboundTcp, Talk
from tests.netcheck.report import samples


@pytest.fixture
def before() -> Report:
    return samples.everything()


def observed(report: Report, *kinds: type) -> Report:
    """Of a report only what these probes saw."""
    left = [each for each in report.observations if isinstance(each, kinds)]
    return msgspec.structs.replace(report, observations=left, id="later")


def test_every_cause_concerns_something(before: Report) -> None:
    for cause in get_args(Cause):
        finding = msgspec.structs.replace(before.findings[0], cause=cause)
        assert again.concerned(finding, before) <= set(plan.PARTS), cause


def test_only_what_was_tested_is_tested_again(before: Report) -> None:
    finding = msgspec.structs.replace(before.findings[0], cause="inbound-tcp-blocked")
    assert again.concerned(finding, before) == {"ports", "editors"}
    without = observed(before, Control, OutboundTcp, MediaStream)
    assert again.concerned(finding, without) == {"ports"}


def test_all_is_tested_again_where_nothing_else_says_more(before: Report) -> None:
    finding = msgspec.structs.replace(before.findings[0], cause="server-unreachable")
    assert again.concerned(finding, before) == frozenset()
    blocked = msgspec.structs.replace(finding, cause="inbound-tcp-blocked")
    alone = msgspec.structs.replace(
        before, server=msgspec.structs.replace(before.server, embedded=True)
    )
    assert again.concerned(blocked, alone) == frozenset()


def test_what_is_not_tested_again_stays_as_it_was(before: Report) -> None:
    parts: frozenset[plan.Part] = frozenset({"editors"})
    after = observed(before, Control, Talk)
    whole = again.joined(before, after, profile.built_in(), parts)
    seen = [*again.kept(before.observations, parts), *after.observations]
    assert {o.id for o in whole.observations} == {o.id for o in seen}
    assert any(isinstance(o, OutboundTcp) for o in whole.observations)
    assert "Only part" in whole.note
    assert whole.ports


def test_what_is_tested_again_replaces_what_was(before: Report) -> None:
    parts: frozenset[plan.Part] = frozenset({"ports"})
    changed = [
        msgspec.structs.replace(o, attempts=()) if isinstance(o, OutboundTcp) else o
        for o in observed(before, Control, OutboundTcp).observations
    ]
    after = msgspec.structs.replace(before, observations=changed)
    whole = again.joined(before, after, profile.built_in(), parts)
    tried = [o for o in whole.observations if isinstance(o, OutboundTcp)]
    assert tried
    assert all(not o.attempts for o in tried)
    assert not [o for o in whole.observations if isinstance(o, Ledger)]
    ids = [o.id for o in whole.observations]
    assert len(ids) == len(set(ids))


def test_another_network_stands_for_itself(before: Report) -> None:
    after = observed(before, Control, Talk)
    moved = [
        msgspec.structs.replace(o, observed_address="203.0.113.99:1")
        if isinstance(o, Control)
        else o
        for o in after.observations
    ]
    after = msgspec.structs.replace(after, observations=moved)
    assert again.joined(before, after, profile.built_in(), frozenset({"editors"})) is after


@pytest.mark.parametrize("change", [{"complete": False}, {"observations": []}])
def test_a_check_that_came_to_nothing_stands_for_itself(
    before: Report, change: dict[str, object]
) -> None:
    after = msgspec.structs.replace(before, **change)
    assert again.joined(before, after, profile.built_in(), frozenset({"ports"})) is after


def test_the_link_of_a_report_names_the_same_server() -> None:
    assert again.link_of(samples.embedded()) is None
    link = again.link_of(samples.everything())
    assert link is not None
    assert link.host == samples.everything().server.host


def test_a_hostile_server_name_is_no_link() -> None:
    report = samples.everything()
    for host in ("-rf / ;", "a b", '"$(x)"'):
        evil = msgspec.structs.replace(
            report, server=msgspec.structs.replace(report.server, host=host), observations=[]
        )
        with pytest.raises(LinkError):
            again.link_of(evil)
