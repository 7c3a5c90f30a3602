"""The list of a folder's images, with thumbnails of those in sight and what is done."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPointF,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from labelimg.app import theme
from labelimg.decoding import Shrink, read
from labelimg.errors import UnreadableImageError

Index = QModelIndex | QPersistentModelIndex

THUMBNAIL = 64
_KEPT = 600
_WAITING = 48  # thumbnails that are asked for at once; what was scrolled past is forgotten
DONE, UNSAVED, UNREADABLE = (Qt.ItemDataRole.UserRole + k for k in range(1, 4))


class Thumbnails(QObject):
    """Reads small copies of images in a thread; None comes for an image that cannot be read."""

    ready = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labelimg-thumbnail")
        self._wanted: OrderedDict[str, None] = OrderedDict()
        self._known: OrderedDict[str, QImage | None] = OrderedDict()
        self._closed = False
        self.ready.connect(self._keep)

    def get(self, path: str) -> QImage | None:
        """The thumbnail, if it was read already; else it will come."""
        if path in self._known:
            self._known.move_to_end(path)
            return self._known[path]
        if path not in self._wanted and not self._closed:
            self._wanted[path] = None
            while len(self._wanted) > _WAITING:
                self._wanted.popitem(last=False)
            self._pool.submit(self._read)
        return None

    def close(self) -> None:
        """Read no more."""
        self._closed = True
        self._wanted.clear()
        self._pool.shutdown(cancel_futures=True)

    def _read(self) -> None:
        try:
            path, _ = self._wanted.popitem()  # what was asked for last is in sight now
        except KeyError:
            return
        try:
            pixels = read(path, Shrink(colour=True, longest=2 * THUMBNAIL))
            height, width = pixels.shape[:2]
            image: QImage | None = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        except UnreadableImageError:
            image = None
        if not self._closed:
            self.ready.emit(path, image)

    def _keep(self, path: str, image: QImage | None) -> None:
        self._known[path] = image
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)


class ImageModel(QAbstractListModel):
    """The images of a folder, by name; thumbnails are read when they are shown."""

    def __init__(self, thumbnails: Thumbnails) -> None:
        super().__init__()
        self._paths: tuple[str, ...] = ()
        self._names: tuple[str, ...] = ()
        self._rows: dict[str, int] | None = None
        self._thumbnails = thumbnails
        self.done: set[int] = set()
        self.unsaved: set[int] = set()
        self.unreadable: set[int] = set()
        thumbnails.ready.connect(self._arrived)

    def show_images(self, paths: tuple[str, ...], names: tuple[str, ...], done: set[int], unsaved: set[int]) -> None:
        """Show other images: their paths, their names, which rows are done, which have paint that was not saved."""
        self.beginResetModel()
        self._paths, self._names, self._rows = paths, names, None
        self.done, self.unsaved, self.unreadable = set(done), set(unsaved), set()
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        """How many images there are."""
        return 0 if parent is not None and parent.isValid() else len(self._paths)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """What the delegate and the tool tip want to know of an image."""
        row = index.row()
        if not 0 <= row < len(self._paths):
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return self._names[row]
            case Qt.ItemDataRole.ToolTipRole:
                state = "unreadable" if row in self.unreadable else "masks saved" if row in self.done else "no masks"
                return f"{self._names[row]}\n{state}{', unsaved paint' if row in self.unsaved else ''}"
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnails.get(self._paths[row])
        if role == DONE:
            return row in self.done
        if role == UNSAVED:
            return row in self.unsaved
        return row in self.unreadable if role == UNREADABLE else None

    def mark(
        self, row: int, *, done: bool | None = None, unsaved: bool | None = None, unreadable: bool = False
    ) -> None:
        """Show that an image is in another state."""
        for rows, value in ((self.done, done), (self.unsaved, unsaved), (self.unreadable, unreadable or None)):
            if value is not None:
                (rows.add if value else rows.discard)(row)
        index = self.index(row)
        self.dataChanged.emit(index, index)

    def _arrived(self, path: str, image: QImage | None) -> None:
        if self._rows is None:
            self._rows = {each: row for row, each in enumerate(self._paths)}
        row = self._rows.get(path)
        if row is not None:
            self.mark(row, unreadable=image is None)


class _Delegate(QStyledItemDelegate):
    """Draws an image: thumbnail, name, and a sign for what is done."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """All are equal."""
        return QSize(200, THUMBNAIL + 14)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Draw one image."""
        look = theme.current()
        rect: QRect = option.rect
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        body = QRectF(rect).adjusted(6, 2, -6, -2)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(QColor(look.accent), 1.2) if selected else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.raised if selected else look.hover))
            painter.drawRoundedRect(body.adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        place = QRectF(body.left() + 6, body.top() + (body.height() - THUMBNAIL + 8) / 2, THUMBNAIL + 8, THUMBNAIL - 8)
        self._thumbnail(painter, place, index.data(Qt.ItemDataRole.DecorationRole), look)
        left = round(place.right() + 10)
        text = QRect(left, round(body.top()), round(body.right()) - left - 8, round(body.height()))
        metrics = QFontMetrics(option.font)
        name = metrics.elidedText(str(index.data()), Qt.TextElideMode.ElideMiddle, text.width())
        line = metrics.height()
        painter.setPen(QColor(look.text))
        painter.drawText(text.adjusted(0, 0, 0, -line), Qt.AlignmentFlag.AlignVCenter, name)
        words, colour = _state(index, look)
        painter.setPen(QColor(colour))
        below = text.adjusted(0, line, 0, 0)
        if index.data(DONE) and not index.data(UNSAVED):
            self._tick(painter, QPointF(left + 5, below.center().y() + 0.5), QColor(look.done))
            below.adjust(16, 0, 0, 0)
        painter.drawText(below, Qt.AlignmentFlag.AlignVCenter, words)
        painter.restore()

    def _thumbnail(self, painter: QPainter, place: QRectF, image: QImage | None, look: theme.Theme) -> None:
        clip = QPainterPath()
        clip.addRoundedRect(place, 5, 5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(look.line))
        painter.drawPath(clip)
        if image is None:
            return
        # Fill the place and cut off what is over.
        scale = max(place.width() / image.width(), place.height() / image.height())
        across, down = place.width() / scale, place.height() / scale
        source = QRectF((image.width() - across) / 2, (image.height() - down) / 2, across, down)
        painter.save()
        painter.setClipPath(clip)
        painter.drawImage(place, image, source)
        painter.restore()

    def _tick(self, painter: QPainter, at: QPointF, colour: QColor) -> None:
        painter.setPen(QPen(colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        painter.drawPolyline([at + QPointF(-4, 0), at + QPointF(-1, 3.2), at + QPointF(5, -4)])


def _state(index: Index, look: theme.Theme) -> tuple[str, str]:
    if index.data(UNREADABLE):
        return "unreadable", look.warning
    if index.data(UNSAVED):
        return "unsaved paint", look.accent
    return ("done", look.done) if index.data(DONE) else ("", look.faint)


class ImageList(QListView):
    """The images of the folder; a click goes to one."""

    chosen = Signal(int)

    def __init__(self, model: ImageModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setUniformItemSizes(True)
        self.setItemDelegate(_Delegate(self))
        self.setModel(model)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(26)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.clicked.connect(lambda index: self.chosen.emit(index.row()))

    def show_current(self, row: int) -> None:
        """Mark an image and bring it into sight."""
        index = self.model().index(row, 0)
        self.setCurrentIndex(index)
        self.scrollTo(index)

    def sizeHint(self) -> QSize:
        """Wide enough for a thumbnail and a name."""
        return QSize(236, 500)
