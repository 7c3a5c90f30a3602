"""All that can be done in the review window with a key or from a menu, and what the mouse does."""

from __future__ import annotations

from labelimg.app.commands import Command

COMMANDS = (
    Command("apply", "File", "Apply changes…", ("Ctrl+S",), "apply", "shows what will be moved, then moves it"),
    Command("discard", "File", "Discard changes…", (), "", "forgets all changes that were not applied"),
    Command("quit", "File", "Quit", ("Q", "Ctrl+Q"), "", "leaves; asks once if changes are not applied", False, True),
    Command("undo", "Edit", "Undo", ("Z", "Ctrl+Z"), "undo", "takes the last change back"),
    Command("redo", "Edit", "Redo", ("Shift+Z", "Ctrl+Shift+Z", "Ctrl+Y"), "redo", "makes the last change again"),
    Command("cut", "Edit", "Cut", ("Ctrl+X",), "", "takes the chosen images up…", False, True),
    Command("paste", "Edit", "Paste", ("Ctrl+V",), "", "…and puts them into the cluster in hand"),
    Command("choose_cluster", "Edit", "Choose the cluster", ("Ctrl+A",), "", "chooses all of a cluster", False, True),
    Command("choose_all", "Edit", "Choose everything", ("Ctrl+Shift+A",), "", "chooses all that is shown"),
    Command("move_to", "Clusters", "Move to…", ("T",), "move", "moves the chosen images to a cluster by its name"),
    Command("outliers", "Clusters", "To the outliers", ("O", "Del"), "outliers", "the chosen images belong to nothing"),
    Command("new", "Clusters", "New cluster", ("N",), "add", "makes a cluster of the chosen images"),
    Command(
        "merge", "Clusters", "Merge", ("M",), "merge", "makes one of the clusters of the chosen images", False, True
    ),
    Command("split", "Clusters", "Split…", ("S",), "split", "splits the cluster in hand at a higher threshold"),
    Command("rename", "Clusters", "Rename", ("F2", "R"), "rename", "renames the folder of the cluster in hand"),
    Command("find", "Go", "Filter by name", ("Ctrl+F", "/"), "", "shows only images and clusters of that name"),
    Command("go_to", "Go", "Go to…", ("G",), "", "goes to a cluster by its name"),
    Command("previous", "Go", "Previous cluster", ("Ctrl+Up",), "", "the cluster before"),
    Command("next", "Go", "Next cluster", ("Ctrl+Down",), "", "the cluster after"),
    Command("zoom", "View", "Whole image", ("Space",), "zoom-in", "shows the image whole; the arrow keys go on"),
    Command("larger", "View", "Larger thumbnails", ("+", "="), "", "larger thumbnails; Ctrl+wheel does it, too"),
    Command("smaller", "View", "Smaller thumbnails", ("-",), "", "smaller thumbnails"),
    Command(
        "fold", "View", "One line of the cluster", ("C",), "", "shows one line of the cluster, or all", False, True
    ),
    Command("fold_all", "View", "One line of each", ("Shift+C",), "", "shows one line of every cluster, or all", True),
    Command("by_size", "View", "Largest first", (), "", "", True, True),
    Command("by_name", "View", "By name", (), "", "", True),
    Command("by_tightness", "View", "Tightest first", (), "", "", True),
    Command("by_looseness", "View", "Loosest first", (), "", "", True),
    Command("theme_system", "View", "Theme of the desktop", (), "", "", True, True),
    Command("theme_light", "View", "Light theme", (), "", "", True),
    Command("theme_dark", "View", "Dark theme", (), "", "", True),
    Command("help", "Help", "Keys and mouse", ("H", "F1"), "help", "shows this list"),
)
BY_NAME = {command.name: command for command in COMMANDS}
MENUS = ("File", "Edit", "Clusters", "Go", "View", "Help")
TOOL_BAR = ("undo", "redo", "", "move_to", "new", "outliers", "", "merge", "split", "rename", "", "zoom", "help")
CONTEXT = ("zoom", "", "move_to", "new", "outliers", "", "merge", "split", "rename", "", "choose_cluster", "fold")
ORDERS = {"by_size": "size", "by_name": "name", "by_tightness": "tightness", "by_looseness": "looseness"}
HELD = ("Space", "Ctrl+Up", "Ctrl+Down")
"""Keys that the page of images handles itself."""

MOUSE = (
    ("drag images", "moves them to the cluster they are dropped on, to the outliers, or to a new cluster"),
    ("drag a name", "merges the cluster into the one it is dropped on"),
    ("click", "chooses an image; with Ctrl besides the others, with Shift all between"),
    ("click a name", "chooses the whole cluster"),
    ("drag from an empty place", "chooses all images in the rectangle"),
    ("double click", "shows an image whole; on a name: renames the folder"),
    ("click the sign before a name", "shows one line of the cluster, or all"),
    ("Ctrl+wheel", "larger and smaller thumbnails"),
    ("right click", "what can be done"),
)
