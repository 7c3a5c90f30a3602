"""Icons: a few strokes on a grid of 24, drawn in the colour of the text that stands beside them."""

from __future__ import annotations

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

_STROKES = {
    "open": '<path d="M3 7.5V18a1.5 1.5 0 0 0 1.5 1.5h15A1.5 1.5 0 0 0 21 18V9a1.5 1.5 0 0 0-1.5-1.5H12L10 5H4.5'
    'A1.5 1.5 0 0 0 3 6.5z"/>',
    "save": '<path d="M5 4h11l3.5 3.5V19a1 1 0 0 1-1 1H5.5a1 1 0 0 1-1-1V5a1 1 0 0 1 1-1z"/>'
    '<path d="M8 4v5h7V4M8 20v-6h8v6"/>',
    "previous": '<path d="M14.5 5.5 8 12l6.5 6.5"/>',
    "next": '<path d="M9.5 5.5 16 12l-6.5 6.5"/>',
    "down": '<path d="m6.5 9.5 5.5 5.5 5.5-5.5"/>',
    "undo": '<path d="M8.5 5 4 9.5 8.5 14"/><path d="M4 9.5h10.2a5.3 5.3 0 0 1 0 10.5H9"/>',
    "redo": '<path d="M15.5 5 20 9.5 15.5 14"/><path d="M20 9.5H9.8a5.3 5.3 0 0 0 0 10.5H15"/>',
    "reset": '<path d="M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5"/>',
    "brush": '<path d="M19.5 4.5c-3 1.2-7.3 5-9.3 8.1l2.2 2.2c3.1-2 6.9-6.3 8.1-9.3z"/>'
    '<path d="M9.2 13.7c-3 .2-2.6 3.6-5.2 4.6 2.2 1.8 7.5 1.7 7.3-2.5"/>',
    "segments": '<path d="M12 3.5 20 8v8l-8 4.5L4 16V8z"/><path d="m4 8 8 4.5L20 8M12 12.5v8"/>',
    "stamp": '<path d="M9 14c1-2-1.5-4-1.5-6.2a4.5 4.5 0 0 1 9 0C16.5 10 14 12 15 14"/>'
    '<path d="M5.5 14h13v3.5h-13zM5.5 20.5h13"/>',
    "zoom-in": '<circle cx="10.5" cy="10.5" r="6"/><path d="m15 15 5 5M10.5 8v5M8 10.5h5"/>',
    "zoom-out": '<circle cx="10.5" cy="10.5" r="6"/><path d="m15 15 5 5M8 10.5h5"/>',
    "fit": '<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/>',
    "coarser": '<rect x="4" y="4" width="16" height="16" rx="1.5"/><path d="M4 12.5h16M12.5 4v8.5"/>',
    "finer": '<rect x="4" y="4" width="16" height="16" rx="1.5"/><path d="M4 9.3h16M4 14.7h16M9.3 4v16M14.7 4v16"/>',
    "debug": '<rect x="3.5" y="4.5" width="11" height="11" rx="1.5"/>'
    '<path d="M18 8.5h1a1.5 1.5 0 0 1 1.5 1.5v8.5A1.5 1.5 0 0 1 19 20h-8.5A1.5 1.5 0 0 1 9 18.5v-.5"/>',
    "help": '<circle cx="12" cy="12" r="8.5"/><path d="M9.5 9.5a2.5 2.5 0 1 1 3.7 2.2c-.8.5-1.2 1-1.2 1.8"/>'
    '<path d="M12 16.7v.1"/>',
    "palette": '<path d="M12 3.5a8.5 8.5 0 1 0 0 17c1.5 0 2-1 1.5-2.2-.6-1.5.4-2.8 2-2.8h2a3 3 0 0 0 3-3'
    'c0-5-4-9-8.5-9z"/><path d="M7.5 11.5v.1M10.3 7.6v.1M14.7 7.8v.1"/>',
    "add": '<path d="M12 5v14M5 12h14"/>',
    "close": '<path d="m6.5 6.5 11 11M17.5 6.5l-11 11"/>',
    "warning": '<path d="M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.1"/>',
    "info": '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5.5M12 7.7v.1"/>',
    "fill": '<path d="m11 3.5 7.5 7.5-6.7 6.7a2 2 0 0 1-2.8 0L4.8 13.5a2 2 0 0 1 0-2.8z"/>'
    '<path d="M4.5 12h13.2M20 15.5c1 1.5 1.5 2.3 1.5 3a1.5 1.5 0 0 1-3 0c0-.7.5-1.5 1.5-3z"/>',
    "unfill": '<path d="m8 19.5-4-4a1.5 1.5 0 0 1 0-2.1l8.5-8.5a1.5 1.5 0 0 1 2.1 0l5 5a1.5 1.5 0 0 1 0 2.1'
    'l-7.5 7.5z"/><path d="m8.5 9.5 6.5 6.5M7 19.5h13"/>',
    "apply": '<path d="m5 12.5 4.5 4.5L19 7.5"/>',
    "merge": '<path d="M5 5.5c0 5 7 3.5 7 8.5v5M19 5.5c0 5-7 3.5-7 8.5M8.5 15.5 12 19l3.5-3.5"/>',
    "split": '<path d="M12 4v5c0 4-6 3-6 9M12 9c0 4 6 3 6 9M3 15.5 6 18.5l3-3M15 15.5l3 3 3-3"/>',
    "rename": '<path d="M4.5 19.5 5.5 15 16 4.5l3.5 3.5L9 18.5zM13.5 7l3.5 3.5"/>',
    "move": '<path d="M3.5 6.5h7l1.5 2h8.5v10.5h-17zM9 14h6.5M13 11.5l2.5 2.5-2.5 2.5"/>',
    "outliers": '<rect x="3.5" y="3.5" width="10.5" height="10.5" rx="1.5"/><path d="M12 12l7.5 7.5M19.5 14v5.5H14"/>',
    "cut": '<circle cx="6" cy="6.5" r="2.5"/><circle cx="6" cy="17.5" r="2.5"/><path d="M8 8l12 9M8 16l12-9"/>',
}


class Icons:
    """Makes icons in one colour, and keeps them."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, int], QIcon] = {}

    def __call__(self, name: str, colour: QColor | None = None) -> QIcon:
        """The icon of a name, in the colour of buttons' text unless another is given."""
        ink = colour or QApplication.palette().color(QPalette.ColorRole.ButtonText)
        key = name, ink.rgba()
        if key not in self._made:
            result = QIcon()
            faint = QColor(ink)
            faint.setAlpha(90)
            for mode, shade in ((QIcon.Mode.Normal, ink), (QIcon.Mode.Disabled, faint)):
                for side in (20, 40):
                    result.addPixmap(pixmap(name, shade, side), mode)
            self._made[key] = result
        return self._made[key]


icon = Icons()


def pixmap(name: str, colour: QColor, side: int) -> QPixmap:
    """The icon as a square picture."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour.name()}" '
        f'stroke-opacity="{colour.alphaF():.2f}" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">'
        f"{_STROKES[name]}</svg>"
    )
    result = QPixmap(QSize(side, side))
    result.fill(Qt.GlobalColor.transparent)
    painter = QPainter(result)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    return result
