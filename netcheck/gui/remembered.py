"""What the window remembers from one time to the next; whatever stands there, it can be read."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QWidget

SERVERS_KEPT = 8
"""Servers that the field offers again."""


class Remembered:
    """Of the last check what was asked for, and of the window where it was."""

    def __init__(self, settings: QSettings) -> None:
        self._settings = settings

    @property
    def servers(self) -> list[str]:
        """As they were typed, the last one first."""
        return self._list("servers")[:SERVERS_KEPT]

    @property
    def profiles(self) -> list[str]:
        """Their ids."""
        return self._list("profiles")

    @property
    def alone(self) -> bool:
        """Whether the last check was of this computer only."""
        return bool(self._settings.value("alone", False, type=bool))

    def asked(self, server: str, profiles: Sequence[str]) -> None:
        """``server`` is empty where this computer only was asked for."""
        servers = list(dict.fromkeys([server, *self.servers] if server else self.servers))
        self._settings.setValue("servers", servers)
        self._settings.setValue("alone", not server)
        self._settings.setValue("profiles", list(profiles))

    def place(self, window: QWidget) -> None:
        """Put the window where it was, if that is known and there is such a place."""
        geometry = self._settings.value("geometry")
        if not isinstance(geometry, QByteArray) or not window.restoreGeometry(geometry):
            window.resize(1080, 760)

    def left(self, window: QWidget) -> None:
        """Where it is now; written at once, as the program may end at once."""
        self._settings.setValue("geometry", window.saveGeometry())
        self._settings.sync()

    def _list(self, key: str) -> list[str]:
        kept = self._settings.value(key, [])  # a list of one comes back as its entry
        entries = kept if isinstance(kept, list) else [kept]
        return [str(entry) for entry in entries if entry]
