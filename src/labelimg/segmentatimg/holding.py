"""Two programs do not paint the same masks: who opens a folder holds it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from labelimg.errors import LabelimgError, printable
from labelimg.files import StrPath
from labelimg.lock import HeldError, Lock, is_held
from labelimg.segmentatimg.maskfolder import default_out


class Holding:
    """The sole right to a folder of masks, one folder at a time; a crash leaves nothing behind."""

    def __init__(self) -> None:
        self._lock: Lock | None = None
        self._where = ""

    def take(self, out: StrPath) -> None:
        """Hold this folder, and leave the one before. Raises HeldError, in words for its user.

        A folder that cannot be written can be looked at without being held: saving will say what is wrong.
        """
        where = os.path.realpath(out)
        if self._lock is not None and self._where == where:
            return
        lock = Lock(out)
        try:
            lock.__enter__()
        except HeldError as error:
            raise _held(out) from error
        except LabelimgError:
            self.leave()
            return
        self.leave()
        self._lock, self._where = lock, where

    def leave(self) -> None:
        """Hold no folder any more."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(LabelimgError):  # the folder may have gone
                lock.__exit__()


def check_free(images: StrPath, out: StrPath | None) -> None:
    """Raise HeldError where another program holds the masks of a folder, or of the folder of an image."""
    folder = Path(images).parent if os.path.isfile(images) else images
    masks = default_out(folder) if out is None else out
    if is_held(masks):
        raise _held(masks)


def _held(masks: StrPath) -> HeldError:
    where = printable(masks)
    return HeldError(
        f"another Labelimg works on the masks in {where}; close it first, or choose another folder with --out"
    )
