"""`deep_cluster`, `train` and `merge` on real files, with an autoencoder so small that it takes no time."""

from __future__ import annotations

import csv
import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import labelimg
from labelimg import Training, images
from labelimg.cli import app
from labelimg.clusterimg.deep import fitting
from labelimg.clusterimg.deep.autoencoders import Autoencoder, Shape
from labelimg.clusterimg.deep.checkpoints import OURS, Checkpoint, read_checkpoint
from labelimg.clusterimg.deep.embedding import Embedder
from labelimg.clusterimg.thumbnails import Thumbnails
from labelimg.errors import ModelError, OutputError, UsageError
from labelimg.thumbnail import size_of
from pictures import groups_of, save, truncated_png

TINY = Training(size=16, latent=3, width=2, epochs=2, batch_size=8, val=0.25)
COLOURS = {"red": (220, 20, 20), "green": (20, 200, 40), "blue": (30, 30, 230)}


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Six pictures of each of three colours, named so that the colours alternate."""
    random = np.random.default_rng(0)
    for number in range(6):
        for name, colour in COLOURS.items():
            noise = random.integers(-15, 15, (20, 24, 3))
            save(tmp_path / f"colours/{number}{name}.png", np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8))
    return tmp_path / "colours"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An autoencoder that nobody trained; colours differ for it all the same."""
    torch.manual_seed(3)
    shape = Shape(16, 8, 4)
    state = dict(Autoencoder(shape).state_dict())
    torch.save({OURS: Checkpoint(shape, state, {"settings": {}}, 1, 0.5).as_dict()}, tmp_path / "tiny.ckpt")
    return tmp_path / "tiny.ckpt"


def by_colour(numbers: range = range(6)) -> set[frozenset[str]]:
    return {frozenset(f"{number}{name}.png" for number in numbers) for name in COLOURS}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def run_json(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text("utf-8"))
    return found


def test_images_of_a_kind_come_together_and_the_folders_and_tables_say_so(colours, model, tmp_path):
    truncated_png(colours / "bad.png")
    out = tmp_path / "out"
    result = labelimg.deep_cluster(colours, model=model, clusters=[2, 3, 5], out=out)
    assert groups_of(result.clusters, colours) == by_colour()
    assert [Path(each.path).name for each in result.unreadable] == ["bad.png"]
    assert sorted(path.name for path in (out / "results").iterdir()) == [
        "cluster_0",
        "cluster_1",
        "cluster_2",
        "outliers",
    ]
    assert not any((out / "results/outliers").iterdir())
    table = rows(out / "models.csv")
    assert [(row["batch"], row["parameters"], row["clusters"], row["chosen"]) for row in table] == [
        ("batch_0", "clusters=2", "2", ""),
        ("batch_0", "clusters=3", "3", "yes"),
        ("batch_0", "clusters=5", "5", ""),
    ]
    assert all(float(row["total"]) <= 3 for row in table)
    assert run_json(out)["chosen"] == {"batch_0": {"algorithm": "kmeans", "clusters": 3, "clusters_found": 3}}
    assert not (out / "similarities").exists()
    assert labelimg.undo(out) == ()
    assert not out.exists()


def test_the_clusters_of_batches_are_merged_by_their_first_images(colours, model):
    result = labelimg.deep_cluster(colours, model=model, clusters=[3], batch_size=9)
    assert [len(batch.rows) for batch in result.batches] == [9, 9]
    assert groups_of(result.clusters, colours) == by_colour()
    assert [name for name, _ in result.tried] == ["batch_0", "batch_1", "representatives"]


def test_labelimg_merge_ends_a_run_that_was_not_merged_with_the_same_result(colours, model, tmp_path):
    with labelimg.FeatureCache() as cache:
        own = {"model": model, "clusters": [3], "batch_size": 9, "cache": cache}
        at_once = labelimg.deep_cluster(colours, out=tmp_path / "at_once", **own)
        apart = labelimg.deep_cluster(colours, merge=False, out=tmp_path / "out", **own)
        assert apart.decoded == 0
        assert len(apart.clusters) == 6
        merged = labelimg.merge(tmp_path / "out", cache=cache)
    assert merged.decoded == 0
    assert groups_of(merged.clusters, colours) == groups_of(at_once.clusters, colours)
    table = rows(tmp_path / "out/models.csv")
    assert [row["batch"] for row in table] == ["batch_0", "batch_1", "representatives"]
    assert list(run_json(tmp_path / "out")["chosen"]) == ["batch_0", "batch_1", "representatives"]
    with pytest.raises(UsageError, match="threshold is nothing that a run of labelimg deep knows"):
        labelimg.deep_cluster(colours, merge=False, out=tmp_path / "more", **{**own, "cache": None})
        labelimg.merge(tmp_path / "more", threshold=0.5)


