"""Calls: what each network does to them, what that means for a user, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import kb
from netcheck.diagnosis import Diagnosis, call_media, diagnose
from netcheck.report.model import Editor, Feature, Finding, PlacedCall
from probes.calling import terminal
from probes.observation import (
    AnyObservation,
    Call,
    CallConnection,
    CallMedia,
    Followed,
    Heard,
    Said,
)

from . import called, talked
from .called import EDITED_IN, EDITED_OUT, IN, NAT_IN, NAT_OUT, NOTHING, OUT, REFUSED, call, changed
from .measured import (
    OURS,
    PLAN,
    PROFILES,
    PUBLIC,
    SERVER,
    all_inbound,
    control,
    inbound_tcp,
    ledger,
    loss,
    network,
    outbound_tcp,
    silent,
    tries,
)
from .test_media import streams

AHEAD = called.unset  # how far a call came

SIGNALLING: dict[str, Any] = {"protocol": "h323", "dialogue": "h323", "port": 1720}
ENTRY: dict[str, Any] = {"protocol": "ldap", "dialogue": "ldap", "port": 389}
TRANSLATED = talked.talk(**SIGNALLING)
"""Behind a NAT, as its two sockets say."""

CALLS = ("call-out", "audio", "video", "receive-calls")


def found(*observations: AnyObservation) -> Diagnosis:
    """An open network for everything but what is named."""
    proven = ledger(proven_addresses=(PUBLIC, OURS))
    return diagnose(PROFILES, PLAN, network(*streams(), proven, *observations))


def feature(diagnosis: Diagnosis, name: str) -> Feature:
    (one,) = (f for f in diagnosis.features if f.profile == "netmeeting" and f.feature == name)
    return one


def verdicts(diagnosis: Diagnosis) -> dict[str, str]:
    return {name: feature(diagnosis, name).verdict for name in CALLS}


def of_calls(diagnosis: Diagnosis) -> dict[str, list[Finding]]:
    """The findings that rest on a call, by cause."""
    causes: dict[str, list[Finding]] = {}
    for finding in diagnosis.findings:
        if any(e.startswith("call-") for e in finding.evidence):
            causes.setdefault(finding.cause, []).append(finding)
    return causes


def shown(diagnosis: Diagnosis, direction: str) -> PlacedCall:
    (one,) = (c for c in diagnosis.calls if c.direction == direction)
    return one


def h323(diagnosis: Diagnosis) -> Editor:
    (row,) = (e for e in diagnosis.editors if e.protocol == "h323")
    return row


INWARD_SHUT = all_inbound(silent())
LOST_WAY: dict[str, Any] = {"outcome": "silent", "attempts": 9}
RESET: dict[str, Any] = {"outcome": "refused", "attempts": 2}
TO_US: dict[str, Any] = {"to": f"{OURS}:1720"}
TO_PUBLIC: dict[str, Any] = {"to": f"{PUBLIC}:1720"}

HALF = Heard(
    expected=3,
    kinds=called.OLC,
    said=tuple(
        msgspec.structs.replace(each, arrived=each.sent)
        if each.field == "mediaControlChannel"
        else each
        for each in called.control(PUBLIC).out.said
    ),
)
UNREPORTED: dict[str, Any] = {
    "rtcp_to": f"{OURS}:40001", "rtcp_refused": "not-proven", "reports": 0, "reports_sent": 0,
}  # fmt: skip
SET_UP = Heard(expected=1, kinds=("Setup",))
DAMAGED = Heard(expected=3, kinds=called.OLC, faults=("bad",))

# What is observed beside an open network; the verdicts of call-out, audio, video and
# receive-calls; the causes that rest on the calls; and a piece of a summary.
CASES: dict[str, tuple[Iterable[AnyObservation], tuple[str, ...], set[str], dict[str, str]]] = {
    "routed": ([OUT, IN], ("works",) * 4, set(), {"audio": "Everything it needs gets through."}),
    "plain-nat": (
        [NAT_OUT, NAT_IN, TRANSLATED, *INWARD_SHUT],
        ("works", "limited", "limited", "fails"),
        {"embedded-address-untouched", "calls-only-outward"},
        {
            "audio": "The other side hears you, but you do not hear them: they send to "
            "192.168.1.20, because that address inside the call's messages is not rewritten.",
            "video": "The other side sees you, but you do not see them: they send to 192.168.1.20",
            "receive-calls": "The directory names 192.168.1.20:1720, where nobody outside can",
        },
    ),
    "forwarded-without-editor": (
        [NAT_OUT, NAT_IN, TRANSLATED],
        ("works", "limited", "limited", "fails"),
        {"embedded-address-untouched", "calls-only-outward"},
        {"receive-calls": "The directory names 192.168.1.20:1720"},
    ),
    "nat-with-editors": (
        [EDITED_OUT, EDITED_IN, TRANSLATED, *INWARD_SHUT], ("works",) * 4, set(), {},
    ),
    "editor-without-way": (
        [
            changed(EDITED_OUT, media=called.media(PUBLIC, back=NOTHING)),
            changed(EDITED_IN, **AHEAD(**TO_PUBLIC, **LOST_WAY)),
            TRANSLATED,
            *INWARD_SHUT,
        ],
        ("works", "limited", "limited", "fails"),
        {"editor-pinhole-closed", "calls-only-outward"},
        {
            "audio": "a router writes 198.51.100.7:40000 into the call's messages, and lets",
            "receive-calls": "A call to 198.51.100.7:1720, as the directory says, is blocked.",
        },
    ),
    "rewritten-to-a-strange-address": (
        [
            changed(
                EDITED_OUT,
                control=called.control("203.0.113.99"),
                media=called.media("203.0.113.99", back=REFUSED),
            ),
            call(
                "inbound",
                signalling=CallConnection(to="203.0.113.99:1720", refused="not-proven"),
                control=CallConnection(),
                media=(),
            ),
            TRANSLATED,
        ],
        ("works", "limited", "limited", "fails"),
        {"editor-pinhole-closed", "calls-only-outward"},
        {
            "audio": "they send to 203.0.113.99:40000, which is not your address as others see it",
            "receive-calls": "names 203.0.113.99:1720, which is not your address as others see it",
        },
    ),
    "udp-blocked": (
        [call(media=called.media(out=NOTHING, back=NOTHING)), IN, *streams(0, 0)],
        ("works", "fails", "fails", "works"),
        {"calls-without-media"},
        {"audio": "Sound gets through in neither direction."},
    ),
    "udp-blocked-in-calls-alone": (
        [call(media=called.media(out=NOTHING, back=NOTHING)), IN],
        ("works", "fails", "fails", "works"),
        {"outbound-udp-blocked"},
        {"audio": "Neither side hears the other: what they send (UDP) does not come in; what you"},
    ),
    "udp-blocked-behind-nat": (
        [
            changed(NAT_OUT, media=called.media(out=NOTHING, back=REFUSED)),
            NAT_IN,
            TRANSLATED,
            *streams(0, 0),
        ],
        ("works", "fails", "fails", "fails"),
        {"calls-without-media", "embedded-address-untouched"},
        {},
    ),
    "1720-blocked": (
        [call(**AHEAD(**LOST_WAY)), outbound_tcp(1720, silent())],
        ("fails", "fails", "fails", "unknown"),
        set(),
        {"call-out": "outgoing TCP 1720 is blocked", "video": "outgoing TCP 1720 is blocked"},
    ),
    "1731-blocked": (
        [OUT, IN, outbound_tcp(1731, silent())],
        ("works", "fails", "works", "works"),
        set(),
        {"audio": "outgoing TCP 1731 is blocked"},
    ),
    "set-up-filtered": (
        [call(**AHEAD(outcome="mute", attempts=9))],
        ("fails", "fails", "fails", "unknown"),
        {"protocol-filtered"},
        {"call-out": "What sets up a call does not get through, though the connection does."},
    ),
    "set-up-reset": (
        [call(**AHEAD(outcome="closed", attempts=2))],
        ("fails", "fails", "fails", "unknown"),
        {"protocol-filtered"},
        {},
    ),
    "set-up-damaged": (
        [call(**AHEAD(outcome="closed", attempts=2, out=Heard(faults=("wrong length",))))],
        ("fails", "fails", "fails", "unknown"),
        {"embedded-address-mangled"},
        {"call-out": "What sets up a call is damaged on the way: wrong length."},
    ),
    "answer-kept-back": (
        [call(**AHEAD(outcome="closed", attempts=2, out=SET_UP))],
        ("fails", "fails", "fails", "unknown"),
        {"protocol-filtered"},
        {"call-out": "The answer to a call does not get through, though the connection does."},
    ),
    "answer-damaged": (
        [call(**AHEAD(outcome="closed", attempts=2, out=SET_UP, back=Heard(faults=("bad",))))],
        ("fails", "fails", "fails", "unknown"),
        {"embedded-address-mangled"},
        {"call-out": "The answer to a call is damaged on the way: bad."},
    ),
    "set-up-answered-by-another": (
        [call(**AHEAD(outcome="foreign", attempts=1))],
        ("fails", "fails", "fails", "unknown"),
        {"outbound-tcp-intercepted"},
        {},
    ),
    "h245-blocked": (
        [call(**AHEAD(at="control", **LOST_WAY)), IN],
        ("fails", "fails", "fails", "works"),
        {"tcp-range-limited"},
        {
            "call-out": "The call is answered, and the further connection that it agrees on, TCP "
            "30001, is blocked."
        },
    ),
    "h245-refused": (
        [call(**AHEAD(at="control", **RESET))],
        ("fails", "fails", "fails", "unknown"),
        {"tcp-range-limited"},
        {"call-out": "TCP 30001, is refused."},
    ),
    "h245-filtered": (
        [call(**AHEAD(at="control", outcome="mute", attempts=9))],
        ("fails", "fails", "fails", "unknown"),
        {"protocol-filtered"},
        {},
    ),
    "h245-intercepted": (
        [call(**AHEAD(at="control", outcome="foreign", attempts=1))],
        ("fails", "fails", "fails", "unknown"),
        {"outbound-tcp-intercepted"},
        {},
    ),
    "h245-address-of-the-server-changed": (
        [call(**AHEAD(at="control", outcome=None, to="203.0.113.9:7", refused="not-proven"))],
        ("fails", "fails", "fails", "unknown"),
        {"embedded-address-mangled"},
        {"call-out": "where it goes on is changed to 203.0.113.9:7 on the way"},
    ),
    "you-are-not-heard": (
        [call(media=called.media(out=NOTHING)), IN],
        ("works", "limited", "limited", "works"),
        {"outbound-udp-blocked"},
        {
            "audio": "You hear the other side, but they do not hear you: what you send (UDP) does",
            "video": "You see the other side, but they do not see you",
        },
    ),
    "you-do-not-hear": (
        [call(media=called.media(back=NOTHING)), IN],
        ("works", "limited", "limited", "works"),
        {"udp-reply-blocked"},
        {"audio": "The other side hears you, but you do not hear them: what they send (UDP)"},
    ),
    "media-address-of-the-server-changed": (
        [call(media=called.media(out=REFUSED | {"rtp_to": "203.0.113.9:40000"})), IN],
        ("works", "limited", "limited", "works"),
        {"embedded-address-mangled"},
        {"audio": "they do not hear you: the address in the other side's messages is changed to"},
    ),
    "most-is-lost": (
        [call(media=called.media(back={"received": 2})), IN],
        ("works", "limited", "limited", "works"),
        set(),
        {"audio": "you do not hear them: only 2 of 25 packets arrive."},
    ),
    "no-reports-to-you": (
        [call(media=called.media(back={"reports": 0})), IN],
        ("works", "limited", "limited", "works"),
        {"udp-range-limited"},
        {"audio": "Sound passes both ways, but the other side's reports on it (RTCP) do not arri"},
    ),
    "no-reports-to-them": (
        [call(media=called.media(out={"reports": 0})), IN],
        ("works", "limited", "limited", "works"),
        {"udp-range-limited"},
        {"video": "The picture passes both ways, but your reports on it (RTCP) do not arrive"},
    ),
    "reports-to-an-address-left-as-it-is": (
        [
            changed(
                EDITED_OUT,
                control=called.control(PUBLIC, out=HALF),
                media=called.media(PUBLIC, back=UNREPORTED),
            ),
            IN,
            TRANSLATED,
        ],
        ("works", "limited", "limited", "works"),
        {"embedded-address-mangled"},
        {"audio": "the other side's reports on it (RTCP) do not arrive: they send to 192.168.1.20"},
    ),
    "reports-not-counted": (
        [call(media=called.media(back={"reports": 0, "reports_sent": 0})), IN],
        ("works", "unknown", "unknown", "works"),
        set(),
        {"audio": "whether the other side's reports on it (RTCP) do is not known"},
    ),
    "reports-missing-while-the-server-may-have-been-gone": (
        [call(media=called.media(back={"reports": 0})), IN, control(confirmed_at_end=False)],
        ("works", "unknown", "unknown", "works"),
        set(),
        {"audio": "whether the other side's reports on it (RTCP) do is not known"},
    ),
    "called-in-vain": (
        [OUT, changed(IN, **AHEAD(**TO_US, **LOST_WAY)), inbound_tcp(1720, silent())],
        ("works", "works", "works", "fails"),
        {"calls-only-outward"},
        {"receive-calls": "A call to 192.168.1.20:1720, as the directory says, is blocked."},
    ),
    "called-and-refused": (
        [OUT, changed(IN, **AHEAD(**TO_US, **RESET))],
        ("works", "works", "works", "fails"),
        {"inbound-tcp-refused", "calls-only-outward"},
        {"receive-calls": "as the directory says, is refused."},
    ),
    "called-and-somebody-else-answers": (
        [OUT, changed(IN, **AHEAD(**TO_US, outcome="foreign", attempts=1))],
        ("works", "works", "works", "fails"),
        {"inbound-wrong-host", "calls-only-outward"},
        {},
    ),
    "call-in-without-control": (
        [OUT, changed(IN, **AHEAD(at="control", to=f"{OURS}:20001", **LOST_WAY))],
        ("works", "works", "works", "fails"),
        {"inbound-tcp-blocked", "calls-only-outward"},
        {"receive-calls": "the further connection that it agrees on, TCP 20001, is blocked"},
    ),
    "call-in-whose-answer-names-a-private-address": (
        [
            EDITED_OUT,
            changed(
                EDITED_IN,
                **AHEAD(at="control", outcome=None, to=f"{OURS}:20001", refused="not-proven"),
            ),
            TRANSLATED,
        ],
        ("works", "works", "works", "fails"),
        {"embedded-address-untouched", "calls-only-outward"},
        {"receive-calls": "Your answer to a call names 192.168.1.20:20001, where nobody outside"},
    ),
    "call-in-whose-control-is-shut": (
        [
            EDITED_OUT,
            changed(EDITED_IN, **AHEAD(at="control", to=f"{PUBLIC}:20001", **LOST_WAY)),
            TRANSLATED,
        ],
        ("works", "works", "works", "fails"),
        {"editor-pinhole-closed", "calls-only-outward"},
        {"receive-calls": "A router writes 198.51.100.7:20001 into your answer to a call"},
    ),
    # What does not decide.
    "call-in-silent-under-loss": (
        [OUT, changed(IN, **AHEAD(**TO_US, **LOST_WAY)), loss(60)],
        ("works", "works", "works", "unknown"),
        set(),
        {"receive-calls": "is not answered, which may be loss"},
    ),
    "few-tries": (
        [
            call(**AHEAD(outcome="silent", attempts=3)),
            changed(IN, **AHEAD(**TO_US, outcome="mute")),
        ],
        ("unknown",) * 4,
        set(),
        {"call-out": "is not answered, which may be loss"},
    ),
    "one-reset": (
        [OUT, changed(IN, **AHEAD(**TO_US, outcome="refused", attempts=1))],
        ("works", "works", "works", "unknown"),
        set(),
        {"receive-calls": "which may be a passing overload"},
    ),
    "media-lost-under-loss": (
        [call(media=called.media(back=NOTHING)), IN, loss(120)],
        ("works", "unknown", "unknown", "works"),
        set(),
        {"audio": "the other side hears you; whether you hear the other side is not known: loss"},
    ),
    "server-lost-mid-call": (
        [
            call(media=called.media(back=NOTHING, out={"received": None, "reports": None})),
            changed(IN, **AHEAD(**TO_US, **LOST_WAY)),
            control(confirmed_at_end=False),
        ],
        ("works", "unknown", "unknown", "unknown"),
        set(),
        {
            "audio": "whether the other side hears you is not known: the other end's count did",
            "receive-calls": "the echo server did not answer to the end of the check",
        },
    ),
    "server-would-not": (
        [
            call(media=called.media(back=REFUSED | {"refused": "limit"})),
            call("inbound", **AHEAD(outcome=None, **TO_US, refused="limit")),
        ],
        ("works", "unknown", "unknown", "unknown"),
        set(),
        {"audio": "nothing was sent: limit", "receive-calls": "was not tried: limit"},
    ),
    "channels-not-agreed-on": (
        [call(media=(), control=called.control(over=False)), IN],
        ("works", "unknown", "unknown", "works"),
        set(),
        {"audio": "sound was not tested in the call: its channels were not agreed on"},
    ),
    "control-damaged": (
        [call(media=(), control=called.control(over=False, out=DAMAGED)), IN],
        ("works", "fails", "fails", "works"),
        {"embedded-address-mangled"},
        {"audio": "Sound cannot be agreed on, as the messages are damaged on the way: bad."},
    ),
    "not-tried": (
        [call(untested="no server"), call("inbound", untested="TCP port 1720 is in use")],
        ("unknown",) * 4,
        set(),
        {
            "call-out": "not tested: a call out, with the further connection that it agrees on: no",
            "receive-calls": "TCP port 1720 is in use",
        },
    ),
    "not-tried-and-the-entry-is-private": (
        [
            call("inbound", untested="TCP port 1720 is in use"),
            talked.talk(**ENTRY),
            talked.control(protocol="ldap", dialogue="ldap"),
        ],
        ("unknown", "unknown", "unknown", "fails"),
        set(),
        {"receive-calls": "The directory names 192.168.1.20:20001, where nobody outside can"},
    ),
    "not-tried-and-1720-is-shut": (
        [call("inbound", untested="no entry arrived"), inbound_tcp(1720, silent())],
        ("unknown", "unknown", "unknown", "fails"),
        set(),
        {"receive-calls": "incoming TCP 1720 is blocked"},
    ),
    "an-old-report": ([], ("unknown",) * 4, set(), {"audio": "not tested: a call out"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_network_does_to_calls(name: str) -> None:
    observations, expected, causes, summaries = CASES[name]
    diagnosis = found(*observations)
    assert tuple(verdicts(diagnosis).values()) == expected
    assert set(of_calls(diagnosis)) == causes
    for which, words in summaries.items():
        assert words in feature(diagnosis, which).summary


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_that_a_finding_explains_points_to_it(name: str) -> None:
    observations, _, causes, _ = CASES[name]
    diagnosis = found(*observations)
    ids = {o.id for o in network(*streams(), *observations)}
    for finding in diagnosis.findings:
        assert set(finding.evidence) <= ids
    if not causes:
        return
    linked = {f for name in CALLS for f in feature(diagnosis, name).findings}
    assert linked & {f.id for each in of_calls(diagnosis).values() for f in each}


@pytest.mark.parametrize("name", CASES)
def test_no_finding_is_said_twice(name: str) -> None:
    observations, *_ = CASES[name]
    told = [(f.cause, str(f.parameters)) for f in found(*observations).findings]
    assert len(told) == len(set(told))


# ---- the article's two cases, each in its own words ----


def test_calls_without_sound_rest_on_the_call_too() -> None:
    diagnosis = found(call(media=called.media(out=NOTHING, back=NOTHING)), *streams(0, 0))
    (finding,) = of_calls(diagnosis)["calls-without-media"]
    assert "call-outbound" in finding.evidence
    assert finding.severity == "error"
    assert {f.cause for f in diagnosis.findings} == {"calls-without-media"}


# ---- a server that does not know where it is ----

BEHIND = "10.0.0.5"


def says_itself(*places: str) -> Heard:
    said = tuple(Said(field="h245Address", sent=each, arrived=each) for each in places)
    return Heard(expected=1, kinds=("Connect",), said=said)


def test_a_server_that_names_another_address_itself_is_nobodys_fault() -> None:
    place = f"{BEHIND}:30001"
    out = changed(
        call(**AHEAD(at="control", outcome=None, to=place, refused="not-proven")),
        signalling=called.signalling(back=says_itself(place)),
    )
    diagnosis = found(out, IN)
    assert feature(diagnosis, "call-out").verdict == "unknown"
    assert "the echo server itself says" in feature(diagnosis, "call-out").summary
    assert diagnosis.findings == []


def test_media_to_where_the_server_itself_says_are_nobodys_fault() -> None:
    media = tuple(
        msgspec.structs.replace(m, rtp_to=f"{BEHIND}:40000", rtcp_to=f"{BEHIND}:40001", **REFUSED)
        if m.direction == "outbound"
        else m
        for m in called.media()
    )
    back = says_itself(f"{BEHIND}:40000", f"{BEHIND}:40001")
    diagnosis = found(changed(call(media=media), control=called.control(back=back)), IN)
    assert feature(diagnosis, "audio").verdict == "unknown"
    assert diagnosis.findings == []


# ---- beside the streams that go back to where they came from ----


def test_who_hears_whom_in_a_call_counts_where_streams_get_through_in_neither_direction() -> None:
    diagnosis = found(call(media=called.media(out=NOTHING)), IN, *streams(0, 0))
    for name, summary in (
        ("audio", "You hear the other side, but they do not hear you: what you send (UDP) does "),
        ("video", "You see the other side, but they do not see you: what you send (UDP) does "),
    ):
        told = feature(diagnosis, name)
        assert told.verdict == "limited"
        assert told.summary.startswith(summary)
        causes = {f.cause for f in diagnosis.findings if f.id in told.findings}
        assert causes == {"outbound-udp-blocked"}


def test_a_call_that_is_heard_is_limited_by_streams_that_are_not() -> None:
    told = feature(found(OUT, IN, *streams(0, 0)), "audio")
    assert told.verdict == "limited"
    assert told.summary.startswith("On other ports than the call's, sound gets through in neither")


def test_streams_are_not_missed_beside_a_call() -> None:
    untested = streams(untested="the echo server refused")
    assert feature(found(OUT, IN, *untested), "audio").verdict == "works"
    one_way = call(media=called.media(back=NOTHING))
    assert feature(found(one_way, IN, *untested), "video").verdict == "limited"
    assert feature(found(*untested), "audio").verdict == "unknown"


def test_the_next_call_to_us_agrees_on_another_port() -> None:
    shut = AHEAD(at="control", **LOST_WAY, to=f"{OURS}:20001")
    by_cause = of_calls(found(OUT, changed(IN, **shut)))
    for cause in ("inbound-tcp-blocked", "calls-only-outward"):
        (finding,) = by_cause[cause]
        assert finding.parameters["ports"] == ["1024-65535"]
        values = {**finding.parameters, "nat_present": False}
        assert "incoming TCP ports 1024–65535" in kb.remedy(kb.article_for(finding.cause), values)


def test_a_call_alone_shows_calls_without_sound() -> None:
    silent_call = call(media=called.media(out=NOTHING, back=NOTHING))
    unstreamed = streams(untested="the echo server refused")
    (finding,) = of_calls(found(silent_call, *unstreamed))["calls-without-media"]
    assert finding.evidence == ["outbound-tcp-1720", "outbound-tcp-1731", "call-outbound"]


@pytest.mark.parametrize(
    "out",
    [
        call(**AHEAD(**LOST_WAY)),
        call(**AHEAD(at="control", **LOST_WAY)),
        call(media=called.media(out=NOTHING)),
    ],
    ids=["not-answered", "not-controlled", "heard-one-way"],
)
def test_no_calls_without_sound_where_calls_do_not_connect_or_sound_passes(out: Call) -> None:
    assert "calls-without-media" not in {f.cause for f in found(out, *streams(0, 0)).findings}


def test_calls_only_outward_tell_how_they_sound_and_what_the_directory_says() -> None:
    (nat,) = of_calls(found(NAT_OUT, NAT_IN, TRANSLATED, *INWARD_SHUT))["calls-only-outward"]
    assert nat.parameters == {"sound": "one-way", "entry": f"{OURS}:1720", "ports": [1720]}
    (forwarded,) = of_calls(found(NAT_OUT, NAT_IN, TRANSLATED))["calls-only-outward"]
    assert forwarded.parameters["opened"] == 1720
    edited = found(EDITED_OUT, changed(EDITED_IN, **AHEAD(**TO_PUBLIC, **LOST_WAY)), TRANSLATED)
    (both,) = of_calls(edited)["calls-only-outward"]
    assert {"sound", "entry"}.isdisjoint(both.parameters)
    private = AHEAD(at="control", outcome=None, to=f"{OURS}:20001", refused="not-proven")
    (answered,) = of_calls(found(EDITED_OUT, changed(EDITED_IN, **private), TRANSLATED))[
        "calls-only-outward"
    ]
    assert answered.parameters["answer"] == f"{OURS}:20001"
    assert "entry" not in answered.parameters  # the directory named the right address
    assert "call-outbound" in both.evidence


def test_calls_only_outward_do_not_stand_on_what_says_otherwise() -> None:
    """That a call sounds one way is another finding's, and so is the verdict on sound."""
    diagnosis = found(NAT_OUT, NAT_IN, TRANSLATED, *INWARD_SHUT)
    (finding,) = of_calls(diagnosis)["calls-only-outward"]
    assert finding.id not in feature(diagnosis, "audio").findings
    assert finding.id in feature(diagnosis, "receive-calls").findings


