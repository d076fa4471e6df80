"""What a user can do: every verdict that these probes can decide, and its sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck.diagnosis import diagnose, features, overall
from netcheck.diagnosis.facts import Facts
from netcheck.diagnosis.features import verdict_of
from netcheck.diagnosis.met import Outcome
from netcheck.diagnosis.spans import spans
from netcheck.report.model import Feature, Port, Verdict
from probes.observation import AnyObservation, ControlAttempt

from .measured import (
    PLAN,
    PROFILES,
    TRANSFER_PORTS,
    all_inbound,
    arrived,
    at_once,
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
FOREIGN = tries("foreign")
ALTERED = tries("altered")
UNCONFIRMED = control(confirmed_at_end=False)

OPEN: dict[str, tuple[str, int | None, str]] = {
    "messaging": ("works", None, "Everything it needs gets through."),
    "receive-files": ("works", 10, "10 at the same time"),
    "directory": ("works", None, "Everything"),
    "data-sharing": ("works", None, "Everything"),
    "send-files": ("unknown", None, "not tested: whether the address in an invitation"),
    "voice": ("unknown", None, "not tested: whether the address in an invitation"),
    "call-out": ("unknown", None, "not tested: "),
    "audio": ("unknown", None, "not tested: sound in both"),
    "video": ("unknown", None, "not tested: pictures in both"),
    "receive-calls": ("unknown", None, "not tested: "),
}

FROM_6901_SILENT = outbound_tcp(6901, silent(), local_port=6901)
LOST_TO = outbound_udp(silent())
LOST_FROM = udp_from_6901(silent())
NO_UDP_OUT = (LOST_TO, LOST_FROM)
NO_UDP_IN = (inbound_udp(silent()), inbound_udp_from_6901(silent()))
UDP_REPLIES_LOST = (*NO_UDP_OUT, *NO_UDP_IN, ledger(arrived(LOST_TO), arrived(LOST_FROM)))


def transfer(bad: Iterable[int], attempts: Any) -> tuple[AnyObservation, ...]:
    """These of the ten transfer ports end so, and the others carry data together."""
    wrong = set(bad)
    return (
        *(outbound_tcp(port, attempts) for port in wrong),
        at_once(port for port in TRANSFER_PORTS if port not in wrong),
    )


# What is observed, and every feature that is not as in an open network.
CASES: dict[str, tuple[Iterable[AnyObservation], dict[str, tuple[str, int | None, str]]]] = {
    "messaging-blocked": (
        [outbound_tcp(1863, silent())],
        {"messaging": ("fails", None, "Outgoing TCP 1863 is blocked.")},
    ),
    "messaging-refused": (
        [outbound_tcp(1863, RESET)], {"messaging": ("fails", None, "TCP 1863 is refused.")},
    ),
    "messaging-intercepted": (
        [outbound_tcp(1863, FOREIGN)],
        {"messaging": ("fails", None, "TCP 1863 is answered by something else.")},
    ),
    "messaging-altered": (
        [outbound_tcp(1863, ALTERED)],
        {"messaging": ("fails", None, "TCP 1863 is changed on the way.")},
    ),
    "messaging-undecided": (
        [outbound_tcp(1863, silent()), loss(80)],
        {"messaging": ("unknown", None, "TCP 1863 is undecided")},
    ),
    "messaging-unavailable": (
        [outbound_tcp(1863, (), untested="no"), control(unavailable_tcp=(1863,))],
        {"messaging": ("unknown", None, "TCP 1863 is not offered by the echo server")},
    ),
    "files-all-blocked": (
        transfer(TRANSFER_PORTS, silent()),
        {"receive-files": ("fails", None, "Outgoing TCP 6891–6900 are blocked.")},
    ),
    "files-only-6891": (
        transfer(TRANSFER_PORTS[1:], silent()),
        {"receive-files": ("limited", 1, "TCP 6892–6900 are blocked")},
    ),
    "files-nine": (
        transfer([6900], RESET), {"receive-files": ("limited", 9, "only 9 of 10")},
    ),
    "files-all-but-not-at-once": (
        [at_once(TRANSFER_PORTS[:4])],
        {"receive-files": ("limited", 4, "Only 4 of 10 can be on the way at the same time.")},
    ),
    "files-open-but-none-at-once": (
        [at_once(())], {"receive-files": ("fails", None, "only 0 of 10")},
    ),
    "files-at-once-unsettled": (
        [at_once(TRANSFER_PORTS[:4], settled=False)], {"receive-files": ("works", None, "")},
    ),
    "files-at-once-and-then-the-server-went": (
        [at_once(()), control(confirmed_at_end=False)], {"receive-files": ("works", None, "")},
    ),
    "files-some-blocked-and-fewer-at-once": (
        [outbound_tcp(6891, silent()), at_once(TRANSFER_PORTS[5:])],
        {"receive-files": ("limited", 5, "TCP 6891 is blocked")},
    ),
    "files-one-undecided": (
        [outbound_tcp(6891, silent(2))],
        {"receive-files": ("unknown", None, "TCP 6891 is undecided")},
    ),
    "files-one-blocked-one-undecided": (
        [outbound_tcp(6891, silent(2)), outbound_tcp(6892, silent()), at_once(TRANSFER_PORTS[2:])],
        {"receive-files": ("limited", 8, "TCP 6892 is blocked")},
    ),
    "files-all-bad-but-one-undecided": (
        [*transfer(TRANSFER_PORTS, silent()), outbound_tcp(6891, silent(2))],
        {"receive-files": ("unknown", None, "TCP 6891 is undecided")},
    ),
    "files-nothing-from-outside": (
        all_inbound(silent(), tcp=TRANSFER_PORTS),
        {"send-files": ("fails", None, "Incoming TCP 6891–6900 are blocked.")},
    ),
    "files-some-from-outside": (
        [inbound_tcp(port, silent()) for port in TRANSFER_PORTS[:7]],
        {"send-files": ("unknown", None, "At best limited: only 3 of 10")},
    ),
    "files-outside-undecided": (
        [inbound_tcp(port, silent(2)) for port in TRANSFER_PORTS],
        {"send-files": ("unknown", None, "incoming TCP 6891–6900 are undecided")},
    ),
    "files-another-host-answers": (
        [inbound_tcp(port, FOREIGN) for port in TRANSFER_PORTS],
        {"send-files": ("fails", None, "answered by something else")},
    ),
    "files-port-busy": (
        [inbound_tcp(6891, (), busy=True)],
        {"send-files": ("unknown", None, "TCP 6891 is in use on this computer")},
    ),
    "voice-tcp-blocked": (
        [FROM_6901_SILENT],
        {"voice": ("fails", None, "TCP 6901 from local port 6901 is blocked.")},
    ),
    "voice-tcp-busy": (
        [outbound_tcp(6901, (), local_port=6901, busy=True)],
        {"voice": ("unknown", None, "from local port 6901 is in use on this computer")},
    ),
    "voice-udp-blocked": (
        [*NO_UDP_OUT, *NO_UDP_IN], {"voice": ("fails", None, "UDP 6901 gets through in neither")},
    ),
    "voice-udp-neither-out": (
        NO_UDP_OUT,
        {"voice": ("unknown", None, "At best limited: you hear others, they do not hear you")},
    ),
    "voice-udp-source-blocked-out": (
        [LOST_FROM],
        {"voice": ("unknown", None, "At best limited: you hear others")},
    ),
    "voice-udp-destination-blocked-out": (
        [LOST_TO],
        {"voice": ("unknown", None, "At best limited: you hear others")},
    ),
    "voice-udp-nothing-comes-back": (
        UDP_REPLIES_LOST,
        {"voice": ("unknown", None, "At best limited: others hear you, you do not hear them")},
    ),
    "voice-udp-replies-come-though-calls-do-not": (NO_UDP_IN, {}),
    "voice-udp-undecided": (
        [outbound_udp(silent(2)), inbound_udp_from_6901(silent(2))],
        {"voice": ("unknown", None, "UDP 6901 is undecided")},
    ),
    "voice-udp-port-busy": (
        [udp_from_6901((), busy=True), inbound_udp((), busy=True)],
        {"voice": ("unknown", None, "UDP 6901 is undecided")},
    ),
    "voice-udp-refused-by-icmp": (
        [outbound_udp(RESET), udp_from_6901(RESET), *NO_UDP_IN],
        {"voice": ("fails", None, "UDP 6901")},
    ),
    "directory-522": (
        [outbound_tcp(389, silent())],
        {"directory": ("limited", None, "Only 1 of 2 gets through: outgoing TCP 389 is blocked.")},
    ),
    "directory-389": (
        [outbound_tcp(522, RESET)], {"directory": ("limited", None, "TCP 522 is refused.")},
    ),
    "directory-none": (
        [outbound_tcp(389, RESET), outbound_tcp(522, silent())],
        {"directory": ("fails", None, "TCP 389 is refused, TCP 522 is blocked.")},
    ),
    "directory-one-undecided": (
        [outbound_tcp(389, silent(2))], {"directory": ("unknown", None, "TCP 389 is undecided")},
    ),
    "directory-one-bad-one-undecided": (
        [outbound_tcp(389, silent(2)), outbound_tcp(522, silent())],
        {"directory": ("unknown", None, "TCP 389 is undecided")},
    ),
    "data-sharing-blocked": (
        [outbound_tcp(1503, silent())],
        {"data-sharing": ("fails", None, "Outgoing TCP 1503 is blocked.")},
    ),
    "data-sharing-does-not-need-the-way-in": ([inbound_tcp(1503, silent())], {}),
    "calls-blocked": (
        [outbound_tcp(1720, silent())],
        dict.fromkeys(("call-out", "audio", "video"), ("fails", None, "TCP 1720 is blocked.")),
    ),
    "audio-blocked": (
        [outbound_tcp(1731, silent())], {"audio": ("fails", None, "TCP 1731 is blocked.")},
    ),
    "calls-from-outside-blocked": (
        [inbound_tcp(1720, silent())],
        {"receive-calls": ("fails", None, "Incoming TCP 1720 is blocked.")},
    ),
    "calls-from-outside-refused": (
        [inbound_tcp(1720, tries("refused"))],
        {"receive-calls": ("fails", None, "Incoming TCP 1720 is refused.")},
    ),
    "calls-port-busy": (
        [inbound_tcp(1720, (), busy=True)],
        {"receive-calls": ("unknown", None, "TCP 1720 is in use on this computer")},
    ),
    "behind-a-nat": (
        all_inbound(silent()),
        {
            "send-files": ("fails", None, "Incoming TCP 6891–6900 are blocked."),
            "receive-calls": ("fails", None, "Incoming TCP 1720 is blocked."),
        },
    ),
    "server-lost-after-all-was-proved": ([UNCONFIRMED], {}),
}  # fmt: skip


def verdicts(seen: Iterable[AnyObservation], **more: Any) -> dict[str, Feature]:
    return {f.feature: f for f in diagnose(PROFILES, PLAN, seen, **more).features}


def plain(feature: Feature) -> None:
    """The summary is for a person: whole sentences on one line."""
    assert re.fullmatch(r"[A-Z][^\n]*[^. ]\.", feature.summary), feature.summary
    for leak in ("None", "  ", "()", "[", "{", "..", ": .", ";."):
        assert leak not in feature.summary, feature.summary
    if feature.capacity is not None:
        assert feature.verdict in ("works", "limited")


@pytest.mark.parametrize("name", CASES)
def test_verdicts(name: str) -> None:
    changes, different = CASES[name]
    for feature, found in verdicts(network(*changes)).items():
        verdict, capacity, words = different.get(feature, OPEN[feature])
        assert (found.verdict, found.capacity) == (verdict, capacity), (feature, found.summary)
        assert words.lower() in found.summary.lower()
        plain(found)


@pytest.mark.parametrize("seen", [(), (unreached(),), (control(),)], ids=["none", "no", "yes"])
def test_where_nothing_was_measured_everything_is_unknown(seen: tuple[AnyObservation, ...]) -> None:
    for found in verdicts(seen).values():
        assert (found.verdict, found.capacity) == ("unknown", None)
        plain(found)


@pytest.mark.parametrize(
    ("seen", "feature", "summary"),
    [
        (
            network(),
            "call-out",
            "Not known, as this was not tested: a call out, with the further connection that it "
            "agrees on.",
        ),
        (
            network(),
            "audio",
            "Not known, as two things were not tested: sound in both directions, and a call out, "
            "with the sound to where it agrees on.",
        ),
        (
            [control()],
            "audio",
            "Not known, as three things were not tested: outgoing TCP 1720, 1731; sound in both "
            "directions; and a call out, with the sound to where it agrees on.",
        ),
        ([control()], "messaging", "Not known, as this was not tested: outgoing TCP 1863."),
        (
            [control()],
            "voice",
            "Not known: UDP 6901 is undecided, and two things were not tested: outgoing TCP 6901 "
            "from local port 6901, and whether the address in an invitation survives the way to "
            "your contact.",
        ),
    ],
    ids=["one", "two", "three", "ports", "and-undecided"],
)
def test_what_was_not_tested_is_said_once_and_in_a_sentence(
    seen: Iterable[AnyObservation], feature: str, summary: str
) -> None:
    assert verdicts(seen)[feature].summary == summary


def test_every_feature_of_every_profile_in_their_order() -> None:
    found = [(f.profile, f.feature, f.title) for f in diagnose(PROFILES, PLAN, ()).features]
    assert found == [(p.id, f.id, f.title) for p in PROFILES for f in p.features]
    assert {feature for _, feature, _ in found} == set(OPEN)


@pytest.mark.parametrize(
    ("seen", "cancelled", "words"),
    [
        ([unreached()], False, "the echo server could not be reached"),
        ([unreached()], True, "the echo server could not be reached"),
        ([unreached(attempts=())], True, "the check ended before the echo server was reached"),
        (
            [unreached(ControlAttempt(port=8463, outcome="connected"))],
            True,
            "the check ended before the echo server was reached",
        ),
        ([], True, "the check ended before the echo server was reached"),
        ([lookup(), unreached(attempts=())], False, "the echo server could not be reached"),
    ],
)
def test_why_the_whole_check_could_not_be_made(
    seen: list[AnyObservation], cancelled: bool, words: str
) -> None:
    summaries = {f.summary for f in verdicts(seen, cancelled=cancelled).values()}
    assert summaries == {f"Not known, as {words}."}


@pytest.mark.parametrize(
    ("seen", "cause"),
    [
        ([unreached()], "server-unreachable"),
        ([unreached(), portal()], "captive-portal"),
        ([lookup(), unreached(attempts=())], "dns-failure"),
        (
            [lookup("resolved", addresses=("203.0.113.1",), invented="203.0.113.1"), unreached()],
            "dns-rewritten",
        ),
        ([*network(outbound_tcp(1863, silent()), UNCONFIRMED)], "server-unreachable"),
    ],
)
def test_what_keeps_the_check_from_being_made_is_named_by_each_feature_it_leaves_open(
    seen: list[AnyObservation], cause: str
) -> None:
    found = diagnose(PROFILES, PLAN, seen)
    (finding,) = (f for f in found.findings if f.cause == cause)
    for feature in found.features:
        assert (finding.id in feature.findings) == (feature.verdict == "unknown"), feature.feature


@given(networks())
def test_every_verdict_leads_to_observations_of_the_report(
    seen: tuple[AnyObservation, ...],
) -> None:
    known = {each.id for each in seen}
    for name, feature in verdicts(seen).items():
        assert known.issuperset(feature.evidence), name
        assert feature.evidence or feature.verdict == "unknown", name
        assert len(set(feature.evidence)) == len(feature.evidence)


def test_a_feature_names_the_findings_it_rests_on_and_no_others() -> None:
    seen = network(outbound_tcp(1863, silent()), outbound_tcp(1503, RESET), *NO_UDP_OUT)
    found = diagnose(PROFILES, PLAN, seen)
    cause = {f.id: f.cause for f in found.findings}
    by_feature = {f.feature: {cause[i] for i in f.findings} for f in found.features}
    assert by_feature == {name: set[str]() for name in OPEN} | {
        "messaging": {"outbound-tcp-blocked"},
        "data-sharing": {"outbound-tcp-refused"},
        "voice": {"outbound-udp-blocked"},
    }


@pytest.mark.parametrize(
    ("seen", "worst"),
    [
        ([], "unknown"),
        (["works"], "works"),
        (["works", "unknown"], "unknown"),
        (["works", "unknown", "limited"], "limited"),
        (["limited", "fails", "unknown"], "fails"),
    ],
)
def test_overall_is_the_worst_verdict(seen: list[Verdict], worst: Verdict) -> None:
    assert overall(seen) == worst


@given(st.lists(st.sampled_from(get_args(Outcome))))
def test_a_verdict_follows_from_the_gravest_outcome(outcomes: list[Outcome]) -> None:
    order = {"unmet": "fails", "unknown": "unknown", "partly": "limited", "met": "works"}
    expected = next((order[o] for o in order if o in outcomes), "unknown")
    assert verdict_of(outcomes) == expected
    assert verdict_of(reversed(outcomes)) == expected


@given(st.lists(st.sampled_from(get_args(Outcome)), min_size=1), st.sampled_from(get_args(Outcome)))
def test_one_more_need_never_makes_a_feature_better(outcomes: list[Outcome], more: Outcome) -> None:
    better = {"fails": 0, "unknown": 1, "limited": 1, "works": 2}
    before, after = verdict_of(outcomes), verdict_of([*outcomes, more])
    assert better[after] <= better[before]


ALL_OPEN = diagnose(PROFILES, PLAN, open_network()).ports
STATES = st.sampled_from(["open", "open", "blocked", "refused", "unknown", "untested", "busy"])
RANK = {"fails": 0, "unknown": 1, "limited": 1, "works": 2}
"""Unknown and limited are not better or worse than each other: either may be the other."""


def _judged(ports: list[Port]) -> dict[str, Verdict]:
    carried = (
        p.port
        for p in ports
        if (p.transport, p.direction, p.state) == ("tcp", "outbound", "open")
        and p.port in TRANSFER_PORTS
    )
    facts = Facts([control(), at_once(carried)])
    return {f.feature: f.verdict for f in features.judge(PROFILES, facts, ports, [])}


@given(
    st.dictionaries(st.integers(0, len(ALL_OPEN) - 1), STATES, max_size=20),
    st.integers(0, len(ALL_OPEN) - 1),
    st.sampled_from(["blocked", "refused", "intercepted", "altered"]),
)
def test_blocking_an_open_port_never_improves_a_verdict(
    states: dict[int, Any], chosen: int, bad: Any
) -> None:
    def with_state(n: int, port: Port, state: Any) -> Port:
        return msgspec.structs.replace(port, state=state, reached_server=None)

    before = [with_state(n, p, states.get(n, "open")) for n, p in enumerate(ALL_OPEN)]
    before[chosen] = with_state(chosen, before[chosen], "open")
    after = list(before)
    after[chosen] = with_state(chosen, before[chosen], bad)
    was, now = _judged(before), _judged(after)
    for feature in was:
        assert RANK[now[feature]] <= RANK[was[feature]], feature


@given(networks(), st.booleans())
def test_whatever_was_measured_the_summary_is_a_plain_sentence(
    seen: tuple[AnyObservation, ...], cancelled: bool
) -> None:
    for found in verdicts(seen, cancelled=cancelled).values():
        plain(found)


@given(networks(confirmed=False))
def test_where_silence_is_not_trusted_only_proofs_decide(seen: tuple[AnyObservation, ...]) -> None:
    """Without a server that answers to the end nothing is called blocked or refused."""
    for port in diagnose(PROFILES, PLAN, seen).ports:
        assert port.state not in ("blocked", "refused")
    for found in verdicts(seen).values():
        assert "blocked" not in found.summary
        assert "refused" not in found.summary


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([389], "389"), ([6900, 6891, 6892, 6891], "6891–6892, 6900"), ([1, 2, 3], "1–3")],
)
def test_spans(numbers: list[int], text: str) -> None:
    assert spans(numbers) == text
