"""What the review window says of its state, and which commands can be given in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelimg.app.review_dialogs import count_of
from labelimg.app.review_window import ReviewWindow
from labelimg.clusterimg.arrangement import OUTLIERS
from labelimg.clusterimg.review import Review
from labelimg.errors import printable

_NEED_IMAGES = ("move_to", "outliers", "new", "cut")
_ALWAYS = ("quit", "help", "theme_system", "theme_light", "theme_dark")


class ReviewState:
    """Writes into the status line, and lets actions be used or not. `occupied`: whether none that changes can be."""

    def __init__(self, review: Review, window: ReviewWindow, occupied: Callable[[], bool]) -> None:
        self._review, self._window, self._occupied = review, window, occupied

    def show(self) -> None:
        """Show how the review stands."""
        window, review, free = self._window, self._review, not self._occupied()
        now, pending = review.now, len(review.pending)
        outliers = len(now.rows_of(OUTLIERS))
        clusters = len(np.unique(now.clusters)) - bool(outliers)
        counts = count_of(len(now), "image"), count_of(clusters, "cluster"), count_of(outliers, "outlier")
        window.counts.setText("  ·  ".join(counts))
        window.pending.setText(f"{count_of(pending, 'image')} to move" if pending else "nothing to apply")
        window.apply.setText(f"Apply ({pending:,})…" if pending else "Apply…")
        window.setWindowTitle(f"{'*' if pending else ''}{printable(review.out.name)} - Review - Labelimg")
        actions = window.actions_by_name
        for name, action in actions.items():
            action.setEnabled(free or name in _ALWAYS)
        for name, text in (("undo", review.history.can_undo), ("redo", review.history.can_redo)):
            actions[name].setEnabled(free and bool(text))
            what = f"{name.capitalize()}: {printable(text)}" if text else name.capitalize()
            actions[name].setText(what.replace("&", "&&"))
        for name in ("apply", "discard"):
            actions[name].setEnabled(free and bool(pending))
        window.apply.setEnabled(free and bool(pending))
        window.order.setEnabled(free)
        window.filter.setEnabled(free)
        window.gallery.may_change = free
        self.show_chosen()

    def show_chosen(self) -> None:
        """Show what is chosen, and what can be done with it."""
        gallery, free = self._window.gallery, not self._occupied()
        count = int(gallery.chosen.sum())
        clusters = len(self.chosen_numbers() - {OUTLIERS})
        of = f" of {count_of(clusters, 'cluster')}" if clusters > 1 else ""
        self._window.chosen.setText(f"{count_of(count, 'image')} chosen{of}" if count else "")
        actions = self._window.actions_by_name
        for name in _NEED_IMAGES:
            actions[name].setEnabled(free and count > 0)
        actions["paste"].setEnabled(free and bool(gallery.cut.any()))
        actions["merge"].setEnabled(free and clusters > 1)
        for name in ("split", "rename"):
            actions[name].setEnabled(free and gallery.current_number > OUTLIERS)

    def chosen_numbers(self) -> set[int]:
        """The clusters of the chosen images; 0 among them where some are outliers."""
        return set(np.unique(self._review.now.clusters[self._window.gallery.chosen]).tolist())
