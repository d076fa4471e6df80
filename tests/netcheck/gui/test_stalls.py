"""What would stop the window for a moment is done once, or not in its thread."""

from __future__ import annotations

import gc

import pytest
from pytestqt.qtbot import QtBot

from netcheck import kb, profile
from netcheck.gui import article
from netcheck.gui.bridge import Engine
from netcheck.gui.window import Window

from ..report.samples import behind_nat, everything


def test_a_report_that_replaces_another_renders_one_article(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[str] = []
    whole = article.as_html

    def counted(*words: object, **more: object) -> tuple[str, list[str]]:
        rendered.append(str(words[0]))
        return whole(*words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(article, "as_html", counted)
    for report in (behind_nat(), everything(), behind_nat()):
        window.show_report(report)
        assert len(rendered) == 1
        rendered.clear()


def test_what_every_check_needs_is_loaded_beforehand(qtbot: QtBot) -> None:
    """The templates of all articles too; and no collection looks through that any more."""
    gc.unfreeze()
    article.searched.cache_clear()
    engine = Engine()
    loaded: list[bool] = []
    engine.load(lambda: loaded.append(True))
    qtbot.waitUntil(lambda: bool(loaded), timeout=30_000)
    engine.close()
    assert gc.get_freeze_count() > 10_000
    compiled = kb._template.cache_info().misses
    for each in kb.articles():
        kb.render(each)
    assert kb._template.cache_info().misses == compiled
    assert profile.built_in() is profile.built_in()
    searched = article.searched.cache_info().misses
    for each in kb.articles():
        assert each.title.casefold() in article.searched(each.id)
    assert article.searched.cache_info().misses == searched