@pytest.mark.parametrize(
    "observations",
    [
        (OUT, IN, *INWARD_SHUT),
        (call(**AHEAD(**LOST_WAY)), NAT_IN),
        (call(media=called.media(out=NOTHING, back=NOTHING)), NAT_IN),
        (OUT, changed(IN, **AHEAD(**TO_US, outcome="silent", attempts=2))),
    ],
    ids=["a-call-came-in", "none-goes-out", "without-sound", "not-known"],
)
def test_not_only_outward(observations: tuple[AnyObservation, ...]) -> None:
    assert "calls-only-outward" not in {f.cause for f in found(*observations).findings}


# ---- findings about addresses ----


@pytest.mark.parametrize(
    ("heard", "verdict"),
    [
        (talked.heard(talked.said("2.0.0.1:1720", field="sipaddress"), faults=("bad",)), "fails"),
        (talked.heard(talked.said(talked.KEPT, field="sipaddress")), "unknown"),
    ],
)
def test_an_entry_that_does_not_arrive_whole_leads_nobody_here(heard: Heard, verdict: str) -> None:
    """Where the directory's answer alone is damaged, the entry is not."""
    answer = Heard(expected=4, faults=("bad",))
    talks = (talked.talk(out=heard, back=answer, **ENTRY), talked.control(**ENTRY | {"port": 4000}))
    none = call("inbound", **AHEAD(outcome=None), untested="no entry of ours arrived")
    told = feature(found(OUT, none, *talks), "receive-calls")
    assert told.verdict == verdict
    assert ("Registering in the directory is damaged on the way: bad." in told.summary) == (
        verdict == "fails"
    )


