"""The articles of a report's findings, filled in with this computer's own values."""

from __future__ import annotations

from netcheck import kb
from netcheck.report.model import Report
from netcheck.report.page import Page


def add_articles(page: Page, report: Report) -> None:
    """Each article once, in the order of the findings, with the values of the first of them."""
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
        page.markdown(kb.render(article, kb.values_of(report, finding)))
