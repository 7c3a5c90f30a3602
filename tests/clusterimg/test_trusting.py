"""What a result's own files lead to: nowhere outside it, unless this user wrote them here or the folder was named."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

import labelimg
from labelimg import files, signing
from labelimg.cli import app
from labelimg.clusterimg import output
from labelimg.clusterimg.record import read_record, write_record
from labelimg.clusterimg.report import write_report
from labelimg.clusterimg.thumbnails import Thumbnails
from labelimg.errors import OutputError
from pictures import photograph, save


class Cut(BaseException):
    """As if the process ended here."""


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another user, or another machine: with a key of its own from here on."""

    def go() -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other_state"))

    return go


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png") if path.is_file()}


def moved(album: Path, out: Path) -> dict[str, bytes]:
    before = everything(album)
    labelimg.cluster(album, out=out, transfer="move", threads=1)
    assert not everything(album)
    return before


def test_what_was_moved_returns_without_a_word_for_whom_moved_it(album, tmp_path):
    before = moved(album, tmp_path / "out")
    assert labelimg.undo(tmp_path / "out") == ()
    assert everything(album) == before and not (tmp_path / "out").exists()


def test_a_record_of_somebody_else_moves_nothing_until_the_folder_is_named(album, tmp_path, elsewhere):
    out = tmp_path / "out"
    before = moved(album, out)
    elsewhere()
    left = everything(out)
    for _ in range(2):
        with pytest.raises(OutputError, match=f"was not written by you on this machine.* add --images {album}$"):
            labelimg.undo(out)
        assert everything(out) == left and not everything(album)
    assert labelimg.undo(out, images=album) == ()
    assert everything(album) == before and not out.exists()


def test_images_return_to_below_the_folder_that_is_named_wherever_it_is_by_now(album, tmp_path, elsewhere):
    before = moved(album, tmp_path / "out")
    elsewhere()
    album.rename(tmp_path / "moved away")
    (tmp_path / "out").rename(tmp_path / "result")
    assert labelimg.undo(tmp_path / "result", images=tmp_path / "moved away") == ()
    assert everything(tmp_path / "moved away") == before
    assert not album.exists() and not (tmp_path / "result").exists()


def test_a_forged_record_puts_nothing_outside_of_the_named_folder(album, tmp_path, elsewhere):
    out, home = tmp_path / "out", tmp_path / "home"
    moved(album, out)
    (home / "secret").mkdir(parents=True)
    (album / "way").symlink_to(home / "secret")
    path = out / ".labelimg/plan.jsonl"
    head, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0][0] = str(album / "way/planted.png")
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *rows)))
    for folder in (None, album):
        with pytest.raises(OutputError, match=r"not written by you|leads out of"):
            labelimg.undo(out, images=folder)
    head["roots"] = ["/"]
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *rows)))
    with pytest.raises(OutputError, match="not written by you"):
        labelimg.undo(out)
    assert not list((home / "secret").iterdir())


def test_copies_of_somebody_elses_run_are_removed_without_a_word(album, tmp_path, elsewhere):
    before = everything(album)
    labelimg.cluster(album, out=tmp_path / "out", threads=1)
    elsewhere()
    assert labelimg.undo(tmp_path / "out") == ()
    assert everything(album) == before and not (tmp_path / "out").exists()


def test_writing_a_record_again_does_not_make_it_ours(album, tmp_path, elsewhere, monkeypatch):
    out = tmp_path / "out"
    moved(album, out)
    here = os.environ["XDG_STATE_HOME"]
    elsewhere()
    review = labelimg.Review(out)
    review.close()
    record = read_record(out)
    assert record is not None and not record.ours
    write_record(out, record)
    record = read_record(out)
    assert record is not None and not record.ours
    monkeypatch.setenv("XDG_STATE_HOME", here)
    with pytest.raises(OutputError, match="--images"):
        labelimg.undo(out)


def cut_while_moving(album: Path, out: Path) -> None:
    moves = 0

    def cut(name: str, path: str) -> None:
        nonlocal moves
        moves += name == "move"
        if name == "move" and moves >= 4:
            raise Cut

    files.on_operation = cut
    try:
        with pytest.raises(Cut):
            labelimg.cluster(album, out=out, transfer="move", threads=1)
    finally:
        files.on_operation = None


