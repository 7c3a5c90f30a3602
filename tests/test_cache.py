from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labelimg import cache as cache_module
from labelimg import cache_file
from labelimg.cache import CacheInfo, FeatureCache
from labelimg.errors import LabelimgError, UsageError

LONG_AGO = 1_700_000_000_000_000_000
RECIPE = "hash 8 / pillow 11"


class Warnings(list[str]):
    def __call__(self, message: str) -> None:
        assert message.isprintable()  # one line, whatever the damaged file or its folder's name held
        self.append(message)


@pytest.fixture
def warned():
    return Warnings()


def files_of(count: int, folder: str = "/photos") -> list[tuple[str, int, int]]:
    return [(f"{folder}/{number:05}.jpg", 1000 + number, LONG_AGO + number) for number in range(count)]


def rows_of(files, length: int = 8) -> list[tuple[str, int, int, bytes]]:
    """A feature is its file's name over and over: right or wrong can be seen from it."""
    return [(*file, (Path(file[0]).name.encode() * (length // 9 + 1))[:length]) for file in files]


def expected(rows) -> dict[int, bytes]:
    return {index: row[3] for index, row in enumerate(rows)}


def filled(folder: Path, count: int = 20, length: int = 3000):
    rows = rows_of(files_of(count), length)
    with FeatureCache(folder) as cache:
        cache.put_many(RECIPE, rows)
    return rows


def bytes_on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_what_was_put_is_got_in_the_same_run_and_the_next(tmp_path, warned):
    files = files_of(1234)
    rows = rows_of(files)
    with FeatureCache(tmp_path, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, files)) == {}
        cache.put_many(RECIPE, iter(rows))
        assert dict(cache.get_many(RECIPE, files)) == expected(rows)
    with FeatureCache(tmp_path, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, files)) == expected(rows)
    assert warned == []


def test_nothing_in_nothing_out(tmp_path):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, [])
        assert list(cache.get_many(RECIPE, [])) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("recipe", "file"),
    [
        ("hash 16 / pillow 11", ("/photos/a.jpg", 5, LONG_AGO)),
        (RECIPE, ("/photos/a.jpg", 6, LONG_AGO)),
        (RECIPE, ("/photos/a.jpg", 5, LONG_AGO + 1)),
        (RECIPE, ("/photos/b.jpg", 5, LONG_AGO)),
        (RECIPE, ("/other/a.jpg", 5, LONG_AGO)),
    ],
    ids=["recipe", "size", "time", "name", "folder"],
)
def test_another_recipe_size_time_or_path_misses(tmp_path, recipe, file):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, [("/photos/a.jpg", 5, LONG_AGO, b"one")])
        assert list(cache.get_many(recipe, [file])) == []


def test_a_changed_file_replaces_its_row(tmp_path):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, [("/a.jpg", 5, LONG_AGO, b"old")])
        cache.put_many(RECIPE, [("/a.jpg", 5, LONG_AGO + 1, b"new")])
        files = [("/a.jpg", 5, LONG_AGO), ("/a.jpg", 5, LONG_AGO + 1)]
        assert list(cache.get_many(RECIPE, files)) == [(1, b"new")]
        assert cache.info().features == 1


def test_the_last_of_two_rows_of_one_file_stays(tmp_path):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, [("/a.jpg", 5, LONG_AGO, b"z"), ("/a.jpg", 5, LONG_AGO, b"a")])
        assert list(cache.get_many(RECIPE, [("/a.jpg", 5, LONG_AGO)])) == [(0, b"a")]


def test_a_file_asked_for_twice_is_found_twice(tmp_path):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, [("/a.jpg", 5, LONG_AGO, b"")])
        assert sorted(cache.get_many(RECIPE, [("/a.jpg", 5, LONG_AGO)] * 2)) == [(0, b""), (1, b"")]


def test_two_paths_with_one_address_never_answer_for_each_other(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_PATH_MASK", 0)
    rows = rows_of(files_of(2))
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, rows[:1])
        assert list(cache.get_many(RECIPE, files_of(2))) == [(0, rows[0][3])]
        cache.put_many(RECIPE, rows[1:])
        assert list(cache.get_many(RECIPE, files_of(2))) == [(1, rows[1][3])]


