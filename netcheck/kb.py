"""The knowledge base: finds the article of a finding and fills in this computer's own values
(:mod:`netcheck.kb_values` says what becomes of each).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Literal

import msgspec

from netcheck import kb_values
from netcheck.cause import Cause
from netcheck.kb_values import LONGEST_VALUE as LONGEST_VALUE

if TYPE_CHECKING:
    # At run time these would make a light module heavy: `netcheck --help` waits for imports.
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    from netcheck.report.model import Finding, Report

Fact = Literal[
    "M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8",
    "N1", "N2", "N3", "N4", "N5", "N6", "N7", "N8",
]  # fmt: skip

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
        "outer_router": next(
            (o for f in report.findings if (o := f.parameters.get("outer_router"))), None
        ),
        "features": [f.title for f in report.features if finding.id in f.findings],
        "editors": {each.protocol: each.verdict for each in report.editors},
    }
    known = {name: value for name, value in common.items() if value not in (None, "", [], {})}
    again = check_again.options(report)
    return {**known, **({} if again is None else {"again": again}), **finding.parameters}


def _kind_of(system: str) -> str:
    """Windows, Linux or Darwin, by which an article chooses its commands; else empty."""
    named = {"Windows": "Windows", "Linux": "Linux", "macOS": "Darwin", "Darwin": "Darwin"}
    return next((kind for name, kind in named.items() if name in system), "")


def _lan_address(addresses: list[str], gateways: list[str]) -> str | None:
    """Return the IPv4 address nearest to the gateway's: virtual networks have addresses too."""
    own = [ipaddress.IPv4Address(text) for text in addresses if kb_values.is_ipv4(text)]
    own = [address for address in own if not address.is_loopback]
    gateway = next(
        (ipaddress.IPv4Address(text) for text in gateways if kb_values.is_ipv4(text)), None
    )
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
    template = _template(kb_values.with_guarded_code(article.body), kb_values.as_markdown)
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


def _context(article: Article, values: Mapping[str, object]) -> dict[str, object]:
    from netcheck import kb_editors

    return kb_values.context(article.ports, values) | kb_editors.context(values)


def _part(name: str) -> str:
    """Return the text that several articles ``include``."""
    from importlib.resources import files

    source = files("kb_articles").joinpath("parts", f"{name}.md").read_text(encoding="utf-8")
    # Jinja2 takes the last line's end away, and what follows is a line of its own.
    return kb_values.with_guarded_code(source) + "\n"


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
    environment.filters |= kb_values.FILTERS
    return environment
