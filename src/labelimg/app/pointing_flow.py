"""When images are pointed at in a sitting, and when they are painted on: one of the two is in sight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent

from labelimg.app.pointing import PointingControl
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.pointing import Wish

if TYPE_CHECKING:
    from labelimg.app.controller import Controller


class PointingFlow(QObject):
    """Points at each image that has no segments yet, then shows the windows that it is painted in."""

    def __init__(self, controller: Controller, wish: Wish) -> None:
        super().__init__(controller)
        self._controller = controller
        self.control = PointingControl(wish, controller.settings)
        self.control.finished.connect(self._finished)
        self.control.left.connect(self._left)
        self.control.idle.connect(controller.idle)
        self._colours_shown = True
        self._begun: Picture | None = None
        controller.window.canvas.installEventFilter(self)

    @property
    def shown(self) -> bool:
        """Whether an image is pointed at."""
        return self.control.shown

    def look(self, picture: Picture) -> None:
        """Another picture is in sight, or is decoded now."""
        if picture.painting is not None or picture.reason:
            self._show_painting()
        elif picture.scene is not None and not picture.busy and self._begun is not picture:
            self._begun = picture
            if self.control.wish.automatic:
                self._automatic(picture)
            else:
                self._point(picture)
            self._ahead(picture)

    def leave(self) -> None:
        """The picture goes out of sight; what is done with it ends, its annotations are kept."""
        self._begun = None
        self.control.cancel()
        self.control.close()

    def again(self) -> None:
        """Point at the picture in sight once more; its paint stays."""
        picture = self._controller.picture
        if picture is None or picture.scene is None or picture.busy:
            return
        if self.control.wish.automatic:
            self._automatic(picture)
        else:
            self._point(picture)

    def warn(self, text: str) -> None:
        """Say in the window that is in sight that something went wrong."""
        if self.shown:
            self.control.annotations.message.warn(text)

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self.control.restyle()

    def forget(self) -> None:
        """Another folder is opened."""
        self.leave()
        self.control.forget()
        self._show_painting()

    def end(self) -> None:
        """Close the windows and end the threads."""
        self.control.end()

    # ---------------------------------------------------------------------------------------------- the two sides

    def _point(self, picture: Picture) -> None:
        controller = self._controller
        if reason := self.control.open(picture):
            controller.window.message.warn(reason)
            return
        if controller.window.isVisible():
            self._colours_shown = controller.colours.isVisible()
        controller.debug.hide()
        controller.colours.hide()
        controller.window.hide()

    def _show_painting(self) -> None:
        controller = self._controller
        self.control.close()
        if not controller.window.isVisible() and not controller.window.may_close:
            controller.window.show()
            controller.colours.setVisible(self._colours_shown)
            controller.window.activateWindow()
            controller.window.canvas.setFocus()

    def _automatic(self, picture: Picture) -> None:
        window = self._controller.window

        def failed(text: str) -> None:
            window.canvas.show_note("")
            window.message.warn(f"no masks were found: {text}", "Find masks", lambda: self._automatic(picture))

        self.control.automatic(picture, window.canvas.show_note, failed)

    def _finished(self, picture: Picture, labels: object) -> None:
        controller = self._controller
        if controller.session is None:
            return
        controller.session.hand_over(picture, labels)
        if picture is controller.picture:
            self._show_painting()
            controller.window.canvas.show_segments(None)
            controller.window.canvas.show_note("finding segments…")

    def _left(self, name: str) -> None:
        self._controller.do(name)

    def _ahead(self, picture: Picture) -> None:
        session = self._controller.session
        if session is None:
            return
        count = len(session)
        rows = [(picture.row + by) % count for by in range(1, min(count, session.ahead + 1))]
        self.control.pointer.ahead([session.folder.images[row] for row in rows])

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Esc in the picture window ends the search for masks."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            self.control.cancel()
        return False
