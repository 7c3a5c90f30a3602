"""Take the pictures of the window that `labelimg threshold` opens.

python benchmarks/threshold_screenshots.py PHOTOS OUT
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PIL import Image
from PySide6.QtCore import QBuffer, QPoint, qInstallMessageHandler
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from labelimg.app import theme
from labelimg.app.threshold_window import ThresholdWindow
from labelimg.clusterimg.sampling import sample_folder


def main() -> None:
    """Take it light and dark, with the pointer at a threshold where the pairs are worth looking at."""
    photos, out = Path(sys.argv[1]), Path(sys.argv[2])
    qInstallMessageHandler(lambda *_: None)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CONFIG_HOME"] = place
        app = QApplication(["labelimg"])
        sampled = sample_folder(photos)
        for choice in ("light", "dark"):
            theme.apply(app, choice)
            window = ThresholdWindow(sampled)
            window.show()
            for threshold in (0.9, 0.63):
                QTest.mouseMove(window.view, QPoint(420, round(window.view.axes.y(threshold))))
            pairs = window.above.pairs + window.below.pairs
            wanted = {path for pair in pairs for path in (pair.first, pair.second)}
            while any(window.thumbnails.get(path) is None for path in wanted):
                app.processEvents()
                time.sleep(0.01)
            buffer = QBuffer()
            buffer.open(QBuffer.OpenModeFlag.WriteOnly)
            window.grab().save(buffer, "PNG")
            picture = Image.open(BytesIO(bytes(buffer.data()))).convert("RGB")
            picture.save(out / f"threshold-{choice}.jpg", quality=90, subsampling=0, optimize=True)
            window.close()
            window.deleteLater()
            app.processEvents()


if __name__ == "__main__":
    main()
