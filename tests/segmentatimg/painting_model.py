"""A painting as slow and obvious as it can be: flood fills over lists, whole copies for undo."""

from __future__ import annotations

import copy
import itertools
from collections import deque
from fractions import Fraction
from math import floor

import numpy as np

LINES = ((0, 1), (1, -1), (1, 0), (1, 1))
THICKEST = 7


def line(p, q):
    """The pixels nearest to the ideal line, one for each step along its longer direction, ties away from the origin."""
    (x0, y0), (x1, y1) = sorted((p, q))
    if abs(y1 - y0) > x1 - x0:
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        return {(floor(x0 + Fraction((y - y0) * (x1 - x0), y1 - y0) + Fraction(1, 2)), y) for y in range(y0, y1 + 1)}
    if x0 == x1:
        return {(x0, y0)}
    return {(x, floor(y0 + Fraction((x - x0) * (y1 - y0), x1 - x0) + Fraction(1, 2))) for x in range(x0, x1 + 1)}


def path(points):
    return set().union(*(line(p, q) for p, q in itertools.pairwise(points)), set(points[:1]))


def near_path(points, radius, width, height):
    """All pixels of the image at most `radius` from the path, by exact arithmetic."""
    if radius == 0:
        return {(x, y) for x, y in path(points) if 0 <= x < width and 0 <= y < height}
    pairs = list(itertools.pairwise(points)) or [(points[0], points[0])]
    return {
        (x, y)
        for x in range(width)
        for y in range(height)
        if any(_square_distance((x, y), p, q) <= radius * radius for p, q in pairs)
    }


def _square_distance(at, p, q):
    dx, dy = q[0] - p[0], q[1] - p[1]
    ax, ay = at[0] - p[0], at[1] - p[1]
    long = dx * dx + dy * dy
    t = min(Fraction(1), max(Fraction(0), Fraction(ax * dx + ay * dy, long))) if long else Fraction(0)
    return (ax - t * dx) ** 2 + (ay - t * dy) ** 2


class Model:
    """The painting; colours are kept as they are, None where there is none."""

    def __init__(self, levels):
        self.height, self.width = levels[0].shape
        self.level = 0
        self.done, self.undone = [], []
        self.state = {}
        self._segmented(levels)
        self.state["paint"] = dict.fromkeys(self._all())

    def _segmented(self, levels):
        self.state["levels"] = [{(x, y): int(each[y, x]) for x, y in self._all()} for each in levels]
        self.state["method"] = {at for at in self._all() if self.state["levels"][0][at] == 0}
        self.state["own"] = set()
        self.state["cuts"] = set()

    def _all(self):
        return [(x, y) for y in range(self.height) for x in range(self.width)]

    def label(self, at, level=None):
        level = self.level if level is None else level
        return 0 if at in self.state["cuts"] else self.state["levels"][level].get(at, 0)

    def segment(self, at):
        """The pixels of the segment that the pixel is in, by flood fill."""
        if not self.label(at):
            return set()
        found, waiting = {at}, deque([at])
        while waiting:
            x, y = waiting.popleft()
            for other in ((x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)):
                if other not in found and self.label(other) == self.label(at):
                    found.add(other)
                    waiting.append(other)
        return found

    def clicked(self, x, y):
        if not (0 <= x < self.width and 0 <= y < self.height):
            return set()
        near = sorted(
            ((px - x) ** 2 + (py - y) ** 2, py, px) for px, py in self._all() if (px - x) ** 2 + (py - y) ** 2 <= 9
        )
        return next((found for _, py, px in near if (found := self.segment((px, py)))), set())

    # ------------------------------------------------------------------------------------------------- edge pixels

    def following(self, at):
        return at in self.state["method"] and at not in self.state["own"] and at not in self.state["cuts"]

    def follows(self, at):
        """What colour an edge pixel gets from its surroundings."""
        colours = set()
        for dy, dx in LINES:
            seen = []
            for sign in (1, -1):
                x, y = at
                for step in range(1, THICKEST + 1):
                    x, y = x + sign * dx, y + sign * dy
                    if (x, y) not in self.state["paint"]:
                        break
                    if not self.following((x, y)):
                        seen.append((step, self.state["paint"][x, y]))
                        break
            if len(seen) == 2 and seen[0][1] == seen[1][1] and seen[0][1] and seen[0][0] + seen[1][0] - 1 <= THICKEST:
                colours.add(seen[0][1])
        return colours.pop() if len(colours) == 1 else None

    def settle(self, written=()):
        while True:
            own = {at for at in written if self.following(at) and self.follows(at) != self.state["paint"][at]}
            self.state["own"] |= own
            if not own:
                break
        new = {at: self.follows(at) for at in self._all() if self.following(at)}
        self.state["paint"].update(new)

    # ------------------------------------------------------------------------------------------------------ actions

    def act(self, function, *arguments):
        """Do something as one action of the history; whether anything changed."""
        before = copy.deepcopy(self.state)
        function(*arguments)
        if all(self.state[what] == before[what] for what in ("paint", "cuts")):
            # What an edge pixel owns may change without a trace; it is part of no action.
            return False
        self.done.append(before)
        self.undone.clear()
        return True

    def write(self, pixels, colour):
        pixels = {at for at in pixels if at in self.state["paint"]}
        if all(self.state["paint"][at] == colour for at in pixels):
            return
        self.state["paint"].update(dict.fromkeys(pixels, colour))
        self.settle(pixels)

    def fill(self, x, y, colour):
        self.write(self.clicked(x, y), colour)

    def stroke(self, points, colour):
        for at in sorted(path(points), key=lambda at: (at[1], at[0])):
            if at in self.state["paint"]:
                self.write(self.segment(at), colour)

    def brush(self, points, radius, colour):
        self.write(near_path(points, radius, self.width, self.height), colour)

    def cut(self, p, q):
        pixels = {at for at in line(p, q) if at in self.state["paint"]}
        self.state["cuts"] |= pixels
        self.state["paint"].update(dict.fromkeys(pixels))
        self.settle()

    def reset(self):
        self.state["cuts"], self.state["own"] = set(), set()
        self.state["paint"] = dict.fromkeys(self.state["paint"])

    def undo(self):
        if self.done:
            self.undone.append(copy.deepcopy(self.state))
            self.state = self.done.pop()

    def redo(self):
        if self.undone:
            self.done.append(copy.deepcopy(self.state))
            self.state = self.undone.pop()

    # --------------------------------------------------------------------------------------------------- comparison

    def colours(self):
        found = np.zeros((self.height, self.width), object)
        for (x, y), colour in self.state["paint"].items():
            found[y, x] = colour
        return found

    def numbered(self):
        """A label map of the current level: segments by flood fill, numbered in raster order."""
        numbers = np.zeros((self.height, self.width), np.int32)
        count = 0
        for x, y in self._all():
            if self.label((x, y)) and not numbers[y, x]:
                count += 1
                for px, py in self.segment((x, y)):
                    numbers[py, px] = count
        return numbers