def test_a_file_changed_less_than_two_seconds_before_is_not_stored(tmp_path):
    now = time.time_ns()
    with FeatureCache(tmp_path) as cache:
        files = [("/a", 1, now - 1_900_000_000), ("/b", 1, now - 2_500_000_000), ("/c", 1, now + 10**20)]
        cache.put_many(RECIPE, [(*file, b"x") for file in files])
        assert list(cache.get_many(RECIPE, files)) == [(1, b"x")]


def test_a_path_that_is_not_absolute_is_refused(tmp_path):
    with FeatureCache(tmp_path) as cache:
        with pytest.raises(UsageError, match=r"absolute, got 'photos/a.jpg'"):
            cache.get_many(RECIPE, [("photos/a.jpg", 1, LONG_AGO)])
        with pytest.raises(UsageError, match=r"absolute, got 'a.jpg'"):
            cache.put_many(RECIPE, [("a.jpg", 1, LONG_AGO, b"x")])


def test_names_that_are_not_text_are_kept_apart(tmp_path):
    files = [(os.fsdecode(b"/photos/\xe9\xff.jpg"), 1, LONG_AGO), (os.fsdecode(b"/photos/\xe9\xfe.jpg"), 1, LONG_AGO)]
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    with FeatureCache(folder) as cache:
        cache.put_many(RECIPE, [(*files[0], b"first")])
        assert list(cache.get_many(RECIPE, files)) == [(0, b"first")]
    assert (folder / "features.sqlite").exists()


def test_the_folder_is_the_argument_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    monkeypatch.setenv("LABELIMG_CACHE_DIR", str(tmp_path / "variable"))
    assert FeatureCache(tmp_path).path == tmp_path / "features.sqlite"
    assert FeatureCache().path == tmp_path / "variable" / "features.sqlite"
    monkeypatch.setenv("LABELIMG_CACHE_DIR", "")
    assert FeatureCache().path == tmp_path / "user" / "labelimg" / "features.sqlite"


def test_constructing_opens_and_creates_nothing(tmp_path):
    code = (
        "import sys; from pathlib import Path; from labelimg.cache import FeatureCache;"
        "FeatureCache(Path(sys.argv[1])); print({'sqlite3', 'platformdirs'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
    assert list(tmp_path.iterdir()) == []


def test_info_counts_and_creates_nothing(tmp_path):
    path = tmp_path / "below" / "features.sqlite"
    with FeatureCache(path.parent) as cache:
        assert cache.info() == CacheInfo(path, 0, 0, ())
        assert not path.parent.exists()
        cache.put_many("b", rows_of(files_of(3)))
        cache.put_many("a", rows_of(files_of(2)))
        info = cache.info()
        assert (info.features, info.recipes) == (5, ("a", "b"))
        assert info.bytes == bytes_on_disk(path.parent)


def test_clear_removes_all_and_says_how_much(tmp_path):
    rows = filled(tmp_path)
    (tmp_path / "features.sqlite.damaged-3").write_bytes(b"12345")
    (tmp_path / "features.sqlite.mine").write_bytes(b"of the user")
    held = bytes_on_disk(tmp_path) - len(b"of the user")
    with FeatureCache(tmp_path) as cache:
        assert cache.clear() == held
        assert sorted(file.name for file in tmp_path.iterdir()) == ["features.sqlite.lock", "features.sqlite.mine"]
        assert cache.clear() == 0
        cache.put_many(RECIPE, rows)
        assert cache.info().features == len(rows)
    assert FeatureCache(tmp_path / "not there").clear() == 0


def test_clear_refuses_while_another_uses_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_file, "_LOCK_SECONDS", 0.05)
    rows = filled(tmp_path)
    with FeatureCache(tmp_path) as user, FeatureCache(tmp_path) as cache:
        assert len(dict(user.get_many(RECIPE, files_of(20)))) == 20
        with pytest.raises(LabelimgError, match="another run uses it"):
            cache.clear()
        assert dict(user.get_many(RECIPE, files_of(20))) == expected(rows)


def test_a_closed_cache_opens_again(tmp_path):
    with FeatureCache(tmp_path) as cache:
        cache.put_many(RECIPE, rows_of(files_of(1)))
        reading = cache.get_many(RECIPE, files_of(1))
        cache.close()
        cache.close()
        assert list(reading) == [(0, b"00000.jp")]


# Damage


