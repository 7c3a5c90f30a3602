"""Reviewing results: what is pending, what is put on the disk, and what a crash in between leaves."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import labelimg
from labelimg import OutputError, Review, TransferError, UsageError, files, lock
from pictures import ALBUM_GROUPS, ALBUM_LONE, OLD_NS, make_album, photograph, save

TRANSFERS = ("copy", "move", "hardlink", "symlink", "none")
BEFORE = {
    "cluster_0": set(ALBUM_GROUPS[0]),
    "cluster_1": set(ALBUM_GROUPS[1]),
    "cluster_2": set(ALBUM_GROUPS[2]),
    "outliers": set(ALBUM_LONE),
}
AFTER = {
    "people": {"astronaut.png", "copies/astronaut.jpg", "moon.png"},
    "cluster_1": {*ALBUM_GROUPS[1], *ALBUM_GROUPS[2]},
    "cluster_3": {"copies/astronaut small.png"},
    "outliers": {"chelsea.png"},
}


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    yield
    files.on_operation = None


def change(review: Review) -> None:
    """From BEFORE to AFTER."""
    review.move(["moon.png"], "cluster_0")
    review.new_cluster(["copies/astronaut small.png"])
    review.merge(["cluster_1", "cluster_2"])
    review.rename("cluster_0", "people")


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def listed(out: Path) -> dict[str, set[str]]:
    """The images of each cluster by clusters.csv."""
    found: dict[str, set[str]] = {}
    for row in table(out / "clusters.csv"):
        found.setdefault(row["cluster"], set()).add(row["image"])
    return found


def contents(folder: Path, *, but: tuple[str, ...] = ()) -> dict[str, bytes | str]:
    """Everything below the folder: bytes of files, targets of links, "/" for folders."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith(but):
            continue
        found[name] = os.readlink(path) if path.is_symlink() else "/" if path.is_dir() else path.read_bytes()
    return found


def placed(out: Path, album_bytes: dict[str, bytes | str]) -> dict[str, set[str]]:
    """The images in each folder of the result, known by their bytes."""
    name_of = {content: name for name, content in album_bytes.items() if content != "/"}
    found: dict[str, set[str]] = {}
    for path in sorted((out / "results").rglob("*")):
        if path.is_file():
            found.setdefault(path.parent.name, set()).add(name_of[path.read_bytes()])
    return found


def sort_album(tmp_path: Path, transfer: str) -> tuple[Path, Path]:
    """The album, and a result of it."""
    album = make_album(tmp_path / "album")
    labelimg.cluster(album, out=tmp_path / "out", transfer=transfer, threshold=0.69)
    return album, tmp_path / "out"


# ------------------------------------------------------------------------------------------------------ applying


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_folders_tables_and_counts_follow_and_undo_leads_back_before_the_run(tmp_path, transfer):
    begin = contents(make_album(tmp_path / "begin"))
    album, out = sort_album(tmp_path, transfer)
    with Review(out) as review:
        assert {**review.clusters, "outliers": review.outliers}.keys() == BEFORE.keys()
        change(review)
        assert listed(out) == BEFORE  # nothing happens before it is applied
        applied = review.apply()
        assert review.pending == () and applied.gone == ()
    assert {move.image: (move.before, move.after) for move in applied.moves} == {
        "moon.png": ("outliers", "people"),
        "astronaut.png": ("cluster_0", "people"),
        "copies/astronaut.jpg": ("cluster_0", "people"),
        "copies/astronaut small.png": ("cluster_0", "cluster_3"),
        "rocket.png": ("cluster_2", "cluster_1"),
        "ünïcode rocket.png": ("cluster_2", "cluster_1"),
    }
    assert listed(out) == AFTER
    for row in table(out / "clusters.csv"):
        if transfer != "none":
            assert (out / row["written"]).read_bytes() == begin[row["image"]]
        else:
            assert row["written"] == ""
        first = min(AFTER[row["cluster"]]) if row["cluster"] != "outliers" else ""
        assert row["representative"] == first
    if transfer != "none":
        assert placed(out, begin) == AFTER
        assert {path.name for path in (out / "results").iterdir()} == set(AFTER)
        assert transfer != "symlink" or (out / "results/people/moon.png").is_symlink()
    counts = json.loads((out / "run.json").read_text())["counts"]
    assert (counts["images"], counts["clusters"], counts["clustered"], counts["outliers"]) == (9, 3, 8, 1)
    if transfer != "move":
        assert contents(album) == begin
    assert labelimg.undo(out) == ()
    assert contents(album) == begin
    assert not out.exists()


