"""Splitting a cluster in the window: the ways are looked for in a thread, then a slider goes through them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from PySide6.QtCore import QObject, Signal

from labelimg.app.review_split import SplitBar
from labelimg.cache import FeatureCache
from labelimg.clusterimg.arrangement import Change
from labelimg.clusterimg.review import Review
from labelimg.clusterimg.splitting import Cuts, cuts_of
from labelimg.errors import LabelimgError


class Splitting(QObject):
    """One cluster that is being split, or none."""

    preview = Signal(object)
    failed = Signal(str)
    _came = Signal(int, object, str)

    def __init__(self, review: Review, bar: SplitBar, cache: FeatureCache | None) -> None:
        super().__init__()
        self._review, self._bar, self._cache = review, bar, cache
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labelimg-splitting")
        self._turn = 0  # so that what comes too late is not taken for what is wanted now
        self._cuts: Cuts | None = None
        self.number = -1
        self._came.connect(self._offer)
        bar.step_changed.connect(self._show)

    @property
    def is_on(self) -> bool:
        """Whether a cluster is being split."""
        return self.number >= 0

    def begin(self, number: int) -> None:
        """Look for the ways to split a cluster."""
        self.number, self._cuts = number, None
        self._turn += 1
        now = self._review.now
        self._bar.wait(now.name_of(number), len(now.rows_of(number)))
        self._pool.submit(self._look, self._turn, number)

    def change(self) -> Change | None:
        """The split that is shown; None while nothing is."""
        if self._cuts is None or not self.is_on:
            return None
        return self._review.now.split(self.number, self._cuts.pieces(self._bar.slider.value()))

    def again(self) -> None:
        """Show the same once more."""
        change = self.change()
        if change is not None:
            self.preview.emit(change)

    def leave(self) -> None:
        """End it, whatever is shown."""
        self._turn += 1
        self.number, self._cuts = -1, None
        self._bar.hide()

    def close(self) -> None:
        """Wait for nothing any more."""
        self._turn += 1
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _look(self, turn: int, number: int) -> None:
        cuts, reason = None, ""
        try:
            cuts = cuts_of(self._review, number, cache=self._cache)
        except LabelimgError as error:
            reason = str(error)
        self._came.emit(turn, cuts, reason)

    def _offer(self, turn: int, cuts: Cuts | None, reason: str) -> None:
        if turn != self._turn:
            return
        if cuts is None:
            self.failed.emit(reason)
            return
        if len(cuts) < 2 and len(cuts.pieces(0)) < 2:
            self.failed.emit("the images of this cluster are all equally similar: choose some and make a new cluster")
            return
        self._cuts = cuts
        self._bar.offer(cuts)

    def _show(self, step: int) -> None:
        if self._cuts is None:
            return
        pieces = self._cuts.pieces(step)
        single = len(self._review.now.rows_of(self.number)) - sum(map(len, pieces))
        found = f"{len(pieces)} piece{'' if len(pieces) == 1 else 's'}"
        if single:
            found += f", {single:,} to the outliers"
        self._bar.tell(self._cuts.label(step), found)
        self.again()
