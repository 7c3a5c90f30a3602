"""Files are written whole, transferred whole, and never overwritten."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelimg import files, kernel_calls
from labelimg.errors import OutputError, TransferError
from labelimg.lock import Lock

OLD = 1_600_000_000_123_456_789
MODES = ["copy", "move", "hardlink", "symlink"]


@pytest.fixture(autouse=True)
def no_hook():
    yield
    files.on_operation = None


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in" / "picture.jpg"
    path.parent.mkdir()
    path.write_bytes(b"pixels" * 50_000)
    path.chmod(0o640)
    os.utime(path, ns=(OLD, OLD))
    (tmp_path / "out").mkdir()
    return path


def fail_at(operation: str, number: int = 1, code: int = errno.ENOSPC) -> None:
    """Let the n-th operation of that name fail as the system would."""
    left = number

    def hook(name: str, path: str) -> None:
        nonlocal left
        left -= name == operation
        if name == operation and left == 0:
            raise OSError(code, os.strerror(code))

    files.on_operation = hook


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_text_is_utf8_with_line_ends_and_undecodable_bytes_as_given(tmp_path):
    files.write_atomic(tmp_path / "a.csv", "é,\r\n" + os.fsdecode(b"\xff.jpg") + "\n")
    assert (tmp_path / "a.csv").read_bytes() == "é,\r\n".encode() + b"\xff.jpg\n"


def test_bytes_and_writers_of_both_kinds(tmp_path):
    files.write_atomic(tmp_path / "a", b"\x00\xff")
    files.write_atomic(tmp_path / "b", lambda file: file.write("text"))
    files.write_atomic(tmp_path / "c", lambda file: file.write(b"\xff"), binary=True)
    assert [(tmp_path / name).read_bytes() for name in "abc"] == [b"\x00\xff", b"text", b"\xff"]


@pytest.mark.parametrize("operation", ["create", "write", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path, operation):
    path = tmp_path / "run.json"
    path.write_text("old")
    fail_at(operation)
    with pytest.raises(OutputError, match=r"run\.json: no space left on the disk$"):
        files.write_atomic(path, "new")
    assert names(tmp_path) == ["run.json"]
    assert path.read_text() == "old"


def test_a_writer_that_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        files.write_atomic(path, lambda file: file.write(str(1 // 0)))
    assert (names(tmp_path), path.read_text()) == (["run.json"], "old")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS])
def test_the_cause_is_named_on_one_line(tmp_path, code):
    fail_at("create", code=code)
    with pytest.raises(OutputError) as caught:
        files.write_atomic(tmp_path / "a\nb", "")
    assert "a\\nb" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files.stops_everything(caught.value) == (code == errno.EROFS)


def test_a_path_is_printable_with_any_bytes():
    assert files.printable(os.fsdecode(b"a\xff\n\xc3\xa9 b")) == "a\\udcff\\né b"
    files.printable(os.fsdecode(bytes(range(1, 256)))).encode("utf-8")


# Transfers


def test_copy_keeps_bytes_time_and_permissions(source, tmp_path):
    files.transfer(source, tmp_path / "out/a.jpg", "copy")
    found = (tmp_path / "out/a.jpg").stat()
    assert (tmp_path / "out/a.jpg").read_bytes() == source.read_bytes()
    assert (found.st_mtime_ns, stat.S_IMODE(found.st_mode), found.st_nlink) == (OLD, 0o640, 1)
    assert found.st_ino != source.stat().st_ino


def test_copy_of_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    files.transfer(tmp_path / "empty", tmp_path / "b", "copy")
    assert (tmp_path / "b").read_bytes() == b""


def test_copy_without_the_kernels_help(source, tmp_path, monkeypatch):
    def unsupported(*_: object) -> int:
        raise OSError(errno.EXDEV, "no")

    monkeypatch.setattr(os, "copy_file_range", unsupported)
    files.transfer(source, tmp_path / "out/a.jpg", "copy")
    assert (tmp_path / "out/a.jpg").read_bytes() == source.read_bytes()


def test_copy_where_the_kernel_sees_nothing(source, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "copy_file_range", lambda *_: 0)
    files.transfer(source, tmp_path / "out/a.jpg", "copy")
    assert (tmp_path / "out/a.jpg").read_bytes() == source.read_bytes()


def test_copy_and_hardlink_follow_a_link(source, tmp_path):
    link = tmp_path / "in/link.jpg"
    link.symlink_to("picture.jpg")
    files.transfer(link, tmp_path / "out/copy.jpg", "copy")
    files.transfer(link, tmp_path / "out/hard.jpg", "hardlink")
    assert not (tmp_path / "out/copy.jpg").is_symlink()
    assert (tmp_path / "out/copy.jpg").read_bytes() == source.read_bytes()
    assert (tmp_path / "out/hard.jpg").lstat().st_ino == source.stat().st_ino


def test_symlink_is_absolute(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.transfer("in/picture.jpg", "out/a.jpg", "symlink")
    assert (tmp_path / "out/a.jpg").readlink() == source


def test_move_is_a_rename_where_it_can_be(source, tmp_path):
    before = source.stat()
    files.transfer(source, tmp_path / "out/a.jpg", "move")
    after = (tmp_path / "out/a.jpg").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_mode) == (before.st_ino, OLD, before.st_mode)
    assert not source.exists()


def test_a_moved_link_leads_to_the_same_place(source, tmp_path):
    (tmp_path / "in/sub").mkdir()
    link = tmp_path / "in/sub/link.jpg"
    link.symlink_to("../picture.jpg")
    files.transfer(link, tmp_path / "out/a.jpg", "move")
    assert (tmp_path / "out/a.jpg").readlink() == source
    assert not link.is_symlink()


def test_a_moved_link_that_leads_nowhere(tmp_path):
    (tmp_path / "link").symlink_to("gone.jpg")
    files.transfer(tmp_path / "link", tmp_path / "moved", "move")
    assert (tmp_path / "moved").readlink() == tmp_path / "gone.jpg"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("with_renameat2", [True, False])
def test_nothing_is_overwritten(source, tmp_path, mode, with_renameat2, monkeypatch):
    if not with_renameat2:
        monkeypatch.setattr(kernel_calls, "_renameat2", lambda: None)
    target = tmp_path / "out/a.jpg"
    target.write_text("somebody's")
    with pytest.raises(TransferError, match="already something of that name"):
        files.transfer(source, target, mode)
    assert target.read_text() == "somebody's"
    assert source.stat().st_size == 300_000
    assert names(tmp_path / "out") == ["a.jpg"]


@pytest.mark.parametrize("mode", MODES)
def test_a_link_that_leads_nowhere_is_not_overwritten(source, tmp_path, mode):
    (tmp_path / "out/a.jpg").symlink_to("nowhere")
    with pytest.raises(TransferError):
        files.transfer(source, tmp_path / "out/a.jpg", mode)
    assert str((tmp_path / "out/a.jpg").readlink()) == "nowhere"


@pytest.mark.parametrize("mode", ["copy", "move"])
def test_without_renameat2_the_result_is_the_same(source, tmp_path, mode, monkeypatch):
    monkeypatch.setattr(kernel_calls, "_renameat2", lambda: lambda source, target: errno.EINVAL)
    files.transfer(source, tmp_path / "out/a.jpg", mode)
    assert (tmp_path / "out/a.jpg").stat().st_size == 300_000
    assert source.exists() == (mode == "copy")


@pytest.mark.parametrize("operation", ["create", "write", "rename"])
def test_a_failed_copy_leaves_nothing(source, tmp_path, operation):
    fail_at(operation)
    with pytest.raises(TransferError, match="no space left on the disk") as caught:
        files.transfer(source, tmp_path / "out/a.jpg", "copy")
    assert names(tmp_path / "out") == []
    assert files.stops_everything(caught.value)


def test_a_source_that_is_gone(tmp_path):
    for mode in ["copy", "move", "hardlink"]:
        with pytest.raises(TransferError, match=r"gone\.jpg.*no such file") as caught:
            files.transfer(tmp_path / "gone.jpg", tmp_path / "a.jpg", mode)
        assert not files.stops_everything(caught.value)
    assert names(tmp_path) == []


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TransferError, match="not a regular file"):
        files.transfer(tmp_path / "pipe", tmp_path / "a", "copy")


# Moves between file systems


def other_file_system() -> None:
    fail_at("move", code=errno.EXDEV)


def test_move_to_another_file_system_keeps_everything(source, tmp_path):
    content = source.read_bytes()
    other_file_system()
    files.transfer(source, tmp_path / "out/a.jpg", "move")
    found = (tmp_path / "out/a.jpg").stat()
    assert (tmp_path / "out/a.jpg").read_bytes() == content
    assert (found.st_mtime_ns, stat.S_IMODE(found.st_mode)) == (OLD, 0o640)
    assert (names(source.parent), names(tmp_path / "out")) == ([], ["a.jpg"])


def test_move_between_two_real_file_systems(source, tmp_path):
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    target = shm / f"labelimg-test-{os.getpid()}"
    content = source.read_bytes()
    try:
        files.transfer(source, target, "move")
        assert (target.read_bytes(), target.stat().st_mtime_ns) == (content, OLD)
        with pytest.raises(TransferError, match="use copy"):
            files.transfer(target, source, "hardlink")
        files.transfer(target, source, "move")
        assert (source.read_bytes(), source.stat().st_mtime_ns) == (content, OLD)
        assert not target.exists()
    finally:
        target.unlink(missing_ok=True)


def test_the_source_stays_until_the_copy_was_compared(source, tmp_path, monkeypatch):
    other_file_system()
    monkeypatch.setattr(files, "_same_content", lambda a, b: False)
    with pytest.raises(TransferError, match="the copy differs"):
        files.transfer(source, tmp_path / "out/a.jpg", "move")
    assert (names(source.parent), names(tmp_path / "out")) == (["picture.jpg"], [])


@pytest.mark.parametrize("operation", ["create", "write", "rename", "remove"])
def test_a_failed_move_leaves_the_source_alone(source, tmp_path, operation):
    failed = False

    def hook(name: str, path: str) -> None:
        nonlocal failed
        if name == "move":
            raise OSError(errno.EXDEV, "other")
        if name == operation and not failed:
            failed = True
            raise OSError(errno.EROFS, "read-only")

    files.on_operation = hook
    with pytest.raises(TransferError, match="read-only"):
        files.transfer(source, tmp_path / "out/a.jpg", "move")
    assert (names(source.parent), names(tmp_path / "out")) == (["picture.jpg"], [])


def test_a_source_that_changes_while_it_is_moved_stays(source, tmp_path):
    def hook(name: str, path: str) -> None:
        if name == "move":
            raise OSError(errno.EXDEV, "other")
        if name == "rename":
            source.write_text("changed")

    files.on_operation = hook
    with pytest.raises(TransferError, match="changed while it was moved"):
        files.transfer(source, tmp_path / "out/a.jpg", "move")
    assert (source.read_text(), names(tmp_path / "out")) == ("changed", [])


def test_a_move_is_finished_only_if_both_hold_the_same(source, tmp_path):
    other = tmp_path / "out/a.jpg"
    other.write_bytes(b"pixels" * 49_999 + b"pixelS")
    with pytest.raises(TransferError, match="no copy"):
        files.finish_move(source, other)
    with pytest.raises(TransferError, match="no copy"):
        files.finish_move(source, source)
    (tmp_path / "alias").symlink_to(source.parent)
    with pytest.raises(TransferError, match="no copy"):
        files.finish_move(source, tmp_path / "alias/picture.jpg")
    assert source.exists()
    other.write_bytes(source.read_bytes())
    files.finish_move(source, other)
    assert (source.exists(), other.exists()) == (False, True)


# Names, folders, room


def test_rename_does_not_overwrite(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    with pytest.raises(TransferError):
        files.rename(tmp_path / "a", tmp_path / "b")
    files.rename(tmp_path / "a", tmp_path / "c")
    assert [(tmp_path / name).read_text() for name in "bc"] == ["b", "a"]


def test_only_empty_folders_are_removed(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/kept").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    files.remove_empty_folders([tmp_path / name for name in ("a", "a/b", "a/b/c", "link", "missing")])
    assert (names(tmp_path), names(tmp_path / "a")) == (["a", "elsewhere", "link"], ["kept"])


def test_leftovers_are_known_by_their_name(tmp_path):
    files.remove_leftovers(tmp_path / "missing")
    for name in (".labelimg-0123456789abcdef.part", ".labelimg-notes.part", "0123456789abcdef.part"):
        (tmp_path / name).touch()
    files.remove_leftovers(tmp_path)
    assert names(tmp_path) == [".labelimg-notes.part", "0123456789abcdef.part"]


def test_a_folder_under_a_file_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        files.make_folder(tmp_path / "file/a")
    files.make_folder(tmp_path / "a/b")
    files.make_folder(tmp_path / "a/b")
    assert (tmp_path / "a/b").is_dir()


def test_free_bytes_of_a_folder_that_is_not_there_yet(tmp_path):
    assert 0 < files.free_bytes(tmp_path / "a/b/c") <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize


# The lock


def test_a_second_run_is_refused_and_the_folder_named(tmp_path):
    out = tmp_path / "out"
    with Lock(out), pytest.raises(OutputError, match=r"another run is working in .*/out"), Lock(out):
        pass
    with Lock(out):
        pass


def test_a_lock_takes_away_what_it_made(tmp_path):
    with Lock(tmp_path / "out"):
        assert names(tmp_path / "out") == [".labelimg"]
    assert names(tmp_path) == []
    with Lock(tmp_path / "out"):
        (tmp_path / "out/file").touch()
    assert names(tmp_path / "out") == ["file"]


HOLD = """
import os, sys, time
from labelimg.lock import Lock
with Lock(sys.argv[1]):
    if os.fork() == 0:
        print("child", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_leaves_no_lock_even_if_its_worker_lives_on(tmp_path):
    run = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "out")], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert run.stdout is not None
        assert run.stdout.readline() == b"child\n"
        with pytest.raises(OutputError), Lock(tmp_path / "out"):
            pass
        run.kill()
        run.wait()
        deadline = time.monotonic() + 5
        with Lock(tmp_path / "out"):
            assert time.monotonic() < deadline
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.stdout.close()
