"""What the picture window shows while no folder is open."""

from __future__ import annotations

import os

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from labelimg.app.icons import icon


class StartPage(QWidget):
    """A button to open a folder, and the folders that were open before."""

    open_wanted = Signal()
    folder_wanted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._column = QVBoxLayout(self)
        self._column.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._column.setSpacing(10)
        title = QLabel("Open a folder of images")
        title.setObjectName("title")
        hint = QLabel("or drop one on this window")
        hint.setObjectName("faint")
        button = QPushButton(icon("open"), "Open folder…")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.clicked.connect(self.open_wanted)
        for widget in (title, hint, button):
            self._column.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        self._recent: list[QWidget] = []

    def show_recent(self, folders: list[str]) -> None:
        """Offer these folders."""
        for widget in self._recent:
            self._column.removeWidget(widget)
            widget.deleteLater()
        self._recent = []
        if folders:
            heading = QLabel("RECENT")
            heading.setObjectName("heading")
            heading.setContentsMargins(0, 18, 0, 0)
            self._column.addWidget(heading, 0, Qt.AlignmentFlag.AlignHCenter)
            self._recent.append(heading)
        for folder in folders[:5]:
            button = QPushButton(os.path.basename(folder.rstrip("/")) or folder)
            button.setToolTip(folder)
            button.setFlat(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, folder=folder: self.folder_wanted.emit(folder))
            self._column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
            self._recent.append(button)