def test_a_private_entry_and_a_private_media_address_are_two_findings() -> None:
    entry = (talked.talk(**ENTRY), talked.control(protocol="ldap", dialogue="ldap"))
    diagnosis = found(NAT_OUT, NAT_IN, TRANSLATED, *entry)
    told = {
        str(f.parameters["protocol"]): f for f in of_calls(diagnosis)["embedded-address-untouched"]
    }
    assert set(told) == {"ldap", "h323"}
    assert set(told["ldap"].evidence) == {"call-inbound", "talk-ldap-389", "talk-ldap-control"}
    assert told["ldap"].parameters["received"] == f"{OURS}:1720"
    assert set(told["h323"].evidence) == {"call-outbound", TRANSLATED.id}
    assert told["h323"].parameters["field"] == "mediaChannel"
    assert told["h323"].severity == "warning"
    assert told["ldap"].severity == "error"
    assert told["h323"].id in feature(diagnosis, "video").findings
    assert told["ldap"].id not in feature(diagnosis, "audio").findings


def test_what_is_mangled_is_not_untouched_as_well() -> None:
    half = list(called.control(PUBLIC).out.said)
    half[0] = msgspec.structs.replace(half[0], arrived=half[0].sent)
    out = changed(
        EDITED_OUT,
        control=called.control(PUBLIC, out=Heard(expected=3, kinds=called.OLC, said=tuple(half))),
        media=called.media(OURS, back=REFUSED),
    )
    diagnosis = found(out, IN, TRANSLATED)
    assert set(of_calls(diagnosis)) == {"embedded-address-mangled"}
    (finding,) = of_calls(diagnosis)["embedded-address-mangled"]
    assert finding.id in feature(diagnosis, "audio").findings


