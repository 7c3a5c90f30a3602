"""Shows the window to choose a threshold in, and gives back what was chosen."""

from __future__ import annotations

import signal

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from labelimg.app import theme
from labelimg.app.settings import Settings
from labelimg.app.threshold_window import ThresholdWindow
from labelimg.clusterimg.sampling import Sampled

_PLACE = "threshold"


def choose(sampled: Sampled) -> float | None:
    """The threshold that a person chooses, None if the window was left without one."""
    app = QApplication.instance() or QApplication(["labelimg"])
    assert isinstance(app, QApplication)
    app.setApplicationName("labelimg")
    app.setApplicationDisplayName("Labelimg")
    app.setDesktopFileName("labelimg")
    app.setQuitOnLastWindowClosed(False)
    settings = Settings()
    theme.apply(app, settings.theme)
    app.styleHints().colorSchemeChanged.connect(lambda _: theme.apply(app, settings.theme))
    window = ThresholdWindow(sampled)
    settings.restore_place(_PLACE, window)
    chosen: list[float | None] = [None]

    def end(value: float | None) -> None:
        chosen[0] = value
        settings.keep_place(_PLACE, window)
        settings.sync()
        app.quit()

    window.done.connect(end)
    window.show()
    window.setFocus()
    # Python sees Ctrl-C only when it gets a turn.
    interrupted: list[bool] = []

    def interrupt(*_: object) -> None:
        interrupted.append(True)
        window.close()

    signal.signal(signal.SIGINT, interrupt)
    turns = QTimer()
    turns.start(200)
    turns.timeout.connect(lambda: None)
    app.exec()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    window.hide()
    window.deleteLater()
    if interrupted:
        raise KeyboardInterrupt
    return chosen[0]
