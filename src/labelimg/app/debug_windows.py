"""Windows of their own for the segments and for the painted pixels, to look into."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QCloseEvent, QColor, QKeyEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from labelimg.app import theme
from labelimg.app.canvas import Canvas
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.pyramid import Bounds
from labelimg.segmentatimg.scene import PaintScene, Scene, SegmentsScene


class DebugWindow(QWidget):
    """One scene with a view of its own: the wheel zooms, dragging pans. Keys are passed on."""

    key = Signal(QKeyEvent)
    closed = Signal()

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self._title = title
        self.setWindowTitle(title)
        self.canvas = Canvas()
        self.canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.canvas)
        self.resize(560, 420)

    def show_scene(self, scene: Scene | None, name: str) -> None:
        """Show a scene of an image; one of the same size stays where it was looked into."""
        old = self.canvas.scene
        self.canvas.show_scene(scene, keep_view=old is not None and scene is not None and old.size == scene.size)
        self.setWindowTitle(f"{self._title} - {name}" if name else self._title)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the picture."""
        self.key.emit(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the picture."""
        self.key.emit(event)

    def event(self, event: QEvent) -> bool:
        """Tab belongs to the picture, too."""
        if isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Tab:
            self.key.emit(event)
            return True
        return super().event(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Both go together."""
        super().closeEvent(event)
        self.closed.emit()


class DebugWindows:
    """The two windows, kept up to date while they are open."""

    def __init__(self, parent: QWidget) -> None:
        self.segments = DebugWindow("Segments", parent)
        self.paint = DebugWindow("Painted pixels", parent)
        for window in (self.segments, self.paint):
            window.closed.connect(self.hide)
        self.restyle()

    def restyle(self) -> None:
        """Take the colours of another theme."""
        for window in (self.segments, self.paint):
            window.canvas.background = QColor(theme.current().canvas)

    @property
    def shown(self) -> bool:
        """Whether they are open."""
        return self.segments.isVisible() or self.paint.isVisible()

    def show(self, picture: Picture | None, name: str) -> None:
        """Open them on a picture."""
        self.follow(picture, name)
        for window in (self.segments, self.paint):
            window.show()
            window.raise_()

    def hide(self) -> None:
        """Close them."""
        for window in (self.segments, self.paint):
            window.hide()
            window.canvas.show_scene(None)

    def follow(self, picture: Picture | None, name: str) -> None:
        """Show another picture, or its other segments."""
        painting = None if picture is None else picture.painting
        if painting is None:
            self.segments.show_scene(None, "")
            self.paint.show_scene(None, "")
        else:
            self.segments.show_scene(SegmentsScene(painting.labels), name)
            self.paint.show_scene(PaintScene(painting.paint, painting.colours), name)

    def changed(self, picture: Picture, bounds: Bounds, *, segments: bool) -> None:
        """Repaint what changed within the bounds."""
        scene = self.paint.canvas.scene
        if not self.shown or not isinstance(scene, PaintScene) or picture.painting is None:
            return
        scene.colours = picture.painting.colours
        self.paint.canvas.scene_changed(bounds)
        if segments:
            self.segments.canvas.scene_changed(bounds)
