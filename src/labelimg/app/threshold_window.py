"""The window to choose a threshold in: the curve, what the threshold gives, and the pairs at it as pictures."""

from __future__ import annotations

import os

import numpy as np
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from labelimg.app.threshold_curve import CurveView
from labelimg.app.threshold_pairs import Pair, PairsView
from labelimg.app.threshold_pictures import Thumbnails
from labelimg.clusterimg.sampling import Sampled
from labelimg.clusterimg.threshold import curve_of

_PAIRS = 2
_THUMBNAIL = 320
_STEP = 0.005
_LARGE_STEP = 10


class ThresholdWindow(QWidget):
    """Lets a threshold be chosen. `done` tells it, None where the window was left without one."""

    done = Signal(object)

    def __init__(self, sampled: Sampled) -> None:
        super().__init__()
        self._sampled = sampled
        value = sampled.suggestion.threshold
        steps = np.unique(np.append(np.round(np.arange(round(1 / _STEP) + 1) * _STEP, 4), value))
        self._curve = curve_of(sampled.similarities, thresholds=steps)
        self._order = np.argsort(sampled.similarities.values, kind="stable")
        self._rising = sampled.similarities.values[self._order]
        self._chosen = self._shown = self._curve.place(value)
        self._answered = False
        self.setWindowTitle(f"Choose a threshold for {sampled.method.name}")
        self.setObjectName("threshold")
        self.view = CurveView(self._curve, self._chosen)
        self.thumbnails = Thumbnails(_THUMBNAIL, self)
        self.above = PairsView("Just above: these are put together", self.thumbnails, _PAIRS)
        self.below = PairsView("Just below: these are kept apart", self.thumbnails, _PAIRS)
        self._value = QLabel()
        self._value.setObjectName("title")
        self._numbers = [QLabel() for _ in range(6)]
        self.accept = QPushButton()
        self.accept.setDefault(True)
        self.leave = QPushButton("Leave")
        self._lay_out()
        self.view.hovered.connect(lambda place: self._show(self._chosen if place < 0 else place))
        self.view.clicked.connect(self.choose)
        self.accept.clicked.connect(lambda: self._answer(self.threshold))
        self.leave.clicked.connect(lambda: self._answer(None))
        for button in (self.accept, self.leave):
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.choose(self._chosen)

    @property
    def threshold(self) -> float:
        """The one that is chosen."""
        return float(self._curve.thresholds[self._chosen])

    @property
    def shown(self) -> float:
        """The one whose numbers and pairs are shown."""
        return float(self._curve.thresholds[self._shown])

    @property
    def numbers(self) -> list[str]:
        """Pairs, images in clusters and clusters, of the sample and of all, as they are shown."""
        return [label.text() for label in self._numbers]

    def choose(self, place: int) -> None:
        """Choose the curve's threshold of this place."""
        self._chosen = min(len(self._curve.thresholds) - 1, max(0, place))
        self.view.choose(self._chosen)
        self.accept.setText(f"Use {self.threshold:.4g}")
        self._show(self._chosen)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrow keys step, Enter accepts, Esc leaves."""
        steps = {
            Qt.Key.Key_Up: 1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Down: -1,
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_PageUp: _LARGE_STEP,
            Qt.Key.Key_PageDown: -_LARGE_STEP,
        }
        key = Qt.Key(event.key())
        if key in steps:
            self.choose(self._chosen + steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._answer(self.threshold)
        elif key == Qt.Key.Key_Escape:
            self._answer(None)
        else:
            super().keyPressEvent(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing the window leaves it."""
        self._answer(None)
        event.accept()

    def _answer(self, value: float | None) -> None:
        if not self._answered:
            self._answered = True
            self.thumbnails.close()
            self.done.emit(value)

    def _show(self, place: int) -> None:
        self._shown = place
        curve = self._curve
        self._value.setText(f"Threshold {self.shown:.4g}")
        of_sample = (curve.pairs, curve.clustered, curve.clusters)
        of_all = (curve.expected_pairs, curve.expected_clustered, curve.expected_clusters)
        for label, values in zip(self._numbers, (*of_sample, *of_all), strict=True):
            label.setText(f"{float(values[place]):,.0f}")
        above, below = self._pairs(self.shown)
        self.above.show_pairs(above)
        self.below.show_pairs(below)
        self.thumbnails.want([path for pair in above + below for path in (pair.first, pair.second)])

    def _pairs(self, threshold: float) -> tuple[list[Pair], list[Pair]]:
        """The pairs just above the threshold, the nearest first, and those just below or at it."""
        place = int(np.searchsorted(self._rising, threshold, side="right"))
        above = self._order[place : place + _PAIRS]
        below = self._order[max(0, place - _PAIRS) : place][::-1]
        return [self._pair(int(k)) for k in above], [self._pair(int(k)) for k in below]

    def _pair(self, place: int) -> Pair:
        i, j = (int(each[0]) for each in self._sampled.similarities.pair(np.array([place])))
        first, second = self._sampled.paths[i], self._sampled.paths[j]
        names = " and ".join(os.path.relpath(path, self._sampled.root) for path in (first, second))
        return Pair(first, second, names, float(self._sampled.similarities.values[place]))

    def _lay_out(self) -> None:
        card = QFrame()
        card.setObjectName("card")
        grid = QGridLayout(card)
        grid.setContentsMargins(14, 10, 14, 10)
        grid.addWidget(self._value, 0, 0)
        heads = ("similar pairs", "images in clusters", "clusters")
        sample, count = self._curve.sample, self._curve.count
        rows = (f"in the sample of {sample:,}", f"in all {count:,}, about" if count > sample else f"in all {count:,}")
        for column, text in enumerate(heads):
            grid.addWidget(_faint(text), 0, column + 1, Qt.AlignmentFlag.AlignRight)
        for row, text in enumerate(rows):
            grid.addWidget(_faint(text), row + 1, 0)
            for column in range(3):
                grid.addWidget(self._numbers[3 * row + column], row + 1, column + 1, Qt.AlignmentFlag.AlignRight)
        found = self._sampled.suggestion
        reason = _faint(f"Suggested: {found.threshold:.4g}. {found.reason[:1].upper()}{found.reason[1:]}.")
        reason.setWordWrap(True)
        left = QVBoxLayout()
        left.setSpacing(10)
        left.addWidget(self.view, 1)
        left.addWidget(card)
        left.addWidget(reason)
        buttons = QHBoxLayout()
        buttons.addWidget(_faint("Point: look · click: choose · arrows: step · Enter: use · Esc: leave"), 1)
        buttons.addWidget(self.leave)
        buttons.addWidget(self.accept)
        right = QVBoxLayout()
        right.addWidget(self.above)
        right.addWidget(self.below)
        right.addStretch(1)
        columns = QHBoxLayout()
        columns.setSpacing(16)
        columns.addLayout(left, 3)
        columns.addLayout(right, 2)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 16, 16, 12)
        whole.addLayout(columns, 1)
        whole.addLayout(buttons)
        self.resize(1120, 660)


def _faint(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("faint")
    label.setTextFormat(Qt.TextFormat.PlainText)
    return label
