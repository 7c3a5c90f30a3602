"""The paint of an image: of each pixel the number of its colour, or none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from labelimg.errors import UsageError
from labelimg.segmentatimg.history import Painted, Patch, Values
from labelimg.segmentatimg.runs import Runs, changes, only_value, put, runs_of

Colour = tuple[int, int, int]
Mask = NDArray[np.uint8]

MAX_COLOURS = 255


class Paint:
    """A map uint8 (h, w): 0 nothing, k the colour colours[k - 1]; a colour keeps its number for good."""

    def __init__(self, height: int, width: int) -> None:
        self.map: Values = np.full((height, width), 0, np.uint8)  # in memory from the start, unlike zeros
        self.flat = self.map.reshape(-1)
        self.shown = self.map.view()
        self.shown.flags.writeable = False
        self.colours: list[Colour] = []

    def number_of(self, colour: Colour | None) -> int:
        """The colour's number, 0 for None; a new colour gets the next one.

        Raises UsageError for what is no colour, and for one more than 255.
        """
        if colour is None:
            return 0
        r, g, b = (int(each) for each in colour)
        if not all(0 <= each <= 255 for each in (r, g, b)):
            raise UsageError(f"a colour must be three numbers from 0 to 255, got {colour}")
        if (r, g, b) not in self.colours:
            if len(self.colours) == MAX_COLOURS:
                raise UsageError(f"a painting can have at most {MAX_COLOURS} colours")
            self.colours.append((r, g, b))
        return self.colours.index((r, g, b)) + 1

    def lay(self, colour: Colour, mask: Mask) -> None:
        """Put the colour where the mask is not 0 and nothing is painted."""
        if mask.shape != self.map.shape:
            raise UsageError(f"masks must be of shape {self.map.shape}, got {mask.shape}")
        self.map[(mask != 0) & (self.map == 0)] = self.number_of(colour)

    def masks(self) -> dict[Colour, Mask]:
        """Of each colour that something has, a map uint8 (h, w): 255 where it is, else 0."""
        import cv2

        there = cv2.calcHist([self.map], [0], None, [256], [0, 256]).ravel()
        return {
            colour: (self.map == number).view(np.uint8) * np.uint8(255)
            for number, colour in enumerate(self.colours, 1)
            if there[number]
        }

    def patch(self, runs: Runs, number: int) -> Patch | None:
        """What gives the runs the number; None if they have it. It is not written yet."""
        if not len(runs[0]):
            return None
        only = only_value(self.flat, *runs)
        if only == number:
            return None
        after = np.array([number], np.uint8)
        if only >= 0:
            return Patch(*runs, np.array([only], np.uint8), after)
        starts, lengths, before = changes(self.flat, *runs, number)
        return Patch(starts, lengths, before, after)

    def all_runs(self) -> Painted:
        """All that is painted: runs and their numbers."""
        return runs_of(self.map)

    def differences(self, state: Sequence[Painted]) -> Painted:
        """What has to change for the paint to be `state`, all the runs that are painted there, and nothing else."""
        wanted = np.zeros_like(self.map)
        for starts, lengths, values in state:
            if len(starts):
                put(wanted.reshape(-1), starts, lengths, values)
        codes = np.where(wanted == self.map, np.int32(0), wanted.astype(np.int32) + 1)
        starts, lengths, found = runs_of(codes)
        return starts, lengths, (found - 1).astype(np.uint8)
