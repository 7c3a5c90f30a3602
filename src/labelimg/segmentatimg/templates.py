"""Template painting: look for templates in an image, and say what is painted where they are found."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelimg.decoding import LARGE_PIXELS, Pixels, Shrink, read
from labelimg.errors import UsageError, printable
from labelimg.images import find_images
from labelimg.segmentatimg.geometry import Positions
from labelimg.segmentatimg.runs import runs_of

Colour = tuple[int, int, int]
Chosen = NDArray[np.bool_]

BACKGROUND_TOLERANCE = 24
"""How far, in each of red, green and blue, a background's pixels may be from the middle colour of the border."""
_MOST_COLOURS = 255
_BAND_PIXELS = 1 << 22

WHITE = 128
"""From this on a pixel of an attention or a mask is one that counts."""


@dataclass(frozen=True, eq=False)
class Template:
    """What to look for, which of its pixels count, and what is painted where it is found; see `make_template`.

    `template` and `segment` are uint8 (h, w, 3) RGB, `attention` and `mask` bool (h, w), all of one size.
    """

    name: str
    template: Pixels
    segment: Pixels
    attention: Chosen
    mask: Chosen

    @property
    def paint(self) -> NDArray[np.uint32]:
        """The colours that are painted, as red * 65536 + green * 256 + blue, sorted, each once."""
        return np.unique(_codes(self.segment)[self.mask])


@dataclass(frozen=True)
class Match:
    """Where a template was found: its upper left pixel, and the error, 0 for an exact copy."""

    template: Template
    left: int
    top: int
    error: float


def make_template(
    name: str, template: Pixels, segment: Pixels, *, attention: Chosen | None = None, mask: Chosen | None = None
) -> Template:
    """Return a template; without an attention its background does not count, without a mask black is not painted.

    Raises UsageError for different sizes and for a segment of more than 255 colours under its mask.
    """
    made = Template(
        name,
        template,
        segment,
        ~background(template) if attention is None else attention,
        np.asarray(segment.any(axis=2)) if mask is None else mask,
    )
    height, width = template.shape[:2]
    for what, its in (("segment", segment), ("attention", made.attention), ("mask", made.mask)):
        if its.shape[:2] != (height, width):
            sizes = f"{its.shape[1]} x {its.shape[0]}, the template {width} x {height}"
            raise UsageError(f"template {printable(name)}: its {what} is {sizes}; they must be of one size")
    if len(made.paint) > _MOST_COLOURS:
        raise UsageError(
            f"template {printable(name)}: its segment has {len(made.paint):,} colours, at most {_MOST_COLOURS} can be"
            " painted; save it without shades, as PNG"
        )
    return made


def background(pixels: Pixels) -> Chosen:
    """Which pixels of a template are its background, bool (h, w).

    These are the pixels whose colour is near the middle (median) colour of the border, and that are 4-connected to the
    border through such pixels. Where that would be all of them, none is: then there is nothing to tell it from.
    """
    import cv2

    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    middle = np.median(border, axis=0)
    near = (np.abs(pixels - middle) <= BACKGROUND_TOLERANCE).all(axis=2)
    framed = np.pad(near, 1, constant_values=True).astype(np.uint8)
    cv2.floodFill(framed, None, (0, 0), 2, flags=4)
    found: Chosen = framed[1:-1, 1:-1] == 2
    return np.zeros_like(found) if found.all() else found


