"""Messages within a window: what went wrong, or what was done, over the picture and never in the way of the hand."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QWidget

from labelimg.app import theme
from labelimg.app.icons import icon, pixmap

_SHOWN_MS = 4500


class Message(QFrame):
    """One message at the top of another widget. A warning stays until it is closed, a notice goes by itself."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self.setObjectName("message")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._sign = QLabel()
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._more = QPushButton()
        self._more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._more.clicked.connect(self._take_action)
        self._action: object = None
        self.about_saving = ""  # the image whose saving failed, while that is what it says
        close = QToolButton()
        close.setIcon(icon("close"))
        close.setIconSize(QSize(14, 14))
        close.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        close.setToolTip("Close this message")
        close.clicked.connect(self.hide)
        self._close = close
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 8, 8, 8)
        row.setSpacing(10)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._text, 1, Qt.AlignmentFlag.AlignVCenter)
        row.addWidget(self._more)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignVCenter)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        over.installEventFilter(self)
        self.hide()

    @property
    def text(self) -> str:
        """What it says; empty when it is not shown."""
        return "" if self.isHidden() else self._text.text()

    @property
    def is_warning(self) -> bool:
        """Whether it tells of something that went wrong."""
        return not self.isHidden() and self.objectName() == "warning"

    def notice(self, text: str) -> None:
        """Say something for a few seconds, unless a warning is to be read."""
        if not self.is_warning:
            self._show("message", "info", theme.current().accent, text, "", None)
            self._timer.start(_SHOWN_MS)

    def warn(self, text: str, button: str = "", action: object = None, *, about_saving: str = "") -> None:
        """Say that something went wrong, perhaps with a button that does something about it."""
        self._timer.stop()
        self.about_saving = about_saving
        self._show("warning", "warning", theme.current().warning, text, button, action)

    def saved(self, path: str) -> None:
        """An image was saved: what said that it was not is wrong now."""
        if self.about_saving == path:
            self.about_saving = ""
            self.hide()

    def _show(self, name: str, sign: str, colour: str, text: str, button: str, action: object) -> None:
        self.setObjectName(name)
        self.style().unpolish(self)
        self.style().polish(self)
        self._sign.setPixmap(pixmap(sign, QColor(colour), 18))
        self._close.setIcon(icon("close"))
        self._text.setText(text)
        self._more.setVisible(bool(button))
        self._more.setText(button)
        self._action = action
        self._place()
        self.show()
        self.raise_()

    def _take_action(self) -> None:
        action = self._action
        self.hide()
        if callable(action):
            action()

    def _place(self) -> None:
        width = max(160, min(self._over.width() - 32, 640))
        beside = 12 + 18 + 10 + 8 + self._close.sizeHint().width() + 10
        if not self._more.isHidden():
            beside += self._more.sizeHint().width() + 10
        text = self._text.heightForWidth(max(60, width - beside))
        self.setFixedSize(width, max(text, self._close.sizeHint().height(), self._more.sizeHint().height()) + 18)
        self.move((self._over.width() - width) // 2, 12)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay in the middle of what it lies over."""
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self._place()
        return False
