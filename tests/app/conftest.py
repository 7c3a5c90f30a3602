"""The windows, offscreen: real events go in; pixels and files are looked at. Qt's warnings and leaks fail a test."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QPoint, QPointF, QSettings, Qt, qInstallMessageHandler
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from labelimg.app import theme
from labelimg.app.controller import Controller
from labelimg.app.opening import Wishes
from labelimg.segmentatimg.methods import make_method
from pictures import photograph, save

# What the offscreen platform says of things that it cannot do and windows may ask for.
_HARMLESS = ("This plugin does not support",)
RED, BLUE = (204, 0, 0), (31, 119, 208)


@pytest.fixture(scope="session")
def qt() -> Iterator[QApplication]:
    app = QApplication.instance() or QApplication(["labelimg"])
    assert isinstance(app, QApplication)
    app.setQuitOnLastWindowClosed(False)
    theme.apply(app, "dark")
    yield app


@pytest.fixture(autouse=True)
def clean(qt: QApplication, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Settings of its own; no warning of Qt's, and no widget is left over."""
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path_factory.mktemp("settings")))
    said: list[str] = []
    qInstallMessageHandler(lambda kind, context, text: said.append(text))
    yield
    for _ in range(3):
        gc.collect()
        qt.sendPostedEvents(None, 52)  # QEvent.DeferredDelete
        qt.processEvents()
    qInstallMessageHandler(None)
    complaints = [text for text in said if not text.startswith(_HARMLESS)]
    assert not complaints, f"Qt warns: {complaints}"
    left = [widget for widget in qt.topLevelWidgets() if not _is_qts_own(widget)]
    names = [f"{type(widget).__name__} {widget.windowTitle()!r}" for widget in left]
    for widget in left:
        widget.deleteLater()
    assert not names, f"widgets were left over: {names}"


def _is_qts_own(widget: QWidget) -> bool:
    return type(widget) is QWidget and widget.objectName() == "" and not widget.isVisible() and widget.parent() is None


