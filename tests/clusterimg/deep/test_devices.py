"""What Lightning is told of the device; with CUDA alone, that it computes the same as the processor."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import labelimg
from labelimg import Training, images
from labelimg.clusterimg.deep import fitting
from labelimg.clusterimg.deep.checkpoints import read_checkpoint
from labelimg.clusterimg.deep.devices import training_devices
from labelimg.clusterimg.deep.embedding import Embedder
from labelimg.clusterimg.deep.models import open_model
from labelimg.clusterimg.deep.steps import Steps, parts
from labelimg.decoding import Shrink
from labelimg.errors import UsageError
from pictures import groups_of, save

TINY = Training(size=16, latent=3, width=2, epochs=2, batch_size=8, val=0.25)
WITH_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")


WITH_TWO_GPUS = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="torch sees fewer than two GPUs")


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


def task(device: str, **changes: Any) -> fitting._Task:
    """What the processes of a training of 64 pictures on such devices are told."""
    how = Training(**{**vars(TINY), "batch_size": 64, **changes})
    accelerator, devices = training_devices(device, 99)
    return fitting._Task(how, Path("x"), {}, False, accelerator, devices, 1, "scratch")


@pytest.mark.parametrize(
    ("device", "told"),
    [
        ("cpu", {"accelerator": "cpu", "devices": 1, "precision": "32-true", "strategy": "auto"}),
        ("cuda:1", {"accelerator": "cuda", "devices": [1], "precision": "16-mixed", "strategy": "auto"}),
        ("cuda", {"accelerator": "cuda", "devices": [0, 1], "precision": "16-mixed", "strategy": "ddp"}),
        ("auto", {"accelerator": "cuda", "devices": [0, 1], "sync_batchnorm": True, "use_distributed_sampler": False}),
    ],
)
def test_lightning_trains_on_the_devices_that_were_named_in_mixed_precision_on_gpus(device, told, monkeypatch):
    def trainer(**given: Any) -> Any:
        raise TrainerMadeError(given)

    two_gpus(monkeypatch)
    monkeypatch.setattr(fitting, "_quiet", lambda _: nullcontext())
    monkeypatch.setattr(fitting.pl, "Trainer", trainer)
    pixels = np.zeros((64, 16, 16, 3), np.uint8)
    with pytest.raises(TrainerMadeError) as made:
        fitting._fit(pixels, task(device), 0, loss=torch.nn.MSELoss(), progress=None)
    given = made.value.args[0]
    assert {name: given[name] for name in told} == told


def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)


@pytest.mark.parametrize(
    ("device", "images", "batch_size", "processes"),
    [
        ("auto", 36, 8, 2),
        ("cuda", 36, 4, 2),
        ("cuda", 36, 3, 1),
        ("cuda", 4, 8, 1),  # one is kept back
        ("cuda:1", 36, 8, 1),
        ("cpu", 36, 8, 1),
    ],
)
def test_a_process_for_each_gpu_that_has_two_pictures_of_a_step(device, images, batch_size, processes, monkeypatch):
    begun = []

    def begin(_work: Any, count: int, **_: Any) -> fitting.Fitted:
        begun.append(count)
        return fitting.Fitted(1, 1, 1.0)

    def here(*_: Any, **__: Any) -> fitting.Fitted:
        begun.append(1)
        return fitting.Fitted(1, 1, 1.0)

    two_gpus(monkeypatch)
    monkeypatch.setattr(fitting, "together", begin)
    monkeypatch.setattr(fitting, "_fit", here)
    how = Training(**{**vars(TINY), "batch_size": batch_size})
    pixels = np.zeros((images, 16, 16, 3), np.uint8)
    given = {"told": {}, "resume": False, "device": device, "threads": 2, "progress": None}
    fitting.fit(pixels, how, Path("x"), loss=torch.nn.MSELoss(), **given)
    assert begun == [processes]


def test_where_a_gpu_of_several_has_no_memory_left_the_step_of_all_is_halved(kinds, tmp_path, monkeypatch):
    sizes = []

    def begin(work: Any, _count: int, **_: Any) -> fitting.Fitted:
        sizes.append(work.args[0].how.batch_size)
        if sizes[-1] > 8:
            raise pickle.loads(pickle.dumps(torch.OutOfMemoryError("CUDA out of memory")))
        return fitting.Fitted(1, 1, 1.0)

    monkeypatch.setattr(fitting, "training_devices", lambda *_: ("cpu", (0, 1)))
    monkeypatch.setattr(fitting, "together", begin)
    made = labelimg.train(kinds, out=tmp_path / "a.ckpt", training=Training(**{**vars(TINY), "batch_size": 32}))
    assert (sizes, made.batch_size) == ([32, 16, 8], 8)


@pytest.mark.parametrize(("total", "batch_size", "count"), [(36, 8, 1), (37, 8, 2), (41, 12, 3), (9, 8, 2), (5, 64, 2)])
def test_processes_take_each_picture_once_in_steps_that_are_those_of_one_process(total, batch_size, count):
    alone = Steps(total, batch_size - batch_size % count, rank=0, count=1, seed=3)
    shares = [Steps(total, batch_size, rank=rank, count=count, seed=3) for rank in range(count)]
    for each in (alone, *shares):
        each.set_epoch(5)
    assert len({len(each) for each in shares}) == 1
    taken = list(zip(*shares, strict=True))
    assert len(taken) == len(shares[0])
    for step, whole in zip(taken, alone, strict=False):
        assert len({len(share) for share in step}) == 1
        together = np.concatenate(step)
        np.testing.assert_array_equal(together, whole[: len(together)])
        assert len(whole) - len(together) < count
    left = total - sum(len(share) for step in taken for share in step)
    assert 0 <= left < 2 * count
    judged = [np.concatenate(parts(total, batch_size, rank, count)) for rank in range(count)]
    assert sorted(np.concatenate(judged).tolist()) == list(range(total))
    assert len({len(parts(total, batch_size, rank, count)) for rank in range(count)}) == 1
    assert all(len(part) for rank in range(count) for part in parts(total, batch_size, rank, count))


def test_two_processes_train_the_same_twice_and_on_from_a_file_and_judge_by_each_picture_once(
    kinds, tmp_path, monkeypatch
):
    """On the processor, for want of GPUs. Of nine pictures that are kept back one process has five."""
    monkeypatch.setattr(fitting, "training_devices", lambda *_: ("cpu", (0, 1)))
    told: list[tuple[int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "training" and done:
            told.append((done, total))

    how = {**vars(TINY), "denoise": 0.1, "lr": 1e-2}
    whole = labelimg.train(kinds, out=tmp_path / "whole.ckpt", progress=progress, **how)
    labelimg.train(kinds, out=tmp_path / "parts.ckpt", **how | {"epochs": 1})
    parts = labelimg.train(kinds, out=tmp_path / "parts.ckpt", resume=True, **how)
    assert told == [(step, 6) for step in range(1, 7)]  # three of the 27 pictures wait for another epoch
    assert (parts.epochs, parts.best_epoch, parts.loss) == (whole.epochs, whole.best_epoch, whole.loss)
    one, two = (torch.load(tmp_path / f"{name}.ckpt", weights_only=True)["state_dict"] for name in ("whole", "parts"))
    assert all(torch.equal(one[name], two[name]) for name in one)

    kept = np.random.default_rng(0).permutation(36)[:9]
    shrink = Shrink(colour=True, size=(16, 16))
    pixels = np.stack([images.read(str(path), shrink) for path in sorted(kinds.iterdir())])[kept]
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        loss = torch.nn.functional.mse_loss(read_checkpoint(whole.path).model()(batch), batch)
    assert whole.loss == pytest.approx(float(loss), rel=1e-5)


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


@WITH_TWO_GPUS
def test_two_gpus_train_as_one_does_and_the_same_twice(kinds, tmp_path):
    how = {"size": 32, "width": 4, "epochs": 8, "batch_size": 8, "denoise": 0.0, "val": 0.25}
    one, two, again = (
        labelimg.train(kinds, out=tmp_path / f"{name}.ckpt", device=device, **how)
        for name, device in (("one", "cuda:1"), ("two", "cuda"), ("again", "auto"))
    )
    assert two.loss == pytest.approx(one.loss, rel=0.05)
    assert again.loss == pytest.approx(two.loss, rel=1e-3)


@WITH_TWO_GPUS
def test_two_gpus_train_by_a_perceptual_loss_and_go_on(kinds, tmp_path):
    own = {"loss": "perceptual", "perceptual_model": "efficientnet_lite0", "perceptual_layer": "features.1"}
    how = {**vars(TINY), **own, "size": 32}
    whole = labelimg.train(kinds, out=tmp_path / "whole.ckpt", device="cuda", **how)
    labelimg.train(kinds, out=tmp_path / "parts.ckpt", device="cuda", **how | {"epochs": 1})
    parts = labelimg.train(kinds, out=tmp_path / "parts.ckpt", device="cuda", resume=True, **how)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-3)