def load_templates(
    templates: str | os.PathLike[str],
    segments: str | os.PathLike[str],
    *,
    attentions: str | os.PathLike[str] | None = None,
    masks: str | os.PathLike[str] | None = None,
) -> list[Template]:
    """Return the templates of a folder, in name order, each with the images of its name in the other folders.

    The name is the file name without its ending. Each template has to have a segment; attentions and masks that are
    missing are made. Of an attention or a mask the pixels count that are nearer to white than to black.

    Raises UsageError that names what fits no template, templates without a segment, two files of one name, and sizes
    that differ; UnreadableImageError for a file that cannot be read.
    """
    folders = {"template": templates, "segment": segments, "attention": attentions, "mask": masks}
    found = {what: _by_name(folder) for what, folder in folders.items() if folder is not None}
    names = found["template"]
    if not names:
        raise UsageError(f"no images in the folder of templates: {printable(templates)}")
    for what, files in found.items():
        unknown = sorted(files.keys() - names.keys())
        if unknown:
            listed = ", ".join(printable(Path(files[name]).name) for name in unknown)
            raise UsageError(f"there is no template of the name of these {what}s: {listed}; rename or remove them")
    missing = sorted(names.keys() - found["segment"].keys())
    if missing:
        listed = ", ".join(printable(Path(names[name]).name) for name in missing)
        raise UsageError(f"there is no segment of the name of these templates: {listed}")
    return [
        make_template(
            name,
            read(path, Shrink(colour=True)),
            read(found["segment"][name], Shrink(colour=True)),
            attention=_chosen(found.get("attention", {}).get(name)),
            mask=_chosen(found.get("mask", {}).get(name)),
        )
        for name, path in sorted(names.items())
    ]


def check_threshold(threshold: float | None) -> None:
    """Raise UsageError for a threshold outside of 0 to 1."""
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"template threshold must be between 0 and 1, got {threshold}")


def find_matches(image: Pixels, templates: Sequence[Template], threshold: float | None = None) -> list[Match]:
    """Return where the templates are in the image, uint8 (h, w, 3) RGB.

    The error of a place is OpenCV's TM_SQDIFF_NORMED over the pixels that count. Without a threshold, the best place of
    each template, in the templates' order. With one, every place with an error under it, the best first; of places
    that overlap, whatever their templates, the best alone. Of equal errors the first template's upper left place is
    taken. A template that is larger than the image, or of which no pixel counts or all that count are black, is
    nowhere; nor is any where the image is black in all pixels that count: the error is no number there.

    Raises UsageError for a threshold outside of 0 to 1.
    """
    check_threshold(threshold)
    places: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]] = []
    best: list[Match] = []
    for number, template in enumerate(templates):
        nearest: Match | None = None
        for first, errors in _errors_by_band(image, template):
            if threshold is None:
                top, left = np.unravel_index(int(np.argmin(errors)), errors.shape)
                error = float(errors[top, left])
                if np.isfinite(error) and (nearest is None or error < nearest.error):
                    nearest = Match(template, int(left), int(top) + first, error)
            else:
                tops, lefts = np.nonzero(errors < threshold)
                places.append((errors[tops, lefts], np.full(len(tops), number), tops + first, lefts))
        if nearest is not None:
            best.append(nearest)
    if threshold is None or not places:
        return best
    errors, numbers, tops, lefts = (np.concatenate(each) for each in zip(*places, strict=True))
    return _without_overlaps(templates, errors, numbers, tops, lefts)


