"""On a screen of high density all is where it is on another one, and drawn with all of its pixels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from conftest import Sitting
from pictures import save


@pytest.mark.skipif("QT_SCALE_FACTOR" in os.environ, reason="runs itself there")
def test_the_mouse_does_the_same_on_a_screen_of_twice_the_density(tmp_path: Path) -> None:
    here = Path(__file__).parent
    screen = {"name": "dense", "x": 0, "y": 0, "width": 3600, "height": 2400, "logicalDpi": 96, "dpr": 1}
    (tmp_path / "screen.json").write_text(json.dumps({"screens": [{**screen, "logicalBaseDpi": 96}]}), "utf-8")
    environment = {
        **os.environ,
        "QT_QPA_PLATFORM": f"offscreen:configfile={tmp_path / 'screen.json'}",
        "QT_SCALE_FACTOR": "2",
    }
    words = [here / name for name in ("test_mouse.py", "test_dense.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        env=environment,
        cwd=here.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_what_is_shown_has_all_the_pixels_of_the_screen(start: Callable[..., Sitting], tmp_path: Path) -> None:
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255  # a level that is halved once would be grey
    save(tmp_path / "photos" / "stripes.png", stripes)
    sitting = start(tmp_path / "photos")
    sitting.window.panel.edges.setValue(0)
    canvas, ratio = sitting.canvas, sitting.canvas.devicePixelRatioF()
    canvas.zoom(1 / ratio / canvas.view.scale)  # a pixel of the screen for each of the image
    sitting.move(5, 5)
    sitting.until(lambda: (canvas.grab(), True)[1])
    x, y = sitting.on_screen(300, 300).x(), sitting.on_screen(300, 300).y()
    pixels = sitting.pixels()[y - 40 : y - 10, x - 60 : x + 60]
    assert pixels.shape == (30, 120, 3)
    assert np.abs(np.diff(pixels[..., 0].astype(int), axis=1)).mean() > 200
