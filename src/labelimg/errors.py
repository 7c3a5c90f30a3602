"""Everything that Labelimg raises for a caller to catch.

LabelimgError
├── UsageError            an argument or option that cannot be: exit status 2
├── UnreadableImageError  one image that cannot be decoded; a run lists it and goes on
├── OutputError           the output folder cannot be made, is taken, or holds what must not be removed
├── TransferError         a file could not be copied, moved or linked
├── MissingExtraError     what is asked for needs packages that are not installed
└── ModelError            a model or its weights cannot be had, or do not fit
"""

from __future__ import annotations

import os


class LabelimgError(Exception):
    """Base of every error a caller may want to catch; its text is one line fit to print."""

    exit_status = 1


class UsageError(LabelimgError, ValueError):
    """An argument or option is wrong; the text names it, the rule and the value."""

    exit_status = 2


class UnreadableImageError(LabelimgError):
    """An image file cannot be decoded; `reason` says why without naming the file."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{printable(path)}: {reason}")
        self.path = path
        self.reason = reason


class OutputError(LabelimgError):
    """The output folder cannot be used; nothing was changed."""


class TransferError(LabelimgError):
    """A file could not be copied, moved or linked; the text names the file and the cause."""


class MissingExtraError(LabelimgError):
    """Packages of an extra are not installed; the text says how to get them."""


class ModelError(LabelimgError):
    """A model, its weights or a checkpoint cannot be had or do not fit; the text names it and the cause."""


def printable(path: str | os.PathLike[str]) -> str:
    r"""The path on one line, with line breaks and undecodable bytes escaped.

    >>> printable("a\nb.jpg")
    'a\\nb.jpg'
    """
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
