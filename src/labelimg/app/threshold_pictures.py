"""Small pictures of images, decoded in the background: those that were asked for last come first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage, QPixmap

from labelimg.decoding import Shrink, read
from labelimg.errors import UnreadableImageError

_KEPT = 600
_THREADS = 2


class Thumbnails(QObject):
    """Pictures whose longest side is at most `longest` pixels. `came` names one that is there now."""

    came = Signal(str)
    _made = Signal(str, object)

    def __init__(self, longest: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shrink = Shrink(colour=True, longest=longest)
        self._kept: OrderedDict[str, QPixmap] = OrderedDict()
        self._wanted: list[str] = []
        self._under_way: set[str] = set()
        self._workers = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_THREADS)
        self._made.connect(self._keep)

    def get(self, path: str) -> QPixmap | None:
        """The picture if it is there; an empty one of an image that cannot be read."""
        picture = self._kept.get(path)
        if picture is not None:
            self._kept.move_to_end(path)
        return picture

    def want(self, paths: list[str]) -> None:
        """Decode these, and no longer those that were wanted before and are not begun."""
        with self._lock:
            self._wanted = [path for path in paths if path not in self._kept and path not in self._under_way]
            begin = max(0, min(len(self._wanted), _THREADS - self._workers))
            self._workers += begin
        for _ in range(begin):
            self._pool.submit(self._work)

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        with self._lock:
            self._wanted = []
        self._pool.shutdown()

    def _work(self) -> None:
        """Decode until nothing is wanted any more; called by a thread of the pool."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._workers -= 1
                    return
                path = self._wanted.pop(0)
                self._under_way.add(path)
            try:
                pixels = np.ascontiguousarray(read(path, self._shrink))
                h, w = pixels.shape[:2]
                image = QImage(pixels.data, w, h, 3 * w, QImage.Format.Format_RGB888).copy()
            except UnreadableImageError:  # it could be read before: it has gone or changed since
                image = QImage()
            self._made.emit(path, image)

    def _keep(self, path: str, image: QImage) -> None:
        with self._lock:
            self._under_way.discard(path)
        self._kept[path] = QPixmap.fromImage(image) if not image.isNull() else QPixmap()
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        self.came.emit(path)