def paint_runs(match: Match, width: int, height: int) -> Iterator[tuple[Colour, tuple[Positions, Positions]]]:
    """Yield each colour of the match's segment with the runs of pixels that get it in an image of this size."""
    template = match.template
    rows, columns = template.mask.shape
    if min(match.left, match.top) < 0 or match.left + columns > width or match.top + rows > height:
        raise UsageError(f"template {printable(template.name)} does not fit in at {match.left}, {match.top}")
    codes, colours = _codes(template.segment), template.paint
    numbers = np.where(template.mask, np.searchsorted(colours, codes) + 1, 0)
    starts, lengths, values = runs_of(numbers.astype(np.int32))
    starts = (starts // columns + match.top) * width + starts % columns + match.left
    for number, code in enumerate(colours.tolist(), 1):
        its = values == number
        yield (code >> 16, code >> 8 & 255, code & 255), (starts[its].astype(np.int32), lengths[its])


def _errors_by_band(image: Pixels, template: Template) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """The errors of each band of places with the row of its first; a band is all of them but in a large image.

    OpenCV takes up to 40 bytes a pixel to find them.
    """
    height, width = image.shape[:2]
    above = template.template.shape[0] - 1
    rows = height if height * width <= LARGE_PIXELS else max(above + 1, _BAND_PIXELS // width)
    for first in range(0, max(1, height - above), rows):
        errors = _errors(image[first : first + rows + above], template)
        if errors is not None:
            yield first, errors


def _errors(image: Pixels, template: Template) -> NDArray[np.float32] | None:
    """The error of each place, infinite where it is no number; None if it is none anywhere."""
    import cv2

    wanted, attention = template.template, template.attention
    if wanted.shape[0] > image.shape[0] or wanted.shape[1] > image.shape[1] or not wanted[attention].any():
        return None
    # What does not count is cut off, where it can be: the fewer pixels the less work.
    rows, columns = np.flatnonzero(attention.any(axis=1)), np.flatnonzero(attention.any(axis=0))
    top, left, bottom, right = rows[0], columns[0], rows[-1] + 1, columns[-1] + 1
    height, width = wanted.shape[:2]
    within = image[top : image.shape[0] - (height - bottom), left : image.shape[1] - (width - right)]
    counts = attention[top:bottom, left:right].astype(np.uint8)
    found: NDArray[np.float32] = np.asarray(
        cv2.matchTemplate(within, wanted[top:bottom, left:right], cv2.TM_SQDIFF_NORMED, mask=counts)
    )
    found[~np.isfinite(found)] = np.inf
    np.maximum(found, 0, out=found)  # rounding can leave a little less than nothing
    black = np.asarray(~within.any(axis=2))
    if np.count_nonzero(black) >= np.count_nonzero(counts):
        # Where all that counts is black, the error is no number; rounding may make it one.
        light = np.asarray(~black, np.float32)
        others = cv2.matchTemplate(light, counts.astype(np.float32), cv2.TM_CCORR)
        found[np.asarray(others) < 0.5] = np.inf
    return found


def _without_overlaps(
    templates: Sequence[Template],
    errors: NDArray[Any],
    numbers: NDArray[Any],
    tops: NDArray[Any],
    lefts: NDArray[Any],
) -> list[Match]:
    """The best place, the best of those that do not overlap it, and so on."""
    sizes = np.array([template.mask.shape for template in templates])
    order = np.lexsort((lefts, tops, numbers, errors))
    errors, numbers, tops, lefts = errors[order], numbers[order], tops[order], lefts[order]
    bottoms, rights = tops + sizes[numbers, 0], lefts + sizes[numbers, 1]
    matches = []
    while len(errors):
        template = templates[int(numbers[0])]
        matches.append(Match(template, int(lefts[0]), int(tops[0]), float(errors[0])))
        apart = (tops >= bottoms[0]) | (bottoms <= tops[0]) | (lefts >= rights[0]) | (rights <= lefts[0])
        errors, numbers, tops, lefts, bottoms, rights = (
            each[apart] for each in (errors, numbers, tops, lefts, bottoms, rights)
        )
    return matches


def _codes(pixels: Pixels) -> NDArray[np.uint32]:
    """Colours as single numbers, uint32 (h, w)."""
    return pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)


def _by_name(folder: str | os.PathLike[str]) -> dict[str, str]:
    """The images of a folder by their names without ending."""
    paths: dict[str, str] = {}
    for path in find_images([folder], recursive=False).paths:
        name = Path(path).stem
        if name in paths:
            both = f"{printable(Path(paths[name]).name)} and {printable(Path(path).name)}"
            raise UsageError(f"{both} in {printable(folder)} have one name; rename or remove one")
        paths[name] = path
    return paths


def _chosen(path: str | None) -> Chosen | None:
    return None if path is None else read(path, Shrink(colour=False)) >= WHITE
