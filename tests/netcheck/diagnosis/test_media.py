"""Streams: who hears and sees whom, how well, and what is said of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netcheck import profile
from netcheck.diagnosis import call_findings, calls, diagnose, media
from netcheck.diagnosis import ports as judging
from netcheck.diagnosis.clue import Clue
from netcheck.diagnosis.facts import Facts
from probes.observation import (
    AnyObservation,
    DynamicRange,
    MediaStream,
    PortSample,
)

from .measured import PLAN, control, inbound_tcp, loss, network, outbound_tcp, silent

KINDS: tuple[media.Kind, ...] = ("audio", "video")
PER_S = {"audio": 50, "video": 30}


def stream(
    kind: media.Kind, direction: Any, received: int | None = None, **more: Any
) -> MediaStream:
    """Three seconds on a good path, or what is said otherwise."""
    sent = more.pop("sent", 3 * PER_S[kind])
    usual: dict[str, Any] = {
        "rtt_ms": 50.0, "jitter_ms": 1.2, "packets_per_s": PER_S[kind], "payload_bytes": 24,
    }  # fmt: skip
    return MediaStream(
        id=f"media-{kind}-{direction}",
        at_s=1.0,
        took_s=3.3,
        kind=kind,
        direction=direction,
        local_port=40000,
        server_port=50000,
        sent=sent,
        received=received if received is not None or more.get("untested") else sent,
        **(usual | more),
    )


def streams(out: int | None = None, back: int | None = None, **more: Any) -> list[MediaStream]:
    """Both kinds with these counts received in each direction; None is all."""
    return [
        stream(kind, direction, received, **more)
        for kind in KINDS
        for direction, received in (("outbound", out), ("inbound", back))
    ]


def facts(*changes: AnyObservation) -> Facts:
    return Facts(network(*changes))


def clues(*changes: AnyObservation) -> list[Clue]:
    seen = facts(*changes)
    judged = judging.judge(seen, PLAN)
    return [*media.clues(seen), *call_findings.clues(seen, calls.judge(seen), judged)]


def causes(*changes: AnyObservation) -> list[str]:
    return [clue.cause for clue in clues(*changes)]


UNTESTED = streams(untested="the echo server refused: no")
ALL_BLOCKED = streams(0, 0, jitter_ms=None, rtt_ms=None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("out", "back", "outcome", "clause"),
    [
        (None, None, "met", ""),
        (75, 75, "unknown", ""),  # replaced below for video; half is just enough for audio
        (None, 0, "partly", "the others hear you, you do not hear them"),
        (0, None, "partly", "you hear the others, they do not hear you"),
        (0, 0, "unmet", "sound gets through in neither direction"),
        (None, 12, "partly", "the others hear you, you do not hear them"),
    ],
)
def test_who_hears_and_sees_whom(
    kind: media.Kind, out: int | None, back: int | None, outcome: str, clause: str
) -> None:
    if (out, back) == (75, 75):
        outcome = "met"
    verdict, said, used = media.met(kind, facts(*streams(out, back)))
    wanted = (
        clause if kind == "audio" else clause.replace("hear", "see").replace("sound", "picture")
    )
    assert (verdict, said) == (outcome, wanted)
    assert used == (f"media-{kind}-outbound", f"media-{kind}-inbound")


@pytest.mark.parametrize(
    ("changes", "clause"),
    [
        ([], ""),
        (UNTESTED, "audio was not tested: the echo server refused: no"),
        (streams(sent=10), "too few packets of audio were sent to tell"),
        ([*ALL_BLOCKED, control(confirmed_at_end=False)], "did not answer to the end"),
        ([*ALL_BLOCKED, loss(90, 100)], "loss may explain"),
        (streams(0, 0, sent=25), "loss may explain"),  # half a second is one outage
        (streams(9, 9, sent=22), "loss may explain"),  # a bad moment
    ],
)
def test_what_is_not_known_is_unknown(changes: list[AnyObservation], clause: str) -> None:
    verdict, said, _ = media.met("audio", facts(*changes))
    assert verdict == "unknown"
    assert clause in said
    assert not causes(*changes)


def test_one_direction_that_is_not_known_decides_nothing() -> None:
    out, back = stream("audio", "outbound", 0), stream("audio", "inbound", untested="no")
    assert media.met("audio", facts(out, back))[0] == "unknown"
    assert media.met("audio", facts(out))[0] == "unknown"
    assert causes(out, back) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_one_way_media(kind: media.Kind, direction: str) -> None:
    (clue,) = clues(
        *(stream(kind, each, 0 if each == direction else None) for each in ("outbound", "inbound"))
    )
    assert clue.cause == "one-way-media"
    assert clue.parameters == {"kind": kind, "direction": direction}
    assert set(clue.evidence) == {f"media-{kind}-outbound", f"media-{kind}-inbound"}
    assert clue.evidence[0].endswith(direction)


def test_a_good_path_has_no_clue_but_that_calls_come_in() -> None:
    assert causes(*streams()) == []
    assert causes(*streams(148, 149)) == []  # an accident


def test_poor_media_says_what_and_how_much() -> None:
    bad = stream("audio", "inbound", 135, gaps=14, jitter_ms=12.6)
    (clue,) = clues(*streams(), bad)
    assert (clue.cause, clue.evidence) == ("poor-media", ("media-audio-inbound",))
    mos = clue.parameters.pop("mos")
    assert clue.parameters == {
        "kind": "audio", "direction": "inbound", "loss_percent": 10, "jitter_ms": 13,
    }  # fmt: skip
    assert mos == "2.3"


def test_poor_video_has_no_mark() -> None:
    (clue,) = clues(*streams(), stream("video", "outbound", 80))
    assert (clue.cause, clue.parameters["mos"], clue.parameters["loss_percent"]) == (
        "poor-media", "", 11,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("received", "more", "poor"),
    [
        (147, {}, False),  # 2 %
        (145, {}, False),  # 3.3 %: a mark of 3.1
        (144, {}, True),  # 4 %: a mark of 3.0
        (142, {}, True),  # 5.3 %
        (150, {"late": 15}, True),  # all arrived, and too late for a player with 60 ms
        (150, {"late": 2}, False),
        (150, {"jitter_ms": 25.0}, False),  # what a player evens out
        (150, {"rtt_ms": 800.0}, True),  # nobody waits that long
        (150, {"rtt_ms": 200.0}, False),
        (28, {"sent": 30, "packets_per_s": 50}, False),  # 7 % of too few
        (27, {"sent": 30, "packets_per_s": 50}, True),  # 10 % of 30 is more than a good path's
    ],
)
def test_poor_is_said_when_it_is_certain(received: int, more: dict[str, Any], poor: bool) -> None:
    found = causes(*streams(), stream("audio", "outbound", received, **more))
    assert found == (["poor-media"] if poor else [])


def closed_range(outcome: Any = "blocked", count: int = 24) -> DynamicRange:
    samples = tuple(PortSample(port=2000 + n, outcome=outcome, tries=6) for n in range(count))
    return DynamicRange(
        id="dynamic-range-udp", at_s=1, took_s=2, transport="udp", strata=count, first=count,
        samples=samples,
    )  # fmt: skip


def test_calls_connect_and_nobody_hears_anything() -> None:
    """N7."""
    (clue,) = clues(*ALL_BLOCKED, closed_range())
    assert clue.cause == "calls-without-media"
    assert clue.parameters == {"ports": [1720, 1731]}
    assert set(clue.evidence) == {
        *(s.id for s in ALL_BLOCKED), "dynamic-range-udp", "outbound-tcp-1720", "outbound-tcp-1731",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([closed_range()], True),  # the range alone says so
        ([*UNTESTED, closed_range("reply-lost")], True),
        ([*ALL_BLOCKED], True),
        ([stream("audio", "outbound", 0), stream("audio", "inbound", 0)], True),
        ([closed_range("undecided")], False),
        ([closed_range("open")], False),
        ([closed_range(count=5)], False),
        ([closed_range(), *streams()], False),  # what was heard is stronger than a sample
        ([*ALL_BLOCKED, outbound_tcp(1720, silent())], False),  # then it does not connect either
        ([*ALL_BLOCKED, outbound_tcp(1731, silent())], False),
        ([*ALL_BLOCKED, control(confirmed_at_end=False)], False),
    ],
)
def test_calls_without_media_only_where_it_is_so(
    changes: list[AnyObservation], found: bool
) -> None:
    assert causes(*changes).count("calls-without-media") == int(found)


def test_calls_from_outside_do_not_come_in() -> None:
    """N8."""
    (clue,) = clues(*streams(), inbound_tcp(1720, silent()))
    assert (clue.cause, clue.port) == ("calls-only-outward", 1720)
    assert set(clue.evidence) == {
        "inbound-tcp-1720", "outbound-tcp-1720", "media-audio-outbound", "media-audio-inbound",
    }  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        streams(),  # they do come in
        [inbound_tcp(1720, silent())],  # media was not tried
        [inbound_tcp(1720, silent()), *UNTESTED],
        [inbound_tcp(1720, silent()), *streams(None, 0)],
        [inbound_tcp(1720, silent()), *streams(), outbound_tcp(1720, silent())],
        [inbound_tcp(1720, silent()), *streams(), control(confirmed_at_end=False)],
    ],
)
def test_calls_only_outward_only_where_it_is_so(changes: list[AnyObservation]) -> None:
    assert "calls-only-outward" not in causes(*changes)


def test_the_reports_streams() -> None:
    shown = media.judge(
        facts(
            stream("audio", "outbound", 120, jitter_ms=3.0, reordered=2, duplicates=1),
            stream("audio", "inbound", untested="no"),
            stream("video", "inbound", 90),
            control(rtt_ms=70.0),
        )
    )
    out, back, video = shown
    assert (out.sent, out.received, out.loss, out.jitter_ms) == (150, 120, 0.2, 3.0)
    assert (out.reordered, out.duplicates, out.rtt_ms) == (2, 1, 50.0)
    assert out.mos is not None
    assert out.mos < 2
    assert out.observation == "media-audio-outbound"
    assert (back.received, back.loss, back.mos) == (None, None, None)
    assert (video.kind, video.loss, video.mos) == ("video", 0.0, None)


def test_no_mark_from_too_few_packets_or_without_a_round_trip() -> None:
    few = facts(stream("audio", "outbound", sent=99))
    assert media.judge(few)[0].mos is None
    without = stream("audio", "outbound", rtt_ms=None)
    assert media.judge(facts(without, control(rtt_ms=None)))[0].mos is None
    by_control = media.judge(facts(without, control(rtt_ms=50.0)))[0].mos
    assert by_control == media.judge(facts(stream("audio", "outbound")))[0].mos == 3.8


_ANY = st.builds(
    stream,
    st.sampled_from(KINDS),
    st.sampled_from(["outbound", "inbound"]),
    st.none() | st.integers(-5, 200),
    sent=st.integers(-5, 200),
    late=st.integers(-5, 300),
    gaps=st.integers(-5, 300),
    rtt_ms=st.none() | st.floats(0, 1e5),
    jitter_ms=st.none() | st.floats(0, 1e5),
    packets_per_s=st.integers(-1, 60),
    untested=st.sampled_from(["", "no"]),
)


@given(st.lists(_ANY, max_size=4, unique_by=lambda s: s.id), st.booleans(), st.integers(0, 50))
def test_whatever_was_counted_is_judged(
    seen: list[MediaStream], confirmed: bool, lost: int
) -> None:
    changes: tuple[AnyObservation, ...] = (
        *seen,
        control(confirmed_at_end=confirmed),
        loss(lost, 100),
    )
    for told in media.judge(facts(*changes)):
        assert told.loss is None or 0 <= told.loss <= 1
        assert told.mos is None or 1 <= told.mos <= 4.5
    ids = {o.id for o in network(*changes)}
    for kind in KINDS:
        outcome, clause, used = media.met(kind, facts(*changes))
        assert (clause == "") == (outcome == "met" or (outcome == "unknown" and not used))
        assert ids.issuperset(used)
        if not confirmed and outcome in ("partly", "unmet"):
            # Silence proves nothing then: only what was heard can have decided.
            assert all(s.received for s in seen if s.kind == kind)
    for clue in clues(*changes):
        assert clue.evidence
        assert ids.issuperset(clue.evidence)


@pytest.mark.parametrize(
    ("seen", "little"),
    [
        ([], False),
        (streams(), True),
        (streams(out=85), False),
        ([stream("audio", "outbound")], False),  # nothing is known of the way back
        (streams(untested="no"), False),
        (streams(sent=30), False),  # too few to tell
    ],
)
def test_what_tcp_repeats_is_no_loss_where_the_streams_lost_nothing(
    seen: list[MediaStream], little: bool
) -> None:
    assert media.shows_little_loss(facts(*seen), 0.05) == little
    found = diagnose(profile.built_in(), PLAN, network(loss(12), *seen)).findings
    assert any(f.cause == "high-loss" for f in found) != little


@pytest.mark.parametrize(
    ("losses", "took_s", "late", "poor"),
    [
        ((4, 5, 8, 5, 1, 0, 0, 0, 0, 0, 0, 0), 1.1, 0, False),
        ((4, 5, 8, 5, 1, 0, 0, 0, 0, 0, 0, 0), 1.1, 9, True),  # not lost, and yet missed
        ((4, 5, 8, 0, 1, 0, 1, 2, 0, 0, 2, 0), 1.1, 0, True),  # and it went on
        ((4, 5, 8, 5, 1, 0, 0, 0, 0, 0, 0, 0), 2.9, 0, True),  # too little came after it
        ((), 1.1, 0, True),
    ],
)
def test_what_only_our_own_packets_pushed_out_is_not_poor(
    losses: tuple[int, ...], took_s: float, late: int, poor: bool
) -> None:
    """As by a router that lets 300 packets a second pass."""
    seen = stream("audio", "outbound", 127, losses=losses, late=late)
    sample = msgspec.structs.replace(closed_range(), took_s=took_s)
    found = [c for c in clues(seen, sample) if c.cause == "poor-media"]
    assert bool(found) == poor
