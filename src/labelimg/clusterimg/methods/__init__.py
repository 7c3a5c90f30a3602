"""The five ways to compare images, by name."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import TYPE_CHECKING, Any

from labelimg.errors import UsageError

if TYPE_CHECKING:
    from labelimg.clusterimg.methods.base import Method

NAMES = ("imagehash", "ssim", "minhash", "orb", "tm")
DEFAULT = "imagehash"

_CLASSES = {
    "imagehash": ("imagehash", "ImageHash"),
    "ssim": ("ssim", "Ssim"),
    "minhash": ("minhash", "MinHash"),
    "orb": ("orb", "Orb"),
    "tm": ("template_matching", "TemplateMatching"),
}


def method_class(name: str) -> type[Method]:
    """The dataclass of a method; raises UsageError for an unknown name."""
    if name not in _CLASSES:
        raise UsageError(f"method must be one of {', '.join(NAMES)}, got {name!r}")
    module, class_name = _CLASSES[name]
    cls: type[Method] = getattr(import_module(f"{__name__}.{module}"), class_name)
    return cls


def make_method(name: str, **parameters: Any) -> Method:
    """The method of a name with its parameters; raises UsageError for one it does not have or that is out of range."""
    cls = method_class(name)
    known = [field.name for field in dataclasses.fields(cls)]
    for parameter in parameters:
        if parameter not in known:
            raise UsageError(f"{parameter} is no parameter of method {name}; it has {', '.join(known)}")
    return cls(**parameters)
