"""The knowledge base: finds the article of a finding and fills in this computer's own values.

Values come from the network and from other programs too: a proxy's URL, a portal's location, a
program's name.  None is trusted.  In prose a value loses its control characters and its length,
and Markdown and HTML see nothing but text; in a command it stands only if it matches the strict
pattern of its kind, otherwise the command shows a description of what belongs there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from netcheck.cause import Cause

if TYPE_CHECKING:
    # At run time these would make a light module heavy: `netcheck --help` waits for imports.
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from netcheck.report.model import Finding, Report

Fact = Literal[
    "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8",
    "N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8",
]  # fmt: skip

# Characters of a value in prose: a URL is still recognised, a sentence stays a sentence.
LONGEST_VALUE = 160

# Ranges of a port list that are shown: more would bury the text and the commands.
MOST_RANGES = 15

# Public addresses that are shown: a large pool is a long list.
MOST_ADDRESSES = 6

# Suggestions for a mistyped id, and how alike they must be (difflib's ratio).
MOST_SUGGESTIONS = 3
LEAST_LIKENESS = 0.5


class Article(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One article: the front matter of its file, and ``body``, a Jinja2 template of Markdown.

    ``remedy`` is a template too: the first remedy as one sentence of plain text.  ``ports`` are
    ranges [low, high] that stand in for a finding's own where there is no finding.
    """

    id: str
    title: str
    causes: tuple[Cause, ...]
    facts: tuple[Fact, ...]
    keywords: tuple[str, ...]
    remedy: str
    body: str
    ports: tuple[tuple[int, int], ...] = ()


# ---- finding an article ----


@cache
def articles() -> tuple[Article, ...]:
    """Return all articles, ordered by id.

    Raises ValueError (msgspec.ValidationError, tomllib.TOMLDecodeError) if a file is no article.
    """
    from importlib.resources import files

    sources = sorted(
        (entry for entry in files("kb_articles").iterdir() if entry.name.endswith(".md")),
        key=lambda entry: entry.name,
    )
    return tuple(
        _parse(entry.name.removesuffix(".md"), entry.read_text(encoding="utf-8"))
        for entry in sources
    )


def _parse(article_id: str, source: str) -> Article:
    import tomllib

    before, front_matter, body = source.split("+++\n", maxsplit=2)
    if before:
        raise ValueError(f"{article_id}: text before the front matter")
    fields = {**tomllib.loads(front_matter), "id": article_id, "body": body.strip() + "\n"}
    return msgspec.convert(fields, Article)


def article_for(cause: Cause) -> Article:
    """Return the article that answers ``cause``."""
    return next(article for article in articles() if cause in article.causes)


def find(name: str) -> Article | None:
    """Return the article with this id or for the cause of this name, or None."""
    return next((a for a in articles() if name == a.id or name in a.causes), None)


def near(name: str) -> tuple[str, ...]:
    """Return the ids of the articles that ``name`` may have meant, the likeliest first."""
    from difflib import get_close_matches

    ids = [article.id for article in articles()]
    parts = [article_id for article_id in ids if name.lower() in article_id]
    alike = get_close_matches(name.lower(), ids, MOST_SUGGESTIONS, LEAST_LIKENESS)
    return tuple(dict.fromkeys(parts + alike))[:MOST_SUGGESTIONS]


# ---- the values of a finding ----


def values_of(report: Report, finding: Finding) -> dict[str, object]:
    """Return what the article of ``finding`` can be filled in with; unknown values are absent."""
    from netcheck.report import check_again

    common: dict[str, object] = {
        "hostname": report.host.name,
        "system": _kind_of(report.host.system),
        "lan_address": _lan_address(report.host.addresses, report.host.gateways),
        "router_address": next(iter(report.host.gateways), None),
        "server_host": report.server.host,
        "server_address": next(iter(report.server.addresses), None),
        "public_address": next(iter(report.nat.public_addresses), None),
        "nat_present": report.nat.present,
        "carrier_grade": report.nat.carrier_grade,
        "features": [f.title for f in report.features if finding.id in f.findings],
    }
    known = {name: value for name, value in common.items() if value not in (None, "", [])}
    again = check_again.options(report)
    return {**known, **({} if again is None else {"again": again}), **finding.parameters}


def _kind_of(system: str) -> str:
    """Windows, Linux or Darwin, by which an article chooses its commands; else empty."""
    named = {"Windows": "Windows", "Linux": "Linux", "macOS": "Darwin", "Darwin": "Darwin"}
    return next((kind for name, kind in named.items() if name in system), "")


