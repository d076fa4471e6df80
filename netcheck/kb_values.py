"""The values of an article, as its template sees them.

Values come from the network and from other programs too: a proxy's URL, a portal's location, a
program's name.  None is trusted.  In prose a value loses its control characters and its length,
and Markdown and HTML see nothing but text; in a command it stands only if it matches the strict
pattern of its kind, otherwise the command shows a description of what belongs there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

# Characters of a value in prose: a URL is still recognised, a sentence stays a sentence.
LONGEST_VALUE = 160

# Ranges of a port list that are shown: more would bury the text and the commands.
MOST_RANGES = 15

# Public addresses that are shown: a large pool is a long list.
MOST_ADDRESSES = 6


class _Value(str):
    """A value in a template; one that is unknown is false, and reads as its description."""

    known: bool
    exact: bool  # matches the pattern of its kind, so it may stand in a command
    description: str

    def __new__(cls, text: str | None, description: str, *, exact: bool = False) -> _Value:
        value = super().__new__(cls, description if text is None else text)
        value.known, value.exact, value.description = text is not None, exact, description
        return value

    def __bool__(self) -> bool:
        return self.known


class _Range(NamedTuple):
    """Consecutive ports, both ends included."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


# The ports that NetMeeting negotiates for each call (fact N5).
DYNAMIC_PORTS = _Range(1024, 65535)


class Command(str):
    """Text that may stand in a command as it is."""

    __slots__ = ()


def is_ipv4(text: str) -> bool:
    return "." in text and _is_address(text)


def _is_address(text: str) -> bool:
    if not re.fullmatch(r"[0-9A-Fa-f:.]{2,45}", text):
        return False  # among others a zone: what follows its % can be any text
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    return bool(re.fullmatch(rf"{label}(?:\.{label})*", text)) or _is_address(text)


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,4}", text)) and int(text) <= 65535


_is_percent = re.compile(r"[0-9]{1,2}|100").fullmatch
_is_count = re.compile(r"[1-9][0-9]{0,6}").fullmatch
_is_score = re.compile(r"[1-4]\.[0-9]|5\.0").fullmatch
_is_transport = re.compile(r"tcp|udp").fullmatch
_is_system = re.compile(r"Windows|Linux|Darwin").fullmatch
_is_filtering = re.compile(r"address-dependent|address-and-port-dependent").fullmatch
_is_direction = re.compile(r"outbound|inbound|both").fullmatch
_is_medium = re.compile(r"audio|video").fullmatch
_is_sound = re.compile(r"one-way").fullmatch
_is_device = re.compile(r"computer|router|carrier|beyond").fullmatch


_is_field = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .='/\[\]-]{0,60}").fullmatch


def _is_place(text: str) -> bool:
    """An address, with a port or without, or a number such as PPTP's call IDs."""
    found = re.fullmatch(r"(\[[^]]{2,45}\]|[^:]+):([0-9]{1,5})", text)
    if found is None:
        return _is_address(text) or _is_port(text)
    return _is_address(found[1].strip("[]")) and _is_port(found[2])


class Kind(NamedTuple):
    """What a value is called where it is unknown, and the pattern of an exact one.

    A ``free`` value may be any text; any other that does not match counts as unknown.
    """

    description: str
    matches: Callable[[str], object] | None = None
    free: bool = False

    def read(self, value: object) -> _Value:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return _Value(None, self.description)
        text = _clean(str(value))
        exact = text == str(value) and self.matches is not None and bool(self.matches(text))
        known = exact or (self.free and text != "")
        return _Value(text if known else None, self.description, exact=exact)