def test_a_port_that_is_a_finding_by_itself_is_none_of_the_calls() -> None:
    shut = (call(**AHEAD(**LOST_WAY)), outbound_tcp(1720, silent()))
    (finding,) = found(*shut).findings
    assert (finding.cause, finding.evidence) == ("outbound-tcp-blocked", ["outbound-tcp-1720"])


def test_an_answered_call_shows_that_its_port_is_open() -> None:
    undecided = outbound_tcp(1720, tries("silent"))
    assert verdicts(found(OUT, IN, undecided)) == dict.fromkeys(CALLS, "works")
    assert feature(found(undecided), "call-out").verdict == "unknown"
    blocked = outbound_tcp(1720, silent())
    assert feature(found(OUT, blocked), "call-out").verdict == "fails"


def test_a_call_that_came_in_decides_and_not_the_port_for_others() -> None:
    assert feature(found(OUT, EDITED_IN, *INWARD_SHUT), "receive-calls").verdict == "works"


# ---- the editor matrix ----


def test_the_control_channel_is_a_dialogue_of_the_matrix() -> None:
    diagnosis = found(NAT_OUT, TRANSLATED, talked.control(protocol="h323", dialogue="h323"))
    assert [(d.name, d.verdict) for d in h323(diagnosis).dialogues] == [
        ("call set-up", "untouched"), ("call control", "untouched"), ("shared data", "untouched"),
    ]  # fmt: skip
    assert "call-outbound" in h323(diagnosis).evidence