def set_aside(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.damaged-*"))


def check_rebuilt(folder: Path, warned: Warnings, rows, why: str) -> None:
    """The damaged file is aside, one line says so, nothing wrong is returned, and the new cache works."""
    with FeatureCache(folder, warn=warned) as cache:
        got = dict(cache.get_many(RECIPE, [row[:3] for row in rows]))
        assert got.items() <= expected(rows).items()
        assert len(got) < len(rows)
        cache.put_many(RECIPE, rows)
        assert dict(cache.get_many(RECIPE, [row[:3] for row in rows])) == expected(rows)
    assert len(warned) == 1
    assert why in warned[0]
    assert len(set_aside(folder)) == 1
    with FeatureCache(folder, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, [row[:3] for row in rows])) == expected(rows)
    assert len(warned) == 1


def test_a_file_of_garbage_is_set_aside(tmp_path, warned):
    (tmp_path / "features.sqlite").write_bytes(b"this was never a database" * 1000)
    check_rebuilt(tmp_path, warned, rows_of(files_of(20)), "not a database")
    assert (tmp_path / "features.sqlite.damaged-1").read_bytes() == b"this was never a database" * 1000


def test_only_the_newest_damaged_file_is_kept(tmp_path, warned):
    (tmp_path / "features.sqlite").write_bytes(b"new garbage" * 1000)
    (tmp_path / "features.sqlite.damaged-7").write_bytes(b"old garbage")
    check_rebuilt(tmp_path, warned, rows_of(files_of(20)), "features.sqlite.damaged-8")
    assert set_aside(tmp_path) == ["features.sqlite.damaged-8"]
    assert (tmp_path / "features.sqlite.damaged-8").read_bytes() == b"new garbage" * 1000


@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_truncated_file_is_set_aside(tmp_path, warned, kept):
    rows = filled(tmp_path)
    os.truncate(tmp_path / "features.sqlite", int(bytes_on_disk(tmp_path) * kept))
    check_rebuilt(tmp_path, warned, rows, "damaged")


def test_a_file_truncated_to_nothing_is_a_new_cache(tmp_path, warned):
    rows = filled(tmp_path)
    os.truncate(tmp_path / "features.sqlite", 0)
    with FeatureCache(tmp_path, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, files_of(20))) == {}
        cache.put_many(RECIPE, rows)
        assert dict(cache.get_many(RECIPE, files_of(20))) == expected(rows)
    assert warned == []


def test_one_flipped_bit_in_a_feature_is_found(tmp_path, warned):
    rows = filled(tmp_path)
    data = bytearray((tmp_path / "features.sqlite").read_bytes())
    data[data.index(rows[7][3]) + 1500] ^= 4
    (tmp_path / "features.sqlite").write_bytes(data)
    check_rebuilt(tmp_path, warned, rows, "checksum")


def test_a_warning_shows_nothing_unprintable_of_the_damaged_file(tmp_path, warned):
    folder = tmp_path / os.fsdecode(b"caf\xe9\n")
    rows = filled(folder)
    data = (folder / "features.sqlite").read_bytes()
    (folder / "features.sqlite").write_bytes(data.replace(b"CREATE TABLE shelves", b"\x1b[31m\nxx \xff shelves"))
    check_rebuilt(folder, warned, rows, "damaged")


def test_another_version_is_set_aside(tmp_path, warned):
    rows = filled(tmp_path)
    other = sqlite3.connect(tmp_path / "features.sqlite")
    other.execute("PRAGMA user_version = 2")
    other.close()
    check_rebuilt(tmp_path, warned, rows, "not written by this version")


def test_a_database_with_a_trigger_is_set_aside(tmp_path, warned):
    rows = filled(tmp_path)
    other = sqlite3.connect(tmp_path / "features.sqlite")
    other.execute("CREATE TRIGGER t AFTER INSERT ON features BEGIN DELETE FROM features; END")
    other.close()
    check_rebuilt(tmp_path, warned, rows, "not written by this version")


def test_damage_in_mid_use_is_set_aside_and_the_rows_go_to_the_new_cache(tmp_path, warned):
    rows = rows_of(files_of(40), 3000)
    with FeatureCache(tmp_path, warn=warned) as cache:
        cache.put_many(RECIPE, rows[:20])
        cache._file.attempt(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        with (tmp_path / "features.sqlite").open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 50_000)
        cache.close()
        cache.put_many(RECIPE, rows)
        assert dict(cache.get_many(RECIPE, files_of(40))) == expected(rows)
    assert len(warned) == 1
    assert set_aside(tmp_path) == ["features.sqlite.damaged-1"]


