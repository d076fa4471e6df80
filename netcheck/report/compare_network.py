"""What changed in how the network behaves: the NAT, the dynamic ports, voice and video, calls.

Better and worse are said where nobody would want it the other way round, and for what was
counted where chance does not explain the difference.  A stricter filter, for example, is
neither: it keeps callers out, and strangers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar

import msgspec

from netcheck.protocols import in_words
from netcheck.report import placeholders
from netcheck.report.calls import hears, how_far, sees
from netcheck.report.model import (
    CallReached,
    CallSides,
    Dynamic,
    Editor,
    EditorVerdict,
    Nat,
    PlacedCall,
    Report,
    Stream,
)
from netcheck.report.stated import known

T = TypeVar("T")
Trend = Literal["better", "worse", "changed"]

_MAPPINGS = ("address-and-port-dependent", "address-dependent", "endpoint-independent")

# Field of the NAT -> its values, the worst first; unnamed values are as good as each other.
_RANKED: dict[str, tuple[object, ...]] = {
    "mapping": _MAPPINGS,
    "tcp_mapping": _MAPPINGS,
    "hairpin": (False, True),
    "port_preservation": (False, True),
    "tcp_port_preservation": (False, True),
    "port_parity": (False, True),
    "port_contiguity": (False, True),
    "port_overloading": (True, False),
    "pooling": ("arbitrary", "paired"),
    "carrier_grade": (True, False),
    "simultaneous_open": (False, True),
    "fragments": ("dropped", "pass"),
    "fragments_out_of_order": ("dropped", "pass"),
    "icmp_errors": (False, True),
}

# How long an idle binding was seen to live at least says how long the check took.
_UNCOMPARED = ("evidence", "binding_lifetime_min_s", "tcp_lifetime_min_s")

_UNKNOWN = "not known"

LIFETIME_FACTOR = 1.25
"""Lifetimes are found to within a step of the search; less than this is that step."""

LOSS_DEVIATIONS = 3.3
"""Standard errors between two shares of lost packets: by chance once in a thousand times."""

MOS_STEP = 0.5
"""Half a mark is heard; less is not, and may be the moment's."""


class NetworkChange(msgspec.Struct, frozen=True, kw_only=True):
    """``old`` and ``new`` as words."""

    trend: Trend
    what: str
    old: str
    new: str


def network_changes(old: Report, new: Report) -> list[NetworkChange]:
    """Of what both reports asked: where only one did, the tests differ and not the network."""
    return [
        *_nat(old.nat, new.nat),
        *_dynamic("dynamic UDP ports", old.dynamic_udp, new.dynamic_udp),
        *_dynamic("dynamic TCP ports", old.dynamic_tcp, new.dynamic_tcp),
        *_media(old.media, new.media),
        *_editors(old.editors, new.editors),
        *_calls(old.calls, new.calls),
    ]


def _nat(old: Nat, new: Nat) -> list[NetworkChange]:
    if not (old.evidence and new.evidence):
        return []
    was = {name: (label, said) for name, label, said in known(old, besides=_UNCOMPARED)}
    now = {name: (label, said) for name, label, said in known(new, besides=_UNCOMPARED)}
    return [
        NetworkChange(
            trend=trend,
            what=f"NAT: {(now.get(name) or was[name])[0]}",
            old=was[name][1] if name in was else _UNKNOWN,
            new=now[name][1] if name in now else _UNKNOWN,
        )
        for name in was | now
        if not (name in was and name in now and _redacted(was[name][1], now[name][1]))
        if (trend := _trend(name, getattr(old, name), getattr(new, name)))
    ]


def _redacted(*texts: str) -> bool:
    """Whether placeholders stand in one of them: each report counts its own."""
    return any(map(placeholders.in_text, texts))


def _trend(name: str, was: Any, now: Any) -> Trend | None:
    if was == now:
        return None
    ranks = _RANKED.get(name, ())
    if was in ranks and now in ranks:
        return "better" if ranks.index(now) > ranks.index(was) else "worse"
    if name == "binding_lifetime_s" and was is not None and now is not None:
        if max(was, now) < LIFETIME_FACTOR * min(was, now):
            return None
        return "better" if now > was else "worse"
    if name == "path_mtu" and was is not None and now is not None:
        return "better" if now > was else "worse"
    return "changed"


def _dynamic(what: str, old: Dynamic | None, new: Dynamic | None) -> list[NetworkChange]:
    if old is None or new is None or not (old.sampled and new.sampled):
        return []
    apart = _apart(old.ci95, new.ci95)
    if apart:
        trend: Trend = "better" if new.fraction > old.fraction else "worse"
    elif _other_ranges(old, new):
        trend = "changed"
    else:
        return []
    return [NetworkChange(trend=trend, what=what, old=_open(old), new=_open(new))]


def _apart(one: list[float], other: list[float]) -> bool:
    """Whether two intervals have nothing in common."""
    if len(one) != 2 or len(other) != 2:
        return False
    return one[1] < other[0] or other[1] < one[0]


