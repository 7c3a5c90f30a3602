"""What happens between a person who points and the segments that come of it; no window.

A `Pointing` is one image that is pointed at. `history` is changed by the hand, at once; `find` and `segments` take time
and are called in another thread, one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from labelimg.errors import UsageError
from labelimg.segmentatimg.embeddings import EmbeddingStore, Encoder
from labelimg.segmentatimg.grabcut import GrabCut, segments_of
from labelimg.segmentatimg.methods.sam import SamMasks
from labelimg.segmentatimg.objects import Around, label_map, stacked
from labelimg.segmentatimg.prompts import Annotation, Click, History, Mark, Prompts, objects_of
from labelimg.segmentatimg.regions import Labels, Pixels
from labelimg.segmentatimg.sam import Embedding, Mask, Model
from labelimg.segmentatimg.sam_loading import CancelledError

Tool = Literal["grabcut", "sam"]

NO_OBJECT = "nothing to predict from: draw a box with the middle button, or click on the foreground with the left one"


@dataclass(frozen=True)
class Wish:
    """What pointing was asked for on the command line.

    tool: which way of pointing. live: find after every annotation. The rest is for `sam`: `masks` says which model;
    `automatic`: no pointing, all masks of an image.
    """

    tool: Tool
    live: bool = False
    masks: SamMasks | None = None
    around: Around = "superpixel"
    automatic: bool = False


@dataclass(frozen=True, eq=False)
class Found:
    """What was found, to be shown: uint8 (h, w), k where the k-th object is, 0 where there is none; and in words."""

    objects: Pixels
    count: int
    text: str


class Pointing(Protocol):
    """One image that is pointed at."""

    image: Pixels
    history: History

    def when_ready(self, call: Callable[[str], None]) -> None:
        """Call, in any thread, once it can be found at once; with what went wrong, or nothing."""

    def forget(self) -> None:
        """Begin anew: what was found is not gone on from."""

    def leave(self) -> None:
        """Nobody waits for it any more."""

    def find(self, prompts: Prompts) -> Found:
        """Find what the prompts mean, or go on finding. Raises UsageError with what is missing."""

    def segments(self, prompts: Prompts) -> Labels:
        """The segments to paint on, finding first if these prompts were not found yet."""


class GrabCutPointing:
    """By GrabCut: `find` is one iteration."""

    def __init__(self, image: Pixels) -> None:
        self.image, self.history = image, History()
        self._cut = GrabCut(image)
        self._iterations = 0
        self._found_for: Prompts | None = None

    def when_ready(self, call: Callable[[str], None]) -> None:
        """It always is."""
        call("")

    def forget(self) -> None:
        """Let the next iteration be the first."""
        self._cut, self._iterations, self._found_for = GrabCut(self.image), 0, None

    def leave(self) -> None:
        """Nothing to do: an iteration is short."""

    def find(self, prompts: Prompts) -> Found:
        """One iteration."""
        if prompts != self._found_for:
            self._iterations = 0
        changed = self._cut.iterate(prompts)
        self._iterations += 1
        self._found_for = prompts
        foreground = self._cut.foreground(prompts)
        area = int(np.count_nonzero(foreground))
        if changed:
            text = f"iteration {self._iterations}: {changed:,} pixels changed"
        else:
            text = f"iteration {self._iterations}: nothing changed, it has settled"
        text += f"  ·  foreground {area:,} px" if area else "  ·  no foreground was found"
        return Found(foreground.view(np.uint8), 1, text)

    def segments(self, prompts: Prompts) -> Labels:
        """The connected regions of foreground and background."""
        if prompts != self._found_for:
            self.find(prompts)
        return segments_of(self._cut.foreground(prompts))


class SamPointing:
    """By Segment Anything: `find` predicts a mask of each object."""

    def __init__(self, image: Pixels, encoder: Encoder, around: Around) -> None:
        self.image, self.history = image, History()
        self._encoder, self._around = encoder, around
        self._embedding = encoder.embedding(image)  # begins now, while the person looks
        self._masks: list[Mask] = []
        self._found_for: Prompts | None = None

    def when_ready(self, call: Callable[[str], None]) -> None:
        """Call once the image is encoded."""

        def done(embedding: Future[Embedding]) -> None:
            if not embedding.cancelled():
                error = embedding.exception()
                call("" if error is None else str(error) or "it does not fit in memory")

        self._embedding.add_done_callback(done)

    def forget(self) -> None:
        """Take what was predicted away."""
        self._masks, self._found_for = [], None

    def leave(self) -> None:
        """Whoever waits for the embedding waits no more."""
        self._embedding.cancel()

    def find(self, prompts: Prompts) -> Found:
        """Predict from the prompts."""
        objects = objects_of(prompts)
        if not objects:
            raise UsageError(NO_OBJECT)
        self._predict(prompts)
        height, width = self.image.shape[:2]
        shown = np.minimum(stacked(self._masks, (width, height)), 255).astype(np.uint8)
        empty = sum(not mask.any() for mask in self._masks)
        text = f"{len(objects)} object{'s' * (len(objects) > 1)}  ·  {np.count_nonzero(shown):,} px"
        return Found(shown, len(objects), text + (f"  ·  {empty} of them empty" if empty else ""))

    def segments(self, prompts: Prompts) -> Labels:
        """The objects, and the segments of what is around them."""
        if prompts != self._found_for:
            self._predict(prompts)
        return label_map(self._masks, self.image, self._around)

    def _predict(self, prompts: Prompts) -> None:
        objects = objects_of(prompts)
        if objects:
            try:
                embedding = self._embedding.result()
            except futures.CancelledError as error:
                raise CancelledError("the image was left") from error
        height, width = self.image.shape[:2]
        masks = []
        for each in objects:
            points = np.array([(click.x, click.y) for click in each.clicks], np.float32) if each.clicks else None
            labels = np.array([click.foreground for click in each.clicks], np.int32) if each.clicks else None
            box = None
            if each.box is not None:
                corners = each.box.left, each.box.top, each.box.right - 1, each.box.bottom - 1
                box = np.clip(np.array(corners, np.float32), 0, [width - 1, height - 1, width - 1, height - 1])
                box = box.astype(np.float32)
            masks.append(self._encoder.model.decode(embedding, points, labels, box))
        self._masks, self._found_for = masks, prompts


class Pointer:
    """Begins a `Pointing` of each image of a sitting, with what they share: for `sam` the model and its embeddings."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self._model: Model | None = None
        self._encoder: Encoder | None = None

    def load(self) -> None:
        """Load what takes time; raises what `load_model` raises."""
        if self.wish.masks is not None:
            self._model = self.wish.masks.load()

    def accepts(self, annotation: Annotation) -> bool:
        """Whether this way of pointing has a meaning for it."""
        return not isinstance(annotation, Click if self.wish.tool == "grabcut" else Mark)

    def begin(self, image: Pixels) -> Pointing:
        """Point at an image, uint8 (h, w, 3)."""
        if self.wish.tool == "grabcut":
            return GrabCutPointing(image)
        return SamPointing(image, self._started(), self.wish.around)

    def automatic(self, image: Pixels, progress: Callable[[int, int], None]) -> Labels:
        """The segments of all masks of an image; an error raised by `progress` ends it."""
        assert self.wish.masks is not None
        return self.wish.masks.watched_segment(image, progress)

    def ahead(self, paths: list[str]) -> None:
        """Prepare images that come next."""
        if self.wish.tool == "sam" and not self.wish.automatic:
            self._started().ahead(paths)

    @property
    def idle(self) -> bool:
        """Whether nothing is being prepared."""
        return self._encoder is None or self._encoder.idle

    def _started(self) -> Encoder:
        if self._encoder is None:
            if self._model is None:
                self.load()
            assert self._model is not None
            self._encoder = Encoder(self._model, EmbeddingStore(self._model))
        return self._encoder

    def close(self) -> None:
        """End what goes on in the background."""
        if self._encoder is not None:
            self._encoder.close()
