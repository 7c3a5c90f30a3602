"""Pictures of the windows of pointing for the README, in a light and a dark theme: `make screenshots`.

    python benchmarks/screenshots_pointing.py PHOTOS docs/images

There are no weights of Segment Anything here: in its pictures a stand-in gives the masks, GrabCut in each box.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, Qt, qInstallMessageHandler
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labelimg.app.controller import Controller
from labelimg.app.opening import Wishes
from labelimg.segmentatimg.geometry import Rect
from labelimg.segmentatimg.grabcut import grabcut
from labelimg.segmentatimg.methods import make_method
from labelimg.segmentatimg.methods.sam import SamMasks
from labelimg.segmentatimg.pointing import Wish
from labelimg.segmentatimg.prompts import Mark, Prompts
from labelimg.segmentatimg.sam import Embedding
from screenshots import Studio as Windows
from screenshots import shadow, smaller

PAGODA, FLOWER = "DSC00415.jpg", "IMG_0595.webp"
LEFT, MIDDLE, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton, Qt.MouseButton.RightButton
PLAIN, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


class StandIn:
    """What pointing needs of a model; its masks are GrabCut's."""

    name, fingerprint = "stand-in", "0"

    def encode(self, image: Any) -> Embedding:
        """The image itself."""
        return Embedding((image.astype(np.float32),), (image.shape[0], image.shape[1]))

    def decode(self, embedding: Embedding, points: Any, labels: Any, box: Any) -> Any:
        """What GrabCut finds in the box, the points being marks."""
        image = embedding.arrays[0].astype(np.uint8)
        areas = () if box is None else (Rect(*(int(each) for each in (*box[:2], *(box[2:] + 1)))),)
        marks = tuple(
            Mark(((int(x), int(y)),), 14, "foreground" if label else "background")
            for (x, y), label in zip(() if points is None else points, () if labels is None else labels, strict=True)
        )
        return grabcut(image, Prompts((*areas, *marks)), 8)


class StandInMasks(SamMasks):
    """The stand-in where a checkpoint's model would be."""

    def load(self) -> Any:
        """The stand-in."""
        return StandIn()


class Studio(Windows):
    """The two windows of pointing, a hand, and a camera."""

    def __init__(self, photo: Path, wish: Wish) -> None:
        self.app = QApplication.instance() or QApplication(["labelimg"])
        self.controller = Controller(Wishes(make_method("superpixel"), ahead=0, pointing=wish))
        self.controller.open(str(photo.parent))
        self.controller.settings.recent.clear()
        self.control = self.controller.pointing.control
        self.annotations, self.found = self.control.annotations, self.control.found
        self.canvas = self.annotations.canvas
        self.until(lambda: self.control.shown)
        for window in (self.annotations, self.found):
            window.resize(860, 760)
        self.rest()
        self.canvas.fit()
        self.rest()

    def rest(self) -> None:
        """Let the windows come to rest."""
        self.until(lambda: not self.control.busy)
        for _ in range(20):
            self.app.processEvents()

    def drag(self, *points: tuple[float, float], button: Any = LEFT, keys: Any = PLAIN) -> None:
        """Drag along points, shares of the image's width and height."""
        QTest.mouseMove(self.canvas, self.point(*points[0]))
        QTest.mousePress(self.canvas, button, keys, self.point(*points[0]))
        for point in points[1:]:
            QTest.mouseMove(self.canvas, self.point(*point))
        QTest.mouseRelease(self.canvas, button, keys, self.point(*points[-1]))
        self.app.processEvents()

    def space(self, times: int = 1) -> None:
        """Press space."""
        for _ in range(times):
            QTest.keyClick(self.canvas, Qt.Key.Key_Space)
            self.rest()

    def both(self, out: Path, theme: str, brush_at: tuple[float, float] | None = None) -> None:
        """The windows beside each other on a desktop."""
        self.controller.set_theme(theme)
        self.rest()
        self.canvas._pointer = None if brush_at is None else QPointF(self.point(*brush_at))
        width, height = self.annotations.width(), self.annotations.height()
        self.found.resize(width, height)
        self.rest()
        desktop = QPixmap(2 * width + 60, height + 40)
        desktop.fill(QColor("#59626f" if theme == "dark" else "#b9c2cf"))
        painter = QPainter(desktop)
        for window, place in ((self.annotations, QPoint(20, 20)), (self.found, QPoint(width + 40, 20))):
            shadow(painter, QRect(place, window.size()))
            painter.drawPixmap(place, window.grab())
        painter.end()
        desktop.save(str(out))
        smaller(out)

    def close(self) -> None:
        """End it."""
        self.controller._close()
        self.app.processEvents()


def main() -> None:
    """Take the pictures."""
    photos, out = Path(sys.argv[1]), Path(sys.argv[2])
    qInstallMessageHandler(lambda *_: None)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = os.environ["XDG_CACHE_HOME"] = place
        for name in (PAGODA, FLOWER):
            folder = Path(place, name).with_suffix("")
            folder.mkdir()
            shutil.copy(photos / name, folder / name)
        studio = Studio(Path(place, Path(PAGODA).stem, PAGODA), Wish("grabcut"))
        studio.drag((0.08, 0.04), (0.60, 0.95), button=MIDDLE)
        studio.space(3)
        studio.drag((0.24, 0.50), (0.46, 0.50))
        studio.drag((0.32, 0.16), (0.32, 0.32))
        studio.drag((0.12, 0.88), (0.24, 0.92), (0.30, 0.98), button=RIGHT)
        studio.drag((0.58, 0.92), (0.66, 0.78), button=RIGHT)
        studio.drag((0.24, 0.81), (0.40, 0.82), keys=CTRL)
        studio.drag((0.15, 0.15), (0.25, 0.10), button=RIGHT, keys=CTRL)
        studio.space(4)
        for theme in ("dark", "light"):
            studio.both(out / f"grabcut-{theme}.png", theme, (0.50, 0.60))
        studio.close()
        studio = Studio(Path(place, Path(FLOWER).stem, FLOWER), Wish("sam", masks=StandInMasks(checkpoint="-")))
        studio.drag((0.24, 0.17), (0.72, 0.86), button=MIDDLE)
        studio.drag((0.43, 0.865), (0.75, 0.995), button=MIDDLE)
        studio.click(0.54, 0.5)
        studio.click(0.27, 0.22, RIGHT)
        studio.space()
        for theme in ("dark", "light"):
            studio.both(out / f"sam-{theme}.png", theme)
        studio.close()


if __name__ == "__main__":
    main()