def test_merging_with_another_model_than_the_runs_is_refused(colours, model, tmp_path):
    labelimg.deep_cluster(colours, model=model, clusters=[3], batch_size=9, merge=False, out=tmp_path / "out")
    kept = torch.load(model, weights_only=True)
    kept[OURS]["state"]["encoder.6.bias"] += 1
    torch.save(kept, model)
    with pytest.raises(ModelError, match=r"tiny\.ckpt is not the model any more"):
        labelimg.merge(tmp_path / "out")
    model.unlink()
    with pytest.raises(UsageError, match=r"there is no file .*tiny\.ckpt"):
        labelimg.merge(tmp_path / "out")


def test_embeddings_are_kept_between_runs_and_known_by_the_weights(colours, model, monkeypatch):
    with labelimg.FeatureCache() as cache:
        first = labelimg.deep_cluster(colours, model=model, clusters=[3], cache=cache)
        assert first.decoded == 18
        with monkeypatch.context() as patch:
            patch.setattr(Embedder, "embed", lambda *_: pytest.fail("embedded"))
            again = labelimg.deep_cluster(colours, model=model, clusters=[2, 3], batch_size=9, cache=cache)
        assert again.decoded == 0
        kept = torch.load(model, weights_only=True)
        kept[OURS]["state"]["encoder.6.bias"] += 1
        torch.save(kept, model)
        assert labelimg.deep_cluster(colours, model=model, clusters=[3], cache=cache).decoded == 18


def test_the_same_call_gives_the_same_result_whatever_the_threads(colours, model):
    one, two, again = (
        labelimg.deep_cluster(colours, model=model, algorithm="all", threads=threads) for threads in (1, 2, 1)
    )
    assert one.clusters == two.clusters == again.clusters
    assert [each.total for _, tried in one.tried for each in tried] == [
        each.total for _, tried in again.tried for each in tried
    ]


def test_noise_goes_to_outliers_and_keeps_out_of_merging_unless_told(colours, model, tmp_path):
    save(colours / "9odd.png", np.random.default_rng(1).integers(0, 255, (20, 24, 3)).astype(np.uint8))
    own = {"model": model, "algorithm": "dbscan", "eps": [0.35], "min_samples": [3], "pca": None}
    result = labelimg.deep_cluster(colours, out=tmp_path / "out", **own)
    assert [path.name for path in result.outliers] == ["9odd.png"]
    assert [path.name for path in (tmp_path / "out/results/outliers").iterdir()] == ["9odd.png"]
    assert labelimg.deep_cluster(colours, noise="nearest", **own).outliers == ()
    assert len(labelimg.deep_cluster(colours, noise="cluster", **own).clusters) == len(result.clusters) + 1


def test_one_image_and_two_equal_ones(colours, model, tmp_path):
    only = tmp_path / "only"
    only.mkdir()
    shutil.copy(colours / "0red.png", only / "a.png")
    assert len(labelimg.deep_cluster(only, model=model).clusters) == 1
    shutil.copy(colours / "0red.png", only / "b.png")
    result = labelimg.deep_cluster(only, model=model, algorithm="all")
    assert groups_of(result.clusters, only) == {frozenset({"a.png", "b.png"})}
    (only / "a.png").write_bytes(b"")
    (only / "b.png").write_bytes(b"")
    none = labelimg.deep_cluster(only, model=model)
    assert (none.clusters, len(none.unreadable)) == ((), 2)


