"""The questions of a review: what will be moved, to which cluster, and what becomes of changes that are not applied."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QObject, QStringListModel, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QLineEdit,
    QListView,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from labelimg.clusterimg.review import Move
from labelimg.errors import printable

_WHAT_HAPPENS = {
    "copy": "The files are renamed within the result; your originals stay as they are.",
    "move": "The files are renamed within the result.",
    "none": "Only tables change; your originals stay as they are.",
}


def count_of(number: int, what: str) -> str:
    """A number of things in words.

    >>> count_of(1, "image"), count_of(1200, "image")
    ('1 image', '1,200 images')
    """
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class ApplyDialog(QDialog):
    """Shows every image that will be moved, and asks whether to do it."""

    def __init__(self, parent: QWidget, moves: Sequence[Move], transfer: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Apply changes")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(640, 460)
        count = "1 image goes" if len(moves) == 1 else f"{len(moves):,} images go"
        title = QLabel(f"{count} to another cluster")
        title.setObjectName("title")
        into = Counter(move.after for move in moves)
        told = [f"{number:,} to {printable(name)}" for name, number in into.most_common(6)]
        if len(into) > 6:
            told.append(f"the rest to {len(into) - 6:,} more")
        summary = QLabel(f"{', '.join(told)}. {_WHAT_HAPPENS.get(transfer, _WHAT_HAPPENS['copy'])}")
        summary.setWordWrap(True)
        summary.setObjectName("faint")
        self.list = QPlainTextEdit(
            "\n".join(f"{printable(m.image)}:  {printable(m.before)}  →  {printable(m.after)}" for m in moves)
        )
        self.list.setReadOnly(True)
        self.list.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        buttons = QDialogButtonBox()
        self.apply = buttons.addButton("Apply", QDialogButtonBox.ButtonRole.AcceptRole)
        self.apply.setDefault(True)
        buttons.addButton("Cancel", QDialogButtonBox.ButtonRole.RejectRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(10)
        for widget in (title, summary, self.list, buttons):
            column.addWidget(widget)
        self.apply.setFocus()


class NameDialog(QDialog):
    """Lets a cluster be chosen by its name: type a part of it, arrows and Return."""

    chosen = Signal(object)

    def __init__(self, parent: QWidget, title: str, names: Sequence[str], *, new: bool) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(380, 420)
        self._names, self._new = list(names), new
        self._found: list[str] = []
        self.line = QLineEdit()
        self.line.setPlaceholderText("Name of a cluster, or of a new one" if new else "Name of a cluster")
        self._shown = QStringListModel(self)
        self.list = QListView()
        self.list.setModel(self._shown)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setUniformItemSizes(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(14, 14, 14, 14)
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.line.textChanged.connect(self._filter)
        self.line.installEventFilter(self)
        self.line.returnPressed.connect(self._choose)
        self.list.clicked.connect(lambda _: self._choose())
        self._filter("")
        self.line.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows in the line go through the list."""
        if isinstance(event, QKeyEvent) and event.type() == QEvent.Type.KeyPress:
            by = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()), 0)
            if by:
                row = min(max(self.list.currentIndex().row() + by, 0), self._shown.rowCount() - 1)
                self.list.setCurrentIndex(self._shown.index(row))
                return True
        return super().eventFilter(watched, event)

    def _filter(self, text: str) -> None:
        wanted = text.strip().casefold()
        self._found = [name for name in self._names if wanted in printable(name).casefold()]
        exact = any(name.casefold() == wanted for name in self._names)
        if self._new and wanted and not exact:
            self._found.append(text.strip())
        self._shown.setStringList([printable(name) for name in self._found])
        if self._found:
            self.list.setCurrentIndex(self._shown.index(0))

    def _choose(self) -> None:
        row = self.list.currentIndex().row()
        if row >= 0:
            name = self._found[row]
            self.accept()
            self.chosen.emit(name)


def ask_leaving(
    parent: QWidget,
    count: int,
    *,
    apply: Callable[[], object],
    leave: Callable[[], object],
    discard: Callable[[], object],
) -> QMessageBox:
    """Ask once what becomes of changes that are not applied."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle("Changes that are not applied")
    box.setText(f"<b>{count:,} {'image is' if count == 1 else 'images are'} not in the new cluster's folder yet.</b>")
    box.setInformativeText("What you keep for later is there again when you review this result the next time.")
    buttons = {
        box.addButton("Apply", QMessageBox.ButtonRole.AcceptRole): apply,
        box.addButton("Keep for later", QMessageBox.ButtonRole.ActionRole): leave,
        box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole): discard,
    }
    stay = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    first = next(iter(buttons))
    assert isinstance(first, QPushButton) and isinstance(stay, QPushButton)
    box.setDefaultButton(first)
    box.setEscapeButton(stay)

    def answered(button: QAbstractButton) -> None:
        for each, act in buttons.items():
            if each is button:
                act()

    box.buttonClicked.connect(answered)
    box.open()
    return box


def ask_discarding(parent: QWidget, count: int, discard: Callable[[], object]) -> QMessageBox:
    """Ask whether changes are really to be forgotten."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.NoIcon)
    box.setWindowTitle("Discard changes")
    box.setText(f"<b>Forget all changes that were not applied ({count:,} {'image' if count == 1 else 'images'})?</b>")
    box.setInformativeText("They cannot be undone afterwards. What was applied stays.")
    yes = box.addButton("Discard", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton("Cancel", QMessageBox.ButtonRole.RejectRole)
    assert isinstance(stay, QPushButton)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    box.buttonClicked.connect(lambda button: discard() if button is yes else None)
    box.open()
    return box
