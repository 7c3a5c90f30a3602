"""torchvision, also beside a torch that it was not built for.

The torchvision of the package index is built for CUDA. Beside a torch for the processor alone its compiled part cannot
be loaded, and then `import torchvision` itself fails ("operator torchvision::nms does not exist"), and with it
everything that imports it, timm and segment-anything for instance. It fails only because it describes two of its
operators that nobody has declared. Declared here, in plain torch, before the first import, they let all of it work that
needs no other compiled operator: models, weights, transforms.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.library import Library

_declared: list[Library] = []  # an operator lives as long as the library it was declared in


def import_torchvision() -> ModuleType:
    """The torchvision module; use it before anything else that imports torchvision.

    Raises ImportError where it is not installed.
    """
    if "torchvision" not in sys.modules and not _compiled_part_loads():
        _declare_operators()
    import torchvision

    if _declared:
        # Its own functions ask this before they use an operator; of others than ours torch says that they are missing.
        torchvision.extension._has_ops = lambda: True
    found: ModuleType = torchvision
    return found


def _compiled_part_loads() -> bool:
    import torch

    found = importlib.util.find_spec("torchvision")
    if found is None or found.origin is None:
        raise ImportError("torchvision is not installed", name="torchvision")
    for path in sorted(Path(found.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(path))  # type: ignore[no-untyped-call]
        except OSError:
            return False
        return True
    return False


def _declare_operators() -> None:
    import torch

    if _declared:
        return
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.impl(name, nms, "CompositeExplicitAutograd")
    _declared.append(library)


def nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression as torchvision defines it, of some boxes at a time.

    dets: (n, 4) boxes x1, y1, x2, y2; scores: (n,). Gives the places of the boxes that are kept, int64, by falling
    score: of two boxes whose intersection over union is greater than the threshold the one with the higher score.
    """
    import torch

    order = torch.argsort(scores, descending=True, stable=True)
    boxes = dets[order].float()
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for k in range(len(boxes)):
        if not kept[k]:
            continue
        low = torch.maximum(boxes[k, :2], boxes[k + 1 :, :2])
        high = torch.minimum(boxes[k, 2:], boxes[k + 1 :, 2:])
        shared = (high - low).clamp(min=0).prod(dim=1)
        kept[k + 1 :] &= shared / (area[k] + area[k + 1 :] - shared) <= iou_threshold
    return order[kept]
