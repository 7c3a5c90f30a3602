"""Segment Anything's automatic masks as segments. It needs a checkpoint, so it is not among the methods by name."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.segmentatimg.methods.base import Method, whole, work_size
from labelimg.segmentatimg.sam import Model, Progress, load_model

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Labels, Pixels

_loaded: dict[tuple[object, ...], Model] = {}
_loading = threading.Lock()


@dataclass(frozen=True)
class SamMasks(Method):
    """All masks that a model finds in an image, larger ones below, and the connected regions between them.

    checkpoint, model and device: as for `load_model`; one model of a kind is kept loaded in a process.
    """

    name: ClassVar[str] = "sam"
    alone: ClassVar[bool] = True

    checkpoint: str = ""
    model: str = "auto"
    device: str = "auto"
    points_per_side: int = whole(32, "points in a row that masks are looked for from", 1, 256)
    work_size: int = work_size(1024)

    def load(self) -> Model:
        """The model; raises what `load_model` raises."""
        key = self.checkpoint, self.model, self.device, self.points_per_side
        with _loading:
            if key not in _loaded:
                _loaded.clear()
                _loaded[key] = load_model(
                    self.checkpoint, self.model, self.device, points_per_side=self.points_per_side
                )
            return _loaded[key]

    def recipe(self) -> dict[str, Any]:
        """The weights, wherever their file is, and the parameters."""
        weights = self.load().fingerprint
        return {"weights": weights, "points_per_side": self.points_per_side, "work_size": self.work_size}

    def cut(self, image_rgb: Pixels) -> Labels:
        """The segments of an image, uint8 (h, w, 3), at its own size."""
        return self.watched_cut(image_rgb, None)

    def watched_cut(self, image_rgb: Pixels, progress: Progress | None) -> Labels:
        """The same; `progress` is called with (done, total), and ends it by raising an error."""
        from labelimg.segmentatimg.objects import label_map

        return label_map(self.load().generate(image_rgb, progress), image_rgb)

    def watched_segment(self, image_rgb: Pixels, progress: Progress | None) -> Labels:
        """As `segment`, of an image uint8 (h, w, 3)."""
        from labelimg.segmentatimg.regions import refined

        return refined(image_rgb, self.watched_cut(self.work_copy(image_rgb), progress))

    def raw(self, image_rgb: Pixels) -> Any:
        """The same as `cut`."""
        return self.cut(image_rgb)
