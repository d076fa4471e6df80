"""While a check runs: what is being tested, and what is known already."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from netcheck import plan
from netcheck.gui import keys
from netcheck.gui.bridge import News
from netcheck.gui.features import Features
from netcheck.gui.picture import Picture
from netcheck.gui.scrolled import scrolled
from netcheck.gui.words import heading, quiet
from netcheck.prepared import Wanted
from netcheck.report.model import Feature


class Running(QWidget):
    """Shows the news of the engine; ``cancelled`` when the user has seen enough."""

    cancelled = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title = heading("")
        self.doing = quiet("")
        self.doing.setAccessibleName(self.tr("What is being tested"))
        self.bar = QProgressBar()
        self.bar.setAccessibleName(self.tr("Progress of the check"))
        self.cancel = QPushButton(self.tr("&Cancel"))
        self.cancel.setToolTip(self.tr("Ends the check and shows what was found (Esc)"))
        self.cancel.clicked.connect(self._cancel)
        keys.within(self, Qt.Key.Key_Escape, self._cancel)
        self.features = Features(self)
        self.picture = Picture(self)
        top = QHBoxLayout()
        top.addWidget(self.bar, 1)
        top.addWidget(self.cancel)
        column = scrolled(self)
        column.setContentsMargins(28, 22, 28, 18)
        column.setSpacing(10)
        column.addWidget(self.title)
        column.addLayout(top)
        column.addWidget(self.doing)
        column.addWidget(self.picture)
        column.addWidget(self.features, 1)

    def begin(self, wanted: Wanted) -> None:
        """Nothing is known yet: every feature waits."""
        self.cancel.setEnabled(True)
        self.title.setText(
            self.tr("Checking again what the remedy concerns …")
            if wanted.only
            else self.tr("Checking …")
        )
        depth: plan.Depth = "quick" if wanted.alone else wanted.depth
        self.bar.setRange(0, max(1, plan.make(wanted.profiles, depth, wanted.only).steps))
        self.bar.setValue(0)
        self.doing.setText(self.tr("Looking at this computer's network settings"))
        if wanted.alone:
            self.picture.clear()
        else:
            self.picture.show_path(())
        waiting: Sequence[Feature] = [
            Feature(
                profile=profile.id, feature=spec.id, title=spec.title, verdict="unknown", summary=""
            )
            for profile in wanted.profiles
            for spec in profile.features
        ]
        titles = {profile.id: profile.title for profile in wanted.profiles}
        self.features.show_all(waiting, titles, waiting=True)

    def tell(self, news: News) -> None:
        """Show what is new."""
        if news.progress is not None:
            self.bar.setRange(0, max(1, news.progress.total))
            self.bar.setValue(max(self.bar.value(), news.progress.done))
            self.doing.setText(news.progress.doing)
        for feature in news.features:
            if feature.verdict != "unknown":
                self.features.update_one(feature)
        if news.path:
            self.picture.show_path(news.path)

    def _cancel(self) -> None:
        if self.cancel.isEnabled():
            self.cancel.setEnabled(False)
            self.doing.setText(self.tr("Ending the check"))
            self.cancelled.emit()
