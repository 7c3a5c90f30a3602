"""Pictures of the windows for the README, in a light and a dark theme: `make screenshots`.

python benchmarks/screenshots.py PHOTOS docs/images
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PIL import Image
from PySide6.QtCore import QPoint, QRect, Qt, qInstallMessageHandler
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from labelimg.app.controller import Controller
from labelimg.app.opening import Wishes
from labelimg.segmentatimg.methods import make_method

CHOSEN = ("IMG_0135.png", "scan_504.png", "holiday_728.png", "DSC00356.jpg", "summer 2024 (101).jpg", "DSC00004.jpg")
CLASSES = ("building", "sky", "trees", "people")


class Studio:
    """The windows, a hand, and a camera."""

    def __init__(self, photos: Path) -> None:
        self.app = QApplication.instance() or QApplication(["labelimg"])
        self.controller = Controller(Wishes(make_method("superpixel", region_size=24), ahead=1))
        self.controller.settings.theme = "dark"
        self.controller.window.resize(1320, 820)
        self.controller.show()
        self.controller.open(str(photos))
        self.canvas = self.controller.window.canvas
        self.ready()
        self.controller.settings.recent.clear()

    def until(self, true: Callable[[], Any]) -> None:
        """Let events happen until something is true."""
        end = time.monotonic() + 120
        while not true() and time.monotonic() < end:
            self.app.processEvents()
            time.sleep(0.005)

    def ready(self) -> None:
        """Wait until the picture in sight can be painted on."""
        self.until(lambda: self.controller.picture.painting is not None and not self.controller.picture.busy)
        for _ in range(40):
            self.app.processEvents()
            time.sleep(0.01)

    def point(self, x: float, y: float) -> QPoint:
        """A window point, from shares of the image's width and height."""
        width, height = self.controller.picture.scene.size
        return QPoint(*(round(each) for each in self.canvas.view.to_window((x * width, y * height))))

    def click(self, x: float, y: float, button: Qt.MouseButton = Qt.MouseButton.LeftButton) -> None:
        """Click at a point of the image."""
        QTest.mouseMove(self.canvas, self.point(x, y))
        QTest.mouseClick(self.canvas, button, Qt.KeyboardModifier.NoModifier, self.point(x, y))
        self.app.processEvents()

    def sweep(self, *points: tuple[float, float]) -> None:
        """Continuous filling along a line."""
        QTest.mouseMove(self.canvas, self.point(*points[0]))
        QTest.mouseDClick(
            self.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, self.point(*points[0])
        )
        for point in points[1:]:
            QTest.mouseMove(self.canvas, self.point(*point))
            self.app.processEvents()

    def picture(self, out: Path, *, cursor_at: tuple[float, float] | None = None) -> None:
        """Both windows as they lie on a desktop, and the pointer."""
        window, colours = self.controller.window, self.controller.colours
        colours.resize(colours.sizeHint())
        self.ready()
        wide, high = window.width() + colours.width() + 60, window.height() + 40
        desktop = QPixmap(wide, high)
        desktop.fill(QColor("#59626f" if out.stem.endswith("dark") else "#b9c2cf"))
        painter = QPainter(desktop)
        for widget, place in ((window, QPoint(20, 20)), (colours, QPoint(window.width() + 40, 60))):
            shadow(painter, QRect(place, widget.size()))
            painter.drawPixmap(place, _grab(widget))
        if cursor_at is not None:
            at = QPoint(20, 20) + self.canvas.mapTo(window, self.point(*cursor_at))
            cursor = self.canvas.cursor()
            painter.drawPixmap(at - cursor.hotSpot(), cursor.pixmap())
        painter.end()
        desktop.save(str(out))
        smaller(out)


def _grab(widget: QWidget) -> QPixmap:
    return widget.grab()


def shadow(painter: QPainter, rect: QRect) -> None:
    """The shadow of a window."""
    painter.setPen(Qt.PenStyle.NoPen)
    for by in range(14, 0, -2):
        painter.setBrush(QColor(0, 0, 0, 9))
        painter.drawRoundedRect(rect.adjusted(-by, -by + 5, by, by + 5), 10, 10)


def smaller(path: Path) -> None:
    """Keep the file small: a JPEG with all of its colour."""
    Image.open(path).convert("RGB").save(path.with_suffix(".jpg"), quality=88, subsampling=0, optimize=True)
    path.unlink()


def main() -> None:
    """Take both pictures."""
    photos, out = Path(sys.argv[1]), Path(sys.argv[2])
    qInstallMessageHandler(lambda *_: None)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place
        folder = Path(place, "photos")
        folder.mkdir()
        for number, name in enumerate(CHOSEN):
            shutil.copy(photos / name, folder / f"{number}{Path(name).suffix}")
        studio = Studio(folder)
        controller = studio.controller
        for index, name in enumerate(CLASSES):
            controller.hand._rename_colour(index, name)
        controller.save_and_next()
        studio.ready()
        for x, y in ((0.30, 0.30), (0.34, 0.34), (0.30, 0.38), (0.37, 0.30)):
            studio.click(x, y)
        controller.hand.take_colour(1)
        studio.sweep((0.55, 0.25), (0.62, 0.35), (0.70, 0.42), (0.78, 0.45))
        controller.set_theme("dark")
        studio.picture(out / "segment-dark.png", cursor_at=(0.78, 0.45))
        studio.canvas.end_gesture()
        controller.hand.take_colour(2)
        studio.sweep((0.20, 0.70), (0.45, 0.74), (0.60, 0.70))
        studio.canvas.end_gesture()
        middle = Qt.MouseButton.MiddleButton
        studio.canvas.zoom(2.6, (studio.canvas.width() * 0.45, studio.canvas.height() * 0.45))
        studio.ready()
        studio.click(0.33, 0.42, middle)
        studio.click(0.47, 0.52, middle)
        QTest.mouseMove(studio.canvas, studio.point(0.58, 0.40))
        controller.set_theme("light")
        studio.picture(out / "segment-light.png", cursor_at=(0.58, 0.40))
        studio.canvas.end_gesture()
        controller._close()


if __name__ == "__main__":
    main()
