"""Thumbnails for a review: from the run's own file, else decoded, in threads and never in the way of the hand."""

from __future__ import annotations

import gc
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPixmap

from labelimg.clusterimg.gallery import picture_size
from labelimg.clusterimg.thumbnails import Thumbnails
from labelimg.decoding import Shrink, read
from labelimg.errors import UnreadableImageError

Key = tuple[str, int]  # the name of an image, and the width of the room for it, in pixels of the screen

_KEPT_BYTES = 200_000_000
_WAITING = 400  # what is asked for and not shown yet; what was scrolled past is forgotten
_ENLARGED = 1.3  # how much a picture may be enlarged to fill its room
_BLURRED = 8.0  # how much a thumbnail may be until what is sharp has come
_THREADS = 2
_SWITCH_S = (
    0.0005  # so long the threads may keep the interpreter while the window waits for it; of itself ten times that
)
_QUIET_MS = 1
_AT_ONCE_S = 0.004  # for pictures that have come, of a frame; the others wait for the next


class Pictures(QObject):
    """Gives the thumbnails that are at hand, and tells by `ready` when another has come."""

    ready = Signal(object)
    _came = Signal()

    def __init__(self, thumbnails: Thumbnails, path_of: Callable[[str], str]) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._path_of = path_of
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="labelimg-thumbnail")
        self._lock = Lock()
        self._busy = 0  # threads that read
        self._wanted: OrderedDict[Key, None] = OrderedDict()
        self._coming: set[Key] = set()  # what is being read just now
        self._known: OrderedDict[Key, QPixmap | None] = OrderedDict()
        self._latest: dict[str, int] = {}
        self._bytes = 0
        self._closed = False
        self._read: deque[tuple[str, int, QImage | None, bool]] = deque()
        self._told = False
        self._may_read = Event()
        self._may_read.set()
        self._quiet = QTimer(self, singleShot=True, interval=_QUIET_MS)
        self._quiet.timeout.connect(self._may_read.set)
        self._interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        gc.freeze()  # or each full collection goes through the names of all images, a frame and a half for 10,000
        self._arrivals = QTimer(self, singleShot=True, interval=_QUIET_MS)
        self._arrivals.timeout.connect(self._keep_some)
        self._came.connect(self._arrivals.start, Qt.ConnectionType.QueuedConnection)

    def get(self, name: str, side: int) -> QPixmap | None:
        """The picture of a name for a room of this width, if it is at hand.

        Else it will come, and one of another size is given if there is one.
        """
        key = name, side
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        if key not in self._wanted and key not in self._coming and not self._closed:
            with self._lock:
                self._wanted[key] = None
                while len(self._wanted) > _WAITING:
                    self._wanted.popitem(last=False)
                starts = self._busy < _THREADS
                self._busy += starts
            if starts:
                self._pool.submit(self._take)
        other = self._latest.get(name)
        return None if other is None else self._known.get((name, other))

    def is_unreadable(self, name: str) -> bool:
        """Whether the picture was tried and cannot be read."""
        side = self._latest.get(name)
        return side is not None and self._known.get((name, side), 0) is None

    def wait(self) -> None:
        """Begin no picture until the window has nothing else to do: each call of Qt gives the interpreter away."""
        self._may_read.clear()
        self._quiet.start()

    def try_again(self) -> None:
        """What could not be read may lie elsewhere by now."""
        for key in [key for key, pixmap in self._known.items() if pixmap is None]:
            del self._known[key]
            self._latest.pop(key[0], None)

    @property
    def is_idle(self) -> bool:
        """Whether all that was asked for has come."""
        return not self._wanted and not self._coming

    def close(self) -> None:
        """Read no more."""
        sys.setswitchinterval(self._interval_s)
        gc.unfreeze()
        self._closed = True
        self._arrivals.stop()
        with self._lock:
            self._wanted.clear()
        self._may_read.set()
        self._pool.shutdown(cancel_futures=True)
        self._thumbnails.close()

    def _take(self) -> None:
        """Read what is wanted until nothing is."""
        try:
            while self._may_read.wait() and (key := self._next()) is not None:
                for image, is_last in self._images(*key):
                    self._read.append((*key, image, is_last))
                    if not self._told and not self._closed:
                        self._told = True
                        self._came.emit()
        except BaseException:
            with self._lock:
                self._busy -= 1
            raise

    def _next(self) -> Key | None:
        with self._lock:
            if not self._wanted:
                self._busy -= 1
                return None
            key, _ = self._wanted.popitem()  # what was asked for last is in sight now
            self._coming.add(key)
            return key

    def _images(self, name: str, side: int) -> Iterator[tuple[QImage | None, bool]]:
        """The run's thumbnail, enlarged if it is small for the room; then what is sharp, where that is not.

        With each comes whether it is the last; None is for an image that cannot be read.
        """
        jpeg = self._thumbnails.get(name)
        kept = QImage.fromData(jpeg) if jpeg else QImage()
        self._may_read.wait()
        if not kept.isNull():
            is_sharp = _factor(kept, side) <= _ENLARGED
            yield _fitted(kept, side, most=_BLURRED), is_sharp
            if is_sharp:
                return
        try:
            pixels = read(self._path_of(name), Shrink(colour=True, longest=side))
        except UnreadableImageError:
            yield None if kept.isNull() else _fitted(kept, side, most=_BLURRED), True
            return
        height, width = pixels.shape[:2]
        yield _fitted(QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888), side), True

    def _keep_some(self) -> None:
        """Keep what has come, as much as there is time for in a frame; a jump brings a page of them at once."""
        begun = time.perf_counter()
        while self._read and time.perf_counter() - begun < _AT_ONCE_S:
            self._keep(*self._read.popleft())
        self._told = False
        if self._read:
            self._told = True
            self._arrivals.start()

    def _keep(self, name: str, side: int, image: QImage | None, is_last: bool) -> None:
        if is_last:
            self._coming.discard((name, side))
        pixmap = None if image is None else QPixmap.fromImage(image)
        self._forget(self._known.pop((name, side), None))
        self._known[name, side] = pixmap
        before = self._latest.get(name)
        self._latest[name] = side
        if before is not None and before != side:
            self._forget(self._known.pop((name, before), None))
        self._bytes += _bytes(pixmap)
        while self._bytes > _KEPT_BYTES and len(self._known) > 1:
            (old, old_side), gone = self._known.popitem(last=False)
            if self._latest.get(old) == old_side:
                del self._latest[old]
            self._forget(gone)
        self.ready.emit(name)

    def _forget(self, pixmap: QPixmap | None) -> None:
        self._bytes -= _bytes(pixmap)


def _bytes(pixmap: QPixmap | None) -> int:
    return 0 if pixmap is None else 4 * pixmap.width() * pixmap.height()


def _factor(image: QImage, side: int) -> float:
    """By how much the image can be enlarged until it fills its room."""
    width, height = picture_size(side)
    return min(width / max(1, image.width()), height / max(1, image.height()))


def _fitted(image: QImage, side: int, *, most: float = _ENLARGED) -> QImage:
    """The image in what a screen shows fastest, as large as its room is, but not enlarged by more than `most`."""
    factor = _factor(image, side)
    if factor < 1 or 1 < factor < most:
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        image = image.scaled(QSize(*picture_size(side)), keep, smooth)
    return image.convertToFormat(QImage.Format.Format_RGB32)
