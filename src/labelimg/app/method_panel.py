"""The panel with the method, a slider for each of its parameters, and how paint and boundaries are shown."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from labelimg.app.icons import icon
from labelimg.segmentatimg.methods import NAMES, make_method, method_class
from labelimg.segmentatimg.methods.base import Field, Method, fields_of

_TICKS = 200
_PAUSE_MS = 60  # between two previews while a slider moves


class Slider(QSlider):
    """A slider that leaves the wheel to what it lies in, for one scrolls past it all the time."""

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Let it pass."""
        event.ignore()


class Choice(QComboBox):
    """A list of choices that shows that it is one; it leaves the wheel to what it lies in, too."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """The chosen word, and an arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        side = 14
        place = QRect(self.width() - side - 6, (self.height() - side) // 2, side, side)
        icon("down").paint(painter, place, mode=QIcon.Mode.Normal if self.isEnabled() else QIcon.Mode.Disabled)
        painter.end()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Let it pass."""
        event.ignore()


class Scale:
    """Places of a slider for the values of a number's range: whole ticks from 0 to `last`."""

    def __init__(self, field: Field) -> None:
        self._field = field
        steps = (field.high - field.low) / field.step if field.step else _TICKS
        self.last = _TICKS if field.log else max(1, min(1000, round(steps)))

    def value(self, tick: int) -> int | float:
        """The value at a tick; rounded to whole numbers, or to three digits."""
        field, share = self._field, tick / self.last
        if field.log:
            # Of a range that begins at 0, as if it began at 1.
            low, high = max(field.low, 1 if field.kind is int else 1e-3), field.high
            value = field.low if tick == 0 else low * (high / low) ** share
        else:
            value = field.low + (field.high - field.low) * share
        if field.kind is int:
            return min(int(field.high), max(int(field.low), round(value)))
        return min(field.high, max(field.low, float(f"{value:.3g}")))

    def tick(self, value: float) -> int:
        """The tick nearest to a value."""
        field = self._field
        if field.log:
            low, high = max(field.low, 1 if field.kind is int else 1e-3), field.high
            return round(self.last * math.log(max(value, low) / low) / math.log(high / low))
        return round(self.last * (value - field.low) / (field.high - field.low))


class Parameter(QWidget):
    """One parameter: its name, its value, and a slider or a list of choices."""

    changed = Signal()  # while it moves
    settled = Signal()

    def __init__(self, field: Field, value: Any) -> None:
        super().__init__()
        self.field = field
        self.setToolTip(f"{field.help} (default {field.default})")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        top = QHBoxLayout()
        top.addWidget(QLabel(field.name.replace("_", " ")), 1)
        column.addLayout(top)
        self.slider: Slider | None = None
        if field.kind is str:
            self.box: Any = Choice()
            self.box.addItems(list(field.choices))
            self.box.setCurrentText(str(value))
            self.box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            self.box.currentTextChanged.connect(self._settle)
            top.addWidget(self.box)
            return
        self.box = QSpinBox() if field.kind is int else QDoubleSpinBox()
        self.box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        if field.kind is float:
            self.box.setDecimals(3 if field.low < 0.1 or (0 < field.step < 0.05) else 2)
        self.box.setRange(field.low, field.high)
        self.box.setValue(value)
        self.box.setFixedWidth(76)
        self.box.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.box.setKeyboardTracking(False)
        self.box.valueChanged.connect(self._typed)
        top.addWidget(self.box)
        self._scale = Scale(field)
        self.slider = Slider()
        self.slider.setRange(0, self._scale.last)
        self.slider.setValue(self._scale.tick(value))
        self.slider.valueChanged.connect(self._slid)
        self.slider.sliderReleased.connect(self._settle)
        column.addWidget(self.slider)

    @property
    def value(self) -> Any:
        """What it stands at."""
        return self.box.currentText() if self.field.kind is str else self.box.value()

    def _slid(self, tick: int) -> None:
        assert self.slider is not None
        with QSignalBlocker(self.box):
            self.box.setValue(self._scale.value(tick))
        self.changed.emit()
        if not self.slider.isSliderDown():
            self.settled.emit()

    def _typed(self, value: float) -> None:
        assert self.slider is not None
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._scale.tick(value))
        self._settle()

    def _settle(self) -> None:
        self.changed.emit()
        self.settled.emit()


