"""Kernels: compiled once, kept, and loaded from then on without the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelimg import compiled
from labelimg.compiled import Compiled

SOURCE = """
from numba import njit

@njit(error_model="numpy")
def scaled_sum(values, factor, out):
    for k in range(len(values)):
        out[0] += values[k] * factor
    return len(values), len(out)

@njit(error_model="numpy")
def nothing(values):
    values[0] = 5

@njit(error_model="numpy")
def past_the_end(values):
    return values[len(values)]
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of kernels that nobody else has; its name, and its folder."""
    folder = tmp_path / f"kernels_{os.getpid()}_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "sums.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    yield folder
    compiled._origin.cache_clear()
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def scaled_sum(package: Path) -> tuple[float, tuple[int, int]]:
    out = np.zeros(1)
    counts = Compiled(f"{package.name}.sums", "scaled_sum")(np.arange(4, dtype=np.int32), 2.5, out)
    return out[0], counts


def summing(package: Path) -> str:
    """Code that prints the sum, and whether the compiler was loaded for it."""
    return (
        f"out = np.zeros(1)\nCompiled('{package.name}.sums', 'scaled_sum')(np.arange(4, dtype=np.int32), 2.5, out)\n"
        "print(out[0], 'numba' in sys.modules)"
    )


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.o"))


def in_a_new_process(package: Path, code: str, **variables: str) -> str:
    command = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\nimport numpy as np\n"
        f"from labelimg.compiled import Compiled\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True, env={**os.environ, **variables}
    )
    return done.stdout


def test_a_kernel_returns_numbers_and_writes_into_its_arrays(package):
    assert scaled_sum(package) == (15.0, (4, 1))
    values = np.zeros(2, np.int32)
    assert Compiled(f"{package.name}.sums", "nothing")(values) is None
    assert values.tolist() == [5, 0]


def test_one_kernel_takes_arrays_of_several_kinds(package):
    kernel = Compiled(f"{package.name}.sums", "scaled_sum")
    for dtype in (np.uint8, np.int64, np.float32, np.uint8):
        out = np.zeros(1)
        assert kernel(np.arange(5, dtype=dtype), 2, out) == (5, 1)
        assert out[0] == 20


def test_read_only_arrays_are_taken(package):
    values = np.arange(3, dtype=np.int32)
    values.setflags(write=False)
    out = np.zeros(1)
    Compiled(f"{package.name}.sums", "scaled_sum")(values, 1.0, out)
    assert out[0] == 3


def test_what_was_compiled_is_loaded_without_the_compiler(package):
    scaled_sum(package)
    assert len(kept(package / "__pycache__")) == 1
    assert in_a_new_process(package, summing(package)) == "15.0 False\n"


def test_a_changed_source_is_compiled_again(package):
    scaled_sum(package)
    (package / "sums.py").write_text(SOURCE.replace("* factor", "* factor + 1"))
    assert in_a_new_process(package, summing(package)) == "19.0 True\n"
    assert len(kept(package / "__pycache__")) == 2


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_damaged_machine_code_is_never_run(package, damage):
    scaled_sum(package)
    (file,) = kept(package / "__pycache__")
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]) if damage is None else damage)
    assert scaled_sum(package) == (15.0, (4, 1))
    assert kept(package / "__pycache__") == [file]
    assert compiled._kept(file) is not None  # mended


def test_where_the_source_folder_cannot_be_written_the_users_cache_holds_it(package, cache_home):
    (package / "__pycache__").write_text("no folder can be made of this name")
    assert scaled_sum(package) == (15.0, (4, 1))
    assert len(kept(cache_home / "labelimg" / "kernels")) == 1


def test_where_nothing_can_be_written_it_works_all_the_same(package, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert scaled_sum(package) == (15.0, (4, 1))


def test_what_no_kernel_takes_is_refused(package):
    kernel = Compiled(f"{package.name}.sums", "nothing")
    with pytest.raises(TypeError, match="C-contiguous"):
        kernel(np.zeros((4, 4), np.int32)[:, 0])
    with pytest.raises(TypeError, match="takes no str"):
        kernel("text")


def test_with_the_bounds_check_reading_outside_is_an_error(package, tmp_path):
    code = (
        f"try:\n    Compiled({f'{package.name}.sums'!r}, 'past_the_end')(np.arange(4))\n"
        "except IndexError as error:\n    print(error)"
    )
    said = in_a_new_process(package, code, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path / "checked"))
    assert said.splitlines()[-1] == "the kernel past_the_end read outside its arrays"