@pytest.mark.parametrize(
    ("out", "verdict", "reason"),
    [
        (EDITED_OUT, "edited", "rewritten to 198.51.100.7:40000, and reached there"),
        (
            changed(EDITED_OUT, media=called.media(PUBLIC, back=NOTHING)),
            "edited-unreachable",
            "nobody gets in there",
        ),
        (
            changed(EDITED_OUT, media=called.media(PUBLIC, back={"received": None})),
            "not-tested",
            "not known",
        ),
        (NAT_OUT, "untouched", "mediaChannel still says 192.168.1.20:40000"),
    ],
    ids=["edited", "unreachable", "not-counted", "untouched"],
)
def test_what_became_of_the_addresses_of_media(out: Call, verdict: str, reason: str) -> None:
    control_channel = h323(found(out, TRANSLATED)).dialogues[1]
    assert (control_channel.name, control_channel.verdict) == ("call control", verdict)
    assert reason in control_channel.reason


def test_a_second_connection_that_no_editor_reads_is_no_proof() -> None:
    """Linux's editor expects one connection to the address that it rewrote in the set-up."""
    edited = Heard(expected=1, kinds=("Setup",), said=(talked.said(talked.EDITED),))
    lossy = changed(
        NAT_OUT,
        signalling=called.signalling(out=edited),
        control=called.control(OURS, attempts=2),
    )
    diagnosis = found(lossy, TRANSLATED)
    assert feature(diagnosis, "audio").verdict == "unknown"
    assert "an editor may read the first alone" in feature(diagnosis, "audio").summary
    assert [d.verdict for d in h323(diagnosis).dialogues[1:]] == ["not-tested", "not-tested"]
    assert "embedded-address-untouched" not in of_calls(diagnosis)
    once = changed(lossy, control=called.control(OURS))
    assert feature(found(once, TRANSLATED), "audio").verdict == "limited"