def _lan_address(addresses: list[str], gateways: list[str]) -> str | None:
    """Return the IPv4 address nearest to the gateway's: virtual networks have addresses too."""
    own = [ipaddress.IPv4Address(text) for text in addresses if _is_ipv4(text)]
    own = [address for address in own if not address.is_loopback]
    gateway = next((ipaddress.IPv4Address(text) for text in gateways if _is_ipv4(text)), None)
    if gateway is not None:
        own.sort(key=lambda address: (int(address) ^ int(gateway)).bit_length())
    else:
        own.sort(key=lambda address: address.is_link_local)
    return str(own[0]) if own else next(iter(addresses), None)


# ---- rendering ----


def render(article: Article, values: Mapping[str, object] | None = None) -> str:
    """Return the article's Markdown, without its title, filled in with ``values``.

    What is missing or malformed is described in words, such as "the address of this computer".
    """
    template = _template(_with_guarded_code(article.body), _as_markdown)
    text = template.render(_context(article, values or {}))
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def remedy(article: Article, values: Mapping[str, object] | None = None) -> str:
    """Return the first remedy as one sentence of plain text.

    It is neither Markdown nor HTML nor rich markup: who shows it as one of these escapes it.
    """
    return _template(article.remedy, str).render(_context(article, values or {}))


def section(markdown: str, heading: str) -> str:
    """Return the text below ``## heading``.  Raises KeyError if there is no such heading."""
    sections = re.split(r"^## (.+)\n", markdown, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))[heading].strip() + "\n"


def _part(name: str) -> str:
    """Return the text that several articles ``include``."""
    from importlib.resources import files

    source = files("kb_articles").joinpath("parts", f"{name}.md").read_text(encoding="utf-8")
    # Jinja2 takes the last line's end away, and what follows is a line of its own.
    return _with_guarded_code(source) + "\n"


@cache
def _template(source: str, finalize: Callable[[object], str]) -> Template:
    return _environment(finalize).from_string(source)


@cache
def _environment(finalize: Callable[[object], str]) -> ImmutableSandboxedEnvironment:
    from jinja2 import FunctionLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # No autoescape: the output is Markdown, and ``finalize`` escapes for that.
    environment = ImmutableSandboxedEnvironment(
        loader=FunctionLoader(_part),
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": _prose,
        "labelled": _labelled,
        "dashed": _dashed,
        "colon": _colon,
        "ranges": _ranges,
        "code": _code,
    }
    return environment


# ---- values as a template sees them ----


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


class _Command(str):
    """Text that may stand in a command as it is."""

    __slots__ = ()


def _is_ipv4(text: str) -> bool:
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
_is_device = re.compile(r"computer|router|carrier|beyond").fullmatch


class _Kind(NamedTuple):
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
    "lan_address": _Kind("the address of this computer", _is_address),
    "router_address": _Kind("the address of your router", _is_address),
    "server_address": _Kind("the address of the test server", _is_address),
    "public_address": _Kind("your public address", _is_address),
    "called_address": _Kind("your public address", _is_address),
    "address": _Kind("a false address", _is_address),
    "server_host": _Kind("the test server", _is_host, free=True),
    "hostname": _Kind("this computer", _is_host, free=True),
    "name": _Kind("the name in the report", _is_host, free=True),
    "system": _Kind("your system", _is_system),
    "transport": _Kind("TCP or UDP", _is_transport),
    "local_port": _Kind("the local port", _is_port),
    "remote_port": _Kind("the remote port", _is_port),
    "seen_port": _Kind("another port", _is_port),
    "loss_percent": _Kind("the lost part", _is_percent),
    "percent": _Kind("a part", _is_percent),
    "carrier_address": _Kind("an address shared with others", _is_address),
    "external_address": _Kind("the address that your router names", _is_address),
    "outer_router": _Kind("the address of the outer router", _is_address),
    "last_hop": _Kind("the last device that answered", _is_address),
    "device": _Kind("a device on the way", _is_device),
    "filtering": _Kind("by address", _is_filtering),
    "direction": _Kind("one direction", _is_direction),
    "kind": _Kind("sound and picture", _is_medium),
    "seconds": _Kind("some seconds", _is_count),
    "jitter_ms": _Kind("some milliseconds", _is_count),
    "mos": _Kind("a low mark", _is_score),
    "program": _Kind("another program", free=True),
    "proxy": _Kind("the proxy server", free=True),
    "location": _Kind("the sign-in page", free=True),
    "detail": _Kind("no further detail", free=True),
}


