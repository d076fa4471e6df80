"""The answer: one sentence, the picture, the features, and the article of whichever is chosen."""

from __future__ import annotations

from itertools import pairwise

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

from netcheck import kb
from netcheck.gui.article import ArticleView
from netcheck.gui.export import Handle
from netcheck.gui.features import Features
from netcheck.gui.models.table import one_line
from netcheck.gui.picture import Picture
from netcheck.gui.scrolled import scrolled
from netcheck.gui.words import copyable, heading, quiet, said
from netcheck.report import answer, reason
from netcheck.report.model import Feature, Finding, Report
from netcheck.report.verdicts import worst_first


class Answer(QWidget):
    """``again`` asks for the same check, ``remedied`` for what shows whether this finding is
    gone, ``details`` for the tables, ``observed`` for the observations with these ids,
    ``article`` for an article of the knowledge base, ``copy`` for the report as text."""

    again = Signal()
    remedied = Signal(Finding)
    details = Signal()
    observed = Signal(tuple)
    article = Signal(str)
    save = Signal()
    copy = Signal()
    copied = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._report: Report | None = None
        self._finding: Finding | None = None
        self._evidence: tuple[str, ...] = ()
        self._causes: list[Finding] = []  # of the feature that is chosen, the most telling first
        self.sentence = copyable(heading("", size=1.2, bold=False))  # may be five lines
        self.sentence.setAccessibleName(self.tr("Answer"))
        self.note = copyable(quiet(""))
        self.trouble = quiet("")
        self.trouble.setProperty("quiet", False)
        self.trouble.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._troubled = framed(self.trouble)
        self.change = copyable(quiet(""))
        self.change.setProperty("quiet", False)
        self._changed = framed(self.change)
        self.picture = Picture(self)
        self.picture.chosen.connect(self._marked)
        self.features = Features(self)
        self.features.chosen.connect(self._chosen)
        self.remedy = ArticleView(self)
        self.remedy.opened.connect(self.article)
        self.remedy.copied.connect(self.copied)
        self.remedy.other.connect(self._show_cause)
        self.recheck = QPushButton(self.tr("Check &this again"))
        self.recheck.setToolTip(self.tr("Tests again only what this remedy concerns"))
        self.recheck.clicked.connect(self._recheck)
        self.evidence = QPushButton(self.tr("Show what this &rests on"))
        self.evidence.clicked.connect(self._show_evidence)
        self.whole = QPushButton(self.tr("Check all a&gain"))
        self.whole.clicked.connect(self.again)
        self.more = QPushButton(self.tr("More deta&ils"))
        self.more.clicked.connect(self.details)
        self.text = QPushButton(self.tr("Cop&y as text"))
        self.text.clicked.connect(self.copy)
        self.export = QPushButton(self.tr("&Save report …"))
        self.export.clicked.connect(self.save)
        self.handle = Handle(self)
        self._lay_out()

    def _lay_out(self) -> None:
        about = QHBoxLayout()
        about.addWidget(self.recheck)
        about.addWidget(self.evidence)
        about.addStretch()
        right = QWidget()
        beside = QVBoxLayout(right)
        beside.setContentsMargins(0, 0, 0, 0)
        beside.addWidget(self.remedy, 1)
        beside.addLayout(about)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(self.features)
        split.addWidget(right)
        split.setStretchFactor(0, 4)
        split.setStretchFactor(1, 5)
        split.setSizes([440, 550])
        split.setChildrenCollapsible(False)
        buttons = QHBoxLayout()
        for button in (self.whole, self.more):
            buttons.addWidget(button)
        buttons.addStretch()
        for button in (self.text, self.handle, self.export):
            buttons.addWidget(button)
        column = scrolled(self)
        column.setContentsMargins(28, 18, 28, 14)
        column.setSpacing(10)
        for widget in (self.sentence, self._troubled, self._changed, self.note, self.picture):
            column.addWidget(widget)
        column.addWidget(split, 1)
        column.addLayout(buttons)

    @property
    def report(self) -> Report | None:
        return self._report

    def show_report(
        self, report: Report, titles: dict[str, str], change: str = "", trouble: str = ""
    ) -> None:
        """``titles`` of the profiles; ``change``: what is other than before; ``trouble``: why
        there was no check."""
        self._report = report
        self.handle.report = report
        self._causes = []
        told = answer.paragraphs(report, titles=titles)
        self.sentence.setText("\n".join(one_line(each, SENTENCE_MAX) for each in told))
        for label, shown, words in (
            (self.trouble, self._troubled, trouble),
            (self.change, self._changed, change),
            (self.note, self.note, one_line(report.note, SENTENCE_MAX)),
        ):
            label.setText(words)
            shown.setVisible(bool(words))
        self.picture.show_report(report)
        ordered = worst_first(report.features)
        self.features.show_all(ordered, titles)
        if ordered:
            self.features.choose(ordered[0].profile, ordered[0].feature)
        else:
            self._show(None, "")
        order = (
            *(self, *self.picture.parts, self.features.list, self.remedy.browser, self.recheck),
            *(self.evidence, self.whole, self.more, self.text, self.handle, self.export),
        )
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)

    def values_of(self, article: str) -> dict[str, object] | None:
        """What this report fills in an article with; None where it found nothing of the kind."""
        if self._report is None:
            return None
        found = next((f for f in self._report.findings if f.article == article), None)
        return kb.values_of(self._report, found) if found is not None else None

    def choose(self, profile: str, feature: str) -> None:
        """Open the article of this feature, if the report has it."""
        self.features.choose(profile, feature)

    def _chosen(self, feature: Feature) -> None:
        assert self._report is not None
        first = reason.telling(self._report, feature)
        found = [f for f in self._report.findings if f.id in feature.findings and f != first]
        self._causes = _each_title_once([first, *found] if first is not None else found)
        evidence = dict.fromkeys((*feature.evidence, *(first.evidence if first else ())))
        self._show(first, self._without_article(feature), tuple(evidence))

    def _marked(self, finding_id: str) -> None:
        assert self._report is not None
        found = next((f for f in self._report.findings if f.id == finding_id), None)
        if found is not None:
            self._causes = []
            self._show(found, found.title)
            self.remedy.browser.setFocus()

    def _without_article(self, feature: Feature) -> str:
        """Of a feature that no article is about: because it works, or because nobody knows."""
        assert self._report is not None
        title = one_line(feature.title, TITLE_MAX)
        lines = [f"{title}: {said(feature.verdict)}.", one_line(feature.summary, SENTENCE_MAX)]
        if feature.verdict == "unknown" and self._report.server.embedded:
            lines.append(
                self.tr(
                    "This computer alone cannot show it. On the page “Check”, name an echo server"
                    " and check again: then your network is tested."
                )
            )
        elif feature.verdict == "unknown":
            lines.append(
                self.tr(
                    "What could not be measured is not guessed. Remedy first what does not work,"
                    " then press “Check all again”."
                )
            )
        return "\n\n".join(lines)

    def _show(
        self, finding: Finding | None, otherwise: str, evidence: tuple[str, ...] = ()
    ) -> None:
        """The article of a finding, or what is said ``otherwise``; and what it rests on."""
        assert self._report is not None
        self._finding = finding
        self._evidence = evidence or (tuple(finding.evidence) if finding is not None else ())
        self.evidence.setEnabled(bool(self._evidence))
        self.recheck.setEnabled(finding is not None)
        shown = kb.find(finding.article) if finding is not None else None
        if finding is None or shown is None:
            self.remedy.show_text(otherwise)
        else:
            causes = {
                number: one_line(each.title, TITLE_MAX)
                for number, each in enumerate(self._causes)
                if each.id != finding.id
            }
            self.remedy.show_article(shown, kb.values_of(self._report, finding), causes)

    def _show_cause(self, number: int) -> None:
        if number < len(self._causes):
            self._show(self._causes[number], "")

    def _recheck(self) -> None:
        if self._finding is not None:
            self.remedied.emit(self._finding)

    def _show_evidence(self) -> None:
        self.observed.emit(self._evidence)


SENTENCE_MAX = 1000
"""Characters: ten features and two reasons take half of it."""

TITLE_MAX = 80


def _each_title_once(found: list[Finding]) -> list[Finding]:
    """Findings that one article answers are one cause to its reader."""
    once: dict[str, Finding] = {}
    for each in found:
        once.setdefault(each.title, each)
    return list(once.values())


def framed(label: QLabel) -> QFrame:
    """What must not be overlooked."""
    frame = QFrame()
    frame.setObjectName("notice")
    column = QVBoxLayout(frame)
    column.setContentsMargins(12, 8, 12, 8)
    column.addWidget(label)
    frame.hide()
    return frame
