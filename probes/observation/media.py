"""Streams of voice and video."""

from __future__ import annotations

from typing import Literal

from probes.observation.base import Observation


class MediaStream(Observation, frozen=True, kw_only=True, tag="media"):
    """One RTP stream in one direction, as its receiver counted it (RFC 3550).

    ``early`` are packets before the first that arrived, which met a NAT or firewall that did
    not know the stream yet; they are not in ``sent``.  If none arrived, all are in ``sent``.
    ``late``: slower than the quickest by more than 60 ms; ``gaps``: runs of lost packets.
    ``jitters_ms``: the mean change of the transit time (|D| of section 6.4.1) in each quarter
    second, None where nothing tells it; empty where the receiver did not say.  ``jitter_ms`` is
    the same, smoothed, at the stream's end.
    """

    kind: Literal["audio", "video"]
    direction: Literal["outbound", "inbound"]
    local_port: int
    server_port: int
    sent: int
    received: int | None  # None: the receiver's count did not reach us
    early: int = 0
    late: int = 0
    gaps: int = 0
    duplicates: int = 0
    reordered: int = 0
    jitter_ms: float | None = None
    rtt_ms: float | None = None  # from RTCP sender and receiver reports
    longest_gap_ms: float | None = None
    rtcp_received: int = 0
    packets_per_s: int = 0
    payload_bytes: int = 0
    source: str | None = None
    losses: tuple[int, ...] = ()  # packets lost in each quarter second, for a picture
    jitters_ms: tuple[float | None, ...] = ()  # likewise
    untested: str = ""
