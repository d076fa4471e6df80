"""Voice and video across real networks: who hears whom, how well, and through which NAT."""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from netcheck import plan, profile
from netcheck.diagnosis import call_findings, calls, media, ports
from netcheck.diagnosis.clue import Clue
from netcheck.diagnosis.facts import Facts
from netcheck.drawing import media as drawn_media
from netcheck.drawing.drawing import LIGHT, Drawing
from netcheck.report.model import Stream
from probes.observation import AnyObservation, MediaStream
from tests.lab import firewall
from tests.lab.description import PUBLIC, SERVER, Forward, Network
from tests.lab.network import Lab
from tests.lab.scenarios import served
from tests.netcheck.report.samples import all_good

if sys.platform != "linux":
    raise ImportError("the lab is made of Linux network namespaces")

CALLS = plan.make([p for p in profile.built_in() if p.id == "netmeeting"])
ROOT = Path(__file__).parents[2]
IDLE_JITTER_MS = 2.0
SECONDS = 3.0
SHORT_S = 1.2  # enough for a direction to be silent beyond what loss explains


def heard(
    network: Network, seconds: float = SHORT_S, before: Callable[[Lab], None] | None = None
) -> Facts:
    """What a client in this network states of its media."""
    with Lab(network) as lab, served(lab, ("--stun-port", "0")) as (_, link):
        if before:
            before(lab)
        argv = [sys.executable, "-m", "tests.lab.media_client", link, str(seconds)]
        done = lab.run("client", argv, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        observed: list[AnyObservation] = msgspec.json.decode(done.stdout, type=list[AnyObservation])
        return Facts(observed)


def shown(facts: Facts) -> dict[str, Stream]:
    return {f"{s.kind}-{s.direction}": s for s in media.judge(facts)}


def stated(facts: Facts) -> dict[str, MediaStream]:
    return {f"{s.kind}-{s.direction}": s for s in facts.media}


def clues(facts: Facts) -> list[Clue]:
    judged = ports.judge(facts, CALLS)
    return [*media.clues(facts), *call_findings.clues(facts, calls.judge(facts), judged)]


def causes(facts: Facts) -> set[tuple[str, Any, Any]]:
    """What is wrong with the streams themselves."""
    return {
        (c.cause, c.parameters.get("kind"), c.parameters.get("direction"))
        for c in clues(facts)
        if c.cause in ("one-way-media", "poor-media")
    }


def outcome(facts: Facts, kind: media.Kind = "audio") -> str:
    return media.met(kind, facts)[0]


def test_a_clean_path_sounds_as_good_as_its_codec() -> None:
    facts = heard(Network(nat=False, rtt_ms=50), SECONDS)
    for name, stream in shown(facts).items():
        assert (stream.sent, stream.loss) == (150 if stream.kind == "audio" else 90, 0.0), name
        assert (stream.reordered, stream.duplicates) == (0, 0)
        assert stream.jitter_ms is not None
        assert stream.jitter_ms < IDLE_JITTER_MS
        assert stream.rtt_ms == pytest.approx(50, abs=10)
        if stream.kind == "audio":
            assert stream.mos == pytest.approx(3.8, abs=0.06)
    assert outcome(facts) == outcome(facts, "video") == "met"
    assert causes(facts) == set()


@pytest.mark.parametrize("mapping", ["preserve", "random"])
def test_through_a_nat_the_server_finds_the_mapping(mapping: Any) -> None:
    facts = heard(Network(mapping=mapping, rtt_ms=50))
    streams = stated(facts)
    for name, stream in streams.items():
        assert stream.received == stream.sent > 0, name
        assert stream.rtcp_received >= 1
    for kind in ("audio", "video"):
        out = streams[f"{kind}-outbound"]
        host, _, port = (out.source or "").rpartition(":")
        assert host == PUBLIC
        assert (port == str(out.local_port)) == (mapping == "preserve")
        assert (streams[f"{kind}-inbound"].source or "").startswith(f"{SERVER}:")
        # What the server sent before it was heard met a closed door: not loss.
        assert streams[f"{kind}-inbound"].early > 0
    assert outcome(facts) == "met"
    assert causes(facts) == set()


@pytest.mark.parametrize(
    "network",
    [
        Network(carrier=True),
        # What the server sends first makes this router keep the port for itself.
        Network(router_input="accept", rtt_ms=20),
        Network(ipv4=False, ipv6=True, nat=False),
    ],
    ids=["carrier", "router-input", "ipv6"],
)
def test_it_gets_through(network: Network) -> None:
    facts = heard(network)
    for stream in stated(facts).values():
        assert stream.received == stream.sent > 0
    assert outcome(facts) == outcome(facts, "video") == "met"


def test_a_path_of_small_packets_stops_no_picture() -> None:
    """A black hole for larger ones; what may be fragmented is."""
    facts = heard(Network(nat=False, mtu=576, mtu_icmp=False))
    assert stated(facts)["video-outbound"].received
    assert causes(facts) == set()
    assert (outcome(facts, "audio"), outcome(facts, "video")) == ("met", "met")


def test_loss_is_heard() -> None:
    facts = heard(Network(nat=False, rtt_ms=50, loss_percent=15), SECONDS)
    for name, stream in shown(facts).items():
        assert stream.loss is not None
        assert 0.03 < stream.loss < 0.32, name  # beyond: once in a million runs
        if stream.kind == "audio":
            assert stream.mos is not None
            assert stream.mos < 3.1
    assert outcome(facts) == "met"
    assert {cause for cause, _, _ in causes(facts)} == {"poor-media"}


def test_five_percent_is_measured_as_such() -> None:
    streams = shown(heard(Network(nat=False, rtt_ms=10, loss_percent=5), SECONDS))
    sent = sum(s.sent for s in streams.values())
    received = sum(s.received or 0 for s in streams.values())
    assert sent > 450
    assert 0.005 < 1 - received / sent < 0.11  # 5 %, four and a half deviations each way


@pytest.mark.parametrize("direction", ["outbound", "inbound"])
def test_one_direction_blocked(direction: str) -> None:
    way = "out" if direction == "outbound" else "in"
    rule = f'iifname "{"lan" if way == "out" else "wan"}" udp dport 1024-65535 drop'
    facts = heard(Network(nat=False, rtt_ms=20, firewall=(rule,)))
    assert outcome(facts) == outcome(facts, "video") == "partly"
    assert causes(facts) == {("one-way-media", kind, direction) for kind in ("audio", "video")}
    blocked, other = direction, "inbound" if direction == "outbound" else "outbound"
    streams = stated(facts)
    assert streams[f"audio-{blocked}"].received == 0
    assert streams[f"audio-{other}"].received == streams[f"audio-{other}"].sent > 0
    clause = media.met("audio", facts)[1]
    assert clause.startswith("you hear" if way == "out" else "the others hear you")


def test_calls_connect_without_sound() -> None:
    """N7: the TCP ports pass and UDP does not."""
    facts = heard(Network(rtt_ms=20, firewall=(firewall.drop("udp"),)))
    assert outcome(facts) == outcome(facts, "video") == "unmet"
    assert all(s.received == 0 for s in stated(facts).values())
    (clue,) = clues(facts)
    assert (clue.cause, clue.parameters) == ("calls-without-media", {"ports": [1720, 1731]})
    assert {"media-audio-outbound", "media-audio-inbound", "outbound-tcp-1720"} <= set(
        clue.evidence
    )


def test_calls_go_out_and_do_not_come_in() -> None:
    """N8: a NAT that passes TCP and UDP from inside, and nothing from outside."""
    facts = heard(Network(rtt_ms=20))
    assert outcome(facts) == "met"
    (clue,) = clues(facts)
    assert (clue.cause, clue.port) == ("calls-only-outward", 1720)
    assert "inbound-tcp-1720" in clue.evidence


def test_calls_go_out_and_come_in() -> None:
    facts = heard(Network(rtt_ms=20, forwards=(Forward("tcp", 1720),)))
    assert outcome(facts) == "met"
    assert clues(facts) == []


def test_a_way_that_jitters_swaps_and_doubles() -> None:
    facts = heard(
        Network(nat=False, rtt_ms=40, jitter_ms=30, reorder_percent=10, duplicate_percent=10),
        SECONDS,
    )
    for direction in ("outbound", "inbound"):
        both = [stated(facts)[f"{kind}-{direction}"] for kind in ("audio", "video")]
        assert all(s.received == s.sent for s in both)
        assert all(s.jitter_ms and 2 < s.jitter_ms < 30 for s in both)
        assert sum(s.reordered for s in both) > 0
        assert sum(s.duplicates for s in both) > 0


def test_a_way_that_is_uneven_for_half_the_time_shows_when() -> None:
    """Of some 85 frames a second each way the first 170 wait for up to 60 ms, those of the
    control connection among them: jitter for the first second at least, none in the last one."""
    facts = heard(Network(nat=False, rtt_ms=40, jitter_ms=60, jitter_frames=170), SECONDS)
    for name, stream in stated(facts).items():
        assert stream.received == stream.sent, name
        assert len(stream.jitters_ms) == len(stream.losses) == 12
        told = [jitter for jitter in stream.jitters_ms if jitter is not None]
        assert len(told) == 12
        early, late = statistics.median(told[:4]), statistics.median(told[8:])
        assert early > 4, (name, told)
        assert late < IDLE_JITTER_MS, (name, told)
        # The number for the whole stream, which is that of its end, does not show it.
        assert stream.jitter_ms is not None
        assert stream.jitter_ms < early / 2
        (drawn,) = (p for p in _picture(facts).parts if p.name == NAMES[name])
        assert re.search(r"most uneven at [01](\.\d+)? s", drawn.words), drawn.words


NAMES = {
    "audio-outbound": "Audio to others",
    "audio-inbound": "Audio to you",
    "video-outbound": "Video to others",
    "video-inbound": "Video to you",
}


def _picture(facts: Facts) -> Drawing:
    report = msgspec.structs.replace(
        all_good(), media=media.judge(facts), observations=list(facts.media)
    )
    drawing = drawn_media.draw(report, LIGHT)
    assert drawing is not None
    return drawing


def test_the_server_stops_being_reached_half_way() -> None:
    """A firewall that closes while the stream runs: half of it is counted, nothing hangs."""

    def closing(lab: Lab) -> None:
        lab.nft(
            "router",
            "add rule inet lab scenario udp dport 1024-65535 limit rate over 1/hour "
            "burst 40 packets drop",
        )

    facts = heard(Network(nat=False, rtt_ms=20), before=closing)
    streams = stated(facts)
    assert all(not s.untested for s in streams.values())
    assert sum(s.received or 0 for s in streams.values()) <= 41
    assert outcome(facts) in ("unmet", "unknown", "partly")
    assert outcome(facts) != "met"
