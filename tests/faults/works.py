"""What children do before they are killed, and after: each a function of a folder, by name.

IN is the folder of originals, OUT what a run writes, both below the root that the function is given.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import labelimg
from labelimg.clusterimg import continuing, kept, output
from labelimg.segmentatimg import maskfolder
from pictures import OLD_NS, make_album, photograph, save, truncated_png

IN, OUT = "in", "out"


def out_of(root: Path) -> Path:
    """Where a run writes: below the root, or where a link there leads, which may be another file system."""
    place = root / OUT
    return Path(place.readlink()) if place.is_symlink() else place


def make_images(root: Path) -> None:
    """The album, a file that is broken, and a link to an image."""
    album = make_album(root / IN)
    truncated_png(album / "cut.png")
    for path in (album / "cut.png", album / "notes.txt"):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    (album / "copies/link.png").symlink_to("../moon.png")


def cluster(root: Path, **options: Any) -> None:
    """A run of two batches."""
    labelimg.cluster(root / IN, out=out_of(root), threads=1, batch_size=6, **options)


def merge(root: Path) -> None:
    labelimg.merge(out_of(root), threads=1)


def undo(root: Path) -> None:
    assert labelimg.undo(out_of(root)) == ()


def undo_again(root: Path) -> None:
    """What is left of an undo that was killed; at its very end that may be an empty folder, or nothing."""
    if out_of(root).exists() and any(out_of(root).iterdir()):
        undo(root)
    elif out_of(root).exists():
        out_of(root).rmdir()


def finish(root: Path) -> None:
    output.finish(out_of(root))


def review(root: Path) -> None:
    """Bring images into other clusters, those that are not there yet, and apply that."""
    wanted = {
        "moon.png": "night",
        "chelsea.png": "night",
        "copies/coffee.jpg": "outliers",
        "astronaut.png": "cluster_1",
        "rocket.png": "cluster_0",
    }
    with labelimg.Review(out_of(root)) as opened:
        for image, cluster in wanted.items():
            there = opened.outliers if cluster == "outliers" else opened.clusters.get(cluster, ())
            if image not in there:
                opened.move([image], cluster)
        opened.apply()


# ---------------------------------------------------------------------------------------------------------- painting

RED, GREEN, BLUE = (204, 0, 0), (0, 204, 0), (0, 0, 204)
_SQUARES = {RED: (10, 10), GREEN: (60, 40), BLUE: (100, 80)}
MASKS_OUT = "masks"


def make_paintings(root: Path) -> None:
    for name in ("coffee", "moon", "rocket"):
        save(root / IN / f"{name}.png", photograph(name))


@contextmanager
def opened(root: Path, path: str) -> Iterator[tuple[Any, Any, Any]]:
    """A folder of masks, a painting of one image with what its masks and its journal hold, and the journal."""
    from labelimg.decoding import Shrink, read
    from labelimg.segmentatimg.journal import Journal
    from labelimg.segmentatimg.painting import Painting

    folder = labelimg.MaskFolder(root / IN, root / MASKS_OUT)
    image = read(path, Shrink(colour=True))
    painting = Painting(image, None, masks=folder.load(path, (image.shape[1], image.shape[0])))
    journal = Journal(folder.journal_of(path), painting, folder.stamp(path))
    journal.replay()
    yield folder, painting, journal
    journal.close()


def strokes(root: Path) -> list[tuple[str, list[tuple[int, int, int]]]]:
    """In which image which colours are painted, step by step."""
    paths = labelimg.MaskFolder(root / IN, root / MASKS_OUT).images
    return [
        (paths[0], [RED, GREEN]),
        (paths[1], [BLUE]),
        (paths[2], [RED, GREEN, BLUE]),
        (paths[0], [BLUE, GREEN]),  # an image that has masks
    ]


def paint(root: Path) -> None:
    """As the windows do: each stroke into the journal, then the masks, then the journal goes."""
    for path, colours in strokes(root):
        with opened(root, path) as (folder, painting, journal):
            for colour in colours:
                x, y = _SQUARES[colour]
                painting.brush([(x, y), (x + 20, y + 5)], 9, colour)
            journal.saving()
            folder.save(path, painting.masks())
            journal.saved(folder.stamp(path))


def save_journals(root: Path) -> None:
    """Open each image and save what is unsaved, as the windows do after a crash."""
    folder = labelimg.MaskFolder(root / IN, root / MASKS_OUT)
    for path in folder.images:
        if folder.journal_of(path).exists():
            with opened(root, path) as (now, painting, journal):
                journal.saving()
                now.save(path, painting.masks())
                journal.saved(now.stamp(path))


def make_stamps(root: Path) -> None:
    make_paintings(root)
    coffee, moon = photograph("coffee"), photograph("moon")
    save(root / "templates/cup.png", np.ascontiguousarray(coffee[30:70, 40:90]))
    segment = np.zeros((40, 50, 3), np.uint8)
    segment[5:20, 5:45] = RED
    segment[20:35, 5:45] = GREEN
    save(root / "segments/cup.png", segment)
    save(root / IN / "cups.png", np.hstack([coffee, moon]))


def stamp(root: Path) -> None:
    from labelimg.segmentatimg.stamping import stamp
    from labelimg.segmentatimg.templates import load_templates

    folder = labelimg.MaskFolder(root / IN, root / MASKS_OUT)
    stamp(folder, load_templates(root / "templates", root / "segments"), threads=1)


def label(root: Path) -> None:
    from labelimg.segmentatimg.labelling import label_folders

    label_folders([root / IN], out=root / "labels", method="superpixel", processes=1)


def after(*works: Callable[[Path], None]) -> Callable[[Path], None]:
    """One after the other."""

    def work(root: Path) -> None:
        for each in works:
            each(root)

    return work


def elsewhere(work: Callable[[Path], None], root: Path) -> None:
    """The same with OUT on another file system."""
    place = Path(tempfile.mkdtemp(dir="/dev/shm", prefix="labelimg-faults-"))
    (root / OUT).symlink_to(place / "result")
    work(root)


WORKS: dict[str, Callable[[Path], None]] = {
    "images": make_images,
    **{f"cluster {mode}": partial(cluster, transfer=mode) for mode in ("copy", "move", "hardlink", "symlink", "none")},
    "cluster copy and keep": partial(cluster, keep_batches=True),
    "cluster other": partial(cluster, threshold=0.95),
    "cluster over": partial(cluster, overwrite=True),
    "images and a run": after(make_images, partial(cluster, threshold=0.95)),
    **{
        f"images and batches {mode}": after(make_images, partial(cluster, merge=False, transfer=mode))
        for mode in ("copy", "move")
    },
    "images and a result": after(make_images, partial(cluster, transfer="copy")),
    "images and a move": after(make_images, partial(cluster, transfer="move")),
    "merge": merge,
    "review": review,
    "undo": undo,
    "undo again": undo_again,
    "finish": finish,
    "paintings": make_paintings,
    "paint": paint,
    "save journals": save_journals,
    "stamps": make_stamps,
    "stamp": stamp,
    "label": label,
}


def warm_up() -> None:
    """Do each once, so that all that is loaded at its first use is loaded."""
    kept._EVERY_S = -1.0  # every finished batch is kept at once
    continuing.WORTH_KEEPING_S = 0.0
    maskfolder._STALE_S = 0.0
    cv2.setNumThreads(1)  # threads of its own would be missing in a child
    with tempfile.TemporaryDirectory(prefix="labelimg-warm-") as place:
        root = Path(place)
        for number, names in enumerate(
            [
                ("images and batches copy", "merge", "review", "undo"),
                ("stamps", "stamp", "paint", "label"),
            ]
        ):
            folder = root / str(number)
            folder.mkdir()
            for name in names:
                WORKS[name](folder)
