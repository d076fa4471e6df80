"""The articles of a report's findings, filled in with this computer's own values."""

from __future__ import annotations

from netcheck import kb
from netcheck.report.model import Finding, Report
from netcheck.report.page import Page


def add_articles(page: Page, report: Report) -> None:
    """Each article once, in the order of the findings, with the values of the first of them;
    findings about sound and about picture that are else the same are one for it."""
    shown: set[str] = set()
    for finding in report.findings:
        article = kb.article_for(finding.cause)
        if article.id in shown:
            continue
        shown.add(article.id)
        page.line()
        page.rule()
        page.line(article.title, "bold")
        page.line()
        page.markdown(kb.render(article, values_for(report, finding)))


def values_for(report: Report, finding: Finding) -> dict[str, object]:
    """What the article of `finding` is filled in with, alike findings taken together."""
    values = kb.values_of(report, finding)
    same = [each for each in report.findings if _but_for_kind(each) == _but_for_kind(finding)]
    if len({str(each.parameters.get("kind")) for each in same}) > 1:
        values.pop("kind", None)
        known = {each.id for each in same}
        affected = [f.title for f in report.features if known.intersection(f.findings)]
        values["features"] = affected
    return values


def _but_for_kind(finding: Finding) -> tuple[str, dict[str, object]]:
    others: dict[str, object] = {n: v for n, v in finding.parameters.items() if n != "kind"}
    return finding.cause, others
