"""Binds a review to its window: commands become changes, changes become what is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication

from labelimg.app import theme
from labelimg.app.help_window import HelpWindow
from labelimg.app.review_commands import BY_NAME, COMMANDS, MOUSE, ORDERS
from labelimg.app.review_dialogs import NameDialog, count_of
from labelimg.app.review_dragging import NEW
from labelimg.app.review_gallery import SIDES
from labelimg.app.review_leaving import Jobs, ReviewLeaving
from labelimg.app.review_looking import Looking
from labelimg.app.review_page import Page
from labelimg.app.review_pictures import Pictures
from labelimg.app.review_splitting import Splitting
from labelimg.app.review_state import ReviewState
from labelimg.app.review_window import ReviewWindow
from labelimg.app.settings import Settings
from labelimg.cache import FeatureCache
from labelimg.clusterimg.arrangement import OUTLIERS, OUTLIERS_NAME, Change
from labelimg.clusterimg.review import Review
from labelimg.clusterimg.thumbnails import Thumbnails
from labelimg.errors import LabelimgError, printable

_FILTER_MS = 120
_NEED_IMAGES = ("move_to", "outliers", "new", "cut")


class ReviewController(QObject):
    """What one person does with one result."""

    finished = Signal()

    def __init__(self, review: Review, *, cache: FeatureCache | None = None) -> None:
        super().__init__()
        self.review = review
        self.settings = Settings("review")
        self.pictures = Pictures(Thumbnails.open(review.out), self._path_of)
        self.window = ReviewWindow(self.pictures, review.images, self._path_of)
        self.gallery = self.window.gallery
        self.page = Page(review)
        self.looking = Looking(review, self.gallery, self.window.zoom, self.page)
        self.jobs = Jobs()
        self.splitting = Splitting(review, self.window.split_bar, cache)
        self.state = ReviewState(review, self.window, lambda: self.leaving.busy or self.splitting.is_on)
        self.leaving = ReviewLeaving(review, self.window, self.jobs, self.close)
        self.leaving.state_changed.connect(self.state.show)
        self.leaving.settled.connect(lambda other: self._settled(other_images=other))
        self._filter = QTimer(self)
        self._filter.setSingleShot(True)
        self._filter.setInterval(_FILTER_MS)
        self._filter.timeout.connect(self._filter_changed)
        self._connect()
        self._restore()
        self.show_review()
        self._greet()

    # ----------------------------------------------------------------------------------------------- beginning

    def _connect(self) -> None:
        window, gallery = self.window, self.gallery
        window.command.connect(self.do)
        window.size_chosen.connect(gallery.set_side)
        window.filter_changed.connect(lambda _: self._filter.start())
        window.close_wanted.connect(self.leaving.leave)
        gallery.chosen_changed.connect(self.state.show_chosen)
        gallery.dropped.connect(self.drop)
        gallery.merged.connect(lambda one, into: self.change(lambda: self.review.now.merge([one, into], into)))
        gallery.renamed.connect(self._renamed)
        gallery.menu_wanted.connect(window.open_menu)
        gallery.fold_wanted.connect(self._fold)
        gallery.size_wanted.connect(lambda by: window.sides.setValue(window.sides.value() + by))
        window.split_bar.accepted.connect(self._split)
        window.split_bar.refused.connect(self._leave_whole)
        self.splitting.preview.connect(self._preview)
        self.splitting.failed.connect(self._split_failed)

    def _restore(self) -> None:
        self.settings.restore_place("window", self.window)
        step = self.settings.percent("thumbnails", 3)
        self.window.sides.setValue(min(step, len(SIDES) - 1))
        self.gallery.set_side(SIDES[self.window.sides.value()])
        self._order("by_size")
        self.jobs.later(self.page.read_similarities, self._similarities_came)

    def _greet(self) -> None:
        if self.review.lost:
            self.window.message.warn(self.review.lost)
        elif self.review.brought_back:
            count = len(self.review.pending)
            what = "1 image that is" if count == 1 else f"{count:,} images that are"
            self.window.message.notice(f"Brought back from before: {what} not in the new cluster's folder yet")

    def show(self) -> None:
        """Show the window."""
        self.window.show()

    def set_theme(self, choice: theme.Choice) -> None:
        """Look otherwise, and keep to it."""
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, choice)
        self.settings.theme = choice
        self.window.actions_by_name[f"theme_{choice}"].setChecked(True)
        self.window.restyle()

    # ------------------------------------------------------------------------------------------ what is shown

    def show_review(self) -> None:
        """Show the clusters as they are now, and what can be done."""
        self.splitting.leave()
        sections, titles, changed = self.page.sections()
        self.gallery.show_sections(sections, titles, changed)
        self.state.show()

    def _path_of(self, name: str) -> str:
        standing = self.review.standing
        row = standing.rows.get(name)
        return "" if row is None else standing.path(row)

    def _similarities_came(self, found: Any) -> None:
        self.page.similarities = found
        if not self.splitting.is_on and not self.gallery.dragging.is_pressed:
            self.show_review()

    def _filter_changed(self) -> None:
        self.page.filter = self.window.filter.text()
        self.show_review()
        if self.page.filter and not len(self.gallery.gallery):
            self.window.message.notice(f"no image or cluster has {self.page.filter.strip()!r} in its name")

    def _order(self, name: str) -> None:
        self.page.order = ORDERS[name]
        self.window.actions_by_name[name].setChecked(True)
        self.window.order.setText(BY_NAME[name].text)

    def _fold(self, number: int) -> None:
        self.page.folded ^= {number}
        self.show_review() if not self.splitting.is_on else self.splitting.again()

    # ------------------------------------------------------------------------------------------------ commands

    def do(self, name: str) -> None:
        """Do what a command says."""
        if name in ORDERS:
            self._order(name)
            self.show_review()
            self.gallery.verticalScrollBar().setValue(0)
        elif name.startswith("theme_"):
            self.set_theme(theme.CHOICES[name])
        else:
            getattr(self, f"_do_{name}")()

    def change(self, make: Callable[[], Change], *, current: int = -1) -> bool:
        """Make a change and show it; whether there was one. What cannot be is said in the window."""
        try:
            change = make()
            made = self.review.do(change)
        except LabelimgError as error:
            self.window.message.warn(str(error))
            self.show_review()
            return False
        if made:
            self.gallery.cut[:] = False
            self._tell(change.text)
            self.show_review()
            row = current if current >= 0 else int(change.rows[0]) if len(change.rows) else -1
            if row >= 0 and len(change.rows):
                self.gallery.choose(change.rows, current=row)
            self.looking.follow()
        return made

    def _tell(self, text: str) -> None:
        """Say what was done, in the status line: what changed can be seen."""
        self.window.last.setText(printable(f"{text[:1].upper()}{text[1:]}"))
        if not self.window.message.is_warning:
            self.window.message.hide()

    def drop(self, rows: list[int], number: int) -> None:
        """Images go to a cluster, to the outliers, or become one."""
        now = self.review.now
        top = self.gallery.verticalScrollBar().value()
        self.change(lambda: now.new_cluster(rows) if number == NEW else now.move(rows, number))
        self.gallery.verticalScrollBar().setValue(top)

    def _do_undo(self) -> None:
        self._go_along(self.review.undo, self.review.history.can_undo)

    def _do_redo(self) -> None:
        self._go_along(self.review.redo, self.review.history.can_redo)

    def _go_along(self, go: Callable[[], bool], text: str) -> None:
        try:
            if go():
                self._tell(f"{'undone' if go == self.review.undo else 'done again'}: {text}")
        except LabelimgError as error:
            self.window.message.warn(str(error))
        self.show_review()
        self.looking.follow()

    def _do_new(self) -> None:
        self.change(lambda: self.review.now.new_cluster(self.gallery.chosen_rows))
        self.gallery.bring_into_sight(self.gallery.current)

    def _do_outliers(self) -> None:
        after = self._neighbour()
        if self.change(lambda: self.review.now.move(self.gallery.chosen_rows, OUTLIERS)) and after >= 0:
            self.gallery.choose([after], current=after)
            self.looking.follow()

    def _neighbour(self) -> int:
        """The image that comes into hand when those that are chosen have gone: the next one of the cluster."""
        gallery = self.gallery.gallery
        at = gallery.position(self.gallery.current) if self.gallery.current >= 0 else -1
        if at < 0:
            return -1
        section = gallery.section_at(at)
        for position in [*range(at + 1, gallery.starts[section + 1]), *range(at - 1, gallery.starts[section] - 1, -1)]:
            if not self.gallery.chosen[gallery.rows[position]]:
                return int(gallery.rows[position])
        return -1

    def _do_merge(self) -> None:
        numbers = sorted(self.state.chosen_numbers() - {OUTLIERS})
        self.change(lambda: self.review.now.merge(numbers))
        self.gallery.bring_into_sight(self.gallery.current)

    def _do_rename(self) -> None:
        if self.gallery.current_number > OUTLIERS:
            self.gallery.edit_name(self.gallery.current_number)

    def _renamed(self, number: int, name: str) -> None:
        try:
            change = self.review.now.rename(number, name)
        except LabelimgError as error:
            self.window.message.warn(str(error))  # the name can be changed on
            return
        self.gallery.end_editing()
        current = self.gallery.current
        self.change(lambda: change)
        self.gallery.current = current
        self.gallery.bring_into_sight(current)

    def _do_cut(self) -> None:
        self.gallery.cut[:] = self.gallery.chosen
        self.gallery.viewport().update()
        count = count_of(int(self.gallery.cut.sum()), "image")
        self.window.message.notice(f"{count} in hand: go to another cluster and paste (Ctrl+V)")
        self.state.show_chosen()

    def _do_paste(self) -> None:
        number = self.gallery.current_number
        rows = np.flatnonzero(self.gallery.cut)
        if number >= 0 and len(rows):
            self.change(lambda: self.review.now.move(rows, number))

    def _do_move_to(self) -> None:
        rows = self.gallery.chosen_rows
        names = [*self.review.clusters, OUTLIERS_NAME]
        dialog = NameDialog(self.window, "Move to", names, new=True)
        dialog.chosen.connect(lambda name: self._move_to(rows, name))
        dialog.open()

    def _move_to(self, rows: list[int], name: str) -> None:
        now = self.review.now
        number = now.number_of(name)
        self.change(lambda: now.new_cluster(rows, name) if number is None else now.move(rows, number))

    def _do_go_to(self) -> None:
        dialog = NameDialog(self.window, "Go to", [*self.review.clusters, OUTLIERS_NAME], new=False)
        dialog.chosen.connect(self._go_to)
        dialog.open()

    def _go_to(self, name: str) -> None:
        number = self.review.now.number_of(name)
        if number is not None:
            if self.page.filter:
                self.window.filter.clear()
                self._filter_changed()
            self.gallery.go_to_section(number)

    def _do_choose_cluster(self) -> None:
        number = self.gallery.current_number
        if number >= 0:
            section = self.gallery.gallery.sections[self.gallery.gallery.section_of(number)]
            self.gallery.choose(section.rows, current=self.gallery.current)

    def _do_choose_all(self) -> None:
        sections = [section.rows for section in self.gallery.gallery.sections]
        self.gallery.choose(np.concatenate([np.empty(0, np.int32), *sections]), current=self.gallery.current)

    def _do_find(self) -> None:
        self.window.filter.setFocus()
        self.window.filter.selectAll()

    def _do_previous(self) -> None:
        self.gallery.walking.by_section(-1)

    def _do_next(self) -> None:
        self.gallery.walking.by_section(1)

    def _do_zoom(self) -> None:
        self.looking.show_current()

    def _do_larger(self) -> None:
        self.window.sides.setValue(self.window.sides.value() + 1)

    def _do_smaller(self) -> None:
        self.window.sides.setValue(self.window.sides.value() - 1)

    def _do_fold(self) -> None:
        if self.gallery.current_number >= 0:
            self._fold(self.gallery.current_number)

    def _do_fold_all(self) -> None:
        every = {section.number for section in self.gallery.gallery.sections}
        self.page.folded = set() if every <= self.page.folded else every
        self.show_review()

    def _do_help(self) -> None:
        HelpWindow(self.window, COMMANDS, MOUSE).open()

    # ------------------------------------------------------------------------------------------------- splitting

    def _do_split(self) -> None:
        number = self.gallery.current_number
        if number > OUTLIERS:
            if self.window.zoom.isVisible():
                self.window.zoom.leave()
            self.window.message.hide()
            self.splitting.begin(number)
            self.state.show()

    def _preview(self, change: Change) -> None:
        sections, titles, changed = self.page.sections(self.review.now.after(change), only=self.splitting.number)
        self.gallery.show_sections(sections, titles, changed)
        self.gallery.verticalScrollBar().setValue(0)

    def _split(self) -> None:
        change = self.splitting.change()
        self.splitting.leave()
        if change is not None and not self.change(lambda: change):
            self.show_review()
        self.gallery.setFocus()

    def _leave_whole(self) -> None:
        number = self.splitting.number
        self.splitting.leave()
        self.show_review()
        self.gallery.setFocus()
        self.gallery.go_to_section(number)

    def _split_failed(self, text: str) -> None:
        self._leave_whole()
        self.window.message.warn(text)

    # -------------------------------------------------------------------------------------------- applying, leaving

    def _do_apply(self) -> None:
        self.leaving.ask_to_apply()

    def _do_discard(self) -> None:
        self.leaving.ask_to_discard()

    def _do_quit(self) -> None:
        self.leaving.leave()

    def _settled(self, *, other_images: bool) -> None:
        """The disk is other now than it was."""
        if other_images:
            self.gallery.show_images(self.review.images)
            self.page.forget_rows()
            self.jobs.later(self.page.read_similarities, self._similarities_came)
        self.pictures.try_again()
        self.window.zoom.try_again()
        self.show_review()

    def close(self) -> None:
        """Leave without a question; what is pending is kept."""
        self.settings.keep_place("window", self.window)
        self.settings.set_percent("thumbnails", self.window.sides.value())
        self.settings.sync()
        self.splitting.close()
        self.jobs.close()
        self.pictures.close()
        self.window.zoom.close_pool()
        self.review.close()
        self.window.may_close = True
        self.window.close()
        self.finished.emit()