class MethodPanel(QScrollArea):
    """Chooses a method and its parameters. `previewed` comes while a slider moves, `chosen` when it rests."""

    previewed = Signal(object)
    chosen = Signal(object)
    paint_opacity = Signal(float)
    edge_opacity = Signal(float)
    level_wanted = Signal(int)

    def __init__(self, method: Method, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._method = method
        self.parameters: list[Parameter] = []
        self.names = Choice()
        self.names.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.names.addItems(list(NAMES))
        self.names.setCurrentText(method.name)
        self.names.currentTextChanged.connect(self._other_method)
        self._fields = QVBoxLayout()
        self._fields.setSpacing(12)
        self.defaults = QPushButton("Back to the defaults")
        self.defaults.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.defaults.clicked.connect(lambda: self._other_method(self._method.name))
        self.paint, paint_row = _opacity("paint", 60)
        self.edges, edge_row = _opacity("boundaries", 50)
        self.paint.valueChanged.connect(lambda value: self.paint_opacity.emit(value / 100))
        self.edges.valueChanged.connect(lambda value: self.edge_opacity.emit(value / 100))
        self.level = Slider()
        self.level.setPageStep(1)
        self.level.setToolTip("Coarser and finer segments: keys [ and ]")
        self.level.valueChanged.connect(self.level_wanted)
        self._level_text = QLabel("")
        self._level_text.setObjectName("faint")
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(14, 8, 14, 14)
        column.setSpacing(10)
        column.addWidget(_heading("METHOD"))
        column.addWidget(self.names)
        column.addLayout(self._fields)
        column.addWidget(self.defaults)
        column.addSpacing(10)
        column.addWidget(_heading("LEVEL"))
        column.addLayout(_labelled("fine to coarse", self._level_text, self.level))
        column.addSpacing(10)
        column.addWidget(_heading("OPACITY"))
        column.addLayout(paint_row)
        column.addLayout(edge_row)
        column.addStretch(1)
        self.setWidget(inside)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE_MS)
        self._timer.timeout.connect(lambda: self.previewed.emit(self._method))
        self._build()

    @property
    def method(self) -> Method:
        """The method with its parameters as they stand."""
        return self._method

    def sizeHint(self) -> QSize:
        """Wide enough for names and values."""
        return QSize(268, 500)

    def show_level(self, level: int, count: int) -> None:
        """Show which of how many levels is in use, 0 the finest."""
        with QSignalBlocker(self.level):
            self.level.setEnabled(count > 1)
            self.level.setRange(0, max(0, count - 1))
            self.level.setValue(level)
        self._level_text.setText(f"{level + 1} of {count}" if count > 1 else "")

    def show_method(self, method: Method) -> None:
        """Show another method without telling anybody."""
        self._method = method
        with QSignalBlocker(self.names):
            self.names.setCurrentText(method.name)
        self._build()

    def _other_method(self, name: str) -> None:
        self.show_method(make_method(name))
        self.chosen.emit(self._method)

    def _build(self) -> None:
        for parameter in self.parameters:
            self._fields.removeWidget(parameter)
            parameter.hide()
            parameter.deleteLater()
        self.parameters = []
        for field in fields_of(type(self._method)):
            parameter = Parameter(field, getattr(self._method, field.name))
            parameter.changed.connect(self._moved)
            parameter.settled.connect(self._rested)
            self._fields.addWidget(parameter)
            self.parameters.append(parameter)

    def _moved(self) -> None:
        values = {parameter.field.name: parameter.value for parameter in self.parameters}
        self._method = method_class(self._method.name)(**values)
        if not self._timer.isActive():
            self._timer.start()

    def _rested(self) -> None:
        self._timer.stop()
        self.chosen.emit(self._method)


def _heading(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("heading")
    return label


def _opacity(name: str, percent: int) -> tuple[Slider, QVBoxLayout]:
    slider, value = Slider(), QLabel(f"{percent} %")
    slider.setRange(0, 100)
    slider.setValue(percent)
    value.setObjectName("faint")
    slider.valueChanged.connect(lambda now: value.setText(f"{now} %"))
    return slider, _labelled(name, value, slider)


def _labelled(name: str, value: QLabel, slider: Slider) -> QVBoxLayout:
    top = QHBoxLayout()
    top.addWidget(QLabel(name), 1)
    top.addWidget(value)
    column = QVBoxLayout()
    column.setSpacing(3)
    column.addLayout(top)
    column.addWidget(slider)
    return column
