"""Embeddings kept on the disk, by what an image holds and by the model, and made ahead in the background.

As the feature cache it only ever saves time: what it cannot read is made again, what it cannot write is done without,
and what it holds is checked against a digest. The oldest go when there are too many.
"""

from __future__ import annotations

import io
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from labelimg import files
from labelimg.decoding import Shrink, read
from labelimg.errors import LabelimgError, UnreadableImageError
from labelimg.segmentatimg.regions import Pixels
from labelimg.segmentatimg.sam import Embedding, Model
from labelimg.segmentatimg.sam_loading import CancelledError

MAX_BYTES = 4 << 30
_IN_MEMORY = 8
_DIGEST = 16
_ENDING = ".embedding"


def embeddings_folder() -> Path:
    """Where embeddings are kept for this user."""
    from platformdirs import user_cache_path

    return Path(user_cache_path("labelimg")) / "embeddings"


class EmbeddingStore:
    """Embeddings of one model in a folder."""

    def __init__(self, model: Model, folder: Path | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        self._model, self._max_bytes = model, max_bytes
        self.folder = folder or embeddings_folder()
        self.broken = ""

    def path(self, image: Pixels) -> Path:
        """The file of an image, uint8 (h, w, 3): its pixels and the model name it."""
        digest = blake2b(f"1 {self._model.name} {self._model.fingerprint} {image.shape}".encode(), digest_size=20)
        digest.update(np.ascontiguousarray(image).data)
        return self.folder / f"{digest.hexdigest()}{_ENDING}"

    def get(self, path: Path) -> Embedding | None:
        """What the file holds; None if it is not there or is damaged."""
        try:
            content = path.read_bytes()
            body = content[_DIGEST:]
            if blake2b(body, digest_size=_DIGEST).digest() != content[:_DIGEST]:
                return None
            with np.load(io.BytesIO(body), allow_pickle=False) as kept:
                count = len(kept.files) - 1
                arrays = tuple(kept[f"a{k}"] for k in range(count))
                size = int(kept["size"][0]), int(kept["size"][1])
        except (OSError, ValueError, KeyError, EOFError):
            return None
        with suppress(OSError):
            os.utime(path)  # used just now
        return Embedding(arrays, size)

    def put(self, path: Path, embedding: Embedding) -> None:
        """Keep an embedding; `broken` says why it could not be kept."""
        body = io.BytesIO()
        named: dict[str, Any] = {f"a{k}": each for k, each in enumerate(embedding.arrays)}
        np.savez(body, size=np.array(embedding.size), **named)
        content = body.getvalue()
        try:
            files.make_folder(self.folder)
            self._make_room(len(content))
            files.write_atomic(path, blake2b(content, digest_size=_DIGEST).digest() + content, binary=True)
        except LabelimgError as error:
            self.broken = str(error)

    def _make_room(self, incoming: int) -> None:
        with os.scandir(self.folder) as found:
            kept = sorted(
                (entry.stat().st_mtime_ns, entry.stat().st_size, entry.path)
                for entry in found
                if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False)
            )
        used = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if used + incoming <= self._max_bytes:
                break
            files.remove_file(path)
            used -= size


class Encoder:
    """Makes embeddings in one thread: those that somebody waits for first, then those of images that come next."""

    def __init__(self, model: Model, store: EmbeddingStore) -> None:
        self.model, self.store = model, store
        self._kept: OrderedDict[Path, Embedding] = OrderedDict()
        self._wanted: list[tuple[Pixels, Future[Embedding]]] = []
        self._ahead: list[str] = []
        self._change = threading.Condition()
        self._closed = False
        self._idle = True
        self._thread = threading.Thread(target=self._run, name="labelimg-encoder", daemon=True)
        self._thread.start()

    def embedding(self, image: Pixels) -> Future[Embedding]:
        """The embedding of an image, uint8 (h, w, 3), before all that is made ahead."""
        future: Future[Embedding] = Future()
        with self._change:
            self._wanted.append((image, future))
            self._change.notify_all()
        return future

    def ahead(self, paths: Sequence[str]) -> None:
        """Make the embeddings of these image files when there is nothing else to do, and no longer those of others."""
        with self._change:
            self._ahead = list(paths)
            self._change.notify_all()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        with self._change:
            return self._idle and not self._wanted and not self._ahead

    def close(self) -> None:
        """End the thread after what it makes now, without waiting long for it."""
        with self._change:
            self._closed = True
            self._ahead = []
            for _, future in self._wanted:
                future.set_exception(CancelledError("the program ends"))
            self._wanted = []
            self._change.notify_all()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            with self._change:
                self._idle = True
                while not (self._wanted or self._ahead or self._closed):
                    self._change.wait()
                if self._closed:
                    return
                self._idle = False
                wanted = self._wanted.pop(0) if self._wanted else None
                path = "" if wanted else self._ahead.pop(0)
            if wanted:
                self._answer(*wanted)
            else:
                # It will be tried again, and told of, when the image is in sight.
                with suppress(UnreadableImageError, LabelimgError, MemoryError):
                    self._made(read(path, Shrink(colour=True)))

    def _answer(self, image: Pixels, future: Future[Embedding]) -> None:
        try:
            embedding = self._made(image)
        except BaseException as error:  # noqa: BLE001 - whoever waits is told
            future.set_exception(error)
        else:
            future.set_result(embedding)

    def _made(self, image: Pixels) -> Embedding:
        path = self.store.path(image)
        embedding = self._kept.get(path) or self.store.get(path)
        if embedding is None:
            embedding = self.model.encode(image)
            self.store.put(path, embedding)
        self._kept[path] = embedding
        self._kept.move_to_end(path)
        while len(self._kept) > _IN_MEMORY:
            self._kept.popitem(last=False)
        return embedding
