"""How a review is applied, discarded and left: what is asked, and what happens then."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox

from labelimg.app.review_dialogs import ApplyDialog, ask_discarding, ask_leaving, count_of
from labelimg.app.review_window import ReviewWindow
from labelimg.clusterimg.review import Applied, Review
from labelimg.errors import LabelimgError

Then = Callable[[Any], object]


class Jobs(QObject):
    """Does things in a thread, one after the other, and then something with what came back where it was asked for."""

    _done = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labelimg-review")
        self._closed = False
        self._done.connect(self._carry_on)

    def later(self, work: Callable[[], Any], then: Then, otherwise: Then | None = None) -> None:
        """Do `work`, then `then` with what it gave, or `otherwise` with the error of ours that it raised."""

        def run() -> None:
            try:
                self._done.emit(then, work())
            except LabelimgError as error:
                self._done.emit(otherwise, error)

        self._pool.submit(run)

    def close(self) -> None:
        """Wait for what is being done, and do no more."""
        self._closed = True
        self._pool.shutdown(cancel_futures=True)

    def _carry_on(self, then: Then | None, found: Any) -> None:
        if not self._closed and then is not None:
            then(found)


class ReviewLeaving(QObject):
    """Leads a review onto the disk, or to its end."""

    state_changed = Signal()
    settled = Signal(bool)  # the disk is other now; whether the images are

    def __init__(self, review: Review, window: ReviewWindow, jobs: Jobs, close: Callable[[], object]) -> None:
        super().__init__()
        self._review, self._window, self._jobs, self._close = review, window, jobs, close
        self.busy = False
        self.box: QMessageBox | None = None
        self._leaves = False

    def ask_to_apply(self) -> None:
        """Show what will be moved, and move it if that is wanted."""
        moves = self._review.pending
        if moves:
            dialog = ApplyDialog(self._window, moves, str(self._review.run["settings"].get("transfer")))
            dialog.accepted.connect(self.apply)
            dialog.open()

    def apply(self) -> None:
        """Put the changes on the disk, while the window goes on showing them."""
        self.busy = True
        self._window.message.notice("Applying…")
        self.state_changed.emit()
        images = self._review.images
        self._jobs.later(
            self._review.apply,
            lambda applied: self._applied(applied, images),
            lambda error: self._not_applied(error, images),
        )

    def ask_to_discard(self) -> None:
        """Forget all changes, if that is wanted."""
        ask_discarding(self._window, len(self._review.pending), self._discard)

    def leave(self) -> None:
        """Leave; asks once if changes are not applied."""
        if self.busy:
            self._leaves = True
            return
        if self.box is not None:
            return
        count = len(self._review.pending)
        if not count:
            self._close()
            return
        self.box = ask_leaving(
            self._window, count, apply=self._apply_and_leave, leave=self._close, discard=self._discard_and_leave
        )
        self.box.finished.connect(lambda _: setattr(self, "box", None))

    def _apply_and_leave(self) -> None:
        self._leaves = True
        self.apply()

    def _discard_and_leave(self) -> None:
        self._discard()
        self._close()

    def _discard(self) -> None:
        try:
            self._review.discard()
        except LabelimgError as error:
            self._window.message.warn(str(error))
        self.settled.emit(False)

    def _applied(self, applied: Applied, images: tuple[str, ...]) -> None:
        self.busy = False
        self.settled.emit(images != self._review.images)
        if applied.gone:
            self._window.message.warn(f"{count_of(len(applied.gone), 'image')} of the result went elsewhere meanwhile")
        else:
            self._window.message.notice(f"Applied: {count_of(len(applied.moves), 'image')} moved")
        if self._leaves:
            self._close()

    def _not_applied(self, error: LabelimgError, images: tuple[str, ...]) -> None:
        self.busy = self._leaves = False
        self.settled.emit(images != self._review.images)
        self._window.message.warn(str(error))
