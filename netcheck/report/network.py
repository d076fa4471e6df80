"""How the network behaves, in words: address translation, dynamic ports, voice and video."""

from __future__ import annotations

from netcheck.report.model import Behaviour, Dynamic, Nat, Report, Stream
from netcheck.report.page import Page

_MAPPING: dict[Behaviour, str] = {
    "endpoint-independent": "you keep one public port for everybody you talk to",
    "address-dependent": "you get another public port for each address you talk to",
    "address-and-port-dependent": "you get another public port for everybody you talk to",
}
_FILTERING: dict[Behaviour, str] = {
    "endpoint-independent": "anybody may answer there",
    "address-dependent": "only addresses that you wrote to first may answer",
    "address-and-port-dependent": "only those that you wrote to first may answer",
}
_UNSOLICITED = {
    "silence": "ignored",
    "reset": "refused with a reset",
    "icmp": "refused with an ICMP error",
}

_GOOD_MOS, _FAIR_MOS = 3.6, 3.1
"""ITU-T G.107 Annex B: below 3.6 many users are dissatisfied, below 3.1 nearly all are."""

_RANGES_SHOWN = 4


def add_network(page: Page, report: Report) -> None:
    """Append what was measured of the network, in sentences; nothing if nothing was."""
    rows = [
        *_translation(report),
        *_dynamic("Dynamic UDP ports", report.dynamic_udp),
        *_dynamic("Dynamic TCP ports", report.dynamic_tcp),
        *(_stream(stream) for stream in report.media),
    ]
    if rows:
        page.heading("How your network behaves")
        page.rows(rows, widths=[max(len(label) for label, _ in rows)])


def _translation(report: Report) -> list[tuple[str, str]]:
    nat = report.nat
    if nat.present is None or not _measured(nat):
        return []
    public = ", ".join(nat.public_addresses)
    if not nat.present:
        return [("Address", f"not translated: others see your own, {public}")]
    rows = [("Address", f"translated{_where(nat)}: others see {public}")]
    words = [_MAPPING.get(nat.mapping, ""), _FILTERING.get(nat.filtering, "")]
    known = "; ".join(word for word in words if word)
    if known:
        classes = f"{nat.mapping} mapping, {nat.filtering} filtering"
        rows.append(("NAT for UDP", f"{known} ({classes})"))
    tcp = [
        f"{nat.tcp_mapping} mapping" if nat.tcp_mapping != "unknown" else "",
        f"{nat.tcp_filtering} filtering" if nat.tcp_filtering != "unknown" else "",
        f"calls nobody asked for are {_UNSOLICITED[nat.tcp_unsolicited]}"
        if nat.tcp_unsolicited in _UNSOLICITED
        else "",
    ]
    if any(tcp):
        rows.append(("NAT for TCP", ", ".join(word for word in tcp if word)))
    if nat.binding_lifetime_s is not None:
        rows.append(("Idle bindings", f"end after about {_seconds(nat.binding_lifetime_s)}"))
    elif nat.binding_lifetime_min_s is not None:
        tried = _seconds(nat.binding_lifetime_min_s)
        rows.append(("Idle bindings", f"outlast {tried}, the longest pause tried (--deep: more)"))
    return rows


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _measured(nat: Nat) -> bool:
    """Whether more is known than any check finds out by the way."""
    return bool(nat.evidence)


def _where(nat: Nat) -> str:
    if nat.carrier_grade:
        return " at your carrier (carrier-grade NAT)"
    if nat.layers is not None and nat.layers > 1:
        return f" by {nat.layers} routers one behind the other"
    return " by your router" if nat.layers == 1 else ""


def _dynamic(label: str, sample: Dynamic | None) -> list[tuple[str, str]]:
    if sample is None or not sample.sampled:
        return []
    if sample.open == sample.sampled:
        return [(label, f"all {sample.sampled} that were tried pass")]
    if not sample.open:
        return [(label, f"none of the {sample.sampled} that were tried passes")]
    if not sample.open_ranges:
        return [(label, f"{sample.open} of {sample.sampled} that were tried pass")]
    shown = ["–".join(map(str, span)) for span in sample.open_ranges[:_RANGES_SHOWN]]
    more = " and others" if len(sample.open_ranges) > _RANGES_SHOWN else ""
    off = f", give or take {sample.edges_within}" if sample.edges_within else ""
    return [(label, f"only {', '.join(shown)}{more} pass{off}")]


def _stream(stream: Stream) -> tuple[str, str]:
    label = (
        f"{stream.kind.capitalize()} {'to others' if stream.direction == 'outbound' else 'to you'}"
    )
    if stream.received is None or stream.loss is None:
        return label, "not known: the other end's count did not arrive"
    if stream.received == 0:
        return label, f"nothing of {stream.sent} packets arrived"
    words = [f"{100 * stream.loss:.1f} % lost" if stream.loss else "nothing lost"]
    if stream.jitter_ms is not None:
        words.append(f"jitter {stream.jitter_ms:.0f} ms")
    if stream.reordered:
        words.append(f"{stream.reordered} out of order")
    if stream.mos is not None:
        words.append(f"quality {stream.mos:.1f} of 5 ({_quality(stream.mos)})")
    return label, ", ".join(words)


def _quality(mos: float) -> str:
    return "good" if mos >= _GOOD_MOS else "fair" if mos >= _FAIR_MOS else "poor"
