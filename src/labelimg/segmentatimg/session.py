"""A sitting: a folder of images, one of them in sight, the next ones prepared, paint kept and saved; no window.

All methods are called from one thread, that of the windows. What takes time is done in others and comes back through
`post`, which is given a function and runs it in that one thread. How images come and go is in `supply.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labelimg.segmentatimg.jobs import LEVELS_COARSER, LEVELS_FINER, Job
from labelimg.segmentatimg.palette import Palette
from labelimg.segmentatimg.picture import Picture
from labelimg.segmentatimg.saving import Post, Tell
from labelimg.segmentatimg.supply import DEFAULT_MEMORY, TOO_LARGE, Supply

if TYPE_CHECKING:
    from labelimg.segmentatimg.maskfolder import MaskFolder
    from labelimg.segmentatimg.methods.base import Method
    from labelimg.segmentatimg.templates import Template


class Session(Supply):
    """What a person does in a sitting: going about, other segments, saving.

    `tell(what, picture, text)` is called when something is there: "image", "segments", "preview" (segments to look at
    while a slider moves), "painting" (it can be painted on), "levels" (there are coarser and finer segments, too),
    "busy", "failed" (text says why), "restored", "saved", "save failed", "warning". It may be about another picture
    than the one in sight.
    """

    def __init__(
        self,
        folder: MaskFolder,
        method: Method,
        *,
        post: Post,
        tell: Tell,
        ahead: int = 2,
        memory: int = DEFAULT_MEMORY,
        templates: Sequence[Template] = (),
        template_threshold: float | None = None,
        by_hand: bool = False,
    ) -> None:
        """`by_hand`: images are decoded only; their segments are handed over (`hand_over`)."""
        super().__init__(folder, method, post=post, tell=tell, ahead=ahead, memory=memory, by_hand=by_hand)
        self.templates, self.template_threshold = tuple(templates), template_threshold
        self._classes_are_ours = True
        self._rows = {path: row for row, path in enumerate(folder.images)}

    # ---------------------------------------------------------------------------------------------- going about

    def go(self, row: int) -> Picture:
        """Bring an image into sight; what is missing of it comes by `tell`."""
        picture = self._pictures.get(row)
        if picture is None or picture.reason:
            picture = self._pictures[row] = Picture(row, self.folder.images[row])
        self.current = picture
        if picture.painting is None:
            if picture not in self._begun(self._crew.doing()):
                self._begin(picture)
        elif picture.method != self.method and not picture.busy:
            self._crew.now(self._job(picture, self.method), picture.image)
        elif picture.segments is not None and picture not in self._begun(self._crew.doing()):
            job = self._job(picture, self.method)
            picture.serial = job.serial
            self._crew.now(job, picture.image, picture.segments)
        self._trim()
        self._look_ahead()
        return picture

    def step(self, by: int) -> Picture:
        """Bring the next (1) or the previous (-1) image into sight, round from the last to the first."""
        row = 0 if self.current is None else self.current.row
        return self.go((row + by) % len(self))

    def first_open(self) -> int | None:
        """The row of the first image whose masks were never saved; None if all are done."""
        return next(
            (
                row
                for row, path in enumerate(self.folder.images)
                if row not in self._saver.rows and not self.folder.is_done(path)
            ),
            None,
        )

    def row_of(self, path: str) -> int | None:
        """The row of an image, None if the folder has no such image."""
        return self._rows.get(path)

    def is_done(self, row: int) -> bool:
        """Whether the masks of an image were saved."""
        return self.folder.is_done(self.folder.images[row])

    # ---------------------------------------------------------------------------------------------- segments

    def preview(self, method: Method) -> None:
        """Show what another method or other parameters would give; the painting keeps its segments."""
        picture = self.current
        if picture is not None and picture.image is not None and not picture.busy:
            self._crew.now(self._job(picture, method, preview=True), picture.image)

    def set_method(self, method: Method) -> None:
        """Cut the image in sight, and from now on all others, by another method; all paint stays where it is."""
        self.method = method
        self.level = LEVELS_FINER
        here = self.current
        for picture in list(self._pictures.values()):
            if picture is not here and self._may_go(picture):
                self._forget(picture)
        self._crew.ahead([])
        if here is not None:
            if here.reason:
                self.go(here.row)
                return
            self._crew.now(self._job(here, method), here.image)
            self._look_ahead()

    def set_level(self, level: int) -> bool:
        """Let clicks take coarser (larger) or finer segments; whether there is such a level."""
        picture = self.current
        painting = None if picture is None else picture.painting
        if picture is None or painting is None or picture.busy or not 0 <= level < painting.level_count:
            return False
        if level == painting.current_level:
            return True
        self.level = level
        self._go_to_level(picture, level)
        return True

    def hand_over(self, picture: Picture, labels: Any) -> None:
        """Let a decoded picture be painted on by these segments, int32 (h, w); paint that is there stays."""
        from labelimg.segmentatimg.hierarchy import levels

        scene, job = picture.decoded, Job(0, picture.path, self.method)
        assert scene is not None

        def maps_of() -> list[Any]:
            return levels(scene.image, labels, LEVELS_COARSER + 1, finer=LEVELS_FINER)

        def begin() -> None:
            try:
                maps = maps_of()
            except MemoryError:
                self._post(lambda: self._failed(picture, TOO_LARGE))
            else:
                self._make_painting(job, picture, maps)

        if picture.painting is None:
            picture.busy = True
            self._worker.submit(begin)
        else:
            self._exchange(job, picture, maps_of)

    def stamp(self) -> bool:
        """Paint the templates where they are found in the image in sight; whether there are any."""
        picture = self.current
        painting = None if picture is None else picture.painting
        if picture is None or painting is None or picture.busy or not self.templates:
            return bool(self.templates)

        def work() -> Any:
            from labelimg.segmentatimg.templates import find_matches

            return find_matches(painting.image, self.templates, self.template_threshold)

        def done(matches: Any) -> None:
            picture.shown(painting.paint_matches(matches), segments=False)
            self.palette.add_all(painting.colours)
            self.note_unsaved(picture)
            self._tell("painting", picture, f"{len(matches)} found" if matches else "no template was found here")

        self._apart(picture, work, done)
        return True

    # ---------------------------------------------------------------------------------------------- saving

    @property
    def unsaved(self) -> set[int]:
        """The rows of the images with paint of this sitting, or an earlier one, that was not saved."""
        return self._saver.unsaved

    @property
    def left_behind(self) -> set[int]:
        """The rows of the images of which an earlier sitting left unsaved paint in a journal."""
        return {self._rows[path] for path in self.folder.unsaved}

    @property
    def saving(self) -> bool:
        """Whether masks are being written."""
        return bool(self._saver.rows)

    def note_unsaved(self, picture: Picture) -> bool:
        """Keep account of whether the picture has unsaved paint; whether that is another than before."""
        return self._saver.note(picture)

    def save(self, picture: Picture) -> bool:
        """Write the picture's masks in another thread, as they are now; whether there is anything to write."""
        return self._saver.save(picture)

    def save_all(self) -> None:
        """Save all paint that was not saved; each image comes by `tell`."""
        self._saver.save_all(self._pictures)

    def discard_unsaved(self) -> None:
        """Forget all paint that was not saved."""
        self._saver.discard(self._pictures)

    def load_classes(self) -> None:
        """Take over the names of the folder's colours; raises OutputError for a damaged file, which stays as it is."""
        from labelimg.segmentatimg.masks import load_classes

        self._classes_are_ours = False
        self.palette = Palette(load_classes(self.folder.out))
        self._classes_are_ours = True

    def save_classes(self) -> None:
        """Write the names of the colours; raises OutputError, also where that would replace a damaged file."""
        from labelimg.segmentatimg.masks import load_classes, save_classes

        if not self._classes_are_ours:  # it may have been mended or moved away since
            self.palette.names = load_classes(self.folder.out) | self.palette.names
            self._classes_are_ours = True
        save_classes(self.folder.out, self.palette.names)

    def close(self) -> None:
        """End the workers; masks that are being written are written."""
        self._close()
