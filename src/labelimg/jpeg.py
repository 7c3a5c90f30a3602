"""The segments in front of a JPEG's picture: its EXIF data, and what its colours are said to be."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\xff\xd8"
# Adobe's segment with the transform 0: the three planes are not to be converted.
_AS_THEY_ARE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
_SAYS_COLOURS = {0xE0: b"JFIF\0", 0xEE: b"Adobe"}


def exif_segment(data: bytes) -> bytes:
    """The JPEG's Exif segment, empty where there is none before the picture itself."""
    for kind, start, stop in _segments(data):
        if kind == 0xE1 and data[start + 4 : start + 10] == b"Exif\0\0":
            return data[start + 4 : stop]
    return b""


def with_bare_planes(data: bytes) -> bytes:
    """The same JPEG, said to hold RGB: who decodes it to RGB gets Y, Cb and Cr as they are stored.

    So one decoding gives the grey picture, which is Y to the last bit, and the colours. Only for three planes.
    """
    parts, end = [_START, _AS_THEY_ARE], len(_START)
    for kind, start, stop in _segments(data):
        if kind in _SAYS_COLOURS and data[start + 4 : start + 9] == _SAYS_COLOURS[kind]:
            parts.append(data[end:start])
            end = stop
    return b"".join([*parts, data[end:]])


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, start and stop of each segment before the picture; what comes after damage is not looked at."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind == 0xFF:  # a fill byte
            at += 1
            continue
        if kind == 0xDA:
            return
        stop = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield kind, at, stop
        at = stop
