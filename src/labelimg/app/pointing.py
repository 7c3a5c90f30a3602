"""Binds an image that is pointed at to its windows; what takes time is done in another thread."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from labelimg.app.pointing_windows import FIND, AnnotationsWindow, FoundWindow
from labelimg.app.settings import Settings
from labelimg.errors import LabelimgError, printable
from labelimg.segmentatimg.picture import Picture, edges_of
from labelimg.segmentatimg.pointing import Found, Pointer, Pointing, Wish
from labelimg.segmentatimg.prompts import Annotation, History
from labelimg.segmentatimg.pyramid import EdgePyramid, image_levels
from labelimg.segmentatimg.sam_loading import CancelledError
from labelimg.segmentatimg.scene import PictureScene

_OBJECTS = (
    *((65, 150, 255), (255, 99, 71), (60, 200, 120), (255, 196, 0), (190, 110, 255)),
    *((0, 205, 205), (255, 130, 200), (170, 200, 60), (255, 150, 50), (120, 130, 255)),
)


def _said(error: Exception) -> str:
    """What went wrong, in one line: whatever a library raises, nobody is to wait for ever."""
    if isinstance(error, MemoryError):
        return "it does not fit in memory"
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, LabelimgError) else f"{type(error).__name__}: {text}"


class PointingControl(QObject):
    """Owns the two windows. `finished` gives a picture and its segments, `left` a command that is not of pointing.

    `idle` is sent whenever something that was waited for has come.
    """

    finished = Signal(object, object)
    left = Signal(str)
    posted = Signal(object)
    idle = Signal()

    def __init__(self, wish: Wish, settings: Settings) -> None:
        super().__init__()
        self.wish, self._settings = wish, settings
        self.pointer = Pointer(wish)
        self.annotations = AnnotationsWindow(wish.tool)
        self.found = FoundWindow(wish.tool)
        self.pointing: Pointing | None = None
        self.picture: Picture | None = None
        self.busy = False
        self._again = False
        self._cancelled = False
        self._histories: dict[int, History] = {}
        self._levels: Any = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="labelimg-pointing")
        self._placed = False
        canvas = self.annotations.canvas
        self.posted.connect(self._run, Qt.ConnectionType.QueuedConnection)
        for window in (self.annotations, self.found):
            window.command.connect(self.do)
        self.found.key.connect(self._relay)
        canvas.annotated.connect(self._annotated)
        canvas.view_changed.connect(lambda: self.found.look_where(canvas))

    def _run(self, work: Callable[[], None]) -> None:
        work()
        self.idle.emit()

    # ---------------------------------------------------------------------------------------------- an image

    @property
    def shown(self) -> bool:
        """Whether an image is pointed at."""
        return self.pointing is not None

    def open(self, picture: Picture) -> str:
        """Point at a picture that is decoded; its annotations are still there. Gives why it cannot be, if so."""
        assert picture.scene is not None
        image = picture.scene.image
        self._levels = image_levels(image)
        self.picture, self._again = picture, False
        try:
            pointing = self.pointing = self.pointer.begin(image)
        except LabelimgError as error:
            self.pointing = None
            return str(error)
        pointing.history = self._histories.setdefault(picture.row, pointing.history)
        name = printable(os.path.basename(picture.path))
        self.annotations.setWindowTitle(f"Annotations - {name}")
        self.annotations.canvas.show_scene(PictureScene(image, self._levels))
        self.annotations.message.hide()
        self._show_nothing_found(name)
        self._show_prompts()
        self._show()
        self.annotations.state.setText("encoding the image… you can point already")
        pointing.when_ready(lambda reason: self.posted.emit(lambda: self._ready(pointing, reason)))
        return ""

    def _ready(self, pointing: Pointing, reason: str) -> None:
        """What has to be there before anything is found is there, or cannot be."""
        if self.pointing is not pointing:
            return
        if reason:
            self.annotations.message.warn(reason)
        if not self.busy:
            self.annotations.state.setText("" if reason else "ready")

    def _show_nothing_found(self, name: str) -> None:
        assert self.pointing is not None
        self.found.show_scene(PictureScene(self.pointing.image, self._levels), name)
        self.found.state.setText("nothing was looked for yet")

    def close(self) -> None:
        """Take the windows away; the annotations are kept."""
        if self.pointing is not None:
            self.pointing.leave()
        self.pointing = self.picture = self._levels = None
        self.annotations.hide()
        self.found.hide()
        self.annotations.canvas.show_scene(None)
        self.found.show_scene(None, "")

    def _show(self) -> None:
        windows: tuple[tuple[str, QWidget], ...] = (("annotations", self.annotations), ("found", self.found))
        if not self._placed:
            self._placed = True
            known = [self._settings.restore_place(name, window) for name, window in windows]
            if not all(known):
                screen = self.annotations.screen().availableGeometry()
                half, height = screen.width() // 2, min(screen.height() - 60, 860)
                for place, (_, window) in enumerate(windows):
                    window.resize(half - 16, height)
                    window.move(screen.left() + 4 + place * half, screen.top() + 30)
        for _, window in reversed(windows):
            window.show()
        self.annotations.activateWindow()
        self.annotations.canvas.setFocus()

    # ---------------------------------------------------------------------------------------------- the hand

    def _relay(self, event: QKeyEvent) -> None:
        canvas = self.annotations.canvas
        canvas.keyPressEvent(event) if event.type() == QEvent.Type.KeyPress else canvas.keyReleaseEvent(event)

    def _annotated(self, annotation: Annotation) -> None:
        if self.pointing is not None and self.pointer.accepts(annotation):
            self.pointing.history.add(annotation)
            self._prompts_changed()

    def _prompts_changed(self) -> None:
        self._show_prompts()
        if self.wish.live and self.pointing is not None and self.pointing.history.prompts:
            self.do("find")

    def _show_prompts(self) -> None:
        if self.pointing is None:
            return
        history = self.pointing.history
        self.annotations.canvas.show_prompts(history.prompts)
        self.annotations.enable(undo=history.can_undo, redo=history.can_redo, reset=bool(history.prompts))

    def do(self, name: str) -> None:
        """Carry out what a key or a button means."""
        pointing = self.pointing
        if name in ("quit", "next", "previous"):
            self.left.emit(name)
        elif pointing is None:
            return
        elif name in ("undo", "redo", "reset"):
            getattr(pointing.history, name)()
            self._prompts_changed()
            if not pointing.history.prompts:
                self._begin_anew(pointing)
        elif name == "find":
            self._find(pointing)
        elif name == "finish":
            self._finish(pointing)

    def _begin_anew(self, pointing: Pointing) -> None:
        """All annotations are taken away: what was found for them goes, too."""
        assert self.picture is not None
        self._again = False
        self._worker.submit(pointing.forget)  # after what is being found now
        self._show_nothing_found(printable(os.path.basename(self.picture.path)))
        self.found.look_where(self.annotations.canvas)
        self.annotations.state.setText("")

    # ---------------------------------------------------------------------------------------------- finding

    def _find(self, pointing: Pointing) -> None:
        if self.busy:
            self._again = True  # with the annotations as they are by then
            return
        prompts, levels = pointing.history.prompts, self._levels

        def work() -> tuple[Found, PictureScene]:
            found = pointing.find(prompts)
            return found, self._scene_of(pointing, found, levels)

        self.found.state.setText(f"{FIND[self.wish.tool].lower().rstrip('e')}ing…")
        self._work(work, self._show_found)

    def _scene_of(self, pointing: Pointing, found: Found, levels: Any) -> PictureScene:
        """What was found over the image: all but the foreground dark, or each object in a colour."""
        scene = PictureScene(pointing.image, levels)
        edges = EdgePyramid(edges_of(found.objects.astype(np.int32) + 1).levels[0])
        scene.set_segments(found.objects.astype(np.int32) + 1, edges)
        scene.edge_alpha = 0.9
        if self.wish.tool == "grabcut":
            scene.set_paint((found.objects == 0).astype(np.uint8), ((0, 0, 0),))
            scene.paint_alpha = 0.78
        else:
            colours = tuple(_OBJECTS[k % len(_OBJECTS)] for k in range(min(found.count, 255)))
            scene.set_paint(found.objects, colours)
            scene.paint_alpha = 0.6
        return scene

    def _show_found(self, result: tuple[Found, PictureScene]) -> None:
        found, scene = result
        assert self.picture is not None and self.pointing is not None
        if not self.pointing.history.prompts:  # they were taken away meanwhile
            return
        self.found.show_scene(scene, printable(os.path.basename(self.picture.path)), keep_view=True)
        self.found.look_where(self.annotations.canvas)
        self.found.state.setText(found.text)
        self.annotations.state.setText(found.text)
        self.annotations.message.hide()

    def _finish(self, pointing: Pointing) -> None:
        if self.busy:
            self._again = False
            self._worker_then(lambda: self._finish(pointing))
            return
        prompts, picture = pointing.history.prompts, self.picture
        self.annotations.state.setText("making segments…")

        def done(labels: Any) -> None:
            self.close()
            self.finished.emit(picture, labels)

        self._work(lambda: pointing.segments(prompts), done)

    def _worker_then(self, then: Callable[[], None]) -> None:
        """Do something in this thread once the worker has done what it does."""
        pointing = self.pointing
        self._worker.submit(lambda: self.posted.emit(lambda: then() if self.pointing is pointing else None))

    def _work(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Do what takes time; `then` in this thread, unless another image is pointed at by then."""
        pointing, self.busy = self.pointing, True

        def run() -> None:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - it is said
                text = _said(error)
                self.posted.emit(lambda: come(None, text))
            else:
                self.posted.emit(lambda: come(result, ""))

        def come(result: Any, reason: str) -> None:
            self.busy = False
            if self.pointing is pointing:
                if reason:
                    self.found.state.setText("nothing was found")
                    self.annotations.state.setText("")
                    self.annotations.message.warn(reason)
                else:
                    then(result)
            again, self._again = self._again, False
            if again and self.pointing is not None:
                self._find(self.pointing)

        self._worker.submit(run)

    # ---------------------------------------------------------------------------------------------- without pointing

    def automatic(self, picture: Picture, tell: Callable[[str], None], failed: Callable[[str], None]) -> None:
        """Find all masks of a picture; `tell` is told how far it is. Another call, or `cancel`, ends it."""
        assert picture.scene is not None
        image = picture.scene.image
        self.cancel()
        self.picture, self._cancelled = picture, False

        def progress(done: int, total: int) -> None:
            if self._cancelled or self.picture is not picture:
                raise CancelledError("stopped")
            self.posted.emit(lambda: tell(f"finding masks… {100 * done // total} %, Esc stops"))

        def run() -> None:
            try:
                labels = self.pointer.automatic(image, progress)
            except Exception as error:  # noqa: BLE001 - it is said
                text = _said(error)
                self.posted.emit(lambda: failed(text) if self.picture is picture else None)
            else:
                self.posted.emit(lambda: self.finished.emit(picture, labels))

        tell("finding masks…")
        self._worker.submit(run)

    def cancel(self) -> None:
        """End what `automatic` began."""
        self._cancelled = True

    # ---------------------------------------------------------------------------------------------- the end

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self.annotations.restyle()
        self.found.restyle()

    def forget(self) -> None:
        """Another folder: its rows are other images."""
        self.close()
        self._histories = {}
        self.pointer.ahead([])

    def end(self) -> None:
        """Close the windows and end the threads."""
        self.cancel()
        if self._placed:
            self._settings.keep_place("annotations", self.annotations)
            self._settings.keep_place("found", self.found)
        self.close()
        for window in (self.annotations, self.found):
            window.may_close = True
            window.close()
            window.deleteLater()
        self.pointer.close()
        self._worker.shutdown(wait=True, cancel_futures=True)