def test_t120_may_fare_otherwise_and_is_named() -> None:
    shut = changed(
        EDITED_OUT,
        data=Followed(field="separateStack", target=f"{PUBLIC}:1503", attempts=silent(9)),
    )
    row = h323(found(shut, TRANSLATED))
    assert (row.verdict, row.dialogues[2].name) == ("edited-unreachable", "shared data")
    assert row.reason.startswith("shared data: rewritten to 198.51.100.7:1503; nobody gets in")
    assert "call control: edited" in row.reason


def test_without_a_control_channel_there_is_no_dialogue_of_it() -> None:
    for out in (call(**AHEAD(**LOST_WAY)), call(untested="no server"), IN):
        assert h323(found(out, TRANSLATED)).dialogues == []


# ---- the report ----


def test_the_report_tells_how_far_each_call_came() -> None:
    diagnosis = found(NAT_OUT, NAT_IN, TRANSLATED)
    out, back = shown(diagnosis, "outbound"), shown(diagnosis, "inbound")
    assert (out.reached, out.set_up, out.sound, out.picture) == (
        "media", True, "only-they", "only-they",
    )  # fmt: skip
    assert (out.signalling, out.control) == (f"{SERVER}:1720", f"{SERVER}:{called.H245}")
    assert (out.data, out.data_reached) == (f"{OURS}:1503", False)
    heard = {(m.kind, m.direction): m for m in out.media}
    assert heard["audio", "outbound"].arrives is True
    assert heard["audio", "outbound"].reports_arrive is True
    assert heard["video", "inbound"].arrives is False
    assert "is not rewritten" in heard["video", "inbound"].reason
    assert (back.reached, back.set_up, back.signalling) == ("nothing", False, f"{OURS}:1720")
    assert back.evidence == ["call-inbound"]