_KINDS = {
    "lan_address": Kind("the address of this computer", _is_address),
    "router_address": Kind("the address of your router", _is_address),
    "server_address": Kind("the address of the test server", _is_address),
    "public_address": Kind("your public address", _is_address),
    "called_address": Kind("your public address", _is_address),
    "address": Kind("a false address", _is_address),
    "server_host": Kind("the test server", _is_host, free=True),
    "hostname": Kind("this computer", _is_host, free=True),
    "name": Kind("the name in the report", _is_host, free=True),
    "system": Kind("your system", _is_system),
    "transport": Kind("TCP or UDP", _is_transport),
    "local_port": Kind("the local port", _is_port),
    "remote_port": Kind("the remote port", _is_port),
    "seen_port": Kind("another port", _is_port),
    "loss_percent": Kind("the lost part", _is_percent),
    "percent": Kind("a part", _is_percent),
    "carrier_address": Kind("an address shared with others", _is_address),
    "external_address": Kind("the address that your router names", _is_address),
    "outer_router": Kind("the address of the outer router", _is_address),
    "last_hop": Kind("the last device that answered", _is_address),
    "device": Kind("a device on the way", _is_device),
    "filtering": Kind("by address", _is_filtering),
    "direction": Kind("one direction", _is_direction),
    "kind": Kind("sound and picture", _is_medium),
    "seconds": Kind("some seconds", _is_count),
    "jitter_ms": Kind("some milliseconds", _is_count),
    "mos": Kind("a low mark", _is_score),
    "field": Kind("a field", _is_field),
    "sent": Kind("the private address", _is_place),
    "received": Kind("another address", _is_place),
    "entry": Kind("an address of your home network", _is_place),
    "answer": Kind("an address of your home network", _is_place),
    "opened": Kind("the port of calls", _is_port),
    "sound": Kind("in both directions", _is_sound),
    "program": Kind("another program", free=True),
    "proxy": Kind("the proxy server", free=True),
    "location": Kind("the sign-in page", free=True),
    "detail": Kind("no further detail", free=True),
}
_UNKNOWN = {name: kind.read(None) for name, kind in _KINDS.items()}


def _again(again: object, server_host: _Value) -> Command:
    """What follows ``netcheck check`` to name the same server again, with the blank before it."""
    from netcheck.report import check_again

    if again == "":
        return Command()
    if isinstance(again, str) and check_again.is_safe(again):
        return Command(f" {again}")
    return Command(f" --server {_code(server_host)}")


def context(ports: Sequence[tuple[int, int]], values: Mapping[str, object]) -> dict[str, object]:
    features = values.get("features")
    return {
        **_UNKNOWN,
        **{name: _KINDS[name].read(value) for name, value in values.items() if name in _KINDS},
        "again": _again(values.get("again"), _KINDS["server_host"].read(values.get("server_host"))),
        "features": Kind("the application that was checked", free=True).read(
            ", ".join(map(str, features)) if isinstance(features, list | tuple) else None
        ),
        "ports": _collapse(values.get("ports")) or tuple(_Range(*pair) for pair in ports),
        "open_ranges": _read_ranges(values.get("open_ranges")),
        "public_addresses": _read_addresses(values.get("public_addresses")),
        # Flags are True, False, or None for unknown.
        **{
            name: flag if isinstance(flag := values.get(name), bool) else None
            for name in ("nat_present", "carrier_grade")
        },
    }


def _collapse(ports: object) -> tuple[_Range, ...]:
    """Return the ports of a list, and the ranges in words, as ranges; what is neither is left out.

    Many scattered dynamic ports are a sample, and stand for the whole range (fact N5).
    """
    if not isinstance(ports, list | tuple):
        return ()
    ranges: list[_Range] = []
    for port in sorted({p for p in ports if type(p) is int and 0 < p <= 65535}):
        if ranges and ranges[-1].high == port - 1:
            ranges[-1] = ranges[-1]._replace(high=port)
        else:
            ranges.append(_Range(port, port))
    if len(ranges) > MOST_RANGES and ranges[0].low >= DYNAMIC_PORTS.low:
        return (DYNAMIC_PORTS,)
    return tuple(sorted({*ranges, *_read_ranges([p for p in ports if "-" in str(p)])}))


