"""Starts the windows: `labelimg segment`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from labelimg.app.controller import Controller, Wishes
from labelimg.errors import LabelimgError


class NoDisplayError(LabelimgError):
    """There is no screen to show a window on."""


def check_display(environment: Mapping[str, str]) -> None:
    """Raise NoDisplayError where Qt would find no display; it would end the process without a word of ours."""
    if environment.get("QT_QPA_PLATFORM") or sys.platform != "linux":
        return
    if not (environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")):
        raise NoDisplayError(
            "there is no display for the windows: set DISPLAY, or choose another way to show them such as "
            "QT_QPA_PLATFORM=vnc, or cut images into segments without windows with labelimg labels"
        )


def run(folder: str | None, wishes: Wishes) -> int:
    """Show the windows until they are closed; the exit status."""
    check_display(os.environ)
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
    controller.show()
    if folder is not None:
        QTimer.singleShot(0, lambda: controller.open(folder))
    # Python sees Ctrl-C only when it gets a turn.
    signal.signal(signal.SIGINT, lambda *_: controller.quit())
    turns = QTimer()
    turns.start(200)
    turns.timeout.connect(lambda: None)
    return app.exec()
