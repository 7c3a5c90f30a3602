"""What all tests share: a cache folder of their own, and a few folders of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labelimg.signing import signature
from pictures import make_album


@pytest.fixture(autouse=True, scope="session")
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the key by which records are signed: one for all tests, made before the first."""
    folder = tmp_path_factory.mktemp("state_home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder))
        assert signature("")
        yield folder


@pytest.fixture(autouse=True)
def cache_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees, or writes to, the cache folder of the person who runs the tests."""
    folder = tmp_path_factory.mktemp("cache_home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder of three groups of near-duplicates and two other pictures; see `pictures.make_album`."""
    return make_album(tmp_path / "album")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint file of a small Segment Anything model; see `small_sam`."""
    from small_sam import save_small_sam

    path = tmp_path_factory.mktemp("model") / "small.pth"
    save_small_sam(path)
    return path
