"""The picture window: the canvas, its panels, menus, tool bar and status line. What they do is the controller's."""

from __future__ import annotations

import os

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import (
    QAction,
    QActionGroup,
    QCloseEvent,
    QColor,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QKeySequence,
)
from PySide6.QtWidgets import QDockWidget, QLabel, QMainWindow, QMenu, QStackedWidget, QToolBar, QWidget

from labelimg.app import theme
from labelimg.app.commands import BY_NAME, COMMANDS, HELD, MENUS, TOOL_BAR, Command
from labelimg.app.icons import icon
from labelimg.app.image_list import ImageList, ImageModel, Thumbnails
from labelimg.app.messages import Message
from labelimg.app.method_panel import MethodPanel
from labelimg.app.painting_canvas import PaintingCanvas
from labelimg.app.start_page import StartPage
from labelimg.segmentatimg.methods.base import Method
from labelimg.segmentatimg.palette import KEYS


class PictureWindow(QMainWindow):
    """Shows all there is. `command` tells which command was given, `colour_key` which of the first nine colours."""

    command = Signal(str)
    colour_key = Signal(int)
    folder_wanted = Signal(str)
    close_wanted = Signal()

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.setObjectName("picture")
        self.setWindowTitle("Labelimg")
        self.setAcceptDrops(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self.may_close = False
        self.canvas = PaintingCanvas()
        self.start = StartPage()
        self._middle = QStackedWidget()
        self._middle.addWidget(self.start)
        self._middle.addWidget(self.canvas)
        self.setCentralWidget(self._middle)
        self.message = Message(self._middle)
        self.thumbnails = Thumbnails()
        self.model = ImageModel(self.thumbnails)
        self.list = ImageList(self.model)
        self.panel = MethodPanel(method)
        self._dock("Images", "images", self.list, Qt.DockWidgetArea.LeftDockWidgetArea)
        self._dock("Segments", "segments", self.panel, Qt.DockWidgetArea.RightDockWidgetArea)
        self.actions_by_name = {each.name: self._action(each) for each in COMMANDS}
        self.recent = QMenu("Recent folders", self)
        self._make_menus()
        self._make_tool_bar()
        self._make_colour_keys()
        self._make_status_line()
        self.start.open_wanted.connect(lambda: self.command.emit("open"))
        self.start.folder_wanted.connect(self.folder_wanted)
        self.restyle()
        self.resize(1280, 820)

    # ---------------------------------------------------------------------------------------------- parts

    def _dock(self, title: str, name: str, widget: QWidget, area: Qt.DockWidgetArea) -> None:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setFeatures(
            QDockWidget.DockWidgetFeature.DockWidgetMovable | QDockWidget.DockWidgetFeature.DockWidgetClosable
        )
        dock.setWidget(widget)
        self.addDockWidget(area, dock)

    def _action(self, command: Command) -> QAction:
        action = QAction(command.text, self)
        keys = [key for key in command.keys if key not in HELD]
        if keys:
            action.setShortcuts([QKeySequence(key) for key in keys])
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
            action.setAutoRepeat(command.name in ("undo", "redo", "zoom_in", "zoom_out", "next", "previous"))
        elif command.keys:
            action.setText(f"{command.text}\t{command.keys[0]}")
        action.setCheckable(command.checkable)
        tip = f"{command.text.rstrip('…')} ({command.keys[0]})" if command.keys else command.text
        action.setToolTip(f"{tip}: {command.hint}" if command.hint else tip)
        action.triggered.connect(lambda _=False, name=command.name: self.command.emit(name))
        return action

    def _make_menus(self) -> None:
        for title in MENUS:
            menu = self.menuBar().addMenu(title)
            for command in COMMANDS:
                if command.menu != title:
                    continue
                if command.break_before:
                    menu.addSeparator()
                menu.addAction(self.actions_by_name[command.name])
                if command.name == "open":
                    menu.addMenu(self.recent)
            if title == "View":
                menu.addSeparator()
                for dock in self.findChildren(QDockWidget):
                    menu.addAction(dock.toggleViewAction())
        group = QActionGroup(self)
        for name in ("theme_system", "theme_light", "theme_dark"):
            group.addAction(self.actions_by_name[name])

    def _make_tool_bar(self) -> None:
        bar = QToolBar("Tools", self)
        bar.setObjectName("tools")
        bar.setMovable(False)
        bar.setIconSize(QSize(20, 20))
        for name in TOOL_BAR:
            if not name:
                bar.addSeparator()
                continue
            bar.addAction(self.actions_by_name[name])
            bar.widgetForAction(self.actions_by_name[name]).setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.addToolBar(bar)

    def _make_colour_keys(self) -> None:
        for index in range(KEYS):
            action = QAction(f"Colour {index + 1}", self)
            action.setShortcut(QKeySequence(str(index + 1)))
            action.setShortcutContext(Qt.ShortcutContext.ApplicationShortcut)
            action.triggered.connect(lambda _=False, index=index: self.colour_key.emit(index))
            self.addAction(action)

    def _make_status_line(self) -> None:
        bar = self.statusBar()
        bar.setSizeGripEnabled(False)
        self.position, self.name, self.state = QLabel(), QLabel(), QLabel()
        self.segment, self.place, self.zoom = QLabel(), QLabel(), QLabel()
        self.place.setMinimumWidth(120)
        self.zoom.setMinimumWidth(64)
        for label in (self.position, self.name, self.state):
            bar.addWidget(label)
        for label in (self.segment, self.place, self.zoom):
            bar.addPermanentWidget(label)

    # ---------------------------------------------------------------------------------------------- what is shown

    def show_canvas(self, shown: bool) -> None:
        """Show the canvas, or where folders are opened."""
        self._middle.setCurrentWidget(self.canvas if shown else self.start)
        if shown:
            self.canvas.setFocus()

    def show_recent(self, folders: list[str]) -> None:
        """Offer these folders in the menu and where folders are opened."""
        self.recent.clear()
        for folder in folders:
            action = self.recent.addAction(folder)
            action.triggered.connect(lambda _=False, folder=folder: self.folder_wanted.emit(folder))
        self.recent.setEnabled(bool(folders))
        self.start.show_recent(folders)

    def enable(self, **commands: bool) -> None:
        """Let commands be given, or not."""
        for name, enabled in commands.items():
            self.actions_by_name[name].setEnabled(enabled)

    def check(self, name: str, checked: bool) -> None:
        """Show that something is on."""
        self.actions_by_name[name].setChecked(checked)

    def restyle(self) -> None:
        """Take the colours of another theme."""
        self.canvas.background = QColor(theme.current().canvas)
        self.canvas.update()
        for name, action in self.actions_by_name.items():
            if BY_NAME[name].icon:
                action.setIcon(icon(BY_NAME[name].icon))

    # ---------------------------------------------------------------------------------------------- events

    def relay(self, event: QKeyEvent) -> None:
        """A key that another window has no use for belongs to the canvas."""
        if event.type() == QKeyEvent.Type.KeyPress:
            self.canvas.keyPressEvent(event)
        else:
            self.canvas.keyReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """So does one that a panel has no use for."""
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Escape):
            self.canvas.setFocus()
            self.canvas.keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """A folder, or an image in one, may be dropped."""
        if event.mimeData().hasUrls() and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        paths = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.folder_wanted.emit(os.path.normpath(paths[0]))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Close when nothing can be lost by it."""
        if self.may_close:
            event.accept()
        else:
            event.ignore()
            self.close_wanted.emit()
