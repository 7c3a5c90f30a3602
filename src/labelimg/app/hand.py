"""What the hand does: gestures, segments, colours and opacities go to the sitting, what changed is shown."""

from __future__ import annotations

from collections.abc import Callable

from labelimg.app.canvas import ZOOM_STEP
from labelimg.app.colour_window import ColourWindow
from labelimg.app.debug_windows import DebugWindows
from labelimg.app.picture_window import PictureWindow
from labelimg.app.settings import Settings
from labelimg.app.status import StatusLine
from labelimg.errors import LabelimgError
from labelimg.segmentatimg.gestures import BrushSize, Cut, Mode, Order, Pan, SaveAndNext, Zoom
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.picture import NOTHING, Picture
from labelimg.segmentatimg.pyramid import Bounds
from labelimg.segmentatimg.session import Session

Colour = tuple[int, int, int]

_LARGEST_BRUSH = 400


class Hand:
    """Does to the sitting what was meant for the picture in sight; `session` is None while there is none."""

    def __init__(
        self,
        window: PictureWindow,
        colours: ColourWindow,
        debug: DebugWindows,
        status: StatusLine,
        settings: Settings,
        save_and_next: Callable[[], None],
    ) -> None:
        self.session: Session | None = None
        self.method = window.panel.method
        self._window, self._colours, self._debug, self._status = window, colours, debug, status
        self._settings, self._save_and_next = settings, save_and_next
        canvas, panel = window.canvas, window.panel
        canvas.orders.connect(self._order)
        canvas.pointed.connect(lambda x, y, segment: status.point(self.session, x, y, segment))
        canvas.mode_changed.connect(self._mode_changed)
        canvas.paint_hidden.connect(self.hide_paint)
        canvas.view_changed.connect(lambda: status.zoom(canvas.view.scale))
        window.colour_key.connect(self.take_colour)
        panel.previewed.connect(self._preview)
        panel.chosen.connect(self._set_method)
        panel.paint_opacity.connect(lambda value: self._set_opacity("paint", value))
        panel.edge_opacity.connect(lambda value: self._set_opacity("edges", value))
        panel.level_wanted.connect(self._set_level)
        colours.chosen.connect(self.take_colour)
        colours.renamed.connect(self._rename_colour)
        colours.added.connect(self.add_colour)

    @property
    def picture(self) -> Picture | None:
        """The picture in sight."""
        return None if self.session is None else self.session.current

    # ---------------------------------------------------------------------------------------------- painting

    def _order(self, order: Order) -> None:
        """Carry out what a gesture means."""
        canvas, session = self._window.canvas, self.session
        match order:
            case Pan(dx, dy):
                canvas.pan(dx, dy)
            case Zoom(steps, at):
                canvas.zoom(ZOOM_STEP**steps, at)
            case BrushSize(steps):
                radius = max(canvas.brush_radius * 1.2**steps, canvas.brush_radius + (1 if steps > 0 else -1))
                canvas.set_brush_radius(round(min(_LARGEST_BRUSH, max(0, radius if steps > 0 else radius - 0.5))))
            case SaveAndNext():
                self._save_and_next()
            case _ if session is not None and session.current is not None:
                try:
                    bounds = session.current.carry_out(order, session.palette.current, canvas.brush_radius)
                except LabelimgError as error:
                    self._window.message.warn(str(error))
                    return
                self._changed(session.current, bounds, segments=isinstance(order, Cut))
                if isinstance(order, Cut):
                    canvas.segments_changed()

    def _changed(self, picture: Picture, bounds: Bounds, *, segments: bool) -> None:
        """Show what a change of the painting changed."""
        if bounds == NOTHING or self.session is None:
            return
        self._window.canvas.scene_changed(bounds)
        self._debug.changed(picture, bounds, segments=segments)
        if self.session.note_unsaved(picture):
            self._window.model.mark(picture.row, unsaved=picture.unsaved)
            self._status.show(self.session)
        if picture.painting is not None:
            self._window.enable(undo=picture.painting.can_undo, redo=picture.painting.can_redo)

    def history(self, step: Callable[[Picture], Bounds]) -> None:
        """Undo, redo or reset."""
        self._window.canvas.end_gesture()
        picture = self.picture
        if picture is not None:
            self._changed(picture, step(picture), segments=True)
            self._window.canvas.segments_changed()

    def _set_level(self, level: int) -> None:
        self._window.canvas.end_gesture()
        if self.session is not None:
            self.session.set_level(level)

    def step_level(self, by: int) -> None:
        """Take coarser (1) or finer (-1) segments."""
        picture = self.picture
        if picture is not None and picture.painting is not None:
            self._set_level(picture.painting.current_level + by)

    def _preview(self, method: Method) -> None:
        if self.session is not None:
            self.session.preview(method)

    def _set_method(self, method: Method) -> None:
        self.method = method
        if self.session is not None and method != self.session.method:
            self._window.canvas.end_gesture()
            self.session.set_method(method)
            self._window.canvas.show_note("finding segments…")

    # ---------------------------------------------------------------------------------------------- colours

    def take_colour(self, index: int) -> None:
        """Take the colour at a place in hand."""
        if self.session is not None and self.session.palette.select(index):
            self._window.canvas.end_gesture()
            self.show_palette()

    def add_colour(self, colour: Colour) -> None:
        """Offer any colour, and take it in hand."""
        if self.session is not None:
            self.take_colour(self.session.palette.add(colour))

    def _rename_colour(self, index: int, name: str) -> None:
        session = self.session
        if session is None or not session.palette.rename(session.palette.colours[index], name):
            return
        try:
            session.save_classes()
        except LabelimgError as error:
            self._window.message.warn(f"the class names were not saved: {error}")
        self.show_palette()

    def show_palette(self) -> None:
        """Show the colours and which is in hand."""
        if self.session is not None:
            self._colours.show_palette(self.session.palette)
            self._window.canvas.set_colour(self.session.palette.current)

    def _mode_changed(self) -> None:
        mode = self._window.canvas.gestures.mode
        self._colours.show_mode(mode)
        self._window.check("brush", mode is Mode.BRUSH)

    def hide_paint(self, hidden: bool) -> None:
        """Show the picture without its paint, or with it again."""
        scene = None if self.picture is None else self.picture.scene
        if scene is not None:
            scene.paint_alpha = 0.0 if hidden else self._window.panel.paint.value() / 100
            self._window.canvas.scene_changed()
        self._window.check("hide", hidden)

    def _set_opacity(self, of: str, value: float) -> None:
        self._settings.set_percent(of, round(100 * value))
        scene = None if self.picture is None else self.picture.scene
        if scene is not None:
            if of == "paint":
                scene.paint_alpha = value
            else:
                scene.edge_alpha = value
            self._window.canvas.scene_changed()
