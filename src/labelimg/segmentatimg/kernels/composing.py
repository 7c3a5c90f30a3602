"""The inner loop of showing a picture: image, paint and boundaries laid over each other, a rectangle at a time."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(error_model="numpy")
def compose(
    out: Array,
    image: Array,
    paint: Array,
    palette: Array,
    overlay: Array,
    edges: Array,
    tone: Array,
    left: int,
    top: int,
    level: int,
    tone_level: int,
    paint_alpha: int,
    edge_alpha: int,
) -> None:
    """Fill `out` (h, w, 4), BGRA, with the pixels of one level of a pyramid from (left, top) on.

    image: (H, W, 3) RGB, the picture at that level. The paint is either `paint` (H, W), 0 none or a row of `palette`
    (n, 3) RGB, or `overlay` (H, W, 4), the mean of its colours premultiplied and its coverage; the other has no rows,
    both where there is none. edges: (H, W) coverage of the boundaries, without rows where there are none. tone: grey
    at `tone_level`: boundaries are light where the picture is dark, and the other way round. Alphas: 0 .. 256.
    """
    height, width = out.shape[0], out.shape[1]
    by_index, by_mean, with_edges = paint.shape[0] > 0, overlay.shape[0] > 0, edges.shape[0] > 0
    down = tone_level - level
    tone_rows, tone_columns = tone.shape[0] - 1, tone.shape[1] - 1
    for i in range(height):
        y = top + i
        for j in range(width):
            x = left + j
            red, green, blue = int(image[y, x, 0]), int(image[y, x, 1]), int(image[y, x, 2])
            covered, p_red, p_green, p_blue = 0, 0, 0, 0
            if by_index:
                k = paint[y, x]
                if k != 0:
                    covered = 255
                    p_red, p_green, p_blue = int(palette[k, 0]), int(palette[k, 1]), int(palette[k, 2])
            elif by_mean:
                covered = int(overlay[y, x, 3])
                if covered != 0:
                    p_red, p_green, p_blue = int(overlay[y, x, 0]), int(overlay[y, x, 1]), int(overlay[y, x, 2])
            if covered != 0:
                kept = 255 * 256 - covered * paint_alpha
                red = (red * kept + 255 * p_red * paint_alpha) // (255 * 256)
                green = (green * kept + 255 * p_green * paint_alpha) // (255 * 256)
                blue = (blue * kept + 255 * p_blue * paint_alpha) // (255 * 256)
            if with_edges:
                edge = int(edges[y, x]) * edge_alpha
                if edge != 0:
                    if down >= 0:
                        grey = int(tone[min(tone_rows, y >> down), min(tone_columns, x >> down)])
                    else:
                        grey = int(tone[min(tone_rows, y << -down), min(tone_columns, x << -down)])
                    if covered != 0:
                        painted = (2 * p_red + 5 * p_green + p_blue) * paint_alpha // (8 * 256)
                        grey = grey * (255 * 256 - covered * paint_alpha) // (255 * 256) + painted
                    ink = 255 if grey < 140 else 16
                    kept = 255 * 256 - edge
                    red = (red * kept + ink * edge) // (255 * 256)
                    green = (green * kept + ink * edge) // (255 * 256)
                    blue = (blue * kept + ink * edge) // (255 * 256)
            out[i, j, 0], out[i, j, 1], out[i, j, 2], out[i, j, 3] = blue, green, red, 255


@njit(error_model="numpy")
def compose_close(
    out: Array,
    image: Array,
    paint: Array,
    palette: Array,
    labels: Array,
    tone: Array,
    scale: float,
    x0: float,
    y0: float,
    tone_level: int,
    paint_alpha: int,
    edge_alpha: int,
    width: int,
) -> None:
    """Fill `out` (h, w, 4), BGRA, with an enlarged part of the picture; between two segments lies a thin line.

    scale: window pixels for each image pixel; (x0, y0): the image point at the first pixel of `out`. labels: (H, W), or
    without rows where there are none; width: of the line, in window pixels, 1 or 2. The rest is as in `compose`.
    """
    rows, columns = image.shape[0], image.shape[1]
    tone_rows, tone_columns = tone.shape[0] - 1, tone.shape[1] - 1
    step = 1.0 / scale
    with_paint, with_labels = paint.shape[0] > 0, labels.shape[0] > 0
    for i in range(out.shape[0]):
        v = y0 + (i + 0.5) * step
        y = min(rows - 1, max(0, int(v)))
        below = min(rows - 1, max(0, int(v + step)))
        above = min(rows - 1, max(0, int(v - step)))
        for j in range(out.shape[1]):
            u = x0 + (j + 0.5) * step
            x = min(columns - 1, max(0, int(u)))
            red, green, blue = int(image[y, x, 0]), int(image[y, x, 1]), int(image[y, x, 2])
            k = paint[y, x] if with_paint else 0
            if k != 0 and paint_alpha != 0:
                kept = 256 - paint_alpha
                red = (red * kept + int(palette[k, 0]) * paint_alpha) >> 8
                green = (green * kept + int(palette[k, 1]) * paint_alpha) >> 8
                blue = (blue * kept + int(palette[k, 2]) * paint_alpha) >> 8
            if with_labels and edge_alpha != 0:
                here = labels[y, x]
                right = min(columns - 1, max(0, int(u + step)))
                alpha = 0
                if labels[below, x] != here or labels[y, right] != here:
                    alpha = edge_alpha
                elif width > 1:
                    left = min(columns - 1, max(0, int(u - step)))
                    if labels[above, x] != here or labels[y, left] != here:
                        alpha = edge_alpha
                if here == 0 and alpha == 0:
                    alpha = edge_alpha // 2
                if alpha != 0:
                    grey = int(tone[min(tone_rows, y >> tone_level), min(tone_columns, x >> tone_level)])
                    if k != 0:
                        painted = 2 * int(palette[k, 0]) + 5 * int(palette[k, 1]) + int(palette[k, 2])
                        grey = (grey * (256 - paint_alpha) + (painted >> 3) * paint_alpha) >> 8
                    ink = 255 if grey < 140 else 16
                    red = (red * (256 - alpha) + ink * alpha) >> 8
                    green = (green * (256 - alpha) + ink * alpha) >> 8
                    blue = (blue * (256 - alpha) + ink * alpha) >> 8
            out[i, j, 0], out[i, j, 1], out[i, j, 2], out[i, j, 3] = blue, green, red, 255


@njit(error_model="numpy")
def mark_segment(
    out: Array,
    labels: Array,
    segment: int,
    scale: float,
    x0: float,
    y0: float,
    red: int,
    green: int,
    blue: int,
    alpha: int,
) -> None:
    """Fill `out` (h, w, 4), BGRA premultiplied, with a segment in a colour, its outline opaque; all else is clear.

    scale, (x0, y0): as in `compose_close`, any scale. alpha: opacity of the inside, 0 .. 256.
    """
    rows, columns = labels.shape[0], labels.shape[1]
    step = 1.0 / scale
    for i in range(out.shape[0]):
        v = y0 + (i + 0.5) * step
        y, above, below = int(v), int(v - step), int(v + step)
        for j in range(out.shape[1]):
            u = x0 + (j + 0.5) * step
            x = int(u)
            out[i, j, 0] = out[i, j, 1] = out[i, j, 2] = out[i, j, 3] = 0
            if u < 0 or v < 0 or x >= columns or y >= rows or labels[y, x] != segment:
                continue
            left, right = int(u - step), int(u + step)
            rim = u < step or v < step or right >= columns or below >= rows
            if not rim:
                rim = (
                    labels[above, x] != segment
                    or labels[below, x] != segment
                    or labels[y, left] != segment
                    or labels[y, right] != segment
                )
            a = 256 if rim else alpha
            out[i, j, 0] = (blue * a) >> 8
            out[i, j, 1] = (green * a) >> 8
            out[i, j, 2] = (red * a) >> 8
            out[i, j, 3] = min(255, a)
