"""What is said of one dialogue, and the addresses in it as text (pure)."""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

import msgspec

from netcheck.report.model import EditorVerdict, Port
from probes.observation import Said

ActsOn = Literal["port", "content"]

DETAIL_MAX = 120
"""Characters of what a message says about itself: it came from outside."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One dialogue on one port.  ``quiet``: none of its messages has an address of ours, so that
    nothing having befallen it says nothing of editors.  ``answered``: the server's end understood
    it, and its answer came."""

    protocol: str
    dialogue: str
    transport: str
    port: int
    verdict: EditorVerdict
    reason: str
    field: str | None = None
    sent: str | None = None
    received: str | None = None
    pinhole: bool | None = None
    acts_on: ActsOn | None = None
    own_address_only: bool | None = None
    quiet: bool = False
    answered: bool = False
    evidence: tuple[str, ...] = ()


class Seen(NamedTuple):
    """What is known beside the dialogue itself: our addresses as they are seen from outside,
    whether they are translated on the way at all, and the ports."""

    public: frozenset[str]
    translated: bool | None
    ports: tuple[Port, ...]


class Outcome(NamedTuple):
    verdict: EditorVerdict
    reason: str
    shown: Said | None = None
    pinhole: bool | None = None
    quiet: bool = False


def address_of(place: str) -> str:
    """The address of ``192.0.2.1:6891``, ``[2001:db8::1]:6891`` or either without a port; empty
    where there is a number alone."""
    if place.startswith("["):
        text = place[1:].partition("]")[0]
    else:
        text = place.partition(":")[0] if place.count(":") < 2 else place
    text = text.partition("%")[0]
    if text.isdecimal():
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def cut(text: str) -> str:
    return text if len(text) <= DETAIL_MAX else f"{text[: DETAIL_MAX - 1]}…"
