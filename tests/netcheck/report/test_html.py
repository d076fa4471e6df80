"""One file, nothing from outside, and whatever a report says stays text."""

from __future__ import annotations

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import html5lib
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netcheck.drawing.drawing import DARK, LIGHT
from netcheck.report import answer, html
from netcheck.report.model import Finding, Report
from netcheck.report.text import summary

from .samples import (
    HOSTILE_TEXTS,
    _poisoned,
    all_good,
    all_samples,
    behind_nat,
    everything,
    hostile,
)
from .strategies import reports

SAMPLES = sorted(all_samples())
SVG = {"svg", "title", "g", "rect", "circle", "line", "path", "text"}
ELEMENTS = SVG | {
    *("html", "head", "meta", "style", "body", "header", "main", "footer", "section", "article"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "strong", "em", "code", "pre"),
    *("a", "figure", "table", "caption", "thead", "tbody", "tr", "th", "td", "div", "span", "br"),
    *("blockquote", "hr"),
}
ATTRIBUTES = {
    *(
        "{http://www.w3.org/2000/xmlns/}xmlns",
        "lang",
        "dir",
        "charset",
        "http-equiv",
        "content",
        "name",
        "class",
        "id",
        "href",
        "scope",
    ),
    *("start", "aria-hidden", "width", "height", "viewBox", "role", "font-family", "x", "y", "rx"),
    *("x1", "y1", "x2", "y2", "cx", "cy", "r", "d", "fill", "stroke", "stroke-width"),
    *("stroke-dasharray", "transform", "font-size", "font-weight", "text-anchor"),
}
ATTACKS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "</title></svg><iframe src=//evil.example>",
    "javascript:alert(1)",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "<a href=\"javascript:alert(1)\">x</a>",
    "{{ 7*7 }}{% include '/etc/passwd' %}",
    "<!-- ", "]]>", "&lt;script&gt;", "\x00<script\x00>", "http://evil.example/",
)  # fmt: skip


def parsed(report: Report) -> ET.Element:
    """The page as a browser sees it, with nothing in it that we did not write."""
    page = html.render(report)
    page.encode("utf-8")
    tree: ET.Element = html5lib.parse(page, namespaceHTMLElements=False)
    ids = []
    for element in tree.iter():
        if not isinstance(element.tag, str):
            raise AssertionError("a comment")
        tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
        assert tag in ELEMENTS
        for name, value in element.attrib.items():
            assert name in ATTRIBUTES
            if re.fullmatch(r"#?seen-[A-Za-z0-9._-]*", value):
                continue
            assert not any(word in value for word in ("evil", "alert"))
        href = element.get("href")
        assert href is None or re.match(r"#[A-Za-z0-9._-]+$|https?://", href)
        if tag == "a" and href and not href.startswith("#"):
            assert "evil.example" not in href
        ids.append(element.get("id"))
        assert tag != "script"
    return tree


