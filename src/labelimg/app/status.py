"""The status line: which image of how many, how far it is, and what is under the pointer."""

from __future__ import annotations

import os

from labelimg.app.picture_window import PictureWindow
from labelimg.errors import printable
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.session import Session


class StatusLine:
    """Writes into the labels of a picture window."""

    def __init__(self, window: PictureWindow) -> None:
        self._window = window

    def show(self, session: Session | None) -> None:
        """Show where the sitting is."""
        window = self._window
        picture = None if session is None else session.current
        if session is None or picture is None:
            for label in (window.position, window.name, window.state, window.segment, window.place, window.zoom):
                label.clear()
            window.setWindowTitle("Labelimg")
            return
        name = printable(os.path.basename(picture.path))
        window.position.setText(f"{picture.row + 1} of {len(session)}")
        size = "" if picture.scene is None else "  ·  {} × {}".format(*picture.scene.size)
        window.name.setText(f"{name}{size}")
        window.state.setText(_state(session, picture))
        unsaved = "*" if picture.row in session.unsaved else ""
        window.setWindowTitle(f"{unsaved}{name} - {picture.row + 1} of {len(session)} - Labelimg")

    def zoom(self, scale: float) -> None:
        """Show how large pixels are."""
        self._window.zoom.setText(f"{100 * scale:.0f} %" if scale >= 0.1 else f"{100 * scale:.1f} %")

    def point(self, session: Session | None, x: int, y: int, segment: int) -> None:
        """Show what is under the pointer; x is -1 where there is nothing."""
        window = self._window
        picture = None if session is None else session.current
        if session is None or picture is None or x < 0:
            window.segment.clear()
            window.place.clear()
            return
        window.place.setText(f"{x}, {y}")
        painting = picture.painting
        if painting is None or picture.busy:
            window.segment.clear()
            return
        number = int(painting.paint[y, x])
        colour = painting.colours[number - 1] if number else None
        words = "unpainted" if colour is None else session.palette.name(colour) or "{}, {}, {}".format(*colour)
        size = f"segment {segment}  ·  {painting.segment_size(segment):,} px" if segment else "edge"
        window.segment.setText(f"{size}  ·  {words}")


def _state(session: Session, picture: Picture) -> str:
    if picture.reason:
        return "unreadable"
    if picture.row in session.unsaved:
        return "unsaved paint"
    return "saved" if session.is_done(picture.row) else "no masks yet"
