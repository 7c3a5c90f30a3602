"""What Lightning is told of the device; with CUDA alone, that it computes the same as the processor."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import labelimg
from labelimg import Training, images
from labelimg.clusterimg.deep import fitting
from labelimg.clusterimg.deep.embedding import Embedder
from labelimg.clusterimg.deep.models import open_model
from labelimg.errors import UsageError
from pictures import groups_of, save

TINY = Training(size=16, latent=3, width=2, epochs=2, batch_size=8, val=0.25)
WITH_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


class TrainerMadeError(Exception):
    """Carries what Lightning's Trainer was made with."""


@pytest.fixture
def kinds(tmp_path: Path) -> Path:
    """Twelve pictures of each of three textures, in turns."""
    random = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(48), np.arange(48))
    textures = {"a": np.sin(x), "b": np.sin(y / 2), "c": np.sign(np.sin(x / 4) * np.sin(y / 4))}
    for number in range(12):
        for name, texture in textures.items():
            grey = 128 + 100 * texture + random.normal(0, 10, (48, 48))
            picture = np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
            save(tmp_path / f"kinds/{number:02}{name}.png", picture)
    return tmp_path / "kinds"


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("cpu", {"accelerator": "cpu", "devices": 1, "precision": "32-true"}),
        ("cuda", {"accelerator": "cuda", "devices": [0], "precision": "16-mixed"}),
        ("cuda:1", {"accelerator": "cuda", "devices": [1], "precision": "16-mixed"}),
    ],
)
def test_lightning_trains_on_the_device_that_was_named_in_mixed_precision_on_a_gpu(device, told, tmp_path, monkeypatch):
    def trainer(**given: Any) -> Any:
        raise TrainerMadeError(given)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(fitting, "_quiet", lambda _: nullcontext())
    monkeypatch.setattr(fitting.pl, "Trainer", trainer)
    pixels = np.zeros((8, 16, 16, 3), np.uint8)
    with pytest.raises(TrainerMadeError) as made:
        fitting.fit(
            pixels,
            TINY,
            tmp_path / "x",
            loss=torch.nn.MSELoss(),
            told={},
            resume=False,
            device=device,
            threads=1,
            progress=None,
        )
    given = made.value.args[0]
    assert {name: given[name] for name in told} == told


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("call", ["train", "deep_cluster", "embed"])
def test_a_gpu_that_is_not_there_is_one_line(call, kinds, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"^device cuda is not there: torch sees no GPU; use cpu or auto$"):
        if call == "train":
            monkeypatch.setattr(images, "read", lambda *_, **__: pytest.fail("decoded before the device was looked at"))
            labelimg.train(kinds, out=tmp_path / "a.ckpt", training=TINY, device="cuda")
        elif call == "deep_cluster":
            labelimg.deep_cluster(kinds, out=tmp_path / "out", device="cuda")
        else:
            labelimg.embed(kinds, device="cuda")
    assert not (tmp_path / "a.ckpt").exists()
    assert not (tmp_path / "out").exists()


@WITH_CUDA
def test_embeddings_of_a_gpu_are_those_of_the_processor_but_for_rounding():
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (64, 64, 3)).astype(np.uint8) for _ in range(5)]
    one, other = (
        Embedder(open_model("efficientnet_lite0", size=64), device=device).embed(pictures) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(one, other, rtol=2e-2, atol=2e-2)


@WITH_CUDA
def test_clusters_of_a_gpu_are_those_of_the_processor(kinds):
    one, other = (labelimg.deep_cluster(kinds, clusters=[3], size=64, device=device) for device in ("cpu", "cuda"))
    assert groups_of(one.clusters, kinds) == groups_of(other.clusters, kinds)


@WITH_CUDA
def test_a_gpu_trains_about_as_the_processor_does_and_what_it_trained_works_on_both(kinds, tmp_path):
    how = {"size": 32, "width": 4, "epochs": 8, "batch_size": 8, "denoise": 0.0}
    one, other = (
        labelimg.train(kinds, out=tmp_path / f"{device}.ckpt", device=device, **how) for device in ("cpu", "cuda")
    )
    assert other.loss == pytest.approx(one.loss, rel=0.2)
    same = [labelimg.embed(kinds, other.path, device=device) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(same[0], same[1], rtol=2e-2, atol=2e-2)
