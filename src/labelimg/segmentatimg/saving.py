"""Saving the masks of a sitting's images, in a thread, so that the hand goes on; and what of them is unsaved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from labelimg import files
from labelimg.decoding import Shrink, read
from labelimg.errors import LabelimgError
from labelimg.segmentatimg.picture import Picture

if TYPE_CHECKING:
    from labelimg.segmentatimg.maskfolder import MaskFolder

Post = Callable[[Callable[[], None]], None]
Tell = Callable[[str, Picture, str], None]


class Saver:
    """Saves pictures one after the other. `rows` are being saved, `unsaved` have paint that no mask shows.

    `post` and `tell` are those of the session; "saved" and "save failed" are told.
    """

    def __init__(self, folder: MaskFolder, post: Post, tell: Tell) -> None:
        self._folder, self._post, self._tell = folder, post, tell
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="labelimg-save")
        self.rows: set[int] = set()
        self.unsaved: set[int] = set()

    def close(self) -> None:
        """Wait for what is being written."""
        self._pool.shutdown()

    def note(self, picture: Picture) -> bool:
        """Keep account of whether the picture has unsaved paint; whether that is another than before."""
        before = picture.row in self.unsaved
        (self.unsaved.add if picture.unsaved else self.unsaved.discard)(picture.row)
        return before != picture.unsaved

    def save(self, picture: Picture) -> bool:
        """Write the picture's masks in another thread, as they are now; whether there is anything to write."""
        painting, journal = picture.painting, picture.journal
        if painting is None or journal is None or picture.busy:
            return False
        masks, revision = painting.masks(), painting.revision
        with suppress(LabelimgError):
            journal.saving()
        self.rows.add(picture.row)

        def run() -> None:
            try:
                self._folder.save(picture.path, masks)
                stamp = self._folder.stamp(picture.path)
            except (LabelimgError, OSError, MemoryError) as error:
                reason = "they do not fit in memory" if isinstance(error, MemoryError) else str(error)
                self._post(lambda: back("", reason))
            else:
                self._post(lambda: back(stamp, ""))

        def back(stamp: str, reason: str) -> None:
            self.rows.discard(picture.row)
            if reason:
                self._tell("save failed", picture, reason)
                return
            if painting.revision == revision:
                picture.saved_revision = revision
                self.note(picture)
                try:
                    journal.saved(stamp)
                except LabelimgError as error:
                    self._tell("warning", picture, str(error))
            self._tell("saved", picture, "")

        self._pool.submit(run)
        return True

    def discard(self, pictures: Mapping[int, Picture]) -> None:
        """Forget all paint that is unsaved, and the journals with it."""
        for row in sorted(self.unsaved):
            picture = pictures.get(row)
            if picture is not None and picture.journal is not None:
                picture.journal.close()
            with suppress(LabelimgError):
                files.remove_file(self._folder.journal_of(self._folder.images[row]))
        self.unsaved.clear()

    def save_all(self, pictures: Mapping[int, Picture]) -> None:
        """Save all that is unsaved; `pictures` are those in memory, the others have their paint in journals."""
        for row in sorted(self.unsaved - self.rows):
            picture = pictures.get(row)
            if picture is None or picture.painting is None:
                picture = self._from_journal(row)
            if picture is not None:
                self.save(picture)

    def _from_journal(self, row: int) -> Picture | None:
        """An image that memory had no room for, with its paint but without segments, to be saved."""
        from labelimg.segmentatimg.journal import Journal
        from labelimg.segmentatimg.painting import Painting

        picture = Picture(row, self._folder.images[row])
        try:
            image = read(picture.path, Shrink(colour=True))
            size = image.shape[1], image.shape[0]
            picture.painting = Painting(image, None, masks=self._folder.load(picture.path, size))
            picture.journal = Journal(
                self._folder.journal_of(picture.path), picture.painting, self._folder.stamp(picture.path)
            )
            picture.journal.replay()
            picture.saved_revision = -1
        except LabelimgError as error:
            self._tell("save failed", picture, str(error))
            return None
        return picture
