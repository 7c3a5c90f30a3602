"""One image of a review, whole, over the page; the arrow keys go on to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from labelimg.app import theme
from labelimg.decoding import Shrink, read
from labelimg.errors import UnreadableImageError
from labelimg.segmentatimg.view import View

_KEPT = 4
_FOOT = 46
_STEPS = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Up: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Down: 1,
    Qt.Key.Key_PageUp: -10,
    Qt.Key.Key_PageDown: 10,
}


class Zoom(QWidget):
    """Shows an image of a name. What else there is, whoever listens to `step` knows."""

    step = Signal(int)  # by so many images; 0 for the first, from -10 ** 9 to 10 ** 9 for the ends
    closed = Signal()
    _read = Signal(object, object, str)  # a name may be no text that Qt can hold

    def __init__(self, parent: QWidget, path_of: Callable[[str], str], small: Callable[[str], QPixmap | None]) -> None:
        super().__init__(parent)
        self._over = parent
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self._path_of, self._small = path_of, small
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labelimg-zoom")
        self._known: OrderedDict[str, QPixmap | str] = OrderedDict()
        self._asked: set[str] = set()
        self._wanted: list[str] = []
        self.name, self._title, self._caption = "", "", ""
        self._view: View | None = None  # None shows all of it
        self._grip: QPointF | None = None
        self._closed = False
        self._read.connect(self._keep)
        self.hide()

    @property
    def is_sharp(self) -> bool:
        """Whether the image itself is shown, and not its thumbnail for the time being."""
        return isinstance(self._known.get(self.name), QPixmap)

    def show_image(self, name: str, title: str, caption: str, beside: tuple[str, ...] = ()) -> None:
        """Show an image with a line about it; those beside it are read ahead."""
        if name != self.name:
            self._view = None
        self.name, self._title, self._caption = name, title, caption
        self._wanted = [name, *beside]
        for each in self._wanted:
            self._ask(each)
        if not self.isVisible():
            self.setGeometry(self._over.rect())
            self.show()
            self.raise_()
        self.setFocus()
        self.update()

    def leave(self) -> None:
        """Go back to the page."""
        self.hide()
        self.closed.emit()

    def try_again(self) -> None:
        """What could not be read may lie elsewhere by now."""
        for name in [name for name, found in self._known.items() if isinstance(found, str)]:
            del self._known[name]

    def close_pool(self) -> None:
        """Read no more."""
        self._closed = True
        self._pool.shutdown(cancel_futures=True)

    def _ask(self, name: str) -> None:
        if name not in self._known and name not in self._asked and not self._closed:
            self._asked.add(name)
            self._pool.submit(self._load, name)

    def _load(self, name: str) -> None:
        if name not in self._wanted:
            self._asked.discard(name)
            return
        image, reason = None, ""
        try:
            pixels = read(self._path_of(name), Shrink(colour=True))
            height, width = pixels.shape[:2]
            image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).convertToFormat(
                QImage.Format.Format_RGB32
            )
        except UnreadableImageError as error:
            reason = error.reason
        if not self._closed:
            self._read.emit(name, image, reason)

    def _keep(self, name: str, image: QImage | None, reason: str) -> None:
        self._asked.discard(name)
        self._known[name] = reason if image is None else QPixmap.fromImage(image)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        if name == self.name:
            self.update()

    # ------------------------------------------------------------------------------------------------ the hand

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go on, space and Esc go back, + and - magnify."""
        key = Qt.Key(event.key())
        middle = self.width() / 2, (self.height() - _FOOT) / 2
        if key in (Qt.Key.Key_Space, Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.leave()
        elif key in _STEPS:
            self.step.emit(_STEPS[key])
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.step.emit(-(10**9) if key == Qt.Key.Key_Home else 10**9)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._magnify(1 / 1.4 if key == Qt.Key.Key_Minus else 1.4, middle)
        elif key == Qt.Key.Key_F:
            self._view = None
            self.update()
        elif key == Qt.Key.Key_0:
            self._magnify(1 / self._shown().scale, middle)
        else:
            super().keyPressEvent(event)

    def event(self, event: object) -> bool:
        """+ and - are for the image here, not for the thumbnails."""
        if isinstance(event, QKeyEvent) and event.type() == QKeyEvent.Type.ShortcutOverride:
            own = (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus, Qt.Key.Key_Space, Qt.Key.Key_F, Qt.Key.Key_0)
            if Qt.Key(event.key()) in own and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
                event.accept()
                return True
        return super().event(event)  # type: ignore[arg-type]

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Magnify about the pointer."""
        at = event.position()
        self._magnify(1.25 ** (event.angleDelta().y() / 120), (at.x(), at.y()))
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the image."""
        self._grip = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move it, if it is magnified."""
        if self._grip is not None and self._view is not None:
            by = event.position() - self._grip
            self._grip = event.position()
            self._view = self._view.panned(by.x(), by.y(), self._size(), self._room())
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._grip = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Back to the page."""
        self.leave()

    def _magnify(self, factor: float, at: tuple[float, float]) -> None:
        self._view = self._shown().zoomed(factor, at, self._size(), self._room())
        self.update()

    # ------------------------------------------------------------------------------------------------- the eye

    def _picture(self) -> QPixmap | None:
        found = self._known.get(self.name)
        return found if isinstance(found, QPixmap) else self._small(self.name)

    def _size(self) -> tuple[int, int]:
        picture = self._picture()
        return (1, 1) if picture is None else (picture.width(), picture.height())

    def _room(self) -> tuple[int, int]:
        return max(1, self.width()), max(1, self.height() - _FOOT)

    def _shown(self) -> View:
        return self._view or View.fit(self._size(), self._room(), 12)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """All of it stays in sight unless it is magnified."""
        if self._view is not None:
            self._view = self._view.bounded(self._size(), self._room())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the image, and the line below it."""
        look = theme.current()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(look.canvas))
        picture, known = self._picture(), self._known.get(self.name)
        if picture is not None:
            view = self._shown()
            left, top = view.to_window((0, 0))
            target = QRectF(left, top, picture.width() * view.scale, picture.height() * view.scale)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, view.scale < 3)
            painter.drawPixmap(target, picture, QRectF(picture.rect()))
        foot = self.rect().adjusted(0, self.height() - _FOOT, 0, 0)
        painter.fillRect(foot, QColor(look.raised))
        font = painter.font()
        inner = foot.adjusted(18, 0, -18, 0)
        painter.setPen(QColor(look.faint))
        painter.drawText(inner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, self._caption)
        room = inner.width() - painter.fontMetrics().horizontalAdvance(self._caption) - 20
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor(look.text))
        title = painter.fontMetrics().elidedText(self._title, Qt.TextElideMode.ElideMiddle, max(60, room))
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, title)
        if isinstance(known, str):
            painter.setPen(QColor(look.warning))
            painter.drawText(QRectF(0, 0, *self._room()), Qt.AlignmentFlag.AlignCenter, f"cannot be read: {known}")
        painter.end()

    def at(self, x: float, y: float) -> QPoint:
        """The point of the widget where a pixel of the image is shown."""
        return QPointF(*self._shown().to_window((x, y))).toPoint()
