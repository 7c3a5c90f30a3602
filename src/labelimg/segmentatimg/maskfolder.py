"""The masks of a folder of images: whose they are, what is done, what is left."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labelimg import files
from labelimg.errors import UsageError, printable
from labelimg.images import find_images
from labelimg.outputs import folder_beside
from labelimg.segmentatimg.masks import Colour, Mask, image_and_colour, load_masks, save_masks

_EMPTY = Path(files.STATE_FOLDER) / "empty"
JOURNAL_ENDING = ".journal"

_SAVING = Path(files.STATE_FOLDER) / "saving"
_STALE_S = 600.0  # after so long a temporary file is nobody's any more

_JOURNALS = Path(files.STATE_FOLDER) / "journals"


@dataclass(frozen=True)
class MaskState:
    """How far an image is: whether it was `saved`, with which `colours`, and whether there is `unsaved` work on it."""

    path: str
    saved: bool
    colours: tuple[Colour, ...]
    unsaved: bool


class MaskFolder:
    """The images of a folder, and the folder their masks are in: IMAGES_segmented beside it, unless `out` says another.

    Folders within the folder have theirs within the masks' folder. A mask has the name of its image without the
    ending; where several images of a folder would share it, with the ending. An image that was saved without paint
    has no mask, and is remembered as saved.

    The folder of masks is read once, when this is made; `save` keeps count. Images are in name order. Raises UsageError
    for a folder that cannot be listed, and for masks that would lie within the images.
    """

    def __init__(
        self,
        images: files.StrPath,
        out: files.StrPath | None = None,
        *,
        recursive: bool = True,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
    ) -> None:
        found = find_images([images], recursive=recursive, include=include, exclude=exclude)
        self.root = found.root
        self.images = found.paths
        self.unreadable = found.unreadable
        self.out = Path(out) if out is not None else default_out(images)
        if Path(self.root) in (place := Path(os.path.realpath(self.out)), *place.parents):
            raise UsageError(f"the masks must not lie within the images: {printable(self.out)}; choose another folder")
        self._prefix = _prefixes(found.paths, found.root)
        self._image = {prefix: path for path, prefix in self._prefix.items()}
        self._masks: dict[str, dict[Colour, list[str]]] = {}
        self._strays: list[Path] = []
        self._empty: set[str] = set()
        self._unsaved: set[str] = set()
        self._halfway: set[str] = set()
        self._littered: set[str] = set()
        self._look()

    def masks_of(self, path: str) -> dict[Colour, Path]:
        """The files of an image's masks, by colour."""
        folder = self.out / Path(self._prefix[path]).parent
        return {colour: folder / names[0] for colour, names in sorted(self._masks.get(path, {}).items())}

    def state(self, path: str) -> MaskState:
        """How far the image is."""
        colours = tuple(sorted(self._masks.get(path, ())))
        return MaskState(path, self.is_done(path), colours, path in self._unsaved)

    def is_done(self, path: str) -> bool:
        """Whether the image's masks were saved, all of them."""
        return (path in self._masks or path in self._empty) and path not in self._halfway

    @property
    def unsaved(self) -> frozenset[str]:
        """The images on which there was unsaved work when this was made."""
        return frozenset(self._unsaved)

    @property
    def strays(self) -> tuple[Path, ...]:
        """Masks that belong to none of the images: theirs was removed or renamed, or could be any of several."""
        return tuple(self._strays)

    def load(self, path: str, size: tuple[int, int] | None = None) -> dict[Colour, Mask]:
        """Read the image's masks; see `masks.load_masks`."""
        return load_masks(self.masks_of(path), size)

    def save(self, path: str, masks: Mapping[Colour, Mask]) -> None:
        """Replace the image's masks; see `masks.save_masks`. Without any, it is remembered that there are none.

        Killed between two masks, the image counts as not done when the folder is looked at again.
        """
        for folder in self._littered:
            files.remove_leftovers(folder, older_s=_STALE_S)
        self._littered.clear()
        prefix = Path(self._prefix[path])
        old = [name for names in self._masks.get(path, {}).values() for name in names]
        marker, saving = self.out / _EMPTY / prefix, self.out / _SAVING / prefix
        is_many = len(masks) + len(old) > 1
        if is_many:
            files.make_folder(saving.parent)
            files.write_atomic(saving, b"", binary=True)
        if masks:
            names = save_masks(self.out / prefix.parent, prefix.name, masks, old)
            self._masks[path] = {colour: [name] for colour, name in names.items()}
            if path in self._empty:
                files.remove_file(marker)
                self._empty.discard(path)
        else:
            files.make_folder(marker.parent)
            files.write_atomic(marker, b"", binary=True)
            self._empty.add(path)
            save_masks(self.out / prefix.parent, prefix.name, {}, old)
            self._masks.pop(path, None)
        if is_many or path in self._halfway:
            files.remove_file(saving)
            self._halfway.discard(path)

    def stamp(self, path: str) -> str:
        """What tells the image's masks as they are on the disk from others: a digest of names, sizes and times."""
        seen = [path in self._empty and not self._masks.get(path)]
        parts: list[object] = list(seen)
        for file in self.masks_of(path).values():
            try:
                stat = file.stat()
                parts.append((file.name, stat.st_size, stat.st_mtime_ns))
            except OSError:
                parts.append((file.name, "gone"))
        return hashlib.blake2b(repr(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

    def journal_of(self, path: str) -> Path:
        """Where the image's journal is, or would be."""
        return self.out / _JOURNALS / f"{os.path.relpath(path, self.root)}{JOURNAL_ENDING}"

    def _look(self) -> None:
        """Find the masks, the images that were saved without any, and the journals."""
        for folder, inner, names in os.walk(self.out):
            inner[:] = [name for name in inner if name[0] != "."]
            within = "" if Path(folder) == self.out else os.path.relpath(folder, self.out)
            for name in sorted(names):
                if files.is_leftover(name):
                    self._littered.add(folder)
                found = image_and_colour(name)
                if found is None:
                    continue
                path = self._image.get(os.path.join(within, found[0])) or self._by_full_name(within, found[0])
                if path is None:
                    self._strays.append(Path(folder, name))
                else:
                    self._masks.setdefault(path, {}).setdefault(found[1], []).append(name)
        self._halfway.update(self._image[name] for name in _files_in(self.out / _SAVING) if name in self._image)
        self._empty.update(self._image[name] for name in _files_in(self.out / _EMPTY) if name in self._image)
        for name in _files_in(self.out / _JOURNALS):
            path = os.path.join(self.root, name.removesuffix(JOURNAL_ENDING))
            if name.endswith(JOURNAL_ENDING) and path in self._prefix:
                self._unsaved.add(path)

    def _by_full_name(self, within: str, name: str) -> str | None:
        """The image of a mask that has its ending although it need not, since another of the name has gone."""
        path = os.path.join(self.root, within, name)
        return path if path in self._prefix else None


def _files_in(folder: Path) -> list[str]:
    """The files below a folder, by their names relative to it; none where it is missing."""
    return [
        os.path.join("" if Path(at) == folder else os.path.relpath(at, folder), name)
        for at, _, names in os.walk(folder)
        for name in names
    ]


def default_out(images: files.StrPath) -> Path:
    """Where the masks of a folder go if nothing else is said: beside it, with _segmented after its name."""
    return folder_beside(images, "_segmented", "masks")


def _prefixes(paths: Sequence[str], root: str) -> dict[str, str]:
    """What the masks of each image begin with: its name relative to the root, without the ending if that is enough."""
    start = len(root.rstrip(os.sep)) + 1
    names = [path[start:] for path in paths]
    stems = [os.path.splitext(name)[0] for name in names]
    shared, taken = Counter(stems), set(names)
    return {
        path: stem if shared[stem] == 1 and stem not in taken else name
        for path, name, stem in zip(paths, names, stems, strict=True)
    }
