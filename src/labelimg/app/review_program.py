"""Starts the review window: `labelimg review`."""

from __future__ import annotations

import os
import signal
import sys
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from labelimg.app.display import check_display
from labelimg.app.review_controller import ReviewController
from labelimg.cache import FeatureCache
from labelimg.clusterimg.review import Review

WITHOUT_WINDOWS = "change clusters by a table with labelimg review RESULT --plan FILE.csv"


def run(review: Review, cache: FeatureCache | None) -> int:
    """Show the window until it is closed; the exit status."""
    check_display(os.environ, WITHOUT_WINDOWS)
    app = QApplication.instance() or QApplication(["labelimg"])
    assert isinstance(app, QApplication)
    app.setApplicationName("labelimg")
    app.setApplicationDisplayName("Labelimg")
    app.setDesktopFileName("labelimg")
    app.setQuitOnLastWindowClosed(False)
    controller = ReviewController(review, cache=cache)
    controller.set_theme(controller.settings.theme)
    app.styleHints().colorSchemeChanged.connect(lambda _: controller.set_theme(controller.settings.theme))
    controller.finished.connect(app.quit)

    def tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, traceback)
        controller.window.message.warn(
            f"a fault in Labelimg itself: {kind.__name__}: {error}. Changes that were not applied are kept; "
            "please report what the terminal shows"
        )

    sys.excepthook = tell
    controller.show()
    # Python sees Ctrl-C only when it gets a turn.
    signal.signal(signal.SIGINT, lambda *_: controller.leaving.leave())
    turns = QTimer()
    turns.start(200)
    turns.timeout.connect(lambda: None)
    return app.exec()
