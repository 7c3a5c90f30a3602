"""Pictures of the review window for the README, in a light and a dark theme: `make screenshots`.

python benchmarks/review_screenshots.py PHOTOS docs/images
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from PIL import Image
from PySide6.QtCore import QPoint, Qt, qInstallMessageHandler
from PySide6.QtGui import QCursor
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

import labelimg
from labelimg.app.review_controller import ReviewController

LEFT, NONE, CTRL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


class Studio:
    """The window, a hand, and a camera."""

    def __init__(self, result: Path) -> None:
        self.app = QApplication.instance() or QApplication(["labelimg"])
        self.review = labelimg.Review(result)
        self.controller = ReviewController(self.review)
        self.window, self.gallery = self.controller.window, self.controller.gallery
        self.controller.show()
        self.window.setFixedSize(1320, 820)
        self.controller.window.sides.setValue(2)
        self.settle()

    def settle(self, until: Callable[[], object] = lambda: True) -> None:
        """Let events happen until something is true, all pictures have come, and a little longer."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not (until() and self.controller.pictures.is_idle):
            self.app.processEvents()
            time.sleep(0.005)
        for _ in range(30):
            self.app.processEvents()
            time.sleep(0.01)

    def place(self, cluster: str, position: int) -> QPoint:
        """Where an image of a cluster is shown."""
        section = self.gallery.gallery.section_of(self.review.now.number_of(cluster) or 0)
        return self.gallery.rect_of(int(self.gallery.gallery.sections[section].rows[position])).center()

    def picture(self, out: Path) -> None:
        """The window as it is."""
        self.settle()
        shot = out.with_suffix(".png")
        self.window.grab().save(str(shot))
        Image.open(shot).convert("RGB").save(out, quality=88, subsampling=0, optimize=True)
        shot.unlink()


def main() -> None:
    """Take both pictures."""
    photos, out = Path(sys.argv[1]), Path(sys.argv[2])
    qInstallMessageHandler(lambda *_: None)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place
        labelimg.cluster(photos, out=Path(place, "photos_clustered"))
        studio = Studio(Path(place, "photos_clustered"))
        studio.controller.set_theme("dark")
        gallery, view, review = studio.gallery, studio.gallery.viewport(), studio.review
        studio.controller.change(lambda: review.now.rename(review.now.number_of("cluster_0") or 0, "pagoda"))
        studio.controller.change(lambda: review.now.move([int(review.now.rows_of(0)[0])], 1))
        gallery.verticalScrollBar().setValue(0)
        QTest.mouseClick(view, LEFT, NONE, studio.place("cluster_1", 1))
        QTest.mouseClick(view, LEFT, CTRL, studio.place("cluster_1", 3))
        begin = studio.place("cluster_1", 3)
        QTest.mousePress(view, LEFT, NONE, begin)
        QTest.mouseMove(view, begin + QPoint(15, 15))
        QTest.mouseMove(view, studio.place("cluster_2", 4) + QPoint(30, -10))
        studio.picture(out / "review-dark.jpg")
        QTest.keyClick(gallery, Qt.Key.Key_Escape)
        QTest.mouseRelease(view, LEFT, NONE, begin)
        studio.controller.set_theme("light")
        numbers = [review.now.number_of(name) or 0 for name in ("cluster_2", "cluster_3")]
        studio.controller.change(lambda: review.now.merge(numbers))
        gallery.choose(review.now.rows_of(numbers[0])[:1], current=int(review.now.rows_of(numbers[0])[0]))
        studio.controller.do("split")
        studio.settle(lambda: studio.window.split_bar.slider.isEnabled())
        gallery.choose([])
        studio.picture(out / "review-light.jpg")
        QCursor.setPos(0, 0)
        review.discard()
        studio.controller.close()


if __name__ == "__main__":
    main()