def test_damage_found_twice_ends_the_use(tmp_path, warned):
    with FeatureCache(tmp_path, warn=warned) as cache:
        for _ in range(2):
            cache.close()
            (tmp_path / "features.sqlite").write_bytes(b"garbage" * 1000)
            assert list(cache.get_many(RECIPE, files_of(1))) == []
        cache.put_many(RECIPE, rows_of(files_of(1)))
        assert list(cache.get_many(RECIPE, files_of(1))) == []
        assert cache.info().features == 0
    assert [message.partition(": ")[2][:12] for message in warned] == ["damaged (fil", "going on wit"]


def test_a_damaged_file_in_use_by_another_stays_where_it_is(tmp_path, warned, monkeypatch):
    monkeypatch.setattr(cache_file, "_LOCK_SECONDS", 0.05)
    (tmp_path / "features.sqlite").write_bytes(b"garbage" * 1000)
    with (tmp_path / "features.sqlite.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        with FeatureCache(tmp_path, warn=warned) as cache:
            assert list(cache.get_many(RECIPE, files_of(1))) == []
    assert len(warned) == 1
    assert "another process is using it" in warned[0]
    assert set_aside(tmp_path) == []


PRISTINE: dict[str, bytes] = {}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], print_blob=True)
@given(
    wounds=st.lists(
        st.tuples(st.one_of(st.integers(0, 200), st.integers(0, 130_000)), st.binary(min_size=1, max_size=40)),
        min_size=1,
        max_size=6,
    )
)
@example(wounds=[(36, b"\x7f\xff\xff\xff")])  # the count of free pages
@example(wounds=[(28, b"\x7f\xff\xff\xff")])  # the count of pages
@example(wounds=[(100, b"\x00" * 40)])  # the root of the schema
@example(wounds=[(8067, b"\x80")])  # text that is no UTF-8
def test_bytes_written_anywhere_cost_features_and_give_no_wrong_ones(tmp_path, wounds):
    rows = rows_of(files_of(30), 3000) + rows_of(files_of(200, "/small"), 8)
    files = [row[:3] for row in rows]
    path = tmp_path / "features.sqlite"
    if not PRISTINE:
        with FeatureCache(tmp_path) as cache:
            cache.put_many(RECIPE, rows)
        PRISTINE["file"] = path.read_bytes()
    for file in tmp_path.iterdir():
        file.unlink()
    data = bytearray(PRISTINE["file"])
    for place, junk in wounds:
        place %= len(data)
        data[place : place + len(junk)] = junk[: len(data) - place]
    path.write_bytes(data)
    warned = Warnings()
    with FeatureCache(tmp_path, max_bytes=10_000_000, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, files)).items() <= expected(rows).items()
        cache.info()
        cache.put_many(RECIPE, rows)
        assert dict(cache.get_many(RECIPE, files)).items() <= expected(rows).items()
        cache._max_bytes = 100_000  # all of the file is walked to make room
        cache.put_many("other", rows[:30])
        assert dict(cache.get_many(RECIPE, files)).items() <= expected(rows).items()
    assert len(warned) <= 2


# A world that refuses


def check_disabled(cache: FeatureCache, warned: Warnings, why: str) -> None:
    with cache:
        cache.put_many(RECIPE, rows_of(files_of(5)))
        assert list(cache.get_many(RECIPE, files_of(5))) == []
        cache.put_many(RECIPE, rows_of(files_of(5)))
        assert cache.info().features == 0
    assert len(warned) == 1
    assert "going on without it" in warned[0]
    assert why in warned[0]


def test_a_folder_that_cannot_be_made_disables_the_cache(tmp_path, warned):
    (tmp_path / "file").write_bytes(b"")
    check_disabled(FeatureCache(tmp_path / "file" / "cache", warn=warned), warned, "Not a directory")


