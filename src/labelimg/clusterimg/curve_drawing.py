"""Draw the curve: the threshold on the Y axis, the number of similar pairs to be expected on the X axis.

What is drawn is a list of strokes and words with their places, in pixels from the upper left corner. It becomes SVG
here and PNG in curve_picture.py; the window paints it itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np

from labelimg.clusterimg.threshold import Curve

COLOURS = {
    "ground": "#ffffff",
    "text": "#1d2025",
    "faint": "#646a75",
    "line": "#d9dce2",
    "accent": "#2563d9",
    "second": "#1f8a4c",
    "chosen": "#b3261e",
}
"""What a role looks like where nothing else is said, on light ground."""

_LINEAR_TO = 20  # up to so many pairs the X axis is not logarithmic
_LEFT, _RIGHT, _TOP, _BOTTOM = 66, 18, 46, 52


@dataclass(frozen=True)
class Stroke:
    """A line through points (x, y). dashed: drawn in dashes; closed and filled where `filled`."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    dashed: bool = False
    filled: bool = False


@dataclass(frozen=True)
class Words:
    """A line of text. anchor: which of its parts is at x, "start", "middle" or "end"; y: of its base line."""

    x: float
    y: float
    text: str
    colour: str
    size: float = 12.0
    anchor: str = "start"
    turned: bool = False  # by a quarter, reading upwards
    bold: bool = False


Mark = Stroke | Words


@dataclass(frozen=True)
class Axes:
    """Where thresholds and numbers of pairs are in a drawing of width x height pixels."""

    width: float
    height: float
    low: float  # the lowest threshold that is shown; the highest is 1
    most: float  # the greatest number that is shown

    @property
    def left(self) -> float:
        """The X of no pair."""
        return _LEFT

    @property
    def right(self) -> float:
        """The X of the greatest number."""
        return self.width - _RIGHT

    @property
    def top(self) -> float:
        """The Y of threshold 1."""
        return _TOP

    @property
    def bottom(self) -> float:
        """The Y of the lowest threshold."""
        return self.height - _BOTTOM

    @property
    def linear(self) -> bool:
        """Whether the X axis is linear; else it is that of log(1 + pairs)."""
        return self.most <= _LINEAR_TO

    def x(self, pairs: float) -> float:
        """Where a number of pairs is."""
        share = pairs / self.most if self.linear else math.log1p(pairs) / math.log1p(self.most)
        return self.left + share * (self.right - self.left)

    def y(self, threshold: float) -> float:
        """Where a threshold is."""
        return self.bottom - (threshold - self.low) / (1 - self.low) * (self.bottom - self.top)

    def threshold(self, y: float) -> float:
        """The threshold at a place, between the lowest that is shown and 1."""
        return min(1.0, max(self.low, self.low + (self.bottom - y) / (self.bottom - self.top) * (1 - self.low)))


def axes_of(curve: Curve, width: float = 640, height: float = 420) -> Axes:
    """The axes on which the curve fills the drawing: below the lowest threshold all pairs would be similar."""
    most = float(curve.expected_pairs.max(initial=0))
    below = np.flatnonzero(curve.pairs == curve.pairs.max(initial=0))
    low = float(curve.thresholds[below[-1]]) if len(below) and most else 0.0
    return Axes(width, height, min(0.9, math.floor(low * 10) / 10), max(most, 1.0))


