"""The causes a finding can have.  Public: scripts and articles rely on the names."""

from __future__ import annotations

from typing import Literal, get_args

Cause = Literal[
    "outbound-tcp-blocked",
    "outbound-tcp-refused",
    "outbound-tcp-intercepted",
    "payload-altered",
    "outbound-udp-blocked",
    "udp-reply-blocked",
    "udp-range-limited",
    "tcp-range-limited",
    "inbound-tcp-blocked",
    "inbound-tcp-refused",
    "inbound-wrong-host",
    "inbound-udp-blocked",
    "local-port-in-use",
    "source-port-translated",
    "embedded-address-untouched",
    "embedded-address-mangled",
    "editor-pinhole-closed",
    "protocol-filtered",
    "symmetric-mapping",
    "filtering-needs-peer-first",
    "carrier-grade-nat",
    "double-nat",
    "no-hairpin",
    "short-binding-lifetime",
    "fragments-dropped",
    "calls-without-media",
    "calls-only-outward",
    "one-way-media",
    "poor-media",
    "high-loss",
    "proxy-required",
    "captive-portal",
    "dns-failure",
    "dns-rewritten",
    "server-unreachable",
    "server-port-unavailable",
]

CAUSES: tuple[str, ...] = get_args(Cause)
