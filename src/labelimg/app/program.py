"""Starts the windows: `labelimg segment`."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping
from types import TracebackType

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from labelimg.app.controller import Controller, Wishes
from labelimg.errors import LabelimgError
from labelimg.segmentatimg.holding import check_free


class NoDisplayError(LabelimgError):
    """There is no screen to show a window on."""


def check_display(environment: Mapping[str, str]) -> None:
    """Raise NoDisplayError where Qt would find no display: it would end the process without a word of ours."""
    if environment.get("QT_QPA_PLATFORM") or environment.get("WAYLAND_DISPLAY") or sys.platform != "linux":
        return
    what = "no DISPLAY is set" if not environment.get("DISPLAY") else _why_no_x11(environment["DISPLAY"])
    if what:
        raise NoDisplayError(
            f"there is no display for the windows ({what}): start it on a desktop, choose another way to show them "
            "such as QT_QPA_PLATFORM=vnc, or cut images into segments without windows with labelimg labels"
        )


def _why_no_x11(display: str) -> str:
    """Why windows cannot be shown on an X11 display, empty if they can."""
    for library, package in (("libxcb-cursor.so.0", "libxcb-cursor0"), ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0")):
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"the library {library} is missing: on Debian and Ubuntu, apt-get install {package}"
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    refused = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return f"{display} cannot be reached" if refused else ""


def run(folder: str | None, wishes: Wishes) -> int:
    """Show the windows until they are closed; the exit status.

    Raises NoDisplayError, and HeldError where the folder's masks are being painted in another window.
    """
    check_display(os.environ)
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
