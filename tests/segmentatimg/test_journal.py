"""The journal: whatever is cut off, what was painted comes back, and nothing in it is trusted."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_painting import ACTION, BLUE, RED, act, blank, label_maps, shown

from labelimg import files
from labelimg.segmentatimg.journal import Journal
from labelimg.segmentatimg.painting import Painting

from painting_model import Model  # isort: skip

LABELS = np.array([[1, 1, 0, 2], [1, 1, 0, 2], [3, 3, 0, 4], [3, 3, 0, 4]])


def opened(path, *, labels=LABELS, image=None, base="", masks=None, warn=None):
    painting = Painting(blank(*np.shape(labels)[-2:]) if image is None else image, labels, masks=masks)
    journal = Journal(path, painting, base, warn=warn)
    return painting, journal, journal.replay()


def some_work(painting):
    painting.fill(0, 0, RED)
    painting.fill(3, 0, RED)
    painting.cut((0, 0), (1, 1))
    painting.brush([(0, 3), (2, 3)], 1, BLUE)
    painting.undo()
    painting.redo()
    painting.unfill(3, 0)


@settings(max_examples=60, deadline=None)
@given(label_maps(), st.lists(ACTION, min_size=1, max_size=10), st.booleans())
def test_after_a_crash_paint_and_history_are_what_they_were(tmp_path_factory, maps, actions, same):
    path = tmp_path_factory.mktemp("j") / "j"
    painting, journal, _ = opened(path, labels=maps)
    model = Model(maps)
    for action in actions:
        act(painting, model, action)
    journal.close()
    others = maps if same else np.ones_like(maps[0])
    again, journal, replayed = opened(path, labels=others)
    journal.close()
    assert not replayed.notice
    assert (shown(again) == shown(painting)).all()
    assert (again.can_undo, again.can_redo) == (painting.can_undo, painting.can_redo)
    if same:
        again.level(painting.current_level)
        assert ((again.labels == 0) == (painting.labels == 0)).all()
    while painting.can_undo:
        painting.undo()
        again.undo()
        assert (shown(again) == shown(painting)).all()
    while painting.can_redo:
        painting.redo()
        again.redo()
        assert (shown(again) == shown(painting)).all()


def test_a_journal_that_ends_at_any_byte_gives_the_painting_of_its_last_whole_line(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    states, ends = [painting.paint.copy()], [0]
    follow = painting.on_change

    def watch(change):
        follow(change)
        states.append(painting.paint.copy())
        ends.append(path.stat().st_size)

    painting.on_change = watch
    some_work(painting)
    journal.close()
    data = path.read_bytes()
    header = data.index(b"\n") + 1
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        again, journal, replayed = opened(path)
        whole = max(number for number, end in enumerate(ends) if end <= cut)
        np.testing.assert_array_equal(again.paint, states[whole], err_msg=f"cut off at {cut}")
        assert bool(replayed.notice) == (cut not in (0, header, *ends))
        again.fill(0, 3, BLUE)
        journal.close()
        third, journal, replayed = opened(path)
        journal.close()
        assert (shown(third) == shown(again)).all(), "what is painted after a torn line is not lost"
        assert not replayed.notice
        for left in tmp_path.iterdir():
            left.unlink()


def test_a_journal_that_is_damaged_anywhere_never_raises(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    some_work(painting)
    journal.close()
    data = path.read_bytes()
    for at in range(0, len(data), 3):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :])
        again, journal, replayed = opened(path)
        journal.close()
        assert again.paint.shape == painting.paint.shape and replayed.notice
        for left in tmp_path.iterdir():
            left.unlink()


def lines(path):
    return [json.loads(line[9:]) for line in path.read_bytes().splitlines()]


def written(path, records):
    path.write_bytes(
        b"".join(b"%08x %s\n" % (zlib.crc32(text), text) for text in (json.dumps(each).encode() for each in records))
    )


def _runs(starts, lengths, values):
    from labelimg.segmentatimg.journal import _packed

    return _packed(np.array(starts, np.int32), np.array(lengths, np.int32), np.array(values, np.uint8))


@pytest.mark.parametrize(
    "change",
    [
        {"paint": [_runs([16], [1], [1])]},
        {"paint": [_runs([0], [0], [1])]},
        {"paint": [_runs([0], [200_000], [1])]},
        {"paint": ["AQAAAAgBAAA="]},
        {"paint": [_runs([2], [3], [1])]},
        {"paint": [_runs([4, 4], [1, 1], [1])]},
        {"paint": [_runs([0, 1], [3, 1], [1])]},
        {"paint": [_runs([0], [1], [2])]},
        {"paint": ["!"]},
        {"paint": [""]},
        {"paint": 5},
        {"paint": [None]},
        {"colours": {"0": [1, 2, 3]}},
        {"colours": {"300": [1, 2, 3]}},
        {"colours": {"1": [1, 2, 999]}},
        {"colours": []},
        {"do": True},
        {"do": -1},
        {"cuts": [[1, 2, 3]]},
        {"cuts": [[1, 2, 3, 1 << 80]]},
    ],
)
def test_a_record_that_no_painting_wrote_is_left_out_with_all_after_it(tmp_path, change):
    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    painting.fill(0, 0, RED)
    painting.fill(3, 0, RED)
    journal.close()
    records = lines(path)
    written(path, [*records[:2], {**records[2], **change}, *records[2:]])
    again, journal, replayed = opened(path)
    journal.close()
    assert replayed.changes == 1 and "damaged" in replayed.notice
    assert again.paint[0].tolist() == [1, 1, 0, 0]
    assert len(lines(path)) == 2


def test_packed_runs_that_unfold_to_more_than_the_image_are_refused_without_unfolding_them(tmp_path):
    import base64

    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    painting.fill(0, 0, RED)
    journal.close()
    records = lines(path)
    bomb = base64.b64encode((16).to_bytes(4, "little") + b"\1\1" + zlib.compress(bytes(50_000_000))).decode()
    written(path, [records[0], {**records[1], "paint": [bomb]}])
    _, journal, replayed = opened(path)
    journal.close()
    assert replayed.changes == 0


def test_a_journal_of_another_image_is_set_aside(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    painting.fill(0, 0, RED)
    journal.close()
    for _ in range(2):
        again, journal, replayed = opened(path, image=blank(4, 4) + np.uint8(7))
        assert not again.paint.any() and "the image is another one now" in replayed.notice
        again.fill(0, 0, RED)
        journal.close()
        path.write_bytes((tmp_path / "j.old").read_bytes())
    assert sorted(each.name for each in tmp_path.iterdir()) == ["j", "j.old", "j.old1"]


def test_a_journal_of_masks_that_somebody_changed_is_set_aside(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path, base="then")
    painting.fill(0, 0, RED)
    journal.close()
    again, journal, replayed = opened(path, base="now")
    journal.close()
    assert not again.paint.any() and "its masks were changed since" in replayed.notice
    assert (tmp_path / "j.old").exists()


def test_saving_ends_the_journal_and_the_next_change_begins_another(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path, base="first")
    assert not path.exists(), "nothing is written before the first change"
    painting.fill(0, 0, RED)
    journal.saving()
    journal.saved("second")
    assert not path.exists()
    masks = painting.masks()
    painting.fill(0, 3, BLUE)
    painting.undo()
    painting.undo()
    painting.redo()
    painting.fill(3, 3, BLUE)
    journal.close()
    again, journal, replayed = opened(path, base="second", masks=masks)
    journal.close()
    assert not replayed.notice and (shown(again) == shown(painting)).all()


def test_a_crash_between_two_masks_of_a_save_loses_nothing(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path, base="first")
    painting.fill(0, 0, RED)
    painting.brush([(3, 3)], 0, BLUE)
    journal.saving()
    journal.close()
    half = {BLUE: np.full((4, 4), 255, np.uint8)}
    again, journal, replayed = opened(path, base="half of it", masks=half)
    journal.close()
    assert not replayed.notice and (shown(again) == shown(painting)).all()


def test_strokes_of_one_action_are_one_action_after_a_crash_in_the_middle(tmp_path):
    path = tmp_path / "j"
    painting, journal, _ = opened(path)
    painting.begin_action()
    painting.stroke([(0, 0)], RED)
    painting.stroke([(3, 0)], RED)
    again, other, _ = opened(path)
    assert (shown(again) == shown(painting)).all()
    again.undo()
    assert not again.paint.any() and not again.can_undo
    other.close()
    journal.close()


@pytest.mark.parametrize("step", ["create", "append", "make_folder"])
def test_painting_goes_on_where_the_journal_cannot_be_written(tmp_path, monkeypatch, step):
    def refuse(name, path):
        if name == step:
            raise OSError(errno.ENOSPC, "No space left on device")

    told = []
    painting, journal, _ = opened(tmp_path / "new/j", warn=told.append)
    monkeypatch.setattr(files, "on_operation", refuse)
    painting.fill(0, 0, RED)
    painting.fill(3, 0, RED)
    assert painting.paint[0].tolist() == [1, 1, 1, 1]
    assert len(told) == 1 and "no space left on the disk" in told[0] and journal.broken
    monkeypatch.setattr(files, "on_operation", None)
    journal.saved("later")
    assert not journal.broken
    painting.unfill(0, 0)
    journal.close()
    assert (tmp_path / "new/j").exists()


def test_a_killed_program_loses_nothing_that_was_painted(tmp_path):
    program = f"""
import sys
sys.path[:0] = {sys.path!r}
import os, signal
from test_journal import RED, opened
painting, journal, _ = opened({os.fspath(tmp_path / "j")!r})
painting.fill(0, 0, RED)
painting.fill(0, 3, RED)
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    again, journal, replayed = opened(tmp_path / "j")
    journal.close()
    assert replayed.changes == 2 and again.paint[:, 0].all()