def test_a_run_that_somebody_else_began_is_ended_where_the_folder_is_named(album, tmp_path, elsewhere):
    cut_while_moving(album, tmp_path / "out")
    elsewhere()
    before = everything(album)
    for folders in ([], [tmp_path / "other"], [album / "x"]):
        with pytest.raises(OutputError, match="not written by you"):
            output.finish(tmp_path / "out", images=folders)
    assert everything(album) == before
    assert output.finish(tmp_path / "out", images=[album]) is not None
    assert not everything(album)


def test_the_same_command_names_the_folder(album, tmp_path, elsewhere):
    cut_while_moving(album, tmp_path / "out")
    elsewhere()
    assert labelimg.cluster(album, out=tmp_path / "out", transfer="move", threads=1).count
    assert not everything(album)


def test_a_forged_plan_does_not_make_the_same_command_move_other_images(album, tmp_path):
    cut_while_moving(album, tmp_path / "out")
    save(tmp_path / "private/diary.png", photograph("moon"))
    path = tmp_path / "out/.labelimg/plan.jsonl"
    head, *rows = [json.loads(line) for line in path.read_text().splitlines()]
    head["roots"].append(str(tmp_path / "private"))
    rows[-2] = [str(tmp_path / "private/diary.png"), "results/outliers/diary.png", *rows[-2][2:]]
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *rows)))
    with pytest.raises(OutputError):
        labelimg.cluster(album, out=tmp_path / "out", transfer="move", threads=1)
    assert (tmp_path / "private/diary.png").exists()


def test_the_page_of_somebody_elses_result_shows_no_image_from_outside_it(album, tmp_path, elsewhere):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, transfer="none", threads=1)
    (out / "thumbnails.bin").unlink()
    write_report(out)
    with Thumbnails.open(out) as thumbnails:
        assert all(thumbnails.get(row) for row in range(len(thumbnails))) and len(thumbnails)
    elsewhere()
    (out / "thumbnails.bin").unlink()
    write_report(out)
    with Thumbnails.open(out) as thumbnails:
        assert not any(thumbnails.get(row) for row in range(len(thumbnails)))
    with pytest.raises(OutputError, match="not made by you on this machine"):
        labelimg.Review(out)


def test_the_command_asks_for_the_folder_in_one_line(album, tmp_path, elsewhere):
    moved(album, tmp_path / "out")
    elsewhere()
    done = CliRunner().invoke(app, ["undo", str(tmp_path / "out")])
    assert done.exit_code == 1
    done = CliRunner().invoke(app, ["undo", str(tmp_path / "out"), "--images", str(album)])
    assert done.exit_code == 0 and len(everything(album))


# ------------------------------------------------------------------------------------------------------------ the key


def test_the_key_is_ours_alone_and_made_once(tmp_path, elsewhere):
    elsewhere()
    signed = signing.signature("text")
    assert len(signed) == 64 and signing.is_ours("text", signed)
    assert not signing.is_ours("texts", signed)
    assert not any(signing.is_ours("text", other) for other in ("", None, 7, signed[:-1], signed.upper(), "\xe9" * 64))
    assert signing.key_file().stat().st_mode & 0o777 == 0o600
    assert signing.signature("text") == signed


def test_whoever_is_killed_while_the_key_is_made_leaves_none_or_a_whole_one(tmp_path, elsewhere):
    elsewhere()
    stop = 0
    while True:
        stop += 1
        seen = 0

        def cut(name: str, path: str, stop: int = stop) -> None:
            nonlocal seen
            seen += 1
            if seen == stop:
                raise Cut

        files.on_operation = cut
        try:
            signing.signature("text")
        except Cut:
            files.on_operation = None
            key = signing.key_file()
            assert not key.exists() or len(key.read_bytes()) == 32
            subprocess.run(["rm", "-rf", tmp_path / "other_state"], check=True)
            continue
        finally:
            files.on_operation = None
        break
    assert stop > 4 and signing.signature("text")


def test_without_a_place_for_the_key_undo_asks_for_the_folder(album, tmp_path, monkeypatch):
    (tmp_path / "no folder").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "no folder"))
    before = moved(album, tmp_path / "out")
    with pytest.raises(OutputError, match="--images"):
        labelimg.undo(tmp_path / "out")
    assert labelimg.undo(tmp_path / "out", images=album) == ()
    assert everything(album) == before


def test_who_makes_the_key_at_the_same_time_keeps_the_other_ones(tmp_path, elsewhere):
    elsewhere()
    first = signing.signature("text")
    files.write_private(signing.key_file(), b"x" * 32)
    assert signing.signature("text") == first
    assert os.listdir(signing.key_file().parent) == ["key"]
