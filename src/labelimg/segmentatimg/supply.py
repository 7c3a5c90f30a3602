"""What a sitting has in memory of its folder: images come from threads and worker processes, and go to make room.

The one in sight comes first, then its neighbours, ahead of their time. Each is decoded, cut into segments, and made a
painting of; coarser and finer segments come after. `Session` says which is in sight, and what becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from labelimg.decoding import Shrink, read, why_unreadable
from labelimg.errors import LabelimgError, UnreadableImageError
from labelimg.segmentatimg.crew import Crew
from labelimg.segmentatimg.jobs import LEVELS_FINER, Job, Part
from labelimg.segmentatimg.keeping import to_let_go, wanted_next
from labelimg.segmentatimg.palette import Palette
from labelimg.segmentatimg.picture import Picture, edges_of
from labelimg.segmentatimg.preparing import Prepared, prepare
from labelimg.segmentatimg.pyramid import EdgePyramid
from labelimg.segmentatimg.saving import Post, Saver, Tell
from labelimg.segmentatimg.scene import PictureScene
from labelimg.segmentatimg.shared import SharedArray
from labelimg.segmentatimg.warm import is_first_use, warm_up_painting

if TYPE_CHECKING:
    from labelimg.segmentatimg.maskfolder import MaskFolder
    from labelimg.segmentatimg.methods.base import Method

DEFAULT_MEMORY = 1 << 30
TOO_LARGE = "it does not fit in memory"


class Supply:
    """The images of a folder, `folder.images` by row, and what of them is in memory.

    `current` is the one in sight; `method` and `level` say into which segments all are cut.
    """

    def __init__(
        self, folder: MaskFolder, method: Method, *, post: Post, tell: Tell, ahead: int, memory: int, by_hand: bool
    ) -> None:
        self._by_hand = by_hand
        self.folder, self.method, self.ahead, self.memory = folder, method, ahead, memory
        self.palette = Palette()
        self.level = LEVELS_FINER
        self.current: Picture | None = None
        self._pictures: dict[int, Picture] = {}
        # By serial; a picture that was let go is none.
        self._jobs: WeakValueDictionary[int, Picture] = WeakValueDictionary()
        self._serial = 0
        self._post, self._tell = post, tell
        self._closed = False
        self._crew = Crew(self._report, min(ahead, 1))
        self._saver = Saver(folder, post, tell)
        self._worker = ThreadPoolExecutor(2, thread_name_prefix="labelimg-paint")

    def __len__(self) -> int:
        return len(self.folder.images)

    def _close(self) -> None:
        self._closed = True
        self._crew.close()
        self._saver.close()
        self._worker.shutdown()
        for picture in self._pictures.values():
            if picture.journal is not None:
                picture.journal.close()

    # ---------------------------------------------------------------------------------------------- coming and going

    def _begin(self, picture: Picture) -> None:
        """Decode and segment the image in sight. It is decoded here: a process would have to be started first."""
        if picture.image is not None:
            if self._by_hand:
                self._tell("image", picture, "")
            else:
                self._crew.now(self._job(picture, self.method), picture.image)
            return

        def decode() -> None:
            try:
                image = SharedArray.of(read(picture.path, Shrink(colour=True)))
                picture.decoded = scene = PictureScene(image.array)
            except (UnreadableImageError, MemoryError, OSError) as error:
                reason = error.reason if isinstance(error, UnreadableImageError) else why_unreadable(error)
                self._post(lambda: self._failed(picture, reason))
            else:
                self._post(lambda: come(image, scene))

        def come(image: SharedArray, scene: PictureScene) -> None:
            self._image_came(picture, image, scene)
            if picture is self.current and picture.painting is None and not self._by_hand:
                self._crew.now(self._job(picture, self.method), picture.image)

        self._worker.submit(decode)

    def _look_ahead(self) -> None:
        """Ask for the neighbours that are not there yet, as many as fit in memory."""
        here = self.current
        if here is None or not self.ahead or self._by_hand:
            return
        if here.painting is None and not here.reason:  # it comes first, with all that the machine can do
            self._crew.ahead([])
            return
        begun = self._begun(self._crew.doing())
        rows = wanted_next(self._pictures, here.row, len(self), ahead=self.ahead, memory=self.memory, begun=begun)
        for row in rows:
            if row not in self._pictures:
                self._pictures[row] = Picture(row, self.folder.images[row])
        self._crew.ahead([self._job(self._pictures[row], self.method) for row in rows])

    def _trim(self) -> None:
        """Let the farthest images go that memory has no room for; unsaved paint is in their journals."""
        if self.current is None:
            return
        begun = self._begun(self._crew.doing())
        far = to_let_go(
            self._pictures,
            self.current.row,
            len(self),
            ahead=self.ahead,
            memory=self.memory,
            may_go=lambda picture: picture not in begun and self._may_go(picture),
        )
        for picture in far:
            self._forget(picture)

    def _begun(self, jobs: Sequence[Job]) -> list[Picture | None]:
        return [self._jobs.get(job.serial) for job in jobs]

    def _may_go(self, picture: Picture) -> bool:
        kept = picture.journal is not None and not getattr(picture.journal, "broken", False)
        return picture.row not in self._saver.rows and not picture.busy and (not picture.unsaved or kept)

    def _forget(self, picture: Picture) -> None:
        self._pictures.pop(picture.row, None)
        if picture.journal is not None:
            picture.journal.close()
            picture.journal = None  # it leads back to the picture, whose memory would be free only some time later

    def _job(self, picture: Picture, method: Method, *, preview: bool = False) -> Job:
        self._serial += 1
        self._jobs[self._serial] = picture
        return Job(self._serial, picture.path, method, preview)

    # ---------------------------------------------------------------------------------------------- what comes back

    def _report(self, job: Job, part: Part, arrays: dict[str, SharedArray]) -> None:
        """Make of a worker's arrays what is shown and painted on; runs in the worker's own thread."""
        picture = self._jobs.get(job.serial)
        if picture is None or self._closed:
            return
        if part.kind == "image":
            scene = PictureScene(arrays["image"].array)
            picture.decoded = scene
            self._post(lambda: self._image_came(picture, arrays["image"], scene))
        elif part.kind == "segments":
            labels, edges = arrays["labels"], EdgePyramid(arrays["edges"].array)
            if is_first_use():
                warm_up_painting()  # here nobody waits for the compiler
            self._post(lambda: self._segments_came(job, picture, labels, edges))
            if picture.painting is None and not job.preview:
                self._make_painting(job, picture, [labels.array], edges)
        elif part.kind == "levels":
            maps = [arrays[str(k)].array for k in range(len(arrays))]
            self._post(lambda: self._levels_came(job, picture, maps[: part.finer], maps[part.finer :]))
        else:
            self._post(lambda: self._ended(job, picture, part))

    def _image_came(self, picture: Picture, image: SharedArray, scene: PictureScene) -> None:
        if picture.image is None:
            picture.image, picture.scene = image, scene
            self._tell("image", picture, "")

    def _segments_came(self, job: Job, picture: Picture, labels: SharedArray, edges: EdgePyramid) -> None:
        if not job.preview:
            picture.came = job.serial, labels
        if job.method == self.method or job.preview or picture.scene is None or not picture.scene.has_edges:
            picture.show_segments(labels.array, edges)
            self._tell("preview" if job.preview else "segments", picture, "")

    def _make_painting(self, job: Job, picture: Picture, maps: list[Any], edges: EdgePyramid | None = None) -> None:
        """Build the painting; in a worker's thread."""
        if self._pictures.get(picture.row) is not picture:  # nobody waits for it any more
            return

        def warn(text: str) -> None:
            self._post(lambda: self._tell("warning", picture, text))

        try:
            made = prepare(self.folder, picture, maps, self.level, warn, edges)
        except (LabelimgError, MemoryError) as error:
            reason = str(error) if isinstance(error, LabelimgError) else TOO_LARGE
            self._post(lambda: self._failed(picture, reason))
        else:
            self._post(lambda: self._painting_came(job, picture, made))

    def _painting_came(self, job: Job, picture: Picture, made: Prepared) -> None:
        if picture.painting is not None or self._pictures.get(picture.row) is not picture:  # made twice, or in vain
            made.journal.close()
            return
        picture.busy = False
        picture.take(made, job.method)
        picture.serial = job.serial
        if not picture.complete and picture.came is not None:
            picture.segments = picture.came[1]
        self.palette.add_all(made.painting.colours)
        self._saver.note(picture)
        self._tell("painting", picture, "")
        if made.replayed.changes or made.replayed.notice:
            self._tell("restored", picture, made.replayed.notice)
        self._look_ahead()
        if picture.method != self.method and picture is self.current:
            self._crew.now(self._job(picture, self.method), picture.image)

    def _levels_came(self, job: Job, picture: Picture, finer: list[Any], coarser: list[Any]) -> None:
        """There are finer and coarser segments, too, for a painting that has only those of a job, or for none of it."""
        painting = picture.painting
        if picture.busy:
            picture.later = lambda: self._levels_came(job, picture, finer, coarser)
        elif painting is None:
            return
        elif picture.serial == job.serial:
            if not picture.complete:
                painting.add_levels(finer, coarser)
                picture.segments = picture.came = None
            level = min(self.level, painting.level_count - 1)
            if level != painting.current_level:
                self._go_to_level(picture, level)
            self._tell("levels", picture, "")
        elif picture.came is not None and picture.came[0] == job.serial and job.method != picture.method:
            self._other_segments(job, picture, [*finer, picture.came[1].array, *coarser])

    def _other_segments(self, job: Job, picture: Picture, maps: list[Any]) -> None:
        if job.method == self.method:
            self._exchange(job, picture, lambda: maps)

    def _exchange(self, job: Job, picture: Picture, maps_of: Callable[[], list[Any]]) -> None:
        """Give a painting other segments; its paint stays."""
        painting = picture.painting
        if painting is None:
            return

        def work() -> EdgePyramid:
            painting.set_labels(maps_of())
            painting.level(min(self.level, painting.level_count - 1))
            return edges_of(painting.labels)

        def done(edges: EdgePyramid) -> None:
            picture.method, picture.serial = job.method, job.serial
            picture.segments = picture.came = None
            picture.show_segments(painting.labels, edges)
            self._tell("painting", picture, "")

        self._apart(picture, work, done)

    def _go_to_level(self, picture: Picture, level: int) -> None:
        painting = picture.painting
        assert painting is not None

        def work() -> EdgePyramid:
            painting.level(level)
            return edges_of(painting.labels)

        def done(edges: EdgePyramid) -> None:
            picture.show_segments(painting.labels, edges)
            self._tell("painting", picture, "")

        self._apart(picture, work, done)

    def _ended(self, job: Job, picture: Picture, part: Part) -> None:
        self._jobs.pop(job.serial, None)
        if part.lost and picture is self.current and picture.painting is None:
            self._begin(picture)  # it was to be there ahead of its time: once more, now that it is in sight
        elif part.reason and not job.preview:
            self._failed(picture, part.reason)
        self._trim()
        self._look_ahead()

    def _failed(self, picture: Picture, reason: str) -> None:
        picture.reason, picture.busy = reason, False
        self._tell("failed", picture, reason)
        self._look_ahead()

    def _apart(self, picture: Picture, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do what takes time in another thread; until it is done nobody else touches the painting."""
        picture.busy = True
        self._tell("busy", picture, "")

        def run() -> None:
            try:
                result = work()
            except (LabelimgError, MemoryError) as error:
                text = str(error) or TOO_LARGE
                self._post(lambda: back(None, text))
            else:
                self._post(lambda: back(result, ""))

        def back(result: Any, reason: str) -> None:
            picture.busy = False
            if reason:
                self._tell("warning", picture, reason)
                self._tell("painting", picture, "")
            else:
                done(result)
            later, picture.later = picture.later, None
            if later is not None and not picture.busy:
                later()

        self._worker.submit(run)