class Sitting:
    """A person in front of the windows."""

    def __init__(self, controller: Controller, app: QApplication) -> None:
        self.controller, self.app = controller, app
        self.window, self.colours, self.canvas = controller.window, controller.colours, controller.window.canvas

    # ------------------------------------------------------------------------------------------ what there is

    @property
    def picture(self) -> Any:
        return self.controller.picture

    @property
    def painting(self) -> Any:
        return self.picture.painting

    @property
    def row(self) -> int:
        return int(self.picture.row)

    @property
    def paint(self) -> np.ndarray:
        return np.array(self.painting.paint)

    @property
    def message(self) -> str:
        return self.window.message.text

    def until(self, true: Callable[[], object], seconds: float = 60, what: str = "") -> None:
        """Let events happen until something is true."""
        end = time.monotonic() + seconds
        while not true():
            self.app.processEvents()
            time.sleep(0.002)
            assert time.monotonic() < end, f"did not come: {what or true}; the message says {self.message!r}"
        self.app.processEvents()

    def ready(self) -> None:
        """Wait until the picture in sight can be painted on."""
        self.until(lambda: self.picture and self.picture.complete and not self.picture.busy, what="a painting")
        self.settle()

    def saved(self) -> None:
        """Wait until nothing is being saved."""
        self.until(lambda: not self.controller.session.saving, what="saving")

    def settle(self) -> None:
        for _ in range(4):
            self.app.processEvents()

    # ------------------------------------------------------------------------------------------ the hand

    def at(self, x: float, y: float) -> QPoint:
        """The window point in the middle of an image pixel."""
        px, py = self.canvas.view.to_window((x + 0.5, y + 0.5))
        return QPoint(round(px), round(py))

    def on_screen(self, x: float, y: float) -> QPoint:
        """The pixel of what the canvas shows in the middle of an image pixel; a dense screen has more than points."""
        px, py = self.canvas.view.to_window((x + 0.5, y + 0.5))
        ratio = self.canvas.devicePixelRatioF()
        return QPoint(int(px * ratio), int(py * ratio))

    def move(self, x: float, y: float) -> None:
        QTest.mouseMove(self.canvas, self.at(x, y))
        self.app.processEvents()

    def click(self, x: float, y: float, button: str = "left") -> None:
        self.move(x, y)
        QTest.mouseClick(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, self.at(x, y))
        self.app.processEvents()

    def double(self, x: float, y: float, button: str = "left") -> None:
        """A press, a release, a double click, a release, as a mouse does it."""
        self.move(x, y)
        at = self.at(x, y)
        QTest.mousePress(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, at)
        QTest.mouseRelease(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, at)
        QTest.mouseDClick(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, at)
        self.app.processEvents()

    def drag(self, *points: tuple[float, float], button: str = "left") -> None:
        self.move(*points[0])
        QTest.mousePress(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, self.at(*points[0]))
        for point in points[1:]:
            QTest.mouseMove(self.canvas, self.at(*point))
        QTest.mouseRelease(self.canvas, _BUTTONS[button], Qt.KeyboardModifier.NoModifier, self.at(*points[-1]))
        self.app.processEvents()

    def wheel(self, x: float, y: float, steps: int, *, ctrl: bool = False) -> None:
        modifiers = Qt.KeyboardModifier.ControlModifier if ctrl else Qt.KeyboardModifier.NoModifier
        at = QPointF(self.at(x, y))
        event = QWheelEvent(
            at,
            self.canvas.mapToGlobal(at),
            QPoint(),
            QPoint(0, 120 * steps),
            Qt.MouseButton.NoButton,
            modifiers,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        self.app.sendEvent(self.canvas, event)
        self.app.processEvents()

    def key(self, key: str | Qt.Key, *, shift: bool = False, on: QWidget | None = None) -> None:
        modifiers = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        QTest.keyClick(on or self.canvas, key, modifiers)
        self.app.processEvents()

    # ------------------------------------------------------------------------------------------ the eye

    def colour_at(self, x: float, y: float) -> tuple[int, int, int]:
        """The colour that the canvas shows in the middle of an image pixel."""
        self.settle()
        colour = QColor(self.canvas.grab().toImage().pixel(self.on_screen(x, y)))
        return colour.red(), colour.green(), colour.blue()

    def pixels(self) -> np.ndarray:
        """What the canvas shows: (h, w, 3)."""
        self.settle()
        image = self.canvas.grab().toImage().convertToFormat(self.canvas.grab().toImage().Format.Format_RGB888)
        rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
        return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()

    def close(self) -> None:
        """End without a question."""
        self.controller.leaving.box = None
        if self.controller.session is not None:
            self.saved()
        self.controller._close()
        self.settle()


_BUTTONS = {
    "left": Qt.MouseButton.LeftButton,
    "middle": Qt.MouseButton.MiddleButton,
    "right": Qt.MouseButton.RightButton,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs."""
    for name, photo in (("a", "coffee"), ("b", "chelsea"), ("c", "rocket")):
        save(tmp_path / "photos" / f"{name}.png", photograph(photo))
    return tmp_path / "photos"


@pytest.fixture
def start(qt: QApplication) -> Iterator[Callable[..., Sitting]]:
    """Begins a sitting in a folder, or none; all are ended."""
    begun: list[Sitting] = []

    def begin(folder: Path | None = None, *, wait: bool = True, **wishes: Any) -> Sitting:
        wishes.setdefault("ahead", 0)
        method = wishes.pop("method", make_method("superpixel", region_size=16))
        controller = Controller(Wishes(method, **wishes))
        controller.window.resize(900, 620)
        controller.show()
        sitting = Sitting(controller, qt)
        begun.append(sitting)
        if folder is not None:
            controller.open(str(folder))
            if wait:
                sitting.ready()
                sitting.canvas.setFocus()
        QTest.qWaitForWindowExposed(controller.window)
        controller.window.activateWindow()
        sitting.settle()
        return sitting

    yield begin
    for sitting in begun:
        if not sitting.window.may_close:
            sitting.close()
        sitting.window.deleteLater()


@pytest.fixture
def sitting(start: Callable[..., Sitting], folder: Path) -> Sitting:
    """In the folder of three photographs, the first ready to be painted on."""
    return start(folder)
