"""What is kept from one sitting to the next: window places, recent folders, the theme, opacities."""

from __future__ import annotations

import os

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow, QWidget

from labelimg.app.theme import Choice

_RECENT = 8


class Settings:
    """The user's settings file. A value in it that cannot be is the same as none."""

    def __init__(self, name: str = "segment") -> None:
        # An INI file in the user's configuration folder on every system.
        self._kept = QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "labelimg", name)

    @property
    def recent(self) -> list[str]:
        """Folders that were opened, the last first."""
        found = self._kept.value("recent", [])
        listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
        return [str(folder) for folder in listed if folder][:_RECENT]

    def add_recent(self, folder: str) -> None:
        """A folder was opened."""
        rest = [each for each in self.recent if os.path.realpath(each) != os.path.realpath(folder)]
        self._kept.setValue("recent", [folder, *rest][:_RECENT])

    @property
    def theme(self) -> Choice:
        """The theme that was chosen."""
        found = self._kept.value("theme", "system")
        return found if found in ("light", "dark") else "system"

    @theme.setter
    def theme(self, choice: Choice) -> None:
        self._kept.setValue("theme", choice)

    def percent(self, name: str, default: int) -> int:
        """A value from 0 to 100."""
        try:
            return min(100, max(0, int(str(self._kept.value(name, default)))))
        except ValueError:
            return default

    def set_percent(self, name: str, value: int) -> None:
        """Keep a value from 0 to 100."""
        self._kept.setValue(name, value)

    def keep_place(self, name: str, window: QWidget) -> None:
        """Keep where a window is, and how its panels are arranged."""
        self._kept.setValue(f"{name}/geometry", window.saveGeometry())
        if isinstance(window, QMainWindow):
            self._kept.setValue(f"{name}/panels", window.saveState())

    def restore_place(self, name: str, window: QWidget) -> bool:
        """Bring a window to where it was; whether that is known."""
        geometry = self._kept.value(f"{name}/geometry")
        if isinstance(window, QMainWindow):
            panels = self._kept.value(f"{name}/panels")
            if isinstance(panels, QByteArray):
                window.restoreState(panels)
        return isinstance(geometry, QByteArray) and window.restoreGeometry(geometry)

    def sync(self) -> None:
        """Write the file now."""
        self._kept.sync()
