"""An article, filled in with this computer's values: its commands can be copied, its links open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape, unescape

from PySide6.QtCore import QEvent, QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QTextBrowser, QVBoxLayout, QWidget

from netcheck import kb
from netcheck.gui import theme
from netcheck.gui.models.table import one_line
from netcheck.kb import Article

_COPY = "copy:"
_KB = "kb:"
_OTHER = "other:"
_NO_OTHERS: Mapping[int, str] = {}


class ArticleView(QWidget):
    """``opened`` carries the id of another article that a link leads to; ``copied`` the text of
    a command that is now on the clipboard; ``other`` the number of the other cause that the reader
    wants to see."""

    opened = Signal(str)
    copied = Signal(str)
    other = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._recolour = QTimer(self, singleShot=True, interval=0)
        self._recolour.timeout.connect(self._show_anew)
        self.browser = _Offline()
        self.browser.setOpenLinks(False)
        self.browser.setOpenExternalLinks(False)
        self.browser.setAccessibleName(self.tr("Article"))
        self.browser.anchorClicked.connect(self._follow)
        self._commands: list[str] = []
        self._shown: tuple[Article, Mapping[str, object] | None, Mapping[int, str]] | None = None
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.browser)
        self.setFocusProxy(self.browser)

    def show_article(
        self,
        article: Article,
        values: Mapping[str, object] | None = None,
        others: Mapping[int, str] = _NO_OTHERS,
    ) -> None:
        """``values``: of a finding (kb.values_of); without them it speaks in general.  ``others``:
        further causes of the same thing by their numbers, to be chosen above it."""
        self._shown = (article, values, others)
        html, self._commands = as_html(article, values, self.tr("Copy"))
        self.browser.document().setDefaultStyleSheet(_style())
        self.browser.setHtml(self._also(others) + html)

    def _also(self, others: Mapping[int, str]) -> str:
        if not others:
            return ""
        links = " · ".join(
            f'<a href="{_OTHER}{number}">{escape(one_line(title, VALUE_MAX))}</a>'
            for number, title in others.items()
        )
        return f"<p>{escape(self.tr('More is in the way:'))} {links}</p>"

    def show_text(self, text: str) -> None:
        """A plain sentence where there is no article."""
        self._shown = None
        self._commands = []
        self.browser.setPlainText(text)

    def changeEvent(self, event: QEvent) -> None:
        """Its colours are those of the theme; not at once, as Qt still holds on to the frames and
        tables of the old text, and would go on to what is no longer there."""
        if event.type() == QEvent.Type.PaletteChange:
            self._recolour.start()
        super().changeEvent(event)

    def _show_anew(self) -> None:
        if self._shown is not None:
            at = self.browser.verticalScrollBar().value()
            self.show_article(*self._shown)
            self.browser.verticalScrollBar().setValue(at)

    def _follow(self, url: QUrl) -> None:
        text = url.toString()
        if text.startswith(_COPY):
            command = self._commands[int(text.removeprefix(_COPY))]
            QGuiApplication.clipboard().setText(command)
            self.copied.emit(command)
        elif text.startswith(_OTHER):
            self.other.emit(int(text.removeprefix(_OTHER)))
        elif text.startswith(_KB):
            self.opened.emit(text.removeprefix(_KB))
        elif kb.find(text.removesuffix(".md")) is not None:
            self.opened.emit(text.removesuffix(".md"))
        elif url.scheme() in ("http", "https"):
            QDesktopServices.openUrl(url)


class _Offline(QTextBrowser):
    """Shows no picture and opens no file: whatever a report says."""

    def loadResource(self, kind: int, url: QUrl | str) -> object:
        return None


def as_html(
    article: Article, values: Mapping[str, object] | None, copy: str
) -> tuple[str, list[str]]:
    """The article as HTML for a text browser, and its commands, whose links say ``copy``; with
    values its remedy comes first, for who will not read on.

    Nothing in it is markup but what the article's Markdown says: raw HTML is text.
    """
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

    commands: list[str] = []

    class Renderer(RendererHTML):
        def fence(
            self, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
        ) -> str:
            return self._command(tokens[at].content)

        def code_block(
            self, tokens: Sequence[Token], at: int, options: OptionsDict, env: EnvType
        ) -> str:
            return self._command(tokens[at].content)

        def _command(self, content: str) -> str:
            commands.append(content.rstrip("\n"))
            return (
                '<table width="100%" cellpadding="6" class="command"><tr>'
                f"<td><pre>{escape(content.rstrip())}</pre></td>"
                f'<td align="right" valign="top" style="white-space: nowrap" width="80">'
                f'<a href="{_COPY}{len(commands) - 1}">{copy}</a></td>'
                "</tr></table>"
            )

    reader = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable("table")
    short = None if values is None else {name: _short(value) for name, value in values.items()}
    body = reader.render(kb.render(article, short))
    remedy = "" if short is None else f"<p><b>{escape(kb.remedy(article, short))}</b></p>"
    return f"<h1>{escape(article.title)}</h1>{remedy}{body}", commands


def load() -> None:
    """Bring what renders articles, which takes a moment: in another thread, before the first."""
    as_html(kb.articles()[0], None, "")


@cache
def searched(name: str) -> str:
    """All words of the article with this id, in small letters.  Each takes some milliseconds the
    first time."""
    article = kb.find(name)
    assert article is not None
    html = as_html(article, None, "")[0]
    return " ".join((*article.keywords, unescape(_TAG.sub(" ", html)))).casefold()


_TAG = re.compile("<[^>]*>")


VALUE_MAX = 600
"""Characters of one value: a longer one is none of this computer's, and laying it out takes
minutes."""


def _short(value: object) -> object:
    if isinstance(value, str):
        return one_line(value, VALUE_MAX)
    if isinstance(value, (list, tuple)):
        return type(value)(_short(each) for each in value)
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    return value


def _style() -> str:
    c = theme.palette()
    return f"""
        h1 {{ font-size: x-large; }} h2 {{ font-size: large; }} h3 {{ font-size: medium; }}
        a {{ color: {c.accent}; }}
        table.command {{ background-color: {c.window}; }}
        pre {{ white-space: pre-wrap; }}
    """
