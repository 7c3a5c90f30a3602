"""Starts the windows: `labelimg segment`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from labelimg.app.controller import Controller
from labelimg.app.display import check_display
from labelimg.app.opening import Wishes
from labelimg.segmentatimg.holding import check_free

WITHOUT_WINDOWS = "cut images into segments without windows with labelimg labels"


def run(folder: str | None, wishes: Wishes) -> int:
    """Show the windows until they are closed; the exit status.

    Raises NoDisplayError, and HeldError where the folder's masks are being painted in another window.
    """
    check_display(os.environ, WITHOUT_WINDOWS)
    if folder is not None:
        check_free(folder, wishes.out)
    app = QApplication.instance() or QApplication(["labelimg"])
    assert isinstance(app, QApplication)
    app.setApplicationName("labelimg")
    app.setApplicationDisplayName("Labelimg")
    app.setDesktopFileName("labelimg")
    app.setQuitOnLastWindowClosed(False)
    controller = Controller(wishes)
    controller.set_theme(controller.settings.theme)
    app.styleHints().colorSchemeChanged.connect(lambda _: controller.set_theme(controller.settings.theme))
    controller.finished.connect(app.quit)
    sys.excepthook = _shown_by(controller)
    controller.show()
    if folder is not None:
        QTimer.singleShot(0, lambda: controller.open(folder))
    # Python sees Ctrl-C only when it gets a turn.
    signal.signal(signal.SIGINT, lambda *_: controller.quit())
    turns = QTimer()
    turns.start(200)
    turns.timeout.connect(lambda: None)
    return app.exec()


def _shown_by(controller: Controller) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """What tells of a fault of ours: the traceback goes to stderr, a line to the window, and the work goes on."""

    def tell(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, traceback)
        controller.window.message.warn(
            f"a fault in Labelimg itself: {kind.__name__}: {error}. What was painted is in the journal; "
            "please report what the terminal shows"
        )

    return tell