@pytest.mark.parametrize(
    ("one", "reached"),
    [
        (call(untested="no"), "untested"),
        (call(**AHEAD(**LOST_WAY)), "nothing"),
        (call(**AHEAD(at="control", **LOST_WAY)), "answered"),
        (call(control=called.control(over=False), media=()), "control"),
        (OUT, "media"),
    ],
    ids=["untested", "nothing", "answered", "control", "media"],
)
def test_how_far_it_came(one: Call, reached: str) -> None:
    assert shown(found(one), "outbound").reached == reached


@pytest.mark.parametrize(
    ("out", "back", "sides"),
    [
        ({}, {}, "both"),
        (NOTHING, {}, "only-you"),
        ({}, NOTHING, "only-they"),
        (NOTHING, NOTHING, "neither"),
        ({"received": None}, {}, "unknown"),
    ],
)
def test_who_hears_whom(out: dict[str, Any], back: dict[str, Any], sides: str) -> None:
    placed = shown(found(call(media=called.media(out=out, back=back))), "outbound")
    assert placed.sound == placed.picture == sides


def test_what_is_sent_a_second_is_what_was_sent() -> None:
    assert {k: s.packets_per_s for k, s in terminal.SHAPES.items()} == call_media.PER_S
    sent = [s.packets_per_s * terminal.DURATION_S for s in terminal.SHAPES.values()]
    assert min(sent) >= call_media.SENT_MIN


