"""All that can be done with a key or from a menu, and what the mouse does: one table for menus, tool bar and help."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """A command: its name in the code, its text in a menu, its keys, its icon, and a line that says what it does."""

    name: str
    menu: str
    text: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    hint: str = ""
    checkable: bool = False
    break_before: bool = False


COMMANDS = (
    Command("open", "File", "Open folder…", ("Ctrl+O",), "open", "opens a folder of images"),
    Command("save_next", "File", "Save and go on", ("Space",), "save", "saves this image's masks and goes to the next"),
    Command("save", "File", "Save", ("Ctrl+S",), "", "saves this image's masks and stays"),
    Command(
        "quit", "File", "Quit", ("Q", "Ctrl+Q"), "", "quits; asks once if something painted is unsaved", False, True
    ),
    Command("undo", "Edit", "Undo", ("Z", "Ctrl+Z"), "undo", "undoes the last action"),
    Command("redo", "Edit", "Redo", ("Shift+Z", "Ctrl+Shift+Z", "Ctrl+Y"), "redo", "does the last undone action again"),
    Command("reset", "Edit", "Reset painting", ("R",), "reset", "takes all paint and cuts of this image away"),
    Command("brush", "Paint", "Brush", ("B",), "brush", "paints freehand; again: back to segments", True),
    Command("stamp", "Paint", "Template painting", ("T",), "stamp", "paints templates where they are found"),
    Command("point", "Paint", "Point again…", ("G",), "", "grabcut and sam: finds other segments; the paint stays"),
    Command("coarser", "Paint", "Coarser segments", ("[",), "coarser", "larger segments; the paint stays", False, True),
    Command("finer", "Paint", "Finer segments", ("]",), "finer", "smaller segments; the paint stays"),
    Command(
        "stop", "Paint", "End what goes on", ("Esc",), "", "ends continuous filling and a chain of cuts", False, True
    ),
    Command("previous", "Go", "Previous image", ("P",), "previous", "the previous image, without saving"),
    Command("next", "Go", "Next image", ("N",), "next", "the next image, without saving"),
    Command(
        "first_open", "Go", "First image without masks", ("Ctrl+G",), "", "goes to the first image that is not done"
    ),
    Command("fit", "View", "Whole picture", ("F",), "fit", "shows all of the picture"),
    Command("actual", "View", "Actual size", ("0",), "", "shows each pixel as one pixel"),
    Command("zoom_in", "View", "Zoom in", ("+", "="), "zoom-in", "zooms in; so does the wheel, about the pointer"),
    Command("zoom_out", "View", "Zoom out", ("-",), "zoom-out", "zooms out"),
    Command("hide", "View", "Hide paint while held", ("Tab",), "", "hides the paint while it is held", False, True),
    Command("colours", "View", "Colour window", ("C",), "palette", "shows the colours"),
    Command("debug", "View", "Segments and painted pixels", ("D",), "debug", "shows both in windows of their own"),
    Command("theme_system", "View", "Theme of the desktop", (), "", "", True, True),
    Command("theme_light", "View", "Light theme", (), "", "", True),
    Command("theme_dark", "View", "Dark theme", (), "", "", True),
    Command("help", "Help", "Keys and mouse", ("H", "F1"), "help", "shows this list"),
)
BY_NAME = {command.name: command for command in COMMANDS}
MENUS = ("File", "Edit", "Paint", "Go", "View", "Help")
TOOL_BAR = (
    *("open", "save_next", "", "previous", "next", "", "undo", "redo", "reset", ""),
    *("brush", "stamp", "coarser", "finer", "", "zoom_out", "zoom_in", "fit", "", "colours", "debug", "help"),
)
HELD = ("Space", "Tab", "Esc")
"""Keys that the canvas handles itself, since it matters when they go up, or what they end."""

MOUSE = (
    ("left click", "fills the segment with the colour in hand"),
    ("right click", "takes the paint off the segment"),
    ("double left", "continuous filling on or off: all that the pointer passes over is filled"),
    ("double right", "continuous unfilling on or off"),
    ("middle click", "begins a cut; the next one cuts along the line between them, and so on"),
    ("wheel", "zooms about the pointer"),
    ("space + drag", "moves the picture"),
    ("b, then left or right drag", "paints or erases freehand; Ctrl+wheel sizes the brush"),
    ("1 … 9", "takes one of the first nine colours in hand"),
)