def _again(again: object, server_host: _Value) -> _Command:
    """What follows ``netcheck check`` to name the same server again, with the blank before it."""
    from netcheck.report import check_again

    if again == "":
        return _Command()
    if isinstance(again, str) and check_again.is_safe(again):
        return _Command(f" {again}")
    return _Command(f" --server {_code(server_host)}")


def _context(article: Article, values: Mapping[str, object]) -> dict[str, object]:
    features = values.get("features")
    return {
        **{name: kind.read(values.get(name)) for name, kind in _KINDS.items()},
        "again": _again(values.get("again"), _KINDS["server_host"].read(values.get("server_host"))),
        "features": _Kind("the application that was checked", free=True).read(
            ", ".join(map(str, features)) if isinstance(features, list | tuple) else None
        ),
        "ports": _collapse(values.get("ports")) or tuple(_Range(*pair) for pair in article.ports),
        "open_ranges": _read_ranges(values.get("open_ranges")),
        "public_addresses": _read_addresses(values.get("public_addresses")),
        # Flags are True, False, or None for unknown.
        **{
            name: flag if isinstance(flag := values.get(name), bool) else None
            for name in ("nat_present", "carrier_grade")
        },
    }


def _collapse(ports: object) -> tuple[_Range, ...]:
    """Return the ports of a list as ranges; what is no port is left out.

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
    return tuple(ranges)


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
    return _Value(" and ".join(filter(None, (", ".join(shown[:-1]), shown[-1]))), described)


# ---- filters ----


def _prose(ports: tuple[_Range, ...]) -> str:
    """``1863 and 6891–6900``, for a sentence."""
    parts = [str(part).replace("-", "–") for part in _ranges(ports)]
    if len(ports) > MOST_RANGES:
        parts.append(f"{len(ports) - MOST_RANGES} more")
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _labelled(ports: tuple[_Range, ...]) -> str:
    """``port 1863`` or ``ports 1863 and 6891–6900``."""
    single = len(ports) == 1 and ports[0].low == ports[0].high
    return f"{'port' if single else 'ports'} {_prose(ports)}"


def _dashed(ports: tuple[_Range, ...]) -> _Command:
    """``1863,6891-6900``, as PowerShell's -LocalPort and an nftables set take it."""
    return _Command(",".join(map(str, _ranges(ports))))


def _colon(port_range: _Range) -> _Command:
    """``6891:6900``, as ufw takes it."""
    return _Command(str(port_range).replace("-", ":"))


def _ranges(ports: tuple[_Range, ...]) -> tuple[_Range, ...]:
    """The ranges for a command that takes one at a time (ufw, firewalld)."""
    return ports[:MOST_RANGES]


def _code(value: Any) -> _Command:
    """Admit to a command what is exact; describe anything else."""
    if isinstance(value, _Command):
        return value
    if isinstance(value, _Range | int) or (isinstance(value, _Value) and value.exact):
        return _Command(str(value))
    description = value.description if isinstance(value, _Value) else "value"
    return _Command(f"<{description.removeprefix('the ')}>")


# ---- neutralising ----

_CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"\{\{(-?)(.+?)(-?)\}\}")

# Not escaped are the characters that mean nothing inside a word, so that addresses and names stay
# readable: a dot or hyphen before a word character, a colon that no slash follows. A dot after
# www is: GitHub's dialect, which Qt reads, makes links of bare addresses.
_ACTIVE = re.compile(
    r"[\\`*_{}\[\]()<>#+!|~^=$&@]|[-.](?!\w)|:(?=/)|(?i:(?<=www))\.",
)


def _with_guarded_code(body: str) -> str:
    """Pass every value in code, block or span, through the filter that admits exact ones."""
    return _CODE.sub(lambda code: _OUTPUT.sub(r"{{\1 (\2)|code \3}}", code[0]), body)


def _clean(text: str) -> str:
    """Return ``text`` on one line, printable, and at most LONGEST_VALUE characters long."""
    # Cut first, generously: white space still shrinks, and nothing here takes long.
    head = text[: 4 * LONGEST_VALUE]
    line = " ".join("".join(c if c.isprintable() else " " for c in head).split())
    return line if len(line) <= LONGEST_VALUE else line[: LONGEST_VALUE - 1].rstrip() + "…"


def _as_markdown(value: object) -> str:
    return value if isinstance(value, _Command) else _ACTIVE.sub(r"\\\g<0>", str(value))
