"""A widget that shows a scene of any size, zoomed and panned, and repaints what changed alone."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from labelimg.app.tiles import SIDE, Budget, Key, Tiles
from labelimg.segmentatimg.pyramid import Bounds
from labelimg.segmentatimg.scene import Scene
from labelimg.segmentatimg.view import View

_CLOSE = 2.0  # screen pixels for each image pixel: from here on they are composed themselves, not tiles
_COMPOSING_S = 0.008
_WHEEL_STEP = 120
ZOOM_STEP = 1.25
_FRAME = QColor(0, 0, 0, 110)


class Canvas(QWidget):
    """Shows a scene. The wheel zooms about the pointer; dragging pans; sub-classes give buttons another meaning."""

    view_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(160, 120)
        self.view = View()
        self.background = QColor(30, 31, 34)
        self._scene: Scene | None = None
        self._tiles: Tiles | None = None
        self._fitted = True
        self._dragging: QPointF | None = None

    # ---------------------------------------------------------------------------------------------- what is shown

    @property
    def scene(self) -> Scene | None:
        """What is shown."""
        return self._scene

    def show_scene(self, scene: Scene | None, *, keep_view: bool = False) -> None:
        """Show another scene, all of it; with `keep_view` at the place that is in sight now."""
        self._scene = scene
        self._tiles = None if scene is None else Tiles(scene)
        if not keep_view:
            self.fit()
        self.update()

    def scene_changed(self, bounds: Bounds | None = None) -> None:
        """Repaint what lies under the bounds, in image pixels; None repaints all."""
        if self._scene is None or self._tiles is None:
            return
        whole = (0, 0, *self._scene.size)
        self._tiles.change(bounds or whole)
        self.update() if bounds is None else self.update(self.window_rect(bounds))

    def window_rect(self, bounds: Bounds, margin: int = 2) -> QRect:
        """The part of the window that image bounds cover, widened by what filtering and lines may touch."""
        margin += 2 if self._is_close() else math.ceil(2 * self.view.scale)
        step = 1 << self._level()
        left, top = self.view.to_window((bounds[0] // step * step, bounds[1] // step * step))
        right, bottom = self.view.to_window((-(-bounds[2] // step) * step, -(-bounds[3] // step) * step))
        rect = QRectF(left, top, right - left, bottom - top).intersected(QRectF(self.rect()).adjusted(-64, -64, 64, 64))
        return rect.toAlignedRect().adjusted(-margin, -margin, margin, margin).intersected(self.rect())

    # ---------------------------------------------------------------------------------------------- the view

    def _size(self) -> tuple[int, int]:
        return self.width(), self.height()

    @property
    def fitted(self) -> bool:
        """Whether all of the scene is shown, whatever the size of the canvas."""
        return self._fitted

    def set_view(self, view: View) -> None:
        """Show another part of the scene."""
        if view == self.view:
            return
        self.view = view
        self._fitted = False
        self.update()
        self.view_changed.emit()

    def fit(self) -> None:
        """Show all of the scene."""
        if self._scene is not None:
            self.set_view(View.fit(self._scene.size, self._size(), margin=min(16, min(self._size()) // 8)))
        self._fitted = True

    def zoom(self, factor: float, at: tuple[float, float] | None = None) -> None:
        """Zoom about a window point, by default the middle."""
        if self._scene is not None:
            point = at or (self.width() / 2, self.height() / 2)
            self.set_view(self.view.zoomed(factor, point, self._scene.size, self._size()))

    def actual_size(self) -> None:
        """Show each image pixel as one pixel."""
        self.zoom(1.0 / self.view.scale)

    def pan(self, dx: float, dy: float) -> None:
        """Move the picture by window pixels."""
        if self._scene is not None:
            self.set_view(self.view.panned(dx, dy, self._scene.size, self._size()))

    def pixel_at(self, point: QPointF) -> tuple[int, int]:
        """The image pixel under a window point; it may lie outside the image."""
        return self.view.pixel((point.x(), point.y()))

    def sizeHint(self) -> QSize:
        """The size that a window of it begins with."""
        return QSize(900, 650)

    # ---------------------------------------------------------------------------------------------- events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the picture in sight; one that was shown whole stays so."""
        super().resizeEvent(event)
        if self._scene is None:
            return
        if self._fitted:
            self.fit()
        else:
            self.set_view(self.view.bounded(self._scene.size, self._size()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        self.wheel_turned(event.angleDelta().y() / _WHEEL_STEP, event.position(), event.modifiers())
        event.accept()

    def wheel_turned(self, steps: float, at: QPointF, modifiers: Qt.KeyboardModifier) -> None:
        """The wheel turned by so many steps, away from the hand if positive."""
        self.zoom(ZOOM_STEP**steps, (at.x(), at.y()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to pan."""
        self._dragging = event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan."""
        if self._dragging is not None:
            moved = event.position() - self._dragging
            self._dragging = event.position()
            self.pan(moved.x(), moved.y())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End panning."""
        self._dragging = None

    # ---------------------------------------------------------------------------------------------- painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint what has to be repainted."""
        painter = QPainter(self)
        exposed = event.rect()
        painter.fillRect(exposed, self.background)
        if self._scene is not None and self._tiles is not None:
            if self._is_close():
                self._paint_close(painter, exposed, self._scene)
            else:
                self._paint_tiles(painter, exposed, self._tiles)
            self._paint_frame(painter, self._scene.size)
        self.paint_over(painter, exposed)
        painter.end()

    def paint_over(self, painter: QPainter, exposed: QRect) -> None:
        """Paint what lies over the scene; nothing here."""

    def _level(self) -> int:
        return 0 if self._scene is None else self._screen_view().level(self._scene.levels)

    def _is_close(self) -> bool:
        return self._screen_view().scale >= _CLOSE

    def _screen_view(self) -> View:
        """The view in pixels of the screen, of which a dense one has several for each of the window's."""
        return View(self.view.scale * self.devicePixelRatioF(), self.view.left, self.view.top)

    def _paint_close(self, painter: QPainter, exposed: QRect, scene: Scene) -> None:
        ratio = self.devicePixelRatioF()
        width, height = scene.size
        left, top = self.view.to_window((0, 0))
        right, bottom = self.view.to_window((width, height))
        picture = QRect(
            QPoint(math.floor(left), math.floor(top)), QPoint(math.ceil(right) - 1, math.ceil(bottom) - 1)
        ).intersected(exposed)
        if picture.isEmpty():
            return
        across, down = math.ceil(picture.width() * ratio), math.ceil(picture.height() * ratio)
        out = np.empty((down, across, 4), np.uint8)
        scene.compose_close(self._screen_view(), round(picture.x() * ratio), round(picture.y() * ratio), out)
        image = QImage(out.data, across, down, 4 * across, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        painter.save()
        painter.setClipRect(QRectF(left, top, right - left, bottom - top), Qt.ClipOperation.IntersectClip)
        painter.drawImage(picture.topLeft(), image)
        painter.restore()

    def _paint_tiles(self, painter: QPainter, exposed: QRect, tiles: Tiles) -> None:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, self._screen_view().scale != 1.0)
        level = self._level()
        corner = self.view.to_image((exposed.left(), exposed.top()))
        other = self.view.to_image((exposed.right() + 1, exposed.bottom() + 1))
        budget, late = Budget(_COMPOSING_S), False
        for key in tiles.within(level, (*corner, *other)):
            if tiles.ready(key) or not budget.spent():
                image, source = tiles.tile(key).image, None
            else:
                late = True
                image, source = self._substitute(key, tiles)
            target = self._target(key, tiles)
            if source is None:
                painter.drawImage(target, image)
            else:
                painter.drawImage(target, image, source)
        if late:
            self.update(exposed)

    def _target(self, key: Key, tiles: Tiles) -> QRectF:
        """Where a tile goes; its edges are rounded to whole pixels, so that there are no seams."""
        level, column, row = key
        step, ratio = 1 << level, self.devicePixelRatioF()
        width, height = tiles.size(level)
        left, top = self.view.to_window((column * SIDE * step, row * SIDE * step))
        right, bottom = self.view.to_window(
            (min((column + 1) * SIDE, width) * step, min((row + 1) * SIDE, height) * step)
        )
        x, y = round(left * ratio) / ratio, round(top * ratio) / ratio
        return QRectF(x, y, round(right * ratio) / ratio - x, round(bottom * ratio) / ratio - y)

    def _substitute(self, key: Key, tiles: Tiles) -> tuple[QImage, QRectF | None]:
        """What to show in place of a tile that is not composed yet: it as it was, or part of a coarser one."""
        known = tiles.known(key)
        if known is not None:
            return known.image, None
        level, column, row = key
        width, height = tiles.size(level)
        last = len(range(level, self._scene.levels)) - 1 if self._scene is not None else 0
        for up in range(1, last + 1):
            coarser = (level + up, column >> up, row >> up)
            if tiles.ready(coarser) or up == last:
                part = SIDE / (1 << up)
                across = (min((column + 1) * SIDE, width) - column * SIDE) / (1 << up)
                down = (min((row + 1) * SIDE, height) - row * SIDE) / (1 << up)
                x, y = column * part - coarser[1] * SIDE, row * part - coarser[2] * SIDE
                return tiles.tile(coarser).image, QRectF(x, y, across, down)
        return tiles.tile(key).image, None

    def _paint_frame(self, painter: QPainter, size: tuple[int, int]) -> None:
        left, top = (math.floor(each) - 1 for each in self.view.to_window((0, 0)))
        right, bottom = (math.ceil(each) for each in self.view.to_window(size))
        across, down = right - left + 1, bottom - top - 1
        for x, y, width, height in (
            (left, top, across, 1),
            (left, bottom, across, 1),
            (left, top + 1, 1, down),
            (right, top + 1, 1, down),
        ):
            painter.fillRect(x, y, width, height, _FRAME)

    def changeEvent(self, event: QEvent) -> None:
        """Repaint with the colours of another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()
