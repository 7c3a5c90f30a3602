"""Binds a sitting to the windows: orders and commands go to it, what comes of them is shown."""

from __future__ import annotations

import os
from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QFileDialog

from labelimg.app import theme
from labelimg.app.canvas import ZOOM_STEP
from labelimg.app.colour_window import ColourWindow
from labelimg.app.debug_windows import DebugWindows
from labelimg.app.hand import Hand
from labelimg.app.help_window import HelpWindow
from labelimg.app.leaving import Leaving
from labelimg.app.opening import Wishes, begin, names_of, open_folder, waiting
from labelimg.app.picture_window import PictureWindow
from labelimg.app.pointing_flow import PointingFlow
from labelimg.app.settings import Settings
from labelimg.app.status import StatusLine
from labelimg.errors import LabelimgError, printable
from labelimg.segmentatimg.gestures import Mode
from labelimg.segmentatimg.holding import Holding
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.session import Session


class Controller(QObject):
    """Owns the windows and the sitting. `idle` is sent whenever something that was waited for has come."""

    posted = Signal(object)
    idle = Signal()
    finished = Signal()

    def __init__(self, wishes: Wishes, settings: Settings | None = None) -> None:
        super().__init__()
        self.wishes = wishes
        self.settings = settings or Settings()
        self.session: Session | None = None
        self.window = PictureWindow(wishes.method)
        self.colours = ColourWindow(self.window)
        self.debug = DebugWindows(self.window)
        self.status = StatusLine(self.window)
        self.leaving = Leaving(self.window)
        self.hand = Hand(self.window, self.colours, self.debug, self.status, self.settings, self.save_and_next)
        self._help: HelpWindow | None = None
        self._holding = Holding()
        self.pointing = None if wishes.pointing is None else PointingFlow(self, wishes.pointing)
        self.posted.connect(self._run, Qt.ConnectionType.QueuedConnection)
        self._connect()
        self._restore()

    def _connect(self) -> None:
        window = self.window
        window.command.connect(self.do)
        window.folder_wanted.connect(self.ask_and_open)
        window.close_wanted.connect(self.quit)
        window.list.chosen.connect(self.go)
        self.colours.key.connect(window.relay)
        for debug in (self.debug.segments, self.debug.paint):
            debug.key.connect(window.relay)
            debug.closed.connect(lambda: window.check("debug", False))

    def _restore(self) -> None:
        settings, panel = self.settings, self.window.panel
        self.window.check(f"theme_{settings.theme}", True)
        panel.paint.setValue(settings.percent("paint", panel.paint.value()))
        panel.edges.setValue(settings.percent("edges", panel.edges.value()))
        settings.restore_place("picture", self.window)
        self.window.show_recent(settings.recent)
        self.window.show_canvas(False)
        self._show_state()

    def show(self) -> None:
        """Show both windows, where they were the last time."""
        self.window.show()
        if not self.settings.restore_place("colours", self.colours):
            place = self.window.frameGeometry()
            self.colours.resize(self.colours.sizeHint())
            screen = self.window.screen().availableGeometry()
            x = min(place.right() + 8, screen.right() - self.colours.width())
            self.colours.move(max(screen.left(), x), place.top() + 60)
        self.colours.show()
        self.window.activateWindow()
        self.window.canvas.setFocus()

    def _run(self, work: Callable[[], None]) -> None:
        work()
        self.idle.emit()

    # ---------------------------------------------------------------------------------------------- folders

    def ask_and_open(self, path: str) -> None:
        """Open a folder, or the folder of an image, after asking about unsaved paint."""
        self._leave(lambda: self.open(path))

    def open(self, path: str) -> bool:
        """Open a folder, or the folder of an image at that image; whether there is one to show."""
        wishes = self.wishes
        try:
            found, first = open_folder(path, wishes, self._holding)
        except LabelimgError as error:
            self.window.message.warn(str(error))
            return False
        self._close_session()
        session = begin(found, self.hand.method, wishes, self.posted.emit, self._told)
        self.session = self.hand.session = session
        damaged = ""
        try:
            session.load_classes()
        except LabelimgError as error:
            damaged = str(error)
        done = {row for row in range(len(session)) if session.is_done(row)}
        self.window.model.show_images(found.images, names_of(found), done, session.left_behind)
        self.settings.add_recent(os.path.abspath(path if first is None else os.path.dirname(path)))
        self.window.show_recent(self.settings.recent)
        self.window.show_canvas(True)
        row = None if first is None else session.row_of(os.path.realpath(first))
        self.go(row if row is not None else session.first_open() or 0)
        self.hand.show_palette()
        if damaged:
            self.window.message.warn(damaged)
        return True

    def _close_session(self) -> None:
        if self.session is not None:
            self.window.canvas.end_gesture()
            self.window.canvas.show_segments(None)
            self.window.canvas.show_scene(None)
            self.debug.hide()
            if self.pointing is not None:
                self.pointing.forget()
            self.session.close()
            self.session = self.hand.session = None

    # ---------------------------------------------------------------------------------------------- going about

    @property
    def picture(self) -> Picture | None:
        """The picture in sight."""
        return None if self.session is None else self.session.current

    def go(self, row: int) -> None:
        """Bring an image into sight."""
        if self.session is None or not len(self.session):
            return
        canvas = self.window.canvas
        canvas.end_gesture()
        canvas.show_segments(None)
        canvas.show_scene(None)
        if self.window.message.is_warning and not self.window.message.about_saving:
            self.window.message.hide()
        if self.pointing is not None:
            self.pointing.leave()
        picture = self.session.go(row)
        self.window.list.show_current(row)
        if picture.scene is not None:
            self._show_scene(picture)
        else:
            canvas.show_note("opening…")
        if picture.painting is not None:
            self._show_painting(picture)
        else:
            self.debug.follow(None, "")
        if self.pointing is not None:
            self.pointing.look(picture)
        self._show_state()

    def save_and_next(self) -> None:
        """Save this image's masks and go to the next; after the last, to the first that is not done."""
        session, picture = self.session, self.picture
        if session is None or picture is None:
            return
        self.window.canvas.end_gesture()
        if not session.save(picture) and not picture.reason:
            self.window.message.notice("still being prepared: save when the segments are there")
            return
        if picture.row + 1 < len(session):
            self.go(picture.row + 1)
            return
        row = session.first_open()
        if row is not None:
            self.go(row)
        else:
            count = len(session)
            self.window.message.notice(f"all {count} images are done" if count > 1 else "the image is done")
            self._show_state()

    # ---------------------------------------------------------------------------------------------- what comes

    def _told(self, what: str, picture: Picture, text: str) -> None:
        """The sitting tells that something is there."""
        session, window = self.session, self.window
        if session is None:
            return
        name = printable(os.path.basename(picture.path))
        here = picture is session.current
        match what:
            case "image" if here:
                self._show_scene(picture)
                if self.pointing is not None:
                    self.pointing.look(picture)
            case "segments" | "preview" if here:
                window.canvas.scene_changed()
            case "levels" if here and picture.painting is not None:
                window.panel.show_level(picture.painting.current_level, picture.painting.level_count)
            case "painting":
                if here:
                    self._show_painting(picture)
                if text:
                    window.message.notice(text)
            case "busy" if here:
                window.canvas.end_gesture()
                window.canvas.show_segments(None)
                window.canvas.show_note("one moment…")
            case "failed":
                window.model.mark(picture.row, unreadable=True)
                if here:
                    window.canvas.show_note("")
                    window.message.warn(f"{name} cannot be opened: {text}")
                    if self.pointing is not None:
                        self.pointing.look(picture)
            case "restored":
                window.message.warn(f"{name}: {text}") if text else window.message.notice(
                    f"{name}: unsaved paint of an earlier sitting is back"
                )
            case "saved":
                window.model.mark(picture.row, done=True, unsaved=picture.unsaved)
                window.message.saved(picture.path)
            case "save failed":
                window.message.warn(
                    f"{name} was not saved: {text}. Its paint is kept; save again when there is room",
                    "Save again",
                    lambda: session.save(picture),
                    about_saving=picture.path,
                )
            case "warning":
                window.message.warn(f"{name}: {text}")
        if self.pointing is not None and what in ("save failed", "warning"):
            self.pointing.warn(window.message.text)
        if what in ("painting", "restored") or here:
            window.model.mark(picture.row, unsaved=picture.row in session.unsaved)
        self._show_state()
        self.leaving.go_on(session)

    def _show_scene(self, picture: Picture) -> None:
        scene, panel = picture.scene, self.window.panel
        assert scene is not None
        scene.paint_alpha, scene.edge_alpha = panel.paint.value() / 100, panel.edges.value() / 100
        self.window.canvas.show_scene(scene)
        self.window.canvas.show_note("" if picture.painting is not None else waiting())
        self.status.zoom(self.window.canvas.view.scale)

    def _show_painting(self, picture: Picture) -> None:
        painting, canvas = picture.painting, self.window.canvas
        assert painting is not None
        if not picture.busy:
            canvas.show_note("")
            canvas.show_segments(picture)
        canvas.scene_changed()
        self.window.panel.show_level(painting.current_level, painting.level_count)
        self.hand.show_palette()
        if self.debug.shown:
            self.debug.follow(picture, os.path.basename(picture.path))

    def _show_state(self) -> None:
        session, picture = self.session, self.picture
        painting = None if picture is None else picture.painting
        there, any_ = painting is not None, session is not None
        self.window.enable(
            save=there,
            save_next=any_,
            undo=painting is not None and painting.can_undo,
            redo=painting is not None and painting.can_redo,
            reset=there,
            brush=any_,
            stamp=there,
            coarser=painting is not None and painting.current_level + 1 < painting.level_count,
            finer=painting is not None and painting.current_level > 0,
            previous=any_,
            next=any_,
            first_open=any_,
            debug=any_,
            point=there and self.pointing is not None,
        )
        self.status.show(session)

    # ---------------------------------------------------------------------------------------------- commands

    def do(self, name: str) -> None:
        """Carry out a command from a key, a menu or the tool bar."""
        window, canvas = self.window, self.window.canvas
        match name:
            case "open":
                folder = QFileDialog.getExistingDirectory(window, "Open a folder of images")
                if folder:
                    self.ask_and_open(folder)
            case "quit":
                self.quit()
            case "save_next":
                self.save_and_next()
            case "save" if self.session is not None and self.picture is not None:
                canvas.end_gesture()
                self.session.save(self.picture)
            case "undo":
                self.hand.history(Picture.undo)
            case "redo":
                self.hand.history(Picture.redo)
            case "reset":
                self.hand.history(Picture.reset)
            case "brush" if self.session is not None:
                canvas.toggle_brush()
                window.check("brush", canvas.gestures.mode is Mode.BRUSH)
            case "stamp" if self.session is not None:
                canvas.end_gesture()
                if not self.session.stamp():
                    window.message.notice("no templates: start with --templates DIR --segments DIR, see the manual")
            case "point" if self.pointing is not None:
                canvas.end_gesture()
                self.pointing.again()
            case "coarser":
                self.hand.step_level(1)
            case "finer":
                self.hand.step_level(-1)
            case "stop":
                canvas.end_gesture()
            case "next" | "previous" if self.session is not None and self.picture is not None:
                self.go((self.picture.row + (1 if name == "next" else -1)) % len(self.session))
            case "first_open" if self.session is not None:
                row = self.session.first_open()
                self.go(row) if row is not None else window.message.notice("all images are done")
            case "fit":
                canvas.fit()
            case "actual":
                canvas.actual_size()
            case "zoom_in" | "zoom_out":
                canvas.zoom(ZOOM_STEP if name == "zoom_in" else 1 / ZOOM_STEP)
            case "hide":
                self.hand.hide_paint(window.actions_by_name["hide"].isChecked())
            case "colours":
                self.colours.setVisible(not self.colours.isVisible())
            case "debug":
                canvas.end_gesture()
                if self.debug.shown:
                    self.debug.hide()
                elif self.picture is not None:
                    self.debug.show(self.picture, os.path.basename(self.picture.path))
            case "help":
                self._help = HelpWindow(window)
                self._help.open()
            case "theme_system" | "theme_light" | "theme_dark":
                self.set_theme(theme.CHOICES[name])

    def set_theme(self, choice: theme.Choice) -> None:
        """Show another theme, and keep it."""
        self.settings.theme = choice
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        theme.apply(app, choice)
        self.window.restyle()
        self.colours.restyle()
        self.debug.restyle()
        if self.pointing is not None:
            self.pointing.restyle()
        self.window.check(f"theme_{choice}", True)

    # ---------------------------------------------------------------------------------------------- the end

    def quit(self) -> None:
        """Quit, after asking about unsaved paint."""
        self._leave(self._close)

    def _leave(self, then: Callable[[], object]) -> None:
        self.window.canvas.end_gesture()
        self.leaving.leave(self.session, then)

    def _close(self) -> None:
        self.settings.keep_place("picture", self.window)
        self.settings.keep_place("colours", self.colours)
        self.settings.sync()
        self._close_session()
        self._holding.leave()
        if self.pointing is not None:
            self.pointing.end()
        self.window.thumbnails.close()
        self.window.may_close = True
        self.colours.close()
        self.debug.hide()
        self.window.close()
        self.finished.emit()
