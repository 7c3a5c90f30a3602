"""Embeddings on the disk: the same as made anew, damaged ones, too many; and made ahead."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from labelimg.segmentatimg.embeddings import (
    EmbeddingStore,
    Encoder,
    clear_embeddings,
    embeddings_folder,
    kept_embeddings,
)
from labelimg.segmentatimg.sam import Embedding
from labelimg.segmentatimg.sam_loading import CancelledError
from pictures import photograph, save


class Model:
    """One that says what it was asked for; `gate` lets it go on."""

    name, fingerprint = "small", "abc"

    def __init__(self):
        self.encoded, self.gate = [], threading.Event()
        self.gate.set()

    def encode(self, image):
        self.encoded.append(int(image[0, 0, 0]))
        assert self.gate.wait(30)
        value = image.astype(np.float32)
        return Embedding((value.sum(axis=2), value.mean(axis=(0, 1))), image.shape[:2])


def grey(level, size=(6, 8)):
    return np.full((*size, 3), level, np.uint8)


def equal(a, b):
    return a.size == b.size and len(a.arrays) == len(b.arrays) and all(
        x.dtype == y.dtype and x.shape == y.shape and (x == y).all() for x, y in zip(a.arrays, b.arrays, strict=True)
    )  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return EmbeddingStore(Model(), tmp_path / "kept")


@pytest.fixture
def encoder(store):
    made = Encoder(store._model, store)
    yield made
    store._model.gate.set()
    made.close()


def until(true):
    end = time.monotonic() + 30
    while not true():
        time.sleep(0.002)
        assert time.monotonic() < end


def idle(encoder):
    until(lambda: encoder.idle)


def test_what_is_kept_is_what_a_real_model_made(checkpoint, tmp_path):
    from labelimg.segmentatimg.sam import load_model

    model = load_model(checkpoint)
    store, image = EmbeddingStore(model, tmp_path / "kept"), np.ascontiguousarray(photograph("coffee"))
    made = model.encode(image)
    store.put(store.path(image), made)
    kept = EmbeddingStore(load_model(checkpoint), tmp_path / "kept").get(store.path(image))
    assert equal(kept, made) and equal(kept, model.encode(image))
    point, label = np.array([[50, 40]], np.float32), np.array([1], np.int32)
    assert (model.decode(kept, point, label, None) == model.decode(made, point, label, None)).all()


def test_the_pixels_their_shape_and_the_weights_name_the_file(store, tmp_path):
    path = store.path(grey(1))
    assert path == store.path(grey(1)) and path.parent == tmp_path / "kept"
    changed = grey(1)
    changed[5, 7, 2] = 2
    other = Model()
    other.fingerprint = "abd"
    others = [store.path(changed), store.path(grey(1, (8, 6))), EmbeddingStore(other, tmp_path / "kept").path(grey(1))]
    assert len({path, *others}) == 4
    assert store.path(np.asfortranarray(changed)) == store.path(changed)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text", "folder"])
def test_a_damaged_file_is_made_again(store, encoder, damage):
    path = store.path(grey(7))
    store.put(path, Model().encode(grey(7)))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 4
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.write_bytes({"truncated": content[:-9], "flipped": flipped, "empty": b"", "text": b"hello"}[damage])
    assert store.get(path) is None
    assert equal(encoder.embedding(grey(7)).result(30), Model().encode(grey(7)))
    assert store._model.encoded == [7]
    idle(encoder)
    if damage != "folder":
        assert equal(store.get(path), Model().encode(grey(7)))


def test_the_oldest_go_when_there_are_too_many_and_what_was_used_is_not_old(tmp_path):
    store = EmbeddingStore(Model(), tmp_path / "kept")
    paths = [store.path(grey(level)) for level in range(4)]
    for k, path in enumerate(paths[:3]):
        store.put(path, Model().encode(grey(k)))
        os.utime(path, ns=(10**9 * k, 10**9 * k))
    size = paths[0].stat().st_size
    assert store.get(paths[0])  # used just now
    small = EmbeddingStore(Model(), tmp_path / "kept", max_bytes=3 * size)
    small.put(paths[3], Model().encode(grey(3)))
    assert [path.exists() for path in paths] == [True, False, True, True]
    tiny = EmbeddingStore(Model(), tmp_path / "kept", max_bytes=size)
    tiny.put(paths[1], Model().encode(grey(1)))
    assert kept_embeddings(tmp_path / "kept") == [paths[1]]


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "kept").write_text("a file")
    store = EmbeddingStore(Model(), tmp_path / "kept")
    encoder = Encoder(store._model, store)
    assert equal(encoder.embedding(grey(3)).result(30), Model().encode(grey(3)))
    idle(encoder)
    assert "kept" in store.broken
    encoder.close()


def test_the_folder_is_that_of_the_cache(cache_home, monkeypatch, tmp_path):
    assert embeddings_folder() == cache_home / "labelimg" / "embeddings"
    monkeypatch.setenv("LABELIMG_CACHE_DIR", str(tmp_path))
    assert embeddings_folder() == tmp_path / "embeddings"
    assert embeddings_folder(tmp_path / "mine") == tmp_path / "mine" / "embeddings"


def test_clearing_removes_embeddings_and_nothing_else(store):
    store.put(store.path(grey(1)), Model().encode(grey(1)))
    (store.folder / "notes.txt").write_text("mine")
    size = store.path(grey(1)).stat().st_size
    assert clear_embeddings(store.folder) == size
    assert [path.name for path in store.folder.iterdir()] == ["notes.txt"]
    assert clear_embeddings(store.folder / "none") == 0


def test_an_image_is_encoded_once(encoder):
    model = encoder.model
    first, again = (encoder.embedding(grey(5)) for _ in range(2))
    assert equal(first.result(30), again.result(30)) and model.encoded == [5]
    idle(encoder)
    later = Encoder(model, EmbeddingStore(model, encoder.store.folder))  # another sitting
    assert equal(later.embedding(grey(5)).result(30), first.result()) and model.encoded == [5]
    later.close()


def test_what_somebody_waits_for_comes_before_what_is_made_ahead(encoder, tmp_path):
    model = encoder.model
    names = [str(save(tmp_path / f"{level}.png", grey(level))) for level in (10, 20)]
    model.gate.clear()
    first = encoder.embedding(grey(1))
    until(lambda: model.encoded)
    encoder.ahead(names)
    second = encoder.embedding(grey(2))
    until(lambda: not encoder._looking)
    model.gate.set()
    assert first.result(30) and second.result(30)
    idle(encoder)
    assert model.encoded == [1, 2, 10, 20]
    assert len(kept_embeddings(encoder.store.folder)) == 4


def test_what_is_made_ahead_changes_with_the_image_in_sight_and_a_broken_image_ends_nothing(encoder, tmp_path):
    model = encoder.model
    (tmp_path / "broken.png").write_bytes(b"no image")
    names = [str(save(tmp_path / f"{level}.png", grey(level))) for level in (10, 20, 30)]
    model.gate.clear()
    encoder.ahead(names[:2])
    until(lambda: model.encoded)
    encoder.ahead([str(tmp_path / "broken.png"), str(tmp_path / "none.png"), names[2]])
    model.gate.set()
    idle(encoder)
    assert model.encoded == [10, 30]


def test_an_error_reaches_whoever_waits_and_the_next_image_is_encoded(encoder, monkeypatch):
    plain = Model.encode

    def fail(self, image):
        if image[0, 0, 0] == 9:
            raise RuntimeError("no such luck")
        return plain(self, image)

    monkeypatch.setattr(Model, "encode", fail)
    with pytest.raises(RuntimeError, match="no such luck"):
        encoder.embedding(grey(9)).result(30)
    assert encoder.embedding(grey(4)).result(30)


def test_an_error_of_what_is_made_ahead_ends_nothing(encoder, monkeypatch, tmp_path):
    names = [str(save(tmp_path / f"{level}.png", grey(level))) for level in (9, 30)]
    plain = Model.encode

    def fail(self, image):
        if image[0, 0, 0] == 9:
            raise RuntimeError("no such luck")
        return plain(self, image)

    monkeypatch.setattr(Model, "encode", fail)
    encoder.ahead(names)
    idle(encoder)
    assert encoder.model.encoded == [30]


def test_an_image_that_nobody_waits_for_any_more_is_not_encoded(encoder):
    model = encoder.model
    model.gate.clear()
    first, second, third = (encoder.embedding(grey(level)) for level in (1, 2, 3))
    until(lambda: model.encoded and not encoder._looking)
    first.cancel()
    second.cancel()
    model.gate.set()
    assert third.result(30)
    idle(encoder)
    assert model.encoded == [1, 3]


def test_whoever_waits_when_an_image_is_left_is_told(encoder):
    from labelimg.segmentatimg.pointing import SamPointing
    from labelimg.segmentatimg.prompts import Click, Prompts

    encoder.model.gate.clear()
    pointing, said = SamPointing(grey(1), encoder, "connected"), []

    def wait():
        try:
            pointing.find(Prompts((Click(1, 1),)))
        except CancelledError as error:
            said.append(str(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    pointing.leave()
    waiting.join(30)
    assert said == ["the image was left"]


def test_closing_ends_the_threads_and_leaves_nobody_waiting(store):
    encoder = Encoder(store._model, store)
    store._model.gate.clear()
    futures = [encoder.embedding(grey(level)) for level in range(3)]
    until(lambda: store._model.encoded)
    store._model.gate.set()
    encoder.close()
    assert not encoder._thread.is_alive() and all(future.done() for future in futures)
