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
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from labelimg import files
from labelimg.decoding import Shrink, read
from labelimg.errors import LabelimgError
from labelimg.segmentatimg.regions import Pixels
from labelimg.segmentatimg.sam import Embedding, Model

MAX_BYTES = 4 << 30
_IN_MEMORY = 8
_DIGEST = 16
_ENDING = ".embedding"


def embeddings_folder(cache: Path | None = None) -> Path:
    """Where embeddings are kept: below `cache`, by default $LABELIMG_CACHE_DIR, else the user's cache folder."""
    folder: str | Path | None = cache or os.environ.get("LABELIMG_CACHE_DIR")
    if not folder:
        from platformdirs import user_cache_path

        folder = user_cache_path("labelimg")
    return Path(folder) / "embeddings"


def kept_embeddings(folder: Path) -> list[Path]:
    """The files of all embeddings in a folder, of any model."""
    with suppress(OSError), os.scandir(folder) as found:
        return sorted(
            Path(entry.path) for entry in found if entry.name.endswith(_ENDING) and entry.is_file(follow_symlinks=False)
        )
    return []


def clear_embeddings(folder: Path) -> int:
    """Remove them all; how many bytes that were. Raises TransferError for one that cannot be removed."""
    removed = 0
    for path in kept_embeddings(folder):
        with suppress(OSError):
            removed += path.stat().st_size
        files.remove_file(path)
    files.remove_leftovers(folder)
    return removed


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
        except (LabelimgError, OSError) as error:
            self.broken = " ".join(str(error).split())

    def _make_room(self, incoming: int) -> None:
        kept = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in kept_embeddings(self.folder))
        used = sum(size for _, size, _ in kept)
        for _, size, path in kept:
            if used + incoming <= self._max_bytes:
                break
            files.remove_file(path)
            used -= size


class Encoder:
    """Makes embeddings in one thread: those that somebody waits for first, then those of images that come next.

    What was made before is looked up in another thread, so that it is there at once whatever is being encoded.
    """

    def __init__(self, model: Model, store: EmbeddingStore) -> None:
        self.model, self.store = model, store
        self._kept: OrderedDict[Path, Embedding] = OrderedDict()
        self._wanted: list[tuple[Path, Pixels, Future[Embedding]]] = []
        self._ahead: list[str] = []
        self._change = threading.Condition()
        self._looking = 0  # lookups that were asked for: what they want comes before what is made ahead
        self._closed = False
        self._idle = True
        self._lookup = ThreadPoolExecutor(1, thread_name_prefix="labelimg-embeddings")
        self._thread = threading.Thread(target=self._run, name="labelimg-encoder", daemon=True)
        self._thread.start()

    def embedding(self, image: Pixels) -> Future[Embedding]:
        """The embedding of an image, uint8 (h, w, 3), before all that is made ahead. A future that is cancelled is not
        waited for, and its image not encoded."""
        future: Future[Embedding] = Future()
        with self._change:
            self._looking += 1
        self._lookup.submit(self._look_up, image, future)
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
            return self._idle and not (self._wanted or self._ahead or self._looking)

    def close(self) -> None:
        """End the threads after what they do now, without waiting long for it."""
        with self._change:
            self._closed, self._ahead = True, []
            self._change.notify_all()
        self._lookup.shutdown()
        self._thread.join(timeout=2)
        for _, _, future in self._wanted:
            future.cancel()

    def _look_up(self, image: Pixels, future: Future[Embedding]) -> None:
        wanted = False
        try:
            path = self.store.path(image)
            embedding = self._known(path)
            wanted = embedding is None
            if embedding is not None:
                _tell(future, embedding)
        except MemoryError as error:
            _tell(future, error)
        finally:
            with self._change:
                self._looking -= 1
                if wanted:
                    self._wanted.append((path, image, future))
                self._change.notify_all()

    def _run(self) -> None:
        while True:
            with self._change:
                self._idle = True
                while not (self._wanted or (self._ahead and not self._looking) or self._closed):
                    self._change.wait()
                if self._closed:
                    return
                self._idle = False
                wanted = self._wanted.pop(0) if self._wanted else None
                name = "" if wanted else self._ahead.pop(0)
            if wanted is None:
                # It will be tried again, and told of, when the image is in sight.
                with suppress(Exception):
                    image = read(name, Shrink(colour=True))
                    self._made(self.store.path(image), image)
            elif not wanted[2].cancelled():
                path, image, future = wanted
                try:
                    _tell(future, self._made(path, image))
                except BaseException as error:  # noqa: BLE001 - whoever waits is told
                    _tell(future, error)

    def _known(self, path: Path) -> Embedding | None:
        """What is kept in memory or on the disk."""
        with self._change:
            embedding = self._kept.get(path)
        if embedding is None:
            embedding = self.store.get(path)
        if embedding is not None:
            with self._change:
                self._kept[path] = embedding
                self._kept.move_to_end(path)
                while len(self._kept) > _IN_MEMORY:
                    self._kept.popitem(last=False)
        return embedding

    def _made(self, path: Path, image: Pixels) -> Embedding:
        embedding = self._known(path)
        if embedding is None:
            embedding = self.model.encode(image)
            with self._change:
                self._kept[path] = embedding
            self.store.put(path, embedding)
        return embedding


def _tell(future: Future[Embedding], outcome: Embedding | BaseException) -> None:
    with suppress(InvalidStateError):  # nobody waits any more
        if isinstance(outcome, Embedding):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
