"""Start: what should work, where to test, and one large button."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFocusEvent, QMouseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QRadioButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from netcheck.gui import keys
from netcheck.gui.words import SENT_OVER_THE_NETWORK, copyable, heading, quiet
from netcheck.prepared import Wanted
from netcheck.profile import Profile
from probes.errors import LinkError
from probes.wire import link
from probes.wire.link import Link


class Start(QWidget):
    """Asks for a check: ``wanted`` carries a Wanted."""

    wanted = Signal(Wanted)

    def __init__(
        self,
        profiles: Sequence[Profile],
        servers: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._profiles = tuple(profiles)
        self._cards = Cards(self._profiles, self)
        self._where = Where(servers, self)
        self.go = QPushButton(self.tr("&Check now"))
        self.go.setDefault(True)
        self.go.setObjectName("go")
        self.go.setMinimumWidth(220)
        self.go.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        font = self.go.font()
        font.setPointSizeF(font.pointSizeF() * 1.3)
        self.go.setFont(font)
        self.go.clicked.connect(self.begin)
        self._what = copyable(QLabel(QCoreApplication.translate("Start", SENT_OVER_THE_NETWORK)))
        self._what.setWordWrap(True)
        self._what.hide()
        self._ask = QPushButton(self.tr("&What is sent over the network?"))
        self._ask.setFlat(True)
        self._ask.setCheckable(True)
        self._ask.toggled.connect(self._what.setVisible)
        self._lay_out()
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            keys.within(self, key, self.begin)
        self._where.changed.connect(self._look)
        self._look()

    def _lay_out(self) -> None:
        column = QVBoxLayout()
        column.setSpacing(14)
        column.addWidget(heading(self.tr("What should work?")))
        column.addWidget(self._cards)
        column.addSpacing(8)
        column.addWidget(heading(self.tr("Where to test"), size=1.15))
        column.addWidget(self._where)
        row = QHBoxLayout()
        row.addWidget(self.go)
        row.addStretch()
        row.addWidget(self._ask)
        column.addSpacing(8)
        column.addLayout(row)
        column.addWidget(self._what)
        column.addStretch()
        inner = QWidget()
        inner.setLayout(column)
        inner.setMaximumWidth(820)
        middle = QWidget()
        centred = QHBoxLayout(middle)
        centred.setContentsMargins(32, 28, 32, 28)
        centred.addStretch(1)
        centred.addWidget(inner, 8)
        centred.addStretch(1)
        scroll = QScrollArea()  # large fonts need more room than a small screen has
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setWidget(middle)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)

    def choose(self, profiles: Sequence[str]) -> None:
        """Select the card of these profiles, as last time."""
        self._cards.choose(frozenset(profiles))

    def point_at(self, server: str) -> None:
        """Fill in the server, as last time; empty: this computer only."""
        self._where.point_at(server)

    def ask_for_server(self) -> None:
        """Wait for the user to name one."""
        self._where.ask()

    @property
    def server(self) -> str:
        """What stands in the field; empty for this computer only."""
        return self._where.server

    @property
    def chosen(self) -> tuple[Profile, ...]:
        return self._cards.chosen

    def remember(self, servers: Sequence[str]) -> None:
        self._where.remember(servers)

    def begin(self) -> None:
        """Ask for the check, if what was typed can be understood."""
        if self._where.wrong:
            self._where.field.setFocus()
            return
        self.wanted.emit(Wanted(profiles=self.chosen, link=self._where.link))

    def _look(self) -> None:
        self.go.setEnabled(not self._where.wrong)


CARDS_IN_A_ROW = 3


class Cards(QWidget):
    """One card for each profile in its user's words, and one for all."""

    def __init__(self, profiles: tuple[Profile, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._sets: list[tuple[Profile, ...]] = []
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(12)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        offered: list[tuple[tuple[Profile, ...], str, str]] = [
            ((profile,), profile.title, profile.summary) for profile in profiles
        ]
        if len(profiles) > 1:
            every = (
                self.tr("Both") if len(profiles) == 2 else self.tr("All of them"),
                self.tr("All of this in one check"),
            )
            offered.append((profiles, *every))
        for number, (chosen, title, summary) in enumerate(offered):
            card = Card(title, summary, self)
            self._group.addButton(card.button, number)
            self._sets.append(chosen)
            grid.addWidget(card, number // CARDS_IN_A_ROW, number % CARDS_IN_A_ROW)
            grid.setColumnStretch(number % CARDS_IN_A_ROW, 1)
        self._group.button(len(offered) - 1).setChecked(True)

    @property
    def chosen(self) -> tuple[Profile, ...]:
        return self._sets[self._group.checkedId()]

    def choose(self, ids: frozenset[str]) -> None:
        for number, profiles in enumerate(self._sets):
            if ids == {profile.id for profile in profiles}:
                self._group.button(number).setChecked(True)


class Card(QFrame):
    """A radio button with room to say what it is for; all of it can be clicked."""

    def __init__(self, title: str, summary: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.button = QRadioButton(title)
        self.button.setAccessibleDescription(summary)
        font = self.button.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.1)
        self.button.setFont(font)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 12, 14, 12)
        column.addWidget(self.button)
        column.addWidget(quiet(summary), 1, Qt.AlignmentFlag.AlignTop)
        margins = column.contentsMargins()
        needed = self.button.sizeHint().width() + margins.left() + margins.right() + 4  # border
        self.setMinimumWidth(max(160, needed))
        self.button.toggled.connect(self._show_choice)
        self._show_choice(False)

    def _show_choice(self, chosen: bool) -> None:
        self.setProperty("chosen", chosen)
        # Tab comes to the card that is chosen, and the arrows lead to the others.
        focus = Qt.FocusPolicy.StrongFocus if chosen else Qt.FocusPolicy.ClickFocus
        self.button.setFocusPolicy(focus)
        self.style().unpolish(self)
        self.style().polish(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.button.setChecked(True)
        self.button.setFocus(Qt.FocusReason.MouseFocusReason)
        super().mousePressEvent(event)


HINT_WIDTH = 420
"""Pixels: as narrow as labels may be, a sentence would ask for a column of single words, and the
page would scroll for room that nobody sees."""


class Where(QWidget):
    """The echo server, checked as it is typed, or this computer only."""

    changed = Signal()

    def __init__(self, servers: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._against = QRadioButton(self.tr("My network, with the help of an &echo server"))
        self._alone = QRadioButton(self.tr("&This computer only"))
        self.alone_hint = quiet(
            self.tr(
                "Shows whether programs or a firewall on this computer are in the way. Says nothing"
                " about your network."
            )
        )
        self._alone.setAccessibleDescription(self.alone_hint.text())
        self.field = QComboBox()
        self.field.setEditable(True)
        self.field.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self.field.setAccessibleName(self.tr("Echo server"))
        self.field.view().setAccessibleName(self.tr("Echo servers used before"))
        edit = self.field.lineEdit()
        assert edit is not None
        edit.setPlaceholderText(self.tr("A link from your helpdesk, a domain, or a server's name"))
        self.field.setToolTip(
            self.tr("An echo server is netcheck on another computer, which answers and calls back")
        )
        edit.setAccessibleName(self.field.accessibleName())
        edit.setClearButtonEnabled(True)
        edit.installEventFilter(self)
        self.hint = copyable(quiet(""))
        self.hint.setObjectName("hint")
        for explained in (self.hint, self.alone_hint):
            explained.setMinimumWidth(HINT_WIDTH)
        self._edit = edit
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._against)
        column.addWidget(self.field)
        column.addWidget(self.hint)
        column.addSpacing(6)
        column.addWidget(self._alone)
        column.addWidget(self.alone_hint)
        self.remember(servers)
        (self._against if servers else self._alone).setChecked(True)
        self._against.toggled.connect(self._look)
        self.field.editTextChanged.connect(self._typed)
        self._look()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        # A click into the field means it; Tab only passes by.
        by_mouse = Qt.FocusReason.MouseFocusReason
        if isinstance(event, QFocusEvent) and event.gotFocus() and event.reason() == by_mouse:
            self._against.setChecked(True)
        return super().eventFilter(watched, event)

    def remember(self, servers: Sequence[str]) -> None:
        text = self.field.currentText()
        self.field.clear()
        self.field.addItems(list(dict.fromkeys(servers)))
        self.field.setEditText(text or next(iter(servers), ""))

    def point_at(self, server: str) -> None:
        self.field.setEditText(server)
        (self._against if server else self._alone).setChecked(True)

    def ask(self) -> None:
        self.field.setEditText("")
        self._against.setChecked(True)
        self.field.setFocus()

    @property
    def server(self) -> str:
        return self.field.currentText().strip() if self._against.isChecked() else ""

    @property
    def link(self) -> Link | None:
        """None for this computer only.  Raises LinkError."""
        return link.parse(self.server) if self._against.isChecked() else None

    @property
    def wrong(self) -> str:
        """What is wrong with what was typed, in one sentence; empty if nothing is."""
        try:
            _ = self.link
        except LinkError as error:
            return str(error)
        return ""

    def _typed(self) -> None:
        self._against.setChecked(True)
        self._look()

    def _look(self) -> None:
        alone = self._alone.isChecked()
        self.field.setEnabled(True)
        if alone or not self.server:
            said = self.tr(
                "Paste the link that your helpdesk gave you, or type a name. An echo server is"
                " netcheck on another computer, which answers this one and calls it back."
            )
        elif self.wrong:
            said = self.wrong
        else:
            said = self._understood(link.parse(self.server))
        self.hint.setText(said)
        self.hint.setProperty("wrong", bool(self.wrong and self.server))
        self.hint.style().polish(self.hint)
        self.changed.emit()

    def _understood(self, parsed: Link) -> str:
        if parsed.fingerprint:
            said = self.tr("%1, which must prove itself by the fingerprint in the link.")
        elif parsed.ports or link.is_address(parsed.host):
            said = self.tr("%1, if this computer trusts its certificate.")
        else:
            said = self.tr("The echo server of the domain %1, or %1 itself if it names none.")
        return said.replace("%1", parsed.host)