def _other_ranges(old: Dynamic, new: Dynamic) -> bool:
    """Whether the open ranges differ by more than their ends are known."""
    if len(old.open_ranges) != len(new.open_ranges):
        return True
    within = (old.edges_within or 0) + (new.edges_within or 0)
    return any(
        len(was) != len(now) or any(abs(a - b) > within for a, b in zip(was, now, strict=True))
        for was, now in zip(old.open_ranges, new.open_ranges, strict=True)
    )


_RANGES_SHOWN = 4


def _open(sample: Dynamic) -> str:
    spans = ["–".join(map(str, span)) for span in sample.open_ranges]
    more = f" and {len(spans) - _RANGES_SHOWN} more" if len(spans) > _RANGES_SHOWN else ""
    ranges = f" ({', '.join(spans[:_RANGES_SHOWN])}{more})" if spans else ""
    return f"{sample.open} of {sample.sampled} open{ranges}"


def _media(old: list[Stream], new: list[Stream]) -> list[NetworkChange]:
    before = {(each.kind, each.direction): each for each in old}
    after = {(each.kind, each.direction): each for each in new}
    return [
        NetworkChange(
            trend=trend,
            what=f"{key[0]} {key[1].removesuffix('bound')}",
            old=_heard(before[key]),
            new=_heard(after[key]),
        )
        for key in before
        if key in after and (trend := _stream_trend(before[key], after[key]))
    ]


def _stream_trend(was: Stream, now: Stream) -> Trend | None:
    if was.loss is None or now.loss is None:
        return None if was.loss == now.loss else "changed"
    if _beyond_chance(was.loss, was.sent, now.loss, now.sent):
        return "better" if now.loss < was.loss else "worse"
    if was.mos is not None and now.mos is not None and abs(now.mos - was.mos) >= MOS_STEP:
        return "better" if now.mos > was.mos else "worse"
    return None


def _beyond_chance(one: float, of: int, other: float, of_other: int) -> bool:
    """Whether two shares differ by more than two samples of the same would."""
    if of <= 0 or of_other <= 0:
        return False
    share = min(1.0, max(0.0, (one * of + other * of_other) / (of + of_other)))
    error = math.sqrt(share * (1 - share) * (1 / of + 1 / of_other))
    return abs(one - other) > LOSS_DEVIATIONS * error


_USABLE: frozenset[EditorVerdict] = frozenset({"not-needed", "edited"})


def _editors(old: list[Editor], new: list[Editor]) -> list[NetworkChange]:
    """Of what both reports tested; which harm it is that befalls a message makes it no better."""
    before = {each.protocol: each.verdict for each in old if each.verdict != "not-tested"}
    after = {each.protocol: each.verdict for each in new if each.verdict != "not-tested"}
    return [
        NetworkChange(
            trend=_editor_trend(before[name], after[name]),
            what=f"addresses in {in_words(name)}",
            old=before[name],
            new=after[name],
        )
        for name in before
        if name in after and before[name] != after[name]
    ]


def _editor_trend(was: EditorVerdict, now: EditorVerdict) -> Trend:
    if (was in _USABLE) == (now in _USABLE):
        return "changed"
    return "better" if now in _USABLE else "worse"


def _calls(old: list[PlacedCall], new: list[PlacedCall]) -> Iterator[NetworkChange]:
    """Of what both reports tried: a feature that was limited, and is, may be so the other way."""
    before = {each.direction: each for each in old if each.reached != "untested"}
    for now in new:
        was = before.get(now.direction)
        if was is None or now.reached == "untested":
            continue
        way = "call out" if now.direction == "outbound" else "call in"
        if was.reached != now.reached:
            known = was.set_up is not None and now.set_up is not None
            trend = _ranked(_REACHED, was.reached, now.reached) if known else "changed"
            yield NetworkChange(trend=trend, what=way, old=how_far(was), new=how_far(now))
        for what, words, one, other in (
            ("sound", hears, was.sound, now.sound),
            ("picture", sees, was.picture, now.picture),
        ):
            if one != other and "unknown" not in (one, other):
                trend = _ranked(_SIDES, one, other)
                what = f"{way}: {what}"
                yield NetworkChange(trend=trend, what=what, old=words(was), new=words(now))


_REACHED: dict[CallReached, int] = {"nothing": 0, "answered": 1, "control": 2, "media": 3}
_SIDES: dict[CallSides, int] = {"neither": 0, "only-you": 1, "only-they": 1, "both": 2}


def _ranked(ranks: Mapping[T, int], was: T, now: T) -> Trend:
    if ranks[was] == ranks[now]:
        return "changed"
    return "better" if ranks[now] > ranks[was] else "worse"


def _heard(stream: Stream) -> str:
    if stream.loss is None:
        return _UNKNOWN
    mark = f", quality {stream.mos:.1f} of 5" if stream.mos is not None else ""
    return f"{100 * stream.loss:.1f} % lost{mark}"