def test_training_makes_the_loss_smaller_and_the_same_twice(colours, tmp_path):
    before = {path.name: path.read_bytes() for path in colours.iterdir()}
    long = {"size": 16, "latent": 3, "width": 4, "batch_size": 6, "lr": 0.01, "threads": 1}
    short = labelimg.train(colours, out=tmp_path / "a.ckpt", epochs=1, **long)
    better = labelimg.train(colours, out=tmp_path / "b.ckpt", epochs=15, **long)
    again = labelimg.train(colours, out=tmp_path / "c.ckpt", epochs=15, **long)
    assert better.loss < short.loss * 0.7
    assert better.loss == again.loss
    one, other = (read_checkpoint(tmp_path / name).state for name in ("b.ckpt", "c.ckpt"))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert {path.name: path.read_bytes() for path in colours.iterdir()} == before
    assert not list(Path.cwd().glob("lightning_logs"))


def weights(path: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return found


def same_weights(path: Path, other: Path) -> bool:
    one, two = weights(path), weights(other)
    return all(torch.equal(one[name], two[name]) for name in one)


def test_a_training_that_goes_on_is_the_same_as_one_in_one_go(colours, tmp_path):
    long = {"size": 16, "latent": 3, "width": 2, "batch_size": 6, "threads": 1}
    whole = labelimg.train(colours, out=tmp_path / "whole.ckpt", epochs=4, **long)
    labelimg.train(colours, out=tmp_path / "parts.ckpt", epochs=2, **long)
    parts = labelimg.train(colours, out=tmp_path / "parts.ckpt", epochs=4, resume=True, **long)
    assert parts.epochs == whole.epochs == 4
    assert parts.loss == whole.loss
    assert same_weights(tmp_path / "parts.ckpt", tmp_path / "whole.ckpt")
    with pytest.raises(UsageError, match=r"parts\.ckpt was trained for more than 1 epochs already: name more"):
        labelimg.train(colours, out=tmp_path / "parts.ckpt", epochs=1, resume=True, **long)
    again = labelimg.train(colours, out=tmp_path / "parts.ckpt", epochs=4, resume=True, **long)
    assert (again.epochs, again.loss) == (4, whole.loss)
    with pytest.raises(UsageError, match=r"parts\.ckpt was trained with latent 3, not 4"):
        labelimg.train(colours, out=tmp_path / "parts.ckpt", resume=True, **{**long, "latent": 4})


@pytest.mark.parametrize("val", [0.2, 0.0])
def test_a_training_that_is_interrupted_in_an_epoch_goes_on_to_the_same_weights(val, colours, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "_SAVED_EVERY_S", 0)
    long = {"size": 16, "latent": 3, "width": 2, "batch_size": 6, "threads": 1, "epochs": 4, "val": val}
    labelimg.train(colours, out=tmp_path / "whole.ckpt", **long)

    def stop(stage: str, done: int, _total: int) -> None:
        if stage == "training" and done == 8:
            raise KeyboardInterrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        labelimg.train(colours, out=tmp_path / "parts.ckpt", progress=stop, **long)
    assert signal.getsignal(signal.SIGINT) is handler
    labelimg.train(colours, out=tmp_path / "parts.ckpt", resume=True, **long)
    assert same_weights(tmp_path / "parts.ckpt", tmp_path / "whole.ckpt")


@pytest.mark.parametrize("loss", ["l1", "perceptual"])
def test_other_losses_train_too(loss, colours, tmp_path):
    own = {"perceptual_model": "efficientnet_lite0", "perceptual_layer": "features.1"} if loss == "perceptual" else {}
    made = labelimg.train(colours, out=tmp_path / "a.ckpt", training=Training(**{**vars(TINY), "loss": loss, **own}))
    assert made.loss > 0
    assert read_checkpoint(made.path).shape == Shape(16, 3, 2)
    assert not any("loss" in name for name in read_checkpoint(made.path).state)


def test_an_existing_file_is_not_replaced_unless_told_and_one_that_is_not_ours_never(colours, tmp_path):
    path = tmp_path / "a.ckpt"
    labelimg.train(colours, out=path, training=TINY)
    with pytest.raises(OutputError, match=r"is there already; add --resume .* or --overwrite"):
        labelimg.train(colours, out=path, training=TINY)
    labelimg.train(colours, out=path, training=TINY, overwrite=True)
    path.write_text("mine")
    for how in ({"overwrite": True}, {"resume": True}):
        with pytest.raises((OutputError, ModelError), match=r"a\.ckpt"):
            labelimg.train(colours, out=path, training=TINY, **how)
    assert path.read_text() == "mine"


def test_early_stopping_and_steps_told(colours, tmp_path):
    told: list[tuple[str, int, int]] = []
    own = {**vars(TINY), "lr": 1e-9, "patience": 2, "epochs": 30, "denoise": 0.0}
    made = labelimg.train(
        colours, out=tmp_path / "a.ckpt", training=Training(**own), progress=lambda *step: told.append(step)
    )
    assert made.epochs < 30
    steps = [done for stage, done, total in told if stage == "training" and total]
    assert steps == sorted(steps)
    assert steps


def test_out_of_memory_in_training_halves_the_batch(colours, tmp_path, monkeypatch):
    step = fitting._Module.training_step

    def small(self: Any, batch: torch.Tensor, number: int) -> torch.Tensor:
        if len(batch) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(self, batch, number)

    monkeypatch.setattr(fitting._Module, "training_step", small)
    assert labelimg.train(colours, out=tmp_path / "a.ckpt", training=TINY).batch_size == 4


def test_an_autoencoder_is_trained_once_and_kept_beside_the_result(colours, tmp_path, monkeypatch):
    out = tmp_path / "out"
    own = {"model": "autoencoder", "training": TINY, "clusters": [3], "out": out}
    first = labelimg.deep_cluster(colours, batch_size=9, merge=False, **own)
    kept = tmp_path / "out.autoencoder.ckpt"
    assert kept.exists()
    labelimg.merge(out)
    with monkeypatch.context() as patch:
        patch.setattr(fitting, "fit", lambda *_, **__: pytest.fail("trained"))
        again = labelimg.deep_cluster(colours, batch_size=9, overwrite=True, **own)
    assert groups_of(again.clusters, colours) != set()
    assert len(first.clusters) == 6
    written = kept.read_bytes()
    other = {**own, "training": Training(**{**vars(TINY), "latent": 4})}
    with pytest.raises(OutputError, match=r"other settings \(latent \d+, not 4\); add --overwrite"):
        labelimg.deep_cluster(colours, batch_size=9, **other)
    assert kept.read_bytes() == written
    labelimg.deep_cluster(colours, overwrite=True, **other)
    assert read_checkpoint(kept).shape.latent == 4
    assert kept.read_bytes() != written
    labelimg.deep_cluster(colours, **{**own, "out": tmp_path / "dry"}, dry_run=True)
    assert not (tmp_path / "dry.autoencoder.ckpt").exists()


def test_training_and_embedding_decode_each_file_once_but_see_what_changed_in_between(colours, tmp_path, monkeypatch):
    truncated_png(colours / "bad.png")
    decoded: list[str] = []
    read, fit = images.read, fitting.fit

    def counted(path: str, shrink: Any, **more: Any) -> Any:
        decoded.append(Path(path).name)
        return read(path, shrink, **more)

    monkeypatch.setattr(images, "read", counted)
    own = {"model": "autoencoder", "training": TINY, "clusters": [3], "threads": 2}
    first = labelimg.deep_cluster(colours, out=tmp_path / "out", **own)
    assert sorted(decoded) == sorted(path.name for path in colours.iterdir())
    assert [Path(each.path).name for each in first.unreadable] == ["bad.png"]
    with Thumbnails.open(tmp_path / "out") as thumbnails:
        sizes = {size_of(thumbnails.get(row) or b"") for row in range(len(thumbnails))}
    assert sizes == {(24, 20)}  # of the files, not of the square pictures that are trained with
    again = labelimg.deep_cluster(colours, out=tmp_path / "out", overwrite=True, **own)  # from the files themselves
    assert again.clusters == first.clusters

    def changing(*given: Any, **named: Any) -> Any:
        save(colours / "0red.png", np.zeros((20, 24, 3), np.uint8))
        save(colours / "bad.png", np.zeros((20, 24, 3), np.uint8))
        return fit(*given, **named)

    monkeypatch.setattr(fitting, "fit", changing)
    decoded.clear()
    with labelimg.FeatureCache() as cache:
        changed = labelimg.deep_cluster(colours, cache=cache, **own)
        assert sorted(decoded) == sorted([*(path.name for path in colours.iterdir()), "0red.png", "bad.png"])
        assert changed.unreadable == ()
        together = next(set(cluster) for cluster in changed.clusters if colours / "bad.png" in cluster)
        assert colours / "0red.png" in together


def test_the_commands(colours, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CliRunner()
    trained = run.invoke(
        app, ["train", str(colours), "--size", "16", "--width", "2", "--epochs", "1", "--out", "m.ckpt", "--json"]
    )
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["images"] == 18
    found = run.invoke(app, ["deep", str(colours), "--model", str(model), "--clusters", "2,3", "--no-cache"])
    assert found.exit_code == 0, found.output
    seeded = [
        "deep",
        str(colours),
        "--model",
        str(model),
        "--clusters",
        "2,3",
        "--seed",
        "5",
        "--no-cache",
        "--dry-run",
    ]
    assert run.invoke(app, [*seeded, "--out", "seeded"]).exit_code == 0
    assert re.search(r"^\* kmeans with clusters 3 +3 +0 ", found.stdout, re.M)
    assert (tmp_path / "colours_clustered/results/cluster_2").is_dir()
    as_json = run.invoke(
        app, ["deep", str(colours), "--model", "m.ckpt", "--clusters", "3", "--dry-run", "--json", "--out", "x"]
    )
    assert [each["algorithm"] for each in json.loads(as_json.stdout)["models"]] == ["kmeans"]
    assert not (tmp_path / "x").exists()


def test_what_the_commands_cannot_do_is_one_line():
    run = CliRunner()
    for words, text in (
        (["--clusters", "a"], "--clusters must be numbers with commas between them"),
        (["--clusters", "1"], "clusters must be whole numbers of at least 2"),
        (["--model", "nothing"], "there is no file nothing"),
        (["--epochs", "3"], "how to train is for the model autoencoder"),
        (["--model", "autoencoder", "--seed", str(1 << 32)], "seed must be less than 4294967296"),
        (["--noise", "away"], "noise must be one of outliers, nearest, cluster"),
        (["--model", "efficientnet_lite0", "--size", "5"], "size must be between 32 and 1024"),
    ):
        result = run.invoke(app, ["deep", "tests", *words])
        assert isinstance(result.exception, UsageError), (words, result.output)
        assert text in str(result.exception)


def test_a_file_that_is_named_like_a_model_is_not_the_model(colours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "efficientnet_lite0").mkdir()
    found = labelimg.deep_cluster(colours, model="efficientnet_lite0", clusters=[3], out=tmp_path / "out")
    assert found.settings.parameters["model"] == "efficientnet_lite0"


def test_a_perceptual_model_that_cannot_look_at_so_small_pictures_is_one_line(colours, tmp_path):
    seen = {"loss": "perceptual", "perceptual_model": "efficientnet_lite0", "perceptual_layer": "features"}
    how = Training(**{**vars(TINY), **seen, "size": 16})
    with pytest.raises(UsageError, match="cannot look at pictures of 16 x 16 pixels: choose a greater size"):
        labelimg.train(colours, out=tmp_path / "m.ckpt", training=how)


def test_the_model_that_a_foreign_result_names_is_not_read(colours, model, tmp_path, monkeypatch):
    out = tmp_path / "out"
    labelimg.deep_cluster(colours, model=model, clusters=[3], batch_size=9, merge=False, out=out)
    before = run_json(out)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "somebody else's"))
    with pytest.raises(OutputError, match=r"was not made by you on this machine, and its model lies elsewhere"):
        labelimg.merge(out)
    assert run_json(out) == before
    monkeypatch.undo()
    assert labelimg.merge(out).merged is not None


def test_the_reference_and_the_help_name_the_defaults_of_training():
    readme = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    train = readme.partition("### `labelimg train")[2].partition("### `")[0]
    command: Any = typer.main.get_command(app)
    helps = {each.name: each.help for each in command.commands["train"].params}
    for name in ("loss", "size", "latent", "width", "epochs", "batch_size", "lr", "val", "patience", "denoise"):
        default = getattr(Training(), name)
        option = f"--{name.replace('_', '-')}"
        assert re.search(rf"^\| `{option} [A-Z]+` \|.*\| `?{default}`? \|$", train, re.M), name
        assert re.search(rf"Default {re.escape(str(default))}\.$", helps[name]), name