def drawing_of(curve: Curve, axes: Axes, threshold: float | None = None, title: str = "") -> list[Mark]:
    """The curve with its axes, and the threshold that is chosen."""
    marks: list[Mark] = []
    steps = 10 if axes.low < 0.7 else 20
    for k in range(math.ceil(axes.low * steps - 1e-9), steps + 1):
        y = axes.y(k / steps)
        marks.append(Stroke(((axes.left, y), (axes.right, y)), "line"))
        marks.append(Words(axes.left - 8, y + 4, f"{k / steps:.{1 if steps == 10 else 2}f}", "faint", anchor="end"))
    for number in _numbers(axes):
        x = axes.x(number)
        marks.append(Stroke(((x, axes.top), (x, axes.bottom)), "line"))
        marks.append(Words(x, axes.bottom + 17, short(number), "faint", anchor="middle"))
    scope = "sample" if curve.sample == curve.count else "folder"
    label = f"similar pairs expected in {curve.count:,} images"
    if scope == "sample":
        label = f"similar pairs among {curve.count:,} images"
    scale = "" if axes.linear else ", logarithmic"
    middle = (axes.left + axes.right) / 2
    marks.append(Words(middle, axes.bottom + 38, label + scale, "text", anchor="middle"))
    marks.append(Words(17, (axes.top + axes.bottom) / 2, "threshold (similarity, 0 to 1)", "text", 12, "middle", True))
    shown = curve.thresholds >= axes.low - 1e-9
    for values, colour in ((curve.expected_clustered, "second"), (curve.expected_pairs, "accent")):
        points = [(axes.x(v), axes.y(t)) for t, v in zip(curve.thresholds[shown], values[shown], strict=True)]
        marks.append(Stroke(tuple(_bends(points)), colour, 2.0 if colour == "accent" else 1.3))
    if threshold is not None:
        y = axes.y(max(axes.low, min(1.0, threshold)))
        marks.append(Stroke(((axes.left, y), (axes.right, y)), "chosen", 1.5, dashed=True))
        marks.append(Words(axes.right - 4, y - 5, f"threshold {threshold:.4g}", "chosen", 12, "end", bold=True))
    if title:
        marks.append(Words(axes.left, 18, title, "text", 13, bold=True))
    marks += [
        Stroke(((axes.left, 32), (axes.left + 18, 32)), "accent", 2.0),
        Words(axes.left + 24, 36, "similar pairs", "faint"),
        Stroke(((axes.left + 122, 32), (axes.left + 140, 32)), "second", 1.3),
        Words(axes.left + 146, 36, "images in clusters", "faint"),
    ]
    return marks


def curve_svg(
    curve: Curve, threshold: float | None = None, *, width: int = 640, height: int = 420, title: str = ""
) -> str:
    """The curve as one SVG element.

    Its colours are the CSS variables --curve-text and so on, for each role in COLOURS, where a page around it gives
    them a value; else they are those of COLOURS.
    """
    axes = axes_of(curve, width, height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="system-ui, sans-serif">',
        f"<title>{escape(title or 'Threshold and similar pairs')}</title>",
        f'<rect width="{width}" height="{height}" style="fill:{_css("ground")}"/>',
        *map(_element, drawing_of(curve, axes, threshold, title)),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def short(number: float) -> str:
    """A number in few characters.

    >>> short(0), short(1000), short(2_500_000), short(3e9)
    ('0', '1,000', '2.5 M', '3 G')
    """
    for size, unit in ((1e9, " G"), (1e6, " M")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:,.0f}"


def _css(role: str) -> str:
    return f"var(--curve-{role},{COLOURS[role]})"


def _element(mark: Mark) -> str:
    if isinstance(mark, Words):
        turned = f' transform="rotate(-90 {mark.x:.1f} {mark.y:.1f})"' if mark.turned else ""
        weight = ' font-weight="600"' if mark.bold else ""
        return (
            f'<text x="{mark.x:.1f}" y="{mark.y:.1f}" font-size="{mark.size:g}" text-anchor="{mark.anchor}"{weight}'
            f'{turned} style="fill:{_css(mark.colour)}">{escape(mark.text)}</text>'
        )
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in mark.points)
    if mark.filled:
        return f'<polygon points="{points}" style="fill:{_css(mark.colour)}"/>'
    dashes = ' stroke-dasharray="6 4"' if mark.dashed else ""
    style = f'fill="none" stroke-width="{mark.width:g}"{dashes} style="stroke:{_css(mark.colour)}"'
    return f'<polyline points="{points}" {style}/>'


def _numbers(axes: Axes) -> list[float]:
    if axes.linear:
        step = max(1, math.ceil(axes.most / 5))
        return [float(k) for k in range(0, int(axes.most) + 1, step)]
    powers = [10.0**k for k in range(int(math.log10(axes.most)) + 1)]
    return [0.0, *powers[:: 1 if len(powers) < 8 else 2]]


def _bends(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those in the middle of a straight upright stretch."""
    return [
        each
        for k, each in enumerate(points)
        if not 0 < k < len(points) - 1 or not points[k - 1][0] == each[0] == points[k + 1][0]
    ]