@pytest.mark.parametrize(("sent", "verdict"), [(9, "unknown"), (15, "limited")])
def test_too_few_packets_say_nothing(sent: int, verdict: str) -> None:
    out = call(media=called.media(back=NOTHING | {"sent": sent}))
    assert feature(found(out), "video").verdict == verdict


# ---- any calls at all ----

_OUTCOMES = st.sampled_from(
    [None, "answered", "refused", "unreachable", "closed", "mute", "foreign", "altered", "silent",
     "local-error"]
)  # fmt: skip
_PLACES = st.sampled_from(
    [None, f"{OURS}:1720", f"{PUBLIC}:20001", f"{SERVER}:30001", "x", "[::1]:5"]
)
_REFUSALS = st.sampled_from(["", "", "not-proven", "limit"])
_HEARD = st.sampled_from(
    [Heard(), called.control().out, called.control(PUBLIC).out, Heard(faults=("bad",))]
)
_CONNECTIONS = st.builds(
    CallConnection,
    to=_PLACES,
    outcome=_OUTCOMES,
    attempts=st.integers(0, 12),
    refused=_REFUSALS,
    over=st.booleans(),
    out=_HEARD,
    back=_HEARD,
)
_COUNTS = st.one_of(st.none(), st.integers(0, 60))


@st.composite
def _media(draw: st.DrawFn) -> tuple[CallMedia, ...]:
    return tuple(
        CallMedia(
            kind=kind,
            direction=direction,
            rtp_to=draw(_PLACES),
            rtcp_to=draw(_PLACES),
            refused=draw(_REFUSALS),
            rtcp_refused=draw(_REFUSALS),
            sent=draw(st.integers(0, 60)),
            received=draw(_COUNTS),
            reports_sent=draw(st.integers(0, 9)),
            reports=draw(_COUNTS),
        )
        for kind in called.RTP
        for direction in called.DIRECTIONS
        if draw(st.booleans())
    )


@st.composite
def _calls(draw: st.DrawFn, direction: called.Direction) -> Call:
    return call(
        direction,
        signalling=draw(_CONNECTIONS),
        control=draw(_CONNECTIONS),
        media=draw(_media()),
        data=draw(st.sampled_from([None, NAT_OUT.data, OUT.data])),
        untested=draw(st.sampled_from(["", "", "", "no server"])),
    )


@given(
    out=_calls("outbound"), back=_calls("inbound"), trusted=st.booleans(), translated=st.booleans()
)
def test_any_calls_give_verdicts_that_their_evidence_bears(
    out: Call, back: Call, trusted: bool, translated: bool
) -> None:
    more = [TRANSLATED] if translated else []
    diagnosis = found(out, back, control(confirmed_at_end=trusted), *more)
    told = verdicts(diagnosis)
    answered = out.signalling.outcome == out.control.outcome == "answered" and not out.untested
    came_in = back.signalling.outcome == back.control.outcome == "answered" and not back.untested
    assert (told["call-out"] == "works") == answered
    assert (told["receive-calls"] == "works") == came_in
    if out.untested:
        assert told["call-out"] == told["audio"] == told["video"] == "unknown"
    for kind in ("audio", "video"):
        ways = [m for m in out.media if m.kind == kind]
        good = [
            m
            for m in ways
            if not m.refused
            and not m.rtcp_refused
            and m.reports
            and 2 * (m.received or 0) >= m.sent
        ]
        if told[kind] == "works":
            assert answered
            assert len(good) == 2
        if told[kind] == "fails" and answered and not any(o.faults for o in (out.control.out,)):
            assert not good
    ids = {"call-outbound", "call-inbound"}
    for finding in diagnosis.findings:
        assert (
            ids.intersection(finding.evidence)
            or finding.cause == "server-unreachable"
            or (translated and TRANSLATED.id in finding.evidence)
        )


@given(sent=st.integers(20, 60), lost=st.integers(0, 150))
def test_silence_is_no_verdict_where_loss_explains_it(sent: int, lost: int) -> None:
    """The more is lost elsewhere, the less silence says: never the other way round."""
    out = call(media=called.media(back={"received": 0, "reports": 0, "sent": sent}))
    clean = feature(found(out, loss(0)), "audio").verdict
    lossy = feature(found(out, loss(lost)), "audio").verdict
    assert (clean, lossy) in {
        ("limited", "limited"),
        ("limited", "unknown"),
        ("unknown", "unknown"),
    }
