"""The line in which the name of a cluster's folder is changed, over its heading."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QWidget

_ELSEWHERE = (Qt.FocusReason.MouseFocusReason, Qt.FocusReason.TabFocusReason)


class NameEditor(QLineEdit):
    """Return tells the name and stays, for it may be refused; a click elsewhere tells it and ends; Esc ends alone."""

    entered = Signal(str)
    left = Signal()

    def __init__(self, over: QWidget, name: str, place: QRect) -> None:
        super().__init__(name, over)
        self._ended = False
        self.setGeometry(place)
        self.selectAll()
        self.returnPressed.connect(lambda: self.entered.emit(self.text()))
        self.show()
        self.setFocus()

    def finish(self) -> None:
        """Be no more."""
        if not self._ended:
            self._ended = True
            self.hide()
            self.deleteLater()
            self.left.emit()

    def event(self, event: QEvent) -> bool:
        """Keys are letters here, not commands."""
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Esc leaves the name as it was."""
        if event.key() == Qt.Key.Key_Escape:
            self.finish()
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """A click elsewhere is taken for the end of it."""
        super().focusOutEvent(event)
        if event.reason() in _ELSEWHERE and not self._ended:
            name = self.text()
            self.finish()
            self.entered.emit(name)
