"""The colours to paint with, the class that each stands for, and which of them is in hand; no window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Colour = tuple[int, int, int]

DEFAULT_COLOURS: tuple[Colour, ...] = (
    (204, 0, 0),
    (31, 119, 208),
    (44, 160, 44),
    (255, 140, 0),
    (142, 68, 173),
    (23, 190, 207),
    (242, 197, 0),
    (227, 119, 194),
    (140, 86, 75),
)
KEYS = 9


class Palette:
    """Colours in the order in which they are offered; the first nine have the keys 1 to 9.

    `names` are the classes: those of the folder, also of colours that are not offered, so that none is forgotten.
    """

    def __init__(self, names: Mapping[Colour, str] | None = None) -> None:
        self.names: dict[Colour, str] = dict(names or {})
        # What a folder's classes use comes first, in their order.
        self._colours = list(self.names)
        self._colours += [colour for colour in DEFAULT_COLOURS if colour not in self.names]
        self._current = 0

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The colours that are offered."""
        return tuple(self._colours)

    @property
    def current(self) -> Colour:
        """The colour in hand."""
        return self._colours[self._current]

    @property
    def current_index(self) -> int:
        """Where the colour in hand stands."""
        return self._current

    def name(self, colour: Colour) -> str:
        """The class that a colour stands for, empty if it has none."""
        return self.names.get(colour, "")

    def select(self, index: int) -> bool:
        """Take a colour in hand; whether there is one there."""
        if not 0 <= index < len(self._colours):
            return False
        self._current = index
        return True

    def add(self, colour: Colour) -> int:
        """Offer a colour, at the end unless it is offered already; where it stands. It is not taken in hand."""
        if colour not in self._colours:
            self._colours.append(colour)
        return self._colours.index(colour)

    def add_all(self, colours: Iterable[Colour]) -> bool:
        """Offer colours that masks have; whether any was new."""
        before = len(self._colours)
        for colour in colours:
            self.add(colour)
        return len(self._colours) > before

    def rename(self, colour: Colour, name: str) -> bool:
        """Let a colour stand for a class, for none if the name is blank; whether that is another than before."""
        name = " ".join(name.split())
        if name == self.name(colour):
            return False
        if name:
            self.names[colour] = name
        else:
            self.names.pop(colour, None)
        return True
