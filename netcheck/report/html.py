"""The report as one HTML file: no script, nothing from outside, for the screen and for paper.

All text is escaped by the template, and the page forbids its own browser to load or run anything.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from netcheck import kb, profile
from netcheck.drawing import dynamic, media, path, timeline
from netcheck.drawing.drawing import DARK, LIGHT, Drawing, Palette
from netcheck.drawing.svg import SHAPES
from netcheck.report import answer, text
from netcheck.report.articles import values_for
from netcheck.report.details import add_details
from netcheck.report.editors import add_editors
from netcheck.report.model import Feature, Finding, Report, Severity
from netcheck.report.network import add_network
from netcheck.report.page import Page, clean
from netcheck.report.stated import without
from netcheck.report.verdicts import SEVERITIES, STYLES, VERDICTS, worst_first
from probes.observation import AnyObservation

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup
    from rich.text import Text

_SEVERITIES: dict[Severity, str] = {
    "error": "breaks something",
    "warning": "impairs something",
    "info": "perhaps without harm",
}

_COLOURS = Palette(**{name: f"var(--{name})" for name in Palette.__struct_fields__})
"""What the style sheet defines, for light and for dark."""

_STYLE_HASH = "style-hash"
"""Stands for what a browser knows our one style sheet by: it uses no other."""

# A report that somebody made up may hold any number of these; the JSON has them all.
_MOST_OBSERVATIONS = 20_000
_MOST_FINDINGS = 200


def render(report: Report, *, profile_titles: Mapping[str, str] | None = None) -> str:
    """The whole document; `profile_titles` are the names, by id, of profiles not built in."""
    said = content(report, _COLOURS, _drawn, profile_titles)
    template = environment().get_template("report.html.j2")
    palettes = {"light": msgspec.structs.asdict(LIGHT), "dark": msgspec.structs.asdict(DARK)}
    page = template.render(**said, **palettes, style_hash=_STYLE_HASH) + "\n"
    # Both come before any word of the report.
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return page.replace(_STYLE_HASH, f"'sha256-{digest}'", 1)


def content(
    report: Report,
    colours: Palette,
    drawn: Callable[[Drawing | None], object],
    profile_titles: Mapping[str, str] | None = None,
    *,
    most_observations: int | None = None,
) -> dict[str, Any]:
    """What a template of the report says.  `drawn` makes of each drawing what stands for it."""
    most = _MOST_OBSERVATIONS if most_observations is None else most_observations
    names = {each.id: each.title for each in profile.built_in()} | dict(profile_titles or {})
    behaviour = _Outline()
    add_network(behaviour, report)
    add_editors(behaviour, report.editors)
    text.add_circumstances(behaviour, report)
    details = _Outline()
    add_details(details, msgspec.structs.replace(report, observations=[], findings=[]))
    return {
        "report": report,
        "colours": colours,
        "answer": answer.paragraphs(report, titles=names),
        "warnings": text.warnings(report),
        "features": [_feature(each, names) for each in worst_first(report.features)],
        "remedies": _remedies(report),
        "behaviour": behaviour.sections,
        "details": details.sections,
        "path": drawn(path.draw(report, colours)),
        "dynamic": drawn(dynamic.draw(report, colours)),
        "media": drawn(media.draw(report, colours)),
        "timeline": drawn(timeline.draw(report, colours)),
        "observations": [_observation(each) for each in report.observations[:most]],
        "left_out": max(0, len(report.observations) - most),
    }


def _feature(feature: Feature, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": feature.title,
        "application": names.get(feature.profile, feature.profile),
        "verdict": feature.verdict,
        "kind": VERDICTS[feature.verdict].kind,
        "summary": feature.summary,
    }


def _remedies(report: Report) -> list[dict[str, Any]]:
    """Findings that one article answers together, what harms first."""
    order = get_args(Severity)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in sorted(report.findings, key=lambda f: order.index(f.severity))[:_MOST_FINDINGS]:
        groups.setdefault((kb.article_for(finding.cause).id, finding.title), []).append(finding)
    told: set[str] = set()
    remedies = []
    for (article_id, title), group in groups.items():
        known = {finding.id for finding in group}
        article = kb.article_for(group[0].cause)
        severity = group[0].severity
        advice = [kb.remedy(article, kb.values_of(report, finding)) for finding in group]
        remedies.append(
            {
                "id": article_id,
                "title": title,
                "kind": SEVERITIES[severity].kind,
                "word": _SEVERITIES[severity],
                "affects": [f.title for f in report.features if known.intersection(f.findings)],
                "advice": text.fullest(advice),
                "first": article_id not in told,
                "article": None if article_id in told else _article(report, group[0], groups),
                "evidence": list(dict.fromkeys(e for finding in group for e in finding.evidence)),
            }
        )
        told.add(article_id)
    return remedies


def _article(report: Report, finding: Finding, groups: Iterable[tuple[str, str]]) -> Markup:
    """The steps of a remedy as HTML.  What its Markdown does not say is not in it: values are
    escaped for Markdown, and raw HTML and pictures are switched off."""
    from markdown_it import MarkdownIt
    from markupsafe import Markup

    there = {article_id for article_id, _ in groups}
    markdown = MarkdownIt("commonmark", {"html": False})
    markdown.enable("table").disable(["image", "html_block"])
    tokens = markdown.parse(kb.render(kb.article_for(finding.cause), values_for(report, finding)))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        for child in token.children or []:
            if child.type == "link_open":
                child.attrs = {"href": _reference(str(child.attrs.get("href", "")), there)}
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))


def _reference(href: str, there: set[str]) -> str:
    """Where a link leads: to an article in this report, or to a page that its author named."""
    name = href.removesuffix(".md")
    if name in there:
        return f"#article-{name}"
    return href if re.match(r"https?://", href) else "#remedies"


def _observation(observation: AnyObservation) -> dict[str, Any]:
    return {
        "id": observation.id,
        "probe": str(observation.__struct_config__.tag),
        "at": f"{observation.at_s:.2f} s",
        "took": f"{observation.took_s:.2f} s",
        "facts": without(observation, "id", "at_s", "took_s"),
    }


def _drawn(drawing: Drawing | None) -> Markup | None:
    from markupsafe import Markup

    return None if drawing is None else Markup(drawing.svg)


class _Outline(Page):
    """What the text report appends to its page, kept as headings and tables."""

    def __init__(self) -> None:
        self.ascii_only = False
        self.sections: list[dict[str, Any]] = []

    def heading(self, text: str) -> None:
        self.sections.append({"heading": text, "header": [], "rows": []})

    def line(self, text: str = "", style: str = "") -> None:
        if text:
            self.rows([(text,)], widths=[])

    def rows(
        self,
        rows: Iterable[Sequence[str | Text]],
        *,
        widths: Sequence[int],
        indent: int = 2,
        header: Sequence[str] = (),
    ) -> None:
        section = self.sections[-1]
        section["header"] = list(header)
        section["rows"] += [[_cell(cell) for cell in row] for row in rows]


def _cell(cell: str | Text) -> dict[str, str]:
    if isinstance(cell, str):
        return {"words": cell, "kind": ""}
    # The page's own mark before the word is replaced by a drawn one.
    kind = STYLES.get(str(cell.style), "")
    return {"words": cell.plain.partition(" ")[2] if kind else cell.plain, "kind": kind}


def _shape(kind: str) -> Markup:
    """A verdict's mark; the word beside it says the same."""
    from markupsafe import Markup

    drawn = SHAPES[kind].format(c=f"var(--{kind})", b="var(--base)")
    return Markup(f'<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">{drawn}</svg>')


def _anchor(name: str) -> str:
    """An id of an observation as part of an address within the page."""
    return re.sub("[^A-Za-z0-9._-]", "-", name)[:80]


@cache
def environment() -> Environment:
    """Where the templates are; all that they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("netcheck", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Markup is a kind of text as well: what is one is ours, and stays.
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    environment.filters |= {"shape": _shape, "anchor": _anchor}
    return environment
