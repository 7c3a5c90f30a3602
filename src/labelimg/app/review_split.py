"""The bar by which a cluster is split: a slider over the ways to do it, and what comes of it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSlider

from labelimg.clusterimg.splitting import Cuts
from labelimg.errors import printable


class SplitBar(QFrame):
    """Lies over the page while a cluster is being split. Return splits it, Esc leaves it whole."""

    step_changed = Signal(int)
    accepted = Signal()
    refused = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("bar")
        self._title = QLabel()
        self._title.setObjectName("title")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMinimumWidth(220)
        self.slider.setPageStep(10)
        self.slider.setToolTip("The arrow keys go from one way to split it to the next")
        self._label, self._found = QLabel(), QLabel()
        self._label.setMinimumWidth(112)
        self._found.setObjectName("faint")
        self.split, self.cancel = QPushButton("Split"), QPushButton("Cancel")
        self.split.setDefault(True)
        row = QHBoxLayout(self)
        row.setContentsMargins(18, 9, 18, 9)
        row.setSpacing(14)
        row.addWidget(self._title)
        row.addWidget(self.slider, 1)
        row.addWidget(self._label)
        row.addWidget(self._found)
        row.addWidget(self.cancel)
        row.addWidget(self.split)
        self.slider.valueChanged.connect(self.step_changed)
        self.split.clicked.connect(self.accepted)
        self.cancel.clicked.connect(self.refused)
        self.hide()

    def wait(self, name: str, count: int) -> None:
        """Say that the images of a cluster are being compared."""
        self._title.setText(f"Split {printable(name)}")
        self._label.setText("")
        self._found.setText(f"comparing {count:,} images…")
        self.slider.setEnabled(False)
        self.split.setEnabled(False)
        self.show()
        self.setFocus()

    def offer(self, cuts: Cuts) -> None:
        """Let a way be chosen."""
        self.slider.blockSignals(True)
        self.slider.setRange(0, len(cuts) - 1)
        self.slider.setValue(cuts.first)
        self.slider.blockSignals(False)
        self.slider.setEnabled(True)
        self.split.setEnabled(True)
        self.slider.setFocus()
        self.step_changed.emit(self.slider.value())

    def tell(self, label: str, found: str) -> None:
        """Say what the way is, and what comes of it."""
        self._label.setText(label)
        self._found.setText(found)

    @property
    def found(self) -> str:
        """What it says that comes of it."""
        return self._found.text()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return and Esc."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.split.isEnabled():
            self.accepted.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.refused.emit()
        else:
            super().keyPressEvent(event)
