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
    "undo": '<path d="M8.5 5 4 9.5 8.5 14"/><path d="M4 9.5h10.2a5.3 5.3 0 0 1 0 10.5H9"/>',
    "redo": '<path d="M15.5 5 20 9.5 15.5 14"/><path d="M20 9.5H9.8a5.3 5.3 0 0 0 0 10.5H15"/>',
    "reset": '<path d="M5 7h14M9.5 7V4.5h5V7M7 7l.8 12.5h8.4L17 7M10.3 10.5v5.5M13.7 10.5v5.5"/>',
    "brush": '<path d="M19.5 4.5c-3 1.2-7.3 5-9.3 8.1l2.2 2.2c3.100-2 6.900-6.300 8.100-9.300z"/>'
    '<path d="M9.200 13.700c-3 .2-2.600 3.600-5.200 4.600 2.200 1.800 7.500 1.700 7.300-2.500"/>',
    "segments": '<path d="M12 3.500 20 8v8l-8 4.500L4 16V8z"/><path d="m4 8 8 4.500L20 8M12 12.500v8"/>',
    "stamp": '<path d="M9 14c1-2-1.500-4-1.500-6.200a4.500 4.500 0 0 1 9 0C16.500 10 14 12 15 14"/>'
    '<path d="M5.500 14h13v3.500h-13zM5.500 20.500h13"/>',
    "zoom-in": '<circle cx="10.500" cy="10.500" r="6"/><path d="m15 15 5 5M10.500 8v5M8 10.500h5"/>',
    "zoom-out": '<circle cx="10.500" cy="10.500" r="6"/><path d="m15 15 5 5M8 10.500h5"/>',
    "fit": '<path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5"/>',
    "coarser": '<rect x="4" y="4" width="16" height="16" rx="1.500"/><path d="M4 12.500h16M12.500 4v8.500"/>',
    "finer": '<rect x="4" y="4" width="16" height="16" rx="1.500"/>'
    '<path d="M4 9.300h16M4 14.700h16M9.300 4v16M14.700 4v16"/>',
    "debug": '<rect x="3.500" y="4.500" width="11" height="11" rx="1.500"/>'
    '<path d="M18 8.500h1a1.500 1.500 0 0 1 1.500 1.500v8.500A1.500 1.500 0 0 1 19 20h-8.500A1.500 1.500 0 0 1 9 18.500v-.5"/>',
    "help": '<circle cx="12" cy="12" r="8.500"/><path d="M9.500 9.500a2.500 2.500 0 1 1 3.700 2.200c-.8.5-1.200 1-1.200 1.800"/>'
    '<path d="M12 16.700v.1"/>',
    "palette": '<path d="M12 3.500a8.500 8.500 0 1 0 0 17c1.500 0 2-1 1.500-2.200-.6-1.500.4-2.800 2-2.800h2a3 3 0 0 0 3-3'
    'c0-5-4-9-8.500-9z"/><path d="M7.500 11.500v.1M10.300 7.600v.1M14.700 7.800v.1"/>',
    "add": '<path d="M12 5v14M5 12h14"/>',
    "close": '<path d="m6.500 6.500 11 11M17.500 6.500l-11 11"/>',
    "warning": '<path d="M12 4 2.800 19.500h18.400zM12 10v4.500M12 17v.1"/>',
    "info": '<circle cx="12" cy="12" r="8.500"/><path d="M12 11v5.500M12 7.700v.1"/>',
    "fill": '<path d="m11 3.500 7.500 7.500-6.700 6.700a2 2 0 0 1-2.800 0L4.800 13.500a2 2 0 0 1 0-2.800z"/>'
    '<path d="M4.500 12h13.200M20 15.500c1 1.500 1.500 2.300 1.500 3a1.500 1.500 0 0 1-3 0c0-.7.5-1.500 1.500-3z"/>',
    "unfill": '<path d="m8 19.500-4-4a1.500 1.500 0 0 1 0-2.100l8.500-8.500a1.500 1.500 0 0 1 2.100 0l5 5a1.500 1.500 0 0 1 0 2.100'
    'l-7.500 7.500z"/><path d="m8.500 9.500 6.500 6.500M7 19.500h13"/>',
    "cut": '<circle cx="6" cy="6.500" r="2.500"/><circle cx="6" cy="17.500" r="2.500"/><path d="M8 8l12 9M8 16l12-9"/>',
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
                for side in (16, 20, 24, 32, 48):
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
