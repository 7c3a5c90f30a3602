"""Whether there is a display to show windows on, and what to say where there is none."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

from labelimg.errors import LabelimgError


class NoDisplayError(LabelimgError):
    """There is no screen to show a window on."""


def check_display(environment: Mapping[str, str], otherwise: str) -> None:
    """Raise NoDisplayError where Qt would find no display: it would end the process without a word of ours.

    `otherwise`: what can be done without windows, for the message.
    """
    if environment.get("QT_QPA_PLATFORM") or environment.get("WAYLAND_DISPLAY") or sys.platform != "linux":
        return
    what = "no DISPLAY is set" if not environment.get("DISPLAY") else _why_no_x11(environment["DISPLAY"])
    if what:
        raise NoDisplayError(
            f"there is no display for the windows ({what}): start it on a desktop, choose another way to show them "
            f"such as QT_QPA_PLATFORM=vnc, or {otherwise}"
        )


def _why_no_x11(display: str) -> str:
    """Why windows cannot be shown on an X11 display, empty if they can."""
    for library, package in (("libxcb-cursor.so.0", "libxcb-cursor0"), ("libxkbcommon-x11.so.0", "libxkbcommon-x11-0")):
        try:
            ctypes.CDLL(library)
        except OSError:
            return f"the library {library} is missing: on Debian and Ubuntu, apt-get install {package}"
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    connection = ctypes.c_void_p(xcb.xcb_connect(display.encode(), None))
    refused = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return f"{display} cannot be reached" if refused else ""