def test_the_clusters_before_are_kept_as_a_plan_that_leads_back(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    before = contents(out / "results")
    with Review(out) as review:
        change(review)
        review.apply()
        review.follow_plan(out / "clusters_before_review.csv")
        review.apply()
    assert contents(out / "results") == before
    assert listed(out) == BEFORE


def test_undo_reaches_back_over_apply(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    before = contents(out / "results")
    with Review(out) as review:
        change(review)
        review.apply()
        while review.undo():
            pass
        assert len(review.pending) == 6
        review.apply()
        assert contents(out / "results") == before
        while review.redo():
            pass
        review.apply()
    assert listed(out) == AFTER


def test_a_name_that_is_taken_gets_a_number_and_its_own_back_later(tmp_path):
    for folder in ("a", "b"):
        for name, photo in (("x.png", "coffee" if folder == "a" else "rocket"),):
            save(tmp_path / "in" / folder / name, photograph(photo))
            save(tmp_path / "in" / folder / f"twin {folder}.png", photograph(photo))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    with Review(tmp_path / "out") as review:
        review.move(["b/x.png"], "cluster_0")
        review.apply()
        assert {path.name for path in (tmp_path / "out/results/cluster_0").iterdir()} == {
            "x.png",
            "x__2.png",
            "twin a.png",
        }
        assert (tmp_path / "out/results/cluster_0/x__2.png").read_bytes() == (tmp_path / "in/b/x.png").read_bytes()
        review.move(["b/x.png"], "outliers")
        review.apply()
    assert (tmp_path / "out/results/outliers/x.png").read_bytes() == (tmp_path / "in/b/x.png").read_bytes()


@pytest.mark.parametrize("transfer", ["copy", "none"])
def test_the_report_follows(tmp_path, transfer):
    _, out = sort_album(tmp_path, transfer)
    before = (out / "report.html").read_text("utf-8")
    assert "people" not in before
    with Review(out) as review:
        change(review)
        review.apply()
    assert "people" in (out / "report.html").read_text("utf-8")
    again = labelimg.write_report(out).read_text("utf-8")
    assert again == (out / "report.html").read_text("utf-8")


def test_a_report_that_somebody_edited_is_not_replaced_and_one_that_is_gone_is_not_made(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with (out / "report.html").open("a") as report:
        report.write("<!-- mine -->")
    with Review(out) as review:
        change(review)
        with pytest.raises(OutputError, match=r"report\.html is not as it was written"):
            review.apply()
        assert len(review.pending) == 6
        (out / "report.html").unlink()
        review.apply()
    assert not (out / "report.html").exists() and listed(out) == AFTER


def test_a_reviewed_result_can_be_overwritten(tmp_path):
    album, out = sort_album(tmp_path, "copy")
    with Review(out) as review:
        change(review)
        review.apply()
        review.move(["chelsea.png"], "people")  # pending, and forgotten with the result
    labelimg.cluster(album, out=out, overwrite=True, threshold=0.69)
    assert listed(out) == BEFORE
    assert not (out / "clusters_before_review.csv").exists()
    with Review(out) as review:
        assert review.pending == () and review.lost == ""


def test_files_that_somebody_added_stay_where_they_are(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    (out / "results/cluster_0/notes.txt").write_text("mine")
    (out / "results/cluster_2/notes.txt").write_text("mine, too")
    with Review(out) as review:
        change(review)
        review.apply()
    assert (out / "results/cluster_0/notes.txt").read_text() == "mine"
    assert (out / "results/cluster_2/notes.txt").read_text() == "mine, too"
    assert labelimg.undo(out) == ()
    assert {path.name for path in out.rglob("*") if path.is_file()} == {"notes.txt"}


def test_an_image_that_somebody_added_can_be_moved_and_survives_undo(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    added = save(out / "results/cluster_0/added.png", photograph("coins"))
    content = added.read_bytes()
    with Review(out) as review:
        (name,) = (name for name in review.images if name.endswith("added.png"))
        review.move([name], "cluster_1")
        review.apply()
    assert (out / "results/cluster_1/added.png").read_bytes() == content
    labelimg.undo(out)
    assert (out / "results/cluster_1/added.png").read_bytes() == content


def test_an_empty_result_and_one_of_outliers_alone_can_be_reviewed(tmp_path):
    save(tmp_path / "in/a.png", photograph("coffee"))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    with Review(tmp_path / "out") as review:
        assert review.clusters == {} and review.outliers == ("a.png",)
        review.new_cluster(["a.png"], "cups")
        review.apply()
    assert (tmp_path / "out/results/cups/a.png").exists() and (tmp_path / "out/results/outliers").is_dir()
    (tmp_path / "out/results/cups/a.png").unlink()
    with Review(tmp_path / "out") as review:
        assert review.images == () and review.clusters == {} and review.apply().moves == ()


# --------------------------------------------------------------------------------------- changed by hand meanwhile


def test_what_was_moved_by_hand_before_is_where_it_is(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    (out / "results/outliers/moon.png").rename(out / "results/cluster_0/the moon.png")
    (out / "results/cluster_1").rename(out / "results/cups")
    (out / "results/cluster_2/rocket.png").unlink()
    with Review(out) as review:
        assert "moon.png" in review.clusters["cluster_0"] and "cups" in review.clusters
        assert "rocket.png" not in review.images
        review.move(["moon.png"], "cups")
        review.apply()
    assert (out / "results/cups/the moon.png").exists()  # it keeps the name that somebody gave it


def test_what_was_moved_by_hand_meanwhile_stays_unless_the_review_moves_it(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with Review(out) as review:
        review.move(["moon.png"], "cluster_1")
        (out / "results/outliers/moon.png").rename(out / "results/cluster_0/moon.png")
        (out / "results/outliers/chelsea.png").rename(out / "results/cluster_2/chelsea.png")
        (out / "results/cluster_2/rocket.png").unlink()
        applied = review.apply()
        assert applied.gone == ("rocket.png",)
        assert "rocket.png" not in review.images
    assert (out / "results/cluster_1/moon.png").exists()
    assert (out / "results/cluster_2/chelsea.png").exists()
    assert listed(out)["cluster_2"] == {"chelsea.png", "ünïcode rocket.png"}


def test_a_table_that_somebody_edited_is_not_replaced(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    (out / "clusters.csv").write_text("mine\n")
    before = contents(out, but=(".labelimg",))
    with Review(out) as review:
        change(review)
        with pytest.raises(OutputError, match=r"clusters\.csv is not as it was written"):
            review.apply()
        assert contents(out, but=(".labelimg",)) == before
        assert len(review.pending) == 6
        (out / "clusters.csv").unlink()
        review.apply()
    assert listed(out) == AFTER


def test_of_tables_alone_an_edited_table_is_what_is_reviewed(tmp_path):
    _, out = sort_album(tmp_path, "none")
    path = out / "clusters.csv"
    path.write_text(path.read_text("utf-8").replace("moon.png,outliers", "moon.png,night"), "utf-8")
    with Review(out) as review:
        assert review.clusters["night"] == ("moon.png",)
        review.move(["chelsea.png"], "night")
        review.apply()
    assert listed(out)["night"] == {"chelsea.png", "moon.png"}
    assert labelimg.undo(out) == ()


# ----------------------------------------------------------------------------------------------------- refused


def test_batches_that_are_not_merged_are_refused_in_one_line(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out", merge=False)
    with pytest.raises(OutputError, match="labelimg merge") as raised:
        Review(tmp_path / "out")
    assert "\n" not in str(raised.value)


def test_batch_folders_that_were_kept_stay_as_they_are(album, tmp_path):
    labelimg.cluster(album, out=tmp_path / "out", keep_batches=True)
    before = contents(tmp_path / "out/batch_0")
    with Review(tmp_path / "out") as review:
        change(review)
        review.apply()
    assert contents(tmp_path / "out/batch_0") == before
    assert listed(tmp_path / "out") == AFTER


def test_what_is_no_result_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine", tmp_path / "nothing"):
        with pytest.raises(OutputError, match="is no result"):
            Review(folder)
    assert not (tmp_path / "nothing").exists() and list((tmp_path / "mine").iterdir()) == []


def test_two_reviews_at_once_are_refused_and_so_is_undo(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with Review(out):
        for refused in (Review, labelimg.undo):
            with pytest.raises(OutputError, match="another run is working"):
                refused(out)
    Review(out).close()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda review: review.move(["nothing.png"], "cluster_0"),
        lambda review: review.move(["moon.png"], "a/b"),
        lambda review: review.rename("nothing", "x"),
        lambda review: review.split("cluster_0"),
        lambda review: review.split("cluster_0", threshold=0.9, pieces=[]),
        lambda review: review.split("cluster_0", threshold=1.5),
        lambda review: review.merge(["cluster_0", "outliers"]),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(tmp_path, wrong: Callable[[Review], Any]):
    _, out = sort_album(tmp_path, "copy")
    with Review(out) as review:
        with pytest.raises(UsageError):
            wrong(review)
        assert review.pending == () and not review.undo()


# --------------------------------------------------------------------------------------------------- the journal


def test_pending_changes_survive_the_program(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with Review(out) as review:
        change(review)
        review.undo()
        review.redo()
        pending = review.pending
    with Review(out) as review:
        assert review.pending == pending
        assert review.brought_back == 6
        review.undo()  # takes back the redo
        assert "people" not in review.clusters
        review.discard()
        assert review.pending == ()
    with Review(out) as review:
        assert review.pending == () and review.brought_back == 0


def test_changes_to_other_folders_than_these_are_lost_and_that_is_said(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with Review(out) as review:
        change(review)
    (out / "results/outliers/moon.png").rename(out / "results/cluster_1/moon.png")
    with Review(out) as review:
        assert review.pending == () and "lost" in review.lost


@pytest.mark.parametrize(
    "line",
    [
        "",
        "nonsense",
        "[]",
        '["x", [99], 0, []]',
        '["x", [0], 77, []]',
        '["x", [-1], 0, []]',
        '["x", [1, 0], 0, []]',
        '["x", [0], 5, [[5, null, "../../etc"]]]',
        '["x", [0], 5, [[5, null, "a/b"]]]',
        '["x", [0], 5, [[5, null, "cluster_1"]]]',
        '["x", [0], 1e99, []]',
        '["x", [], 0, [[1, "cluster_0", null]]]',
        '["x", [], 0, [["1", null, "x"]]]',
        '["x", [0], 5, [[5, null, 7]]]',
        "[" * 100_000,
    ],
)
def test_a_journal_that_makes_no_sense_is_left_out_from_there_on(tmp_path, line):
    _, out = sort_album(tmp_path, "none")
    with Review(out) as review:
        review.move(["moon.png"], "cluster_0")
    with (out / ".labelimg/review.jsonl").open("a") as journal:
        journal.write(line + "\n" + '["move", [0], 0, []]\n')
    with Review(out) as review:
        moved = [(move.image, move.after) for move in review.pending]
        assert moved == [("moon.png", "cluster_0")]
        review.move(["chelsea.png"], "cluster_0")
    with Review(out) as review:
        assert {move.image for move in review.pending} == {"moon.png", "chelsea.png"}


def test_a_journal_line_that_was_cut_off_is_left_out(tmp_path):
    _, out = sort_album(tmp_path, "none")
    with Review(out) as review:
        review.move(["moon.png"], "cluster_0")
        review.move(["chelsea.png"], "cluster_0")
    path = out / ".labelimg/review.jsonl"
    path.write_text(path.read_text()[:-4])
    for expected in ({"moon.png"}, {"moon.png", "rocket.png"}):
        with Review(out) as review:
            assert {move.image for move in review.pending} == expected
            review.move(["rocket.png"], "cluster_0")


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", "{}\n", '{"base": "x", "numbers": {"a": "b"}}\n"apply"\n', "\xff\n"]
)
def test_a_journal_that_is_none_is_as_if_there_were_none(tmp_path, text):
    _, out = sort_album(tmp_path, "none")
    (out / ".labelimg/review.jsonl").write_text(text, "latin-1")
    with Review(out) as review:
        assert review.pending == ()
        change(review)
        review.apply()
    assert listed(out) == AFTER


def test_a_change_that_cannot_be_written_down_is_made_all_the_same(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    with Review(out) as review:

        def full(operation: str, path: str) -> None:
            raise OSError(28, "No space left on device", path)

        files.on_operation = full
        with pytest.raises(OutputError, match="no space"):
            review.move(["moon.png"], "cluster_0")
        files.on_operation = None
        assert [move.image for move in review.pending] == ["moon.png"]
        review.move(["chelsea.png"], "cluster_0")  # there is room again: both are written down
    with Review(out) as review:
        assert [move.image for move in review.pending] == ["chelsea.png", "moon.png"]
        review.apply()
    assert "moon.png" in listed(out)["cluster_0"]


@pytest.mark.parametrize("seed", range(12))
def test_any_changes_are_pending_again_as_they_were(tmp_path, seed):
    random = Random(seed)
    _, out = sort_album(tmp_path, "none")
    for _ in range(3):
        with Review(out) as review:
            for _ in range(random.randrange(1, 8)):
                some = random.sample(review.images, random.randrange(1, 5))
                clusters = list(review.clusters)
                with contextlib.suppress(UsageError):
                    match random.randrange(7):
                        case 0:
                            review.move(some, random.choice([*clusters, "outliers", "cats", "dogs"]))
                        case 1:
                            review.new_cluster(some)
                        case 2:
                            review.merge(random.sample(clusters, 2))
                        case 3:
                            review.rename(random.choice(clusters), random.choice(["cats", "birds", "cluster_0"]))
                        case 4:
                            review.undo()
                        case 5:
                            review.redo()
                        case 6 if random.random() < 0.3:
                            review.apply()
            expected, pending = (review.clusters, review.outliers), review.pending
        with Review(out) as review:
            assert (review.clusters, review.outliers) == expected, f"seed {seed}"
            assert review.pending == pending and review.lost == ""


# ----------------------------------------------------------------------------------------------------- splitting


def test_splitting_again_equals_a_run_with_the_higher_threshold(tmp_path):
    album, out = sort_album(tmp_path, "copy")
    higher = labelimg.cluster(album, threshold=0.93)
    with Review(out) as review:
        for name in tuple(review.clusters):
            review.split(name, threshold=0.93)
        found = {frozenset(names) for names in review.clusters.values()}
        outliers = set(review.outliers)
    assert found == {frozenset(path.relative_to(album).as_posix() for path in paths) for paths in higher.clusters}
    assert outliers == {path.relative_to(album).as_posix() for path in higher.outliers}


@pytest.mark.parametrize("kept", [True, False])
def test_a_split_is_the_same_from_the_table_and_from_the_images(tmp_path, kept):
    _, out = sort_album(tmp_path, "copy")
    if not kept:
        shutil.rmtree(out / "similarities")
    with Review(out) as review:
        review.merge(["cluster_0", "cluster_1", "cluster_2"])
        review.split("cluster_0", threshold=0.69)
        assert {frozenset(names) for names in review.clusters.values()} == {frozenset(group) for group in ALBUM_GROUPS}


# ------------------------------------------------------------------------------------------------------- a crash


def killed_at(stop: int) -> Callable[[str, str], None]:
    """The program ends before the operation of this number; what it would do then is not done either."""
    count = 0

    def hook(operation: str, path: str) -> None:
        nonlocal count
        count += 1
        if count > stop:
            raise Killed

    return hook


def review_and_die(out: Path, stop: int) -> bool:
    """Change and apply, and be killed after so many operations of applying; whether it was killed."""
    review = Review(out)
    change(review)
    files.on_operation = killed_at(stop)
    try:
        review.apply()
    except Killed:
        return True
    finally:
        files.on_operation = None
        review.close()
    return False


@pytest.mark.parametrize("transfer", TRANSFERS)
def test_killed_after_any_operation_it_can_be_ended_and_taken_back(tmp_path, transfer):
    begin = contents(make_album(tmp_path / "begin"))
    album, out = sort_album(tmp_path, transfer)
    shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}_kept", symlinks=True)
    kept = tmp_path.parent / f"{tmp_path.name}_kept"

    def again() -> None:
        """Everything as it was before the review."""
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(album, ignore_errors=True)
        shutil.copytree(kept / "album", album, symlinks=True)
        shutil.copytree(kept / "out", out, symlinks=True)
        if transfer == "hardlink":
            for entry in (out / "results").rglob("*.*"):
                source = next(path for path in album.rglob("*.*") if path.read_bytes() == entry.read_bytes())
                entry.unlink()
                os.link(source, entry)
        for path in (*album.rglob("*.png"), *album.rglob("*.jpg")):
            os.utime(path, ns=(OLD_NS, OLD_NS), follow_symlinks=False)

    assert not review_and_die(out, 1_000_000)
    undisturbed = contents(out, but=(".labelimg",))
    stop, step = 0, 1 if transfer in ("copy", "move") else 5  # what is renamed differs, not how
    while True:
        again()
        was_killed = review_and_die(out, stop)
        # Every image is there, whole.
        there = list(contents(out / "results").values()) if transfer != "none" else []
        if transfer == "move":
            assert sorted(content for content in there if content != "/") == sorted(
                content for name, content in begin.items() if content != "/" and not name.endswith(".txt")
            )
        else:
            assert contents(album) == begin
        if stop % (2 * step):
            with Review(out) as review:  # the next sitting ends it
                assert not review.lost
                if review.pending:
                    review.apply()
            found = contents(out, but=(".labelimg",))
            assert {name: found.get(name) for name in undisturbed} == undisturbed, stop
            assert found.keys() == undisturbed.keys()
        assert labelimg.undo(out) == (), stop
        assert contents(album) == begin
        assert not out.exists(), stop
        stop += step
        if not was_killed:
            break
    assert stop > 12
    shutil.rmtree(kept)


def test_killed_while_it_ends_what_was_begun_it_can_be_ended_again(tmp_path):
    _, out = sort_album(tmp_path, "copy")
    assert review_and_die(out, 12)
    for stop in range(60):
        files.on_operation = killed_at(stop)
        try:
            review = Review(out)
        except Killed:
            lock._leave_locks_to_parent()  # as the end of a process does
            continue
        finally:
            files.on_operation = None
        if review.pending:
            review.apply()
        review.close()
        break
    assert listed(out) == AFTER
    assert labelimg.undo(out) == ()


def test_a_file_that_cannot_be_renamed_leaves_the_rest_pending(tmp_path):
    _, out = sort_album(tmp_path, "copy")

    def refuse(operation: str, path: str) -> None:
        if operation == "rename" and "rocket" in path:
            raise PermissionError(13, "Permission denied", path)

    with Review(out) as review:
        change(review)
        files.on_operation = refuse
        with pytest.raises(TransferError, match="permission denied"):
            review.apply()
        files.on_operation = None
        assert {row["written"] for row in table(out / "clusters.csv")} == {
            path.relative_to(out).as_posix() for path in (out / "results").rglob("*.*")
        }
        assert {move.image for move in review.pending} >= {"rocket.png"}
    with Review(out) as review:
        review.apply()
    assert listed(out) == AFTER