def text_of(element: ET.Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_a_page_of_ours_alone(name: str) -> None:
    tree = parsed(all_samples()[name])
    assert tree.get("lang") == "en"
    for table in tree.iter("table"):
        assert all(cell.get("scope") in ("col", "row") for cell in table.iter("th"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_every_field_stays_text(attack: str) -> None:
    poisoned = _poisoned(msgspec.to_builtins(everything(), str_keys=True), iter([attack] * 9999))
    report = msgspec.convert(poisoned, Report, str_keys=True)
    tree = parsed(report)
    assert "49" not in {text_of(cell) for cell in tree.iter("h3")}


@given(reports(st.sampled_from((*ATTACKS, *HOSTILE_TEXTS))))
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_any_report_is_a_page_of_ours_alone(report: Report) -> None:
    parsed(report)


def test_nothing_is_fetched() -> None:
    page = html.render(everything())
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert page.count(policy) == 1
    assert page.count("<style") == 1
    assert "style=" not in page
    assert "<script" not in page
    assert not re.search(r"(?:src|srcset|data|action)=|@import|url\(", page)


def test_it_begins_with_what_a_person_would_say() -> None:
    report = behind_nat()
    page = text_of(parsed(report))
    first = " ".join(answer.sentence(report).split())
    assert 0 < page.index(first) < page.index("What works and what does not")
    assert summary(report)
    order = ["What works", "The way to the server", "What to do", "Your network", "Details"]
    places = [page.index(heading) for heading in order]
    assert places == sorted(places)


def test_the_worst_features_come_first() -> None:
    tree = parsed(behind_nat())
    table = next(tree.iter("table"))
    verdicts = [text_of(list(row)[1]) for row in table.iter("tr")][1:]
    assert verdicts == ["fails", "limited", "works", "works"]


def test_a_verdict_has_a_mark_and_a_word() -> None:
    for cell in parsed(everything()).iter("span"):
        if "verdict" in (cell.get("class") or ""):
            assert text_of(cell)
            assert cell.find("{http://www.w3.org/2000/svg}svg") is not None


def test_articles_are_filled_in_and_lead_to_the_evidence() -> None:
    tree = parsed(behind_nat())
    cards = {card.get("id"): text_of(card) for card in tree.iter("article")}
    assert (
        "Forward TCP ports 6891–6900 on your router (192.168.1.1)"
        in cards["article-inbound-tcp-blocked"]
    )
    assert "firewall" in cards["article-inbound-tcp-blocked"]
    ids = {element.get("id") for element in tree.iter()}
    links = {
        a.get("href", "")[1:] for a in tree.iter("a") if a.get("href", "").startswith("#seen-")
    }
    assert {f"seen-inbound-tcp-{port}" for port in range(6891, 6901)} <= links & ids


def test_links_between_articles_lead_into_the_page_or_nowhere() -> None:
    tree = parsed(everything())
    ids = {element.get("id") for element in tree.iter()}
    for link in tree.iter("a"):
        href = link.get("href", "")
        assert not href.startswith(("#article-", "#remedies")) or href[1:] in ids


def test_headings_leave_out_no_level() -> None:
    levels = [
        int(e.tag[1])
        for e in parsed(everything()).iter()
        if isinstance(e.tag, str) and re.fullmatch("h[1-6]", e.tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_observation_is_there() -> None:
    report = everything()
    ids = {element.get("id") for element in parsed(report).iter("tr")}
    assert {f"seen-{o.id}" for o in report.observations} <= ids


def test_no_more_than_a_page_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "_MOST_OBSERVATIONS", 3)
    page = text_of(parsed(everything()))
    assert f"and {len(everything().observations) - 3} more" in page


def test_light_dark_and_paper() -> None:
    page = html.render(all_good())
    assert "@media screen and (prefers-color-scheme: dark)" in page
    assert "@media print" in page
    assert "var(--good)" in page


def test_every_colour_is_one_that_can_be_read() -> None:
    """The style sheet has none but those of the two palettes, whose contrast is computed in
    tests/netcheck/drawing; and both are in it."""
    page = html.render(everything())
    sheet = page[page.index("<style>") : page.index("</style>")]
    screen, _, dark = sheet.partition("prefers-color-scheme: dark")
    for colours, part in ((LIGHT, screen), (DARK, dark)):
        for name, colour in msgspec.structs.asdict(colours).items():
            assert f"--{name}: {colour};" in part
    known = {c for p in (LIGHT, DARK) for c in msgspec.structs.asdict(p).values()}
    assert set(re.findall("#[0-9a-f]{6}", sheet)) == known
    body = page[page.index("</style>") :]
    assert set(re.findall(r'(?:fill|stroke)="(#[0-9a-f]{3,6})"', body)) == set()


def test_text_is_cleaned_of_what_turns_it_around() -> None:
    page = html.render(hostile())
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202e\u2066-\u2069]", page)


def test_a_cause_that_repeats_tells_its_steps_once() -> None:
    again = [
        Finding(
            id=f"x{n}", cause="inbound-tcp-blocked", severity="error",
            article="inbound-tcp-blocked", title=f"Title {n}", evidence=[], parameters={},
        )
        for n in range(3)
    ]  # fmt: skip
    page = text_of(parsed(msgspec.structs.replace(behind_nat(), findings=again)))
    assert page.count("Symptoms") == 1
    assert page.count("Step by step: above") == 2


def test_a_remedy_leads_to_all_that_it_was_seen_by() -> None:
    one, other = (
        Finding(
            id=name, cause="inbound-tcp-blocked", severity="error", title="Nobody can call you",
            article="inbound-tcp-blocked", evidence=[name],
        )
        for name in ("seen-by-one", "seen-by-other")
    )  # fmt: skip
    page = html.render(msgspec.structs.replace(all_good(), findings=[one, other]))
    assert page.count("<h3>Nobody can call you</h3>") == 1
    assert 'href="#seen-seen-by-one"' in page
    assert 'href="#seen-seen-by-other"' in page


@pytest.mark.parametrize(
    ("written", "leads_to"),
    [
        ("double-nat.md", "#article-double-nat"),
        ("no-hairpin.md", "#remedies"),  # not in this report
        ("https://example.net/help", "https://example.net/help"),
        ("http-proxy.txt", "#remedies"),
        ("file:///etc/passwd", "#remedies"),
        ("ftp://example.net/", "#remedies"),
    ],
)
def test_an_article_leads_into_its_report_or_to_a_page(written: str, leads_to: str) -> None:
    assert html._reference(written, {"double-nat"}) == leads_to
