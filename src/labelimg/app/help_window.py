"""The list of keys and of what the mouse does."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from labelimg.app.commands import COMMANDS, MOUSE, Command

_WIDTH = 270


class HelpWindow(QDialog):
    """Shows the list; any of its keys, Esc or a click outside closes it."""

    def __init__(
        self,
        parent: QWidget,
        commands: Sequence[Command] = COMMANDS,
        mouse: Sequence[tuple[str, str]] = MOUSE,
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keys and mouse")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        columns = QHBoxLayout(self)
        columns.setContentsMargins(26, 22, 26, 24)
        columns.setSpacing(44)
        listed = [(", ".join(each.keys), each.hint) for each in commands if each.keys and each.hint]
        columns.addLayout(_table("MOUSE", list(mouse)))
        columns.addLayout(_table("KEYS", listed))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The key that opened it closes it."""
        if event.key() in (Qt.Key.Key_H, Qt.Key.Key_F1, Qt.Key.Key_Q, Qt.Key.Key_Space):
            self.close()
        else:
            super().keyPressEvent(event)


def _table(title: str, rows: list[tuple[str, str]]) -> QVBoxLayout:
    heading = QLabel(title)
    heading.setObjectName("heading")
    grid = QGridLayout()
    grid.setHorizontalSpacing(18)
    grid.setVerticalSpacing(7)
    for row, (keys, hint) in enumerate(rows):
        left, right = QLabel(keys), QLabel(hint)
        left.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop)
        font = left.font()
        font.setBold(True)
        left.setFont(font)
        right.setWordWrap(True)
        right.setFixedWidth(_WIDTH)
        right.setMinimumHeight(right.heightForWidth(_WIDTH))  # a dialog's layout does not ask for it
        grid.addWidget(left, row, 0)
        grid.addWidget(right, row, 1)
    column = QVBoxLayout()
    column.setSpacing(12)
    column.addWidget(heading)
    column.addLayout(grid)
    column.addStretch(1)
    return column