def test_a_read_only_folder_disables_the_cache(tmp_path, warned, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(cache_file.os, "open", refuse)
    check_disabled(FeatureCache(tmp_path, warn=warned), warned, "Permission denied")
    with pytest.raises(LabelimgError, match="cannot be cleared: Permission denied"):
        FeatureCache(tmp_path).clear()


def test_a_file_that_cannot_be_opened_disables_the_cache(tmp_path, warned):
    (tmp_path / "features.sqlite").mkdir()
    check_disabled(FeatureCache(tmp_path, warn=warned), warned, "unable to open")


def test_a_locked_cache_is_done_without(tmp_path, warned, monkeypatch):
    monkeypatch.setattr(cache_file, "_LOCK_SECONDS", 0.05)
    filled(tmp_path)
    other = sqlite3.connect(tmp_path / "features.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with FeatureCache(tmp_path, warn=warned) as cache:
            cache.put_many(RECIPE, rows_of(files_of(5)))
            assert list(cache.get_many(RECIPE, files_of(5))) == []
    finally:
        other.close()
    assert len(warned) == 1
    assert "going on without it: database is locked" in warned[0]
    assert set_aside(tmp_path) == []


def test_a_full_disk_is_done_without_and_what_was_stored_stays(tmp_path, warned):
    rows = filled(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with FeatureCache(tmp_path, warn=warned) as cache:
            cache.put_many(RECIPE, rows_of(files_of(500, "/more"), 3000))
            assert list(cache.get_many(RECIPE, files_of(1))) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(warned) == 1
    assert "going on without it" in warned[0]
    with FeatureCache(tmp_path, warn=warned) as cache:
        assert dict(cache.get_many(RECIPE, files_of(20))) == expected(rows)
    assert set_aside(tmp_path) == []


def test_an_error_of_the_callers_rows_is_the_callers(tmp_path):
    def rows():
        yield rows_of(files_of(1))[0]
        raise OSError("the caller's")

    with FeatureCache(tmp_path) as cache, pytest.raises(OSError, match="the caller's"):
        cache.put_many(RECIPE, rows())


# Size


def test_a_bound_below_ten_megabytes_is_refused():
    with pytest.raises(UsageError, match="max_bytes must be at least 10000000, got 5"):
        FeatureCache(max_bytes=5)


@pytest.mark.parametrize("length", [16_000, 1_000])
def test_the_files_never_exceed_the_bound(tmp_path, length):
    bound = 10_000_000
    count = 15_000_000 // (length + 60)
    with FeatureCache(tmp_path, max_bytes=bound) as cache:
        for part in range(10):
            rows = rows_of(files_of(count // 10, f"/photos/{part}"), length)
            cache.put_many(RECIPE, rows)
            assert bytes_on_disk(tmp_path) <= bound
            assert dict(cache.get_many(RECIPE, [row[:3] for row in rows])) == expected(rows)
        assert cache.info().features * (length + 60) > 0.6 * bound


def test_one_folder_larger_than_the_bound_keeps_a_part(tmp_path):
    rows = rows_of(files_of(1000), 16_000)
    with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
        for _ in range(2):
            cache.put_many(RECIPE, rows)
            assert bytes_on_disk(tmp_path) <= 10_000_000
            assert cache.info().features > 400


def test_a_bound_lowered_later_shortens_the_file(tmp_path):
    with FeatureCache(tmp_path, max_bytes=40_000_000) as cache:
        for part in range(2):
            cache.put_many(RECIPE, rows_of(files_of(1000, f"/{part}"), 16_000))
    assert bytes_on_disk(tmp_path) > 30_000_000
    with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
        cache.put_many(RECIPE, rows_of(files_of(1), 100))
    assert 5_000_000 < bytes_on_disk(tmp_path) <= 10_000_000


def test_the_folder_unused_for_longest_goes_first(tmp_path, monkeypatch):
    clock = [LONG_AGO + 10**12]
    monkeypatch.setattr(cache_module.time, "time_ns", lambda: clock[0])
    folders = {name: rows_of(files_of(150, f"/{name}"), 16_000) for name in "abcd"}  # 2.5 MB each

    def found(cache, name):
        return len(dict(cache.get_many(RECIPE, files_of(150, f"/{name}"))))

    for name in "abc":
        clock[0] += 10
        with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
            cache.put_many(RECIPE, folders[name])
    clock[0] += 10
    with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
        assert found(cache, "a") == 150
    clock[0] += 10
    with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
        cache.put_many(RECIPE, folders["d"])
    with FeatureCache(tmp_path, max_bytes=10_000_000) as cache:
        assert [found(cache, name) == 150 for name in "abcd"] == [True, False, True, True]


def test_a_feature_too_long_for_the_bound_is_left_out(tmp_path, warned):
    with FeatureCache(tmp_path, max_bytes=10_000_000, warn=warned) as cache:
        cache.put_many(RECIPE, [("/a", 1, LONG_AGO, b"x" * 160_000), ("/b", 1, LONG_AGO, b"x" * 150_000)])
        found = dict(cache.get_many(RECIPE, [("/a", 1, LONG_AGO), ("/b", 1, LONG_AGO)]))
    assert found == {1: b"x" * 150_000}
    assert warned == []


# Several processes


def put_and_get(folder: str, number: int, garbage: bool, start, answers) -> None:
    warned: list[str] = []
    rows = rows_of(files_of(300, f"/{number}"), 5000)
    start.wait()
    with FeatureCache(Path(folder), max_bytes=10_000_000, warn=warned.append) as cache:
        wrong = 0
        if garbage:
            list(cache.get_many(RECIPE, files_of(1)))
        for first in range(0, 300, 50):
            cache.put_many(RECIPE, rows[first : first + 50])
            got = dict(cache.get_many(RECIPE, [row[:3] for row in rows]))
            wrong += not got.items() <= expected(rows).items()
    answers.put((wrong, len(got), warned))


@pytest.mark.parametrize("garbage", [False, True])
def test_processes_share_a_cache(tmp_path, garbage):
    """They open it at the same moment, new or damaged; none gives up and no row is lost."""
    if garbage:
        (tmp_path / "features.sqlite").write_bytes(b"garbage" * 1000)
    spawn = multiprocessing.get_context("spawn")
    start, answers = spawn.Barrier(2), spawn.SimpleQueue()
    processes = [
        spawn.Process(target=put_and_get, args=(str(tmp_path), number, garbage, start, answers)) for number in range(2)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    results = [answers.get() for _ in processes]
    answers.close()
    assert [(wrong, found) for wrong, found, _ in results] == [(0, 300)] * 2, results
    assert sum(len(warned) for _, _, warned in results) == garbage
    assert len(set_aside(tmp_path)) == garbage
    with FeatureCache(tmp_path) as cache:
        assert cache.info().features == 600


def test_a_process_killed_in_mid_write_leaves_a_usable_cache(tmp_path, warned):
    code = """if True:
        import itertools, sys
        from pathlib import Path
        from labelimg.cache import FeatureCache
        cache = FeatureCache(Path(sys.argv[1]), max_bytes=10_000_000)
        for part in itertools.count():
            name = f"/photos/{part % 40}"
            rows = [(f"{name}/{n}", n, 1, f"{name}/{n}".encode() * 300) for n in range(200)]
            cache.put_many("killed", rows)
            print(part, flush=True)
    """
    for delay in (0.0, 0.017, 0.042):
        process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        for _ in range(3):
            assert process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        names = [f"/photos/{part}/{n}" for part in range(40) for n in range(200)]
        with FeatureCache(tmp_path, max_bytes=10_000_000, warn=warned) as cache:
            found = dict(cache.get_many("killed", [(name, int(name.rpartition("/")[2]), 1) for name in names]))
            assert len(found) >= 400
            assert all(feature == names[index].encode() * 300 for index, feature in found.items())
            assert cache._file.attempt(lambda c: c.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    assert warned == []


def test_without_a_listener_warnings_go_to_the_log(tmp_path, caplog):
    (tmp_path / "features.sqlite").write_bytes(b"100% garbage" * 1000)
    with FeatureCache(tmp_path) as cache:
        list(cache.get_many(RECIPE, files_of(1)))
    assert [record.name for record in caplog.records] == ["labelimg.cache"]
    assert "set aside as features.sqlite.damaged-1" in caplog.text


def test_the_stored_checksum_is_that_of_zlib(tmp_path):
    filled(tmp_path, 1, 100)
    other = sqlite3.connect(tmp_path / "features.sqlite")
    ((checksum, feature),) = other.execute("SELECT crc32, feature FROM features").fetchall()
    other.close()
    assert checksum == zlib.crc32(feature)
