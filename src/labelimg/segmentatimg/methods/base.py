"""What every method has in common: parameters with a range and a meaning, the copy it works on, what it gives back.

numpy and OpenCV are imported when an image is segmented, for the command line makes its options from these classes.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from labelimg.errors import UsageError

if TYPE_CHECKING:
    from labelimg.segmentatimg.regions import Labels, Pixels

Value = int | float | str


@dataclass(frozen=True)
class Field:
    """One parameter: what an option, a slider and a check are made from.

    `kind` int or float: a number from `low` to `high`, both included; a slider moves by `step`, or where `log` is set
    by equal factors. `kind` str: one of `choices`, and there is no range.
    """

    name: str
    kind: type[int] | type[float] | type[str]
    default: Value
    help: str
    low: float = 0
    high: float = 0
    step: float = 0
    log: bool = False
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Raise UsageError unless the parameter can have this value."""
        if self.kind is str:
            if value not in self.choices:
                raise UsageError(f"{self.name} must be one of {', '.join(self.choices)}, got {value!r}")
            return
        fits = type(value) is int or (self.kind is float and type(value) is float)
        if not (fits and self.low <= value <= self.high):
            number = "a whole number" if self.kind is int else "a number"
            raise UsageError(f"{self.name} must be {number} between {self.low:g} and {self.high:g}, got {value!r}")


def whole(default: int, help: str, low: int, high: int, *, step: int = 1, log: bool = False) -> Any:
    """A dataclass field for a whole number."""
    return _field(int, default, help, low=low, high=high, step=step, log=log)


def real(default: float, help: str, low: float, high: float, *, step: float, log: bool = False) -> Any:
    """A dataclass field for a number; a whole number is accepted, too."""
    return _field(float, default, help, low=low, high=high, step=step, log=log)


def choice(default: str, help: str, choices: tuple[str, ...]) -> Any:
    """A dataclass field for one of some words."""
    return _field(str, default, help, choices=choices)


def _field(kind: type, default: Value, help: str, **more: Any) -> Any:
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help, **more})


def min_size(default: int) -> Any:
    """The field that all methods have: the smallest segment."""
    help = "segments of fewer pixels join the neighbour of the nearest colour"
    return whole(default, help, 0, 100_000, log=True)


def join(default: float) -> Any:
    """The field that all methods but `edge` have: how alike neighbours are joined."""
    help = (
        "neighbours that differ by less join: in levels of 255 for 100 pixels, larger ones less readily; 0 joins none"
    )
    return real(default, help, 0, 5000, step=1, log=True)


def work_size(default: int) -> Any:
    """The field that all methods have: the largest copy they work on."""
    help = "the longest side, in pixels, of the copy that is segmented; of larger images the boundaries are refined"
    return whole(default, help, 64, 20_000, step=50, log=True)


def seed() -> Any:
    """The field of methods that begin by chance."""
    return whole(0, "where chance begins: the same seed gives the same segments", 0, 1_000_000)


@dataclass(frozen=True)
class Method(ABC):
    """A way to cut an image into segments, with its parameters.

    name: as on the command line. Every method has the parameters `min_size` and `work_size`. Parameters that are
    lengths or areas count pixels of the copy that the method works on, so that the same parameters give about the same
    segments whatever the size of an image above `work_size`.
    """

    name: ClassVar[str]
    alone: ClassVar[bool] = False
    """Whether one process at a time is to use it, for it takes all processors, or a device."""

    def __post_init__(self) -> None:
        """Raise UsageError for a parameter that is out of its range."""
        for field in fields_of(type(self)):
            field.check(getattr(self, field.name))

    def segment(self, image_rgb: Any) -> Labels:
        """The segments of an image, as `labelimg.segment` says."""
        import numpy as np

        from labelimg.segmentatimg.pixels import as_rgb
        from labelimg.segmentatimg.regions import refined

        image = as_rgb(image_rgb)
        if not image.size:
            return np.zeros(image.shape[:2], np.int32)
        copy = self.work_copy(image)
        return refined(image, self.cut(copy))

    def work_copy(self, image_rgb: Pixels) -> Pixels:
        """The image, uint8 (h, w, 3), shrunk to the size that the method works at; itself if it is no larger."""
        from labelimg.decoding import Shrink, resize

        height, width = image_rgb.shape[:2]
        longest: int = getattr(self, "work_size")  # noqa: B009 - each method has a default of its own
        return resize(image_rgb, Shrink(colour=True, longest=longest).target(width, height))

    def cut(self, image_rgb: Pixels) -> Labels:
        """The segments of an image, uint8 (h, w, 3), at its own size whatever `work_size` is."""
        from labelimg.segmentatimg.hierarchy import joined
        from labelimg.segmentatimg.pixels import lab
        from labelimg.segmentatimg.regions import absorb_small, connected_regions

        least: int = getattr(self, "min_size")  # noqa: B009
        most: float = getattr(self, "join", 0.0)
        image_lab = lab(image_rgb)
        return joined(image_lab, absorb_small(image_lab, connected_regions(self.raw(image_rgb)), least), most)

    def recipe(self) -> dict[str, Any]:
        """All of it that its segments depend on, fit for JSON."""
        return dataclasses.asdict(self)

    @abstractmethod
    def raw(self, image_rgb: Pixels) -> Any:
        """What the method's library gives: whole numbers (h, w), 0 where it draws edges, not yet connected."""


@cache
def fields_of(method: type[Method]) -> tuple[Field, ...]:
    """The parameters of a method's class, in the order in which a person should meet them."""
    return tuple(
        Field(name=field.name, default=field.default, **field.metadata)  # type: ignore[arg-type]
        for field in dataclasses.fields(method)
        if field.metadata
    )