def _read_ranges(texts: object) -> tuple[_Range, ...]:
    """Return the ranges of ``["5004", "16384–32767"]``; what is no range is left out."""
    if not isinstance(texts, list | tuple):
        return ()
    ranges: list[_Range] = []
    for text in texts:
        low, _, high = str(text)[:LONGEST_VALUE].replace("–", "-").partition("-")
        if _is_port(low) and _is_port(high or low) and int(low) <= int(high or low):
            ranges.append(_Range(int(low), int(high or low)))
    return tuple(sorted(set(ranges)))


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def _read_addresses(texts: object) -> _Value:
    """``198.51.100.4 and 198.51.100.5``, or unknown where they are not several; what is no
    address is left out."""
    described = "several public addresses"
    if not isinstance(texts, list | tuple):
        return _Value(None, described)
    known = list(dict.fromkeys(text for text in map(str, texts) if _is_address(text)))
    shown = known[:MOST_ADDRESSES]
    if len(shown) < 2:
        return _Value(None, described)
    if len(known) > len(shown):
        shown.append(f"{len(known) - len(shown)} more")
    return _Value(listed(shown), described)


# ---- filters ----


def _prose(ports: tuple[_Range, ...]) -> str:
    """``1863 and 6891–6900``, for a sentence."""
    parts = [str(part).replace("-", "–") for part in _ranges(ports)]
    if len(ports) > MOST_RANGES:
        parts.append(f"{len(ports) - MOST_RANGES} more")
    return listed(parts)


def _labelled(ports: tuple[_Range, ...]) -> str:
    """``port 1863`` or ``ports 1863 and 6891–6900``."""
    single = len(ports) == 1 and ports[0].low == ports[0].high
    return f"{'port' if single else 'ports'} {_prose(ports)}"


def _dashed(ports: tuple[_Range, ...]) -> Command:
    """``1863,6891-6900``, as PowerShell's -LocalPort and an nftables set take it."""
    return Command(",".join(map(str, _ranges(ports))))


def _colon(port_range: _Range) -> Command:
    """``6891:6900``, as ufw takes it."""
    return Command(str(port_range).replace("-", ":"))


def _ranges(ports: tuple[_Range, ...]) -> tuple[_Range, ...]:
    """The ranges for a command that takes one at a time (ufw, firewalld)."""
    return ports[:MOST_RANGES]


def _code(value: Any) -> Command:
    """Admit to a command what is exact; describe anything else."""
    if isinstance(value, Command):
        return value
    if isinstance(value, _Range | int) or (isinstance(value, _Value) and value.exact):
        return Command(str(value))
    description = value.description if isinstance(value, _Value) else "value"
    return Command(f"<{description.removeprefix('the ')}>")


FILTERS: dict[str, Callable[..., object]] = {
    "prose": _prose,
    "labelled": _labelled,
    "dashed": _dashed,
    "colon": _colon,
    "ranges": _ranges,
    "code": _code,
}
"""For templates."""


# ---- neutralising ----

_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\{\{(-?)(.+?)(-?)\}\}")

# Not escaped are the characters that mean nothing inside a word, so that addresses and names stay
# readable: a dot or hyphen before a word character, a colon that no slash follows. A dot after
# www is: GitHub's dialect, which Qt reads, makes links of bare addresses.
_ACTIVE = re.compile(
    r"[\\`*_{}\[\]()<>#+!|~^=$&@]|[-.](?!\w)|:(?=/)|(?i:(?<=www))\.",
)


@cache
def with_guarded_code(body: str) -> str:
    """Pass every value in code, block or span, through the filter that admits exact ones."""
    return _CODE.sub(lambda code: _OUTPUT.sub(r"{{\1 (\2)|code \3}}", code[0]), body)


def _clean(text: str) -> str:
    """Return ``text`` on one line, printable, and at most LONGEST_VALUE characters long."""
    # Cut first, generously: white space still shrinks, and nothing here takes long.
    head = text[: 4 * LONGEST_VALUE]
    line = " ".join("".join(c if c.isprintable() else " " for c in head).split())
    return line if len(line) <= LONGEST_VALUE else line[: LONGEST_VALUE - 1].rstrip() + "…"


def as_markdown(value: object) -> str:
    return value if isinstance(value, Command) else _ACTIVE.sub(r"\\\g<0>", str(value))
