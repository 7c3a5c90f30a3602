"""The review window: the page of images, menus, tool bar and status line. What they do is the controller's."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QCloseEvent, QKeySequence
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from labelimg.app.commands import Command
from labelimg.app.icons import icon
from labelimg.app.messages import Message
from labelimg.app.review_commands import COMMANDS, CONTEXT, HELD, MENUS, ORDERS, TOOL_BAR
from labelimg.app.review_gallery import SIDES, GalleryView
from labelimg.app.review_pictures import Pictures
from labelimg.app.review_split import SplitBar
from labelimg.app.review_zoom import Zoom

_REPEATED = ("undo", "redo", "larger", "smaller")


class ReviewWindow(QMainWindow):
    """Shows all there is. `command` tells which command was given."""

    command = Signal(str)
    size_chosen = Signal(int)
    filter_changed = Signal(str)
    close_wanted = Signal()

    def __init__(self, pictures: Pictures, names: tuple[str, ...], path_of: Callable[[str], str]) -> None:
        super().__init__()
        self.setObjectName("review")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.may_close = False
        self.gallery = GalleryView(pictures, names)
        self.split_bar = SplitBar()
        self.middle = QWidget()
        column = QVBoxLayout(self.middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.split_bar)
        column.addWidget(self.gallery, 1)
        self.setCentralWidget(self.middle)
        self.zoom = Zoom(self.middle, path_of, lambda name: pictures.get(name, round(256 * self.devicePixelRatioF())))
        self.message = Message(self.middle)
        self.actions_by_name = {each.name: self._action(each) for each in COMMANDS}
        self._make_menus()
        self._make_tool_bar()
        self._make_status_line()
        self.middle.installEventFilter(self)
        self.filter.installEventFilter(self)
        self.restyle()
        self.resize(1240, 820)
        self.gallery.setFocus()

    # ---------------------------------------------------------------------------------------------- parts

    def _action(self, command: Command) -> QAction:
        action = QAction(command.text, self)
        keys = [key for key in command.keys if key not in HELD]
        if keys:
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.setAutoRepeat(command.name in _REPEATED)
        elif command.keys:
            action.setText(f"{command.text}\t{command.keys[0]}")
        action.setCheckable(command.checkable)
        tip = f"{command.text.rstrip('…')} ({command.keys[0]})" if command.keys else command.text
        action.setToolTip(f"{tip}: {command.hint}" if command.hint else tip)
        action.triggered.connect(lambda _=False, name=command.name: self.command.emit(name))
        self.addAction(action)
        return action

    def _make_menus(self) -> None:
        for title in MENUS:
            menu = self.menuBar().addMenu(title)
            for command in COMMANDS:
                if command.menu == title:
                    if command.break_before:
                        menu.addSeparator()
                    menu.addAction(self.actions_by_name[command.name])
        for group_of in (tuple(ORDERS), ("theme_system", "theme_light", "theme_dark")):
            group = QActionGroup(self)
            for name in group_of:
                group.addAction(self.actions_by_name[name])

    def _make_tool_bar(self) -> None:
        bar = QToolBar("Tools", self)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setIconSize(QSize(20, 20))
        self.apply = QPushButton("Apply…")
        self.apply.setDefault(True)
        self.apply.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.apply.clicked.connect(lambda: self.command.emit("apply"))
        bar.addWidget(self.apply)
        bar.addSeparator()
        for name in TOOL_BAR:
            if not name:
                bar.addSeparator()
                continue
            bar.addAction(self.actions_by_name[name])
            bar.widgetForAction(self.actions_by_name[name]).setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.order = QToolButton()
        self.order.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.order.setToolTip("In which order clusters stand")
        self.order.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        orders = QMenu(self)
        orders.addActions([self.actions_by_name[name] for name in ORDERS])
        self.order.setMenu(orders)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter by name")
        self.filter.setClearButtonEnabled(True)
        self.filter.setFixedWidth(190)
        self.filter.textChanged.connect(self.filter_changed)
        self.filter.returnPressed.connect(self.gallery.setFocus)
        space = QWidget()
        space.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(space)
        for widget in (self.filter, self.order):
            bar.addWidget(_with_room(widget))
        self.addToolBar(bar)

    def _make_status_line(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.counts, self.chosen, self.last, self.pending = QLabel(), QLabel(), QLabel(), QLabel()
        bar.addWidget(self.counts)
        bar.addWidget(self.chosen, 1)
        bar.addPermanentWidget(self.last)
        bar.addPermanentWidget(self.pending)
        self.sides = QSlider(Qt.Orientation.Horizontal)
        self.sides.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.sides.setRange(0, len(SIDES) - 1)
        self.sides.setFixedWidth(110)
        self.sides.setToolTip("The size of thumbnails (+, -)")
        self.sides.valueChanged.connect(lambda step: self.size_chosen.emit(SIDES[step]))
        bar.addPermanentWidget(_with_room(self.sides, right=14))

    # ------------------------------------------------------------------------------------------------ looks

    def restyle(self) -> None:
        """Draw icons in the colours of the theme."""
        for command in COMMANDS:
            if command.icon:
                self.actions_by_name[command.name].setIcon(icon(command.icon))
        self.gallery.viewport().update()
        self.zoom.update()

    def open_menu(self, at: QPoint) -> None:
        """Show what can be done where the pointer is."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name in CONTEXT:
            if name:
                menu.addAction(self.actions_by_name[name])
            else:
                menu.addSeparator()
        menu.popup(at)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The whole image stays as large as the page; Esc in the filter empties it and goes back to the page."""
        if watched is self.middle and event.type() == QEvent.Type.Resize:
            self.zoom.setGeometry(self.middle.rect())
        is_key = watched is self.filter and event.type() == QEvent.Type.KeyPress
        if is_key and event.key() in (Qt.Key.Key_Escape, Qt.Key.Key_Down):  # type: ignore[attr-defined]
            if event.key() == Qt.Key.Key_Escape:  # type: ignore[attr-defined]
                self.filter.clear()
            self.gallery.setFocus()
            return True
        return super().eventFilter(watched, event)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close only when nothing is left to be asked."""
        if self.may_close:
            event.accept()
        else:
            event.ignore()
            self.close_wanted.emit()


def _with_room(widget: QWidget, *, right: int = 0) -> QWidget:
    """The widget with a little room beside it."""
    holder = QWidget()
    column = QVBoxLayout(holder)
    column.setContentsMargins(8, 0, right, 0)
    column.addWidget(widget)
    return holder
