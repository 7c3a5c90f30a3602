"""What the windows take for granted of Qt's binding."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QImage, QPainter


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from Python 3.12 on None is not counted")
def test_a_call_that_returns_nothing_gives_no_none_away() -> None:
    image = QImage(10, 10, QImage.Format.Format_RGB32)
    painter = QPainter(image)
    before = sys.getrefcount(None)
    for _ in range(1000):
        painter.fillRect(QRect(0, 0, 5, 5), QColor(1, 2, 3))
    lost = before - sys.getrefcount(None)
    painter.end()
    assert lost < 500  # with PySide6 6.12.0 it is one for each call, until the interpreter ends itself
