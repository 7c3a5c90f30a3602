"""report.html as a file: made from the disk, the same bytes each time, known to the record."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
from results_for_pages import make_result, write_csv
from typer.testing import CliRunner

import labelimg
import labelimg.cli as cli
from labelimg import OutputError
from labelimg.clusterimg.pairs import Pairs
from labelimg.clusterimg.report.gathering import _apart, curve_from
from labelimg.clusterimg.report.layout import HEADS, PART, layout_of
from labelimg.clusterimg.report.reading import read_result, to_representative, tree
from labelimg.clusterimg.threshold import Curve
from labelimg.clusterimg.thumbnails import Thumbnails
from pictures import photograph, save


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])  # type: ignore[no-any-return]


def images_of(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, URL and JPEG of the images in the page."""
    names, urls, jpegs = data["first"][:3]
    told = [urls + name for name in names] if isinstance(urls, str) else urls
    return list(zip(names, told, jpegs, strict=True))


def every_file(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def pages_of(out: Path) -> dict[str, bytes]:
    return {name: content for name, content in every_file(out).items() if name.startswith("report")}


def test_two_runs_leave_the_same_page_whatever_the_threads(album, tmp_path):
    for name, threads in (("a", 1), ("b", 4)):
        (tmp_path / name).mkdir()
        labelimg.cluster(album, out=tmp_path / name / "out", threads=threads)
    one, two = (pages_of(tmp_path / name / "out") for name in "ab")
    assert one.keys() == two.keys()
    assert one == two
    names = ("thumbnails.bin", "near_misses.csv", "report.json")
    for name in names:
        assert (tmp_path / "a/out" / name).read_bytes() == (tmp_path / "b/out" / name).read_bytes()


def test_the_report_made_again_is_that_of_the_run(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    before = every_file(out)
    labelimg.write_report(out)
    after = every_file(out)
    before.pop(".labelimg/wrote.json"), after.pop(".labelimg/wrote.json")  # times
    assert after == before


def test_what_the_page_knows_is_what_the_tables_say(album, tmp_path):
    out = tmp_path / "out"
    result = labelimg.cluster(album, out=out, threshold=0.7)
    data = data_of(out / "report.html")
    assert [[folder, size] for folder, size, _, _ in data["clusters"]] == [
        [f"cluster_{k}", len(images)] for k, images in enumerate(result.clusters)
    ]
    assert (data["images"], data["outliers"]) == (len(result.images), len(result.outliers))
    names = [image[0] for image in images_of(data)]
    shown = [image.relative_to(album).as_posix() for images in (*result.clusters, result.outliers) for image in images]
    assert sorted(names) == sorted(shown)
    for image in images_of(data):
        linked = Path(os.fsdecode(bytes(out) + b"/" + unquote_to_bytes(image[1])))
        assert linked.read_bytes() == (album / image[0]).read_bytes()
    with Thumbnails.open(out) as thumbnails:
        assert all(thumbnails.get(name) for name in names)


@pytest.mark.parametrize("transfer", ["none", "symlink", "move"])
def test_links_lead_to_the_files_for_every_transfer(tmp_path, transfer):
    names = [
        "a#1.png",
        "50%.png",
        "what?.png",
        "a'b\"c.png",
        "ü.png",
        "a b.png",
        os.fsdecode(b"bytes\xff.png"),
        "c:d.png",
    ]
    contents = {}
    for name in names:
        save(tmp_path / "x.png", photograph("coffee"))
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "x.png").rename(tmp_path / "in" / name)
        contents[name] = (tmp_path / "in" / name).read_bytes()
    out = tmp_path / "out"
    labelimg.cluster(tmp_path / "in", out=out, transfer=transfer)
    data = data_of(out / "report.html")
    assert len(images_of(data)) == len(names)
    for image in images_of(data):
        assert re.fullmatch(r"[A-Za-z0-9_.~/%-]*", image[1])
        assert Path(os.fsdecode(bytes(out) + b"/" + unquote_to_bytes(image[1]))).read_bytes() in contents.values()


def test_a_name_cannot_become_markup(tmp_path):
    nasty = "<script>alert(1)</script>.png".replace("/", "\u2215")
    for name in (nasty, "</script>".replace("/", "\u2215") + "&amp;.png", "a\n\u2028b.png"):
        save(tmp_path / "x.png", photograph("moon"))
        (tmp_path / "in <i>").mkdir(exist_ok=True)
        (tmp_path / "x.png").rename(tmp_path / "in <i>" / name)
    (tmp_path / "in <i>/<b>.png").write_bytes(b"no picture")
    labelimg.cluster(tmp_path / "in <i>", out=tmp_path / "out")
    text = (tmp_path / "out/report.html").read_text("utf-8")
    assert "<script>alert" not in text
    assert "<i>" not in text.replace("<i>", "", 0).split("<style>")[0]
    assert "<b>.png" not in text
    assert "&lt;b&gt;.png" in text
    assert text.count("</script>") == 2


def test_the_strongest_pairs_that_hold_a_cluster_together():
    # 0-1 0.9, 1-2 0.8, 0-2 0.7: the weakest is not needed. 3-4 0.75.
    folder = Path("x")
    from labelimg.clusterimg.report.reading import Result

    pairs = Pairs(*(np.asarray(v) for v in ([0, 0, 1, 3], [1, 2, 2, 4])), np.array([0.9, 0.7, 0.8, 0.75]))
    cluster, first = np.array([0, 0, 0, 1, 1, -1]), np.array([0, 0, 0, 3, 3, -1])
    names = list("abcdef")
    result = Result(
        folder, folder, {}, names, [""] * 6, cluster, ["c0", "c1"], first, pairs, pairs, None, None, {}, [], []
    )
    held = tree(result)
    assert list(zip(held.i.tolist(), held.j.tolist(), held.similarity.tolist(), strict=True)) == [
        (3, 4, 0.75),
        (1, 2, 0.8),
        (0, 1, 0.9),
    ]
    layout = layout_of(result)
    assert layout.tightness.tolist() == [0.8, 0.75]
    assert layout.rows.tolist() == [0, 1, 2, 3, 4, 5]
    direct, best, other = to_representative(result)
    assert direct[[1, 2, 4]].tolist() == [0.9, 0.7, 0.75]
    assert (best[2], other[2], best[1], other[1]) == (0.8, 1, 0.9, 0)
    assert np.isnan(direct[[0, 3, 5]]).all()
    assert other[5] == -1


def test_of_two_clusters_one_near_miss():
    i, j = np.array([0, 0, 1, 2, 0]), np.array([2, 3, 3, 3, 1])
    labels = np.array([0, 0, 1, 2])
    misses = _apart(i, j, np.array([0.5, 0.6, 0.6, 0.4, 0.9]), labels)
    assert list(zip(misses.i.tolist(), misses.j.tolist(), misses.similarity.tolist(), strict=True)) == [
        (0, 3, 0.6),
        (0, 2, 0.5),
        (2, 3, 0.4),
    ]


@pytest.mark.parametrize("method", ["imagehash", "ssim", "tm"])
def test_near_misses_are_the_most_similar_pairs_that_are_apart(album, tmp_path, method):
    result = labelimg.cluster(album, out=tmp_path / "out", method=method)
    everything = labelimg.cluster(album, method=method, threshold=0.0)
    of = {image: k for k, images in enumerate(result.clusters) for image in images}
    of |= {image: -1 - k for k, image in enumerate(result.outliers)}
    best: dict[tuple[int, int], float] = {}
    for i, j, value in zip(
        everything.pairs.i.tolist(), everything.pairs.j.tolist(), everything.pairs.similarity.tolist(), strict=True
    ):
        a, b = sorted((of[everything.images[i]], of[everything.images[j]]))
        if a != b and value > result.settings.threshold - 0.15:
            best[a, b] = max(best.get((a, b), 0), value)
    found = read_result(tmp_path / "out").misses
    assert len(found) == len(best)
    assert sorted(found.similarity.tolist()) == pytest.approx(sorted(best.values()), abs=1e-6)


def test_more_images_than_a_part_come_in_parts(tmp_path):
    out = make_result(tmp_path, [HEADS + 15, 7, 3], PART)
    labelimg.write_report(out)
    data = data_of(out / "report.html")
    n = HEADS + 25 + PART
    assert (data["parts"], data["images"], len(images_of(data))) == (True, n, PART)
    parts = sorted(path.name for path in (out / "report_parts").iterdir())
    assert parts == ["names.js", "pairs.js", "part_1.js"]
    text = (out / "report_parts/part_1.js").read_text("ascii")
    run, content = re.fullmatch(r'labelimg\("([0-9a-f]{16})",(.*)\);\n', text, re.DOTALL).groups()  # type: ignore[union-attr]
    assert run == data["run"]
    assert data["first"][0] + json.loads(content)[0] == json.loads(
        (out / "report_parts/names.js").read_text("ascii")[len('labelimg("0123456789abcdef",') : -3]
    )


def test_fewer_images_leave_no_parts_of_the_page_before(tmp_path):
    out = make_result(tmp_path, [3], 2 * PART)
    labelimg.write_report(out)
    lines = (out / "clusters.csv").read_text("utf-8").splitlines(keepends=True)
    (out / "clusters.csv").write_text("".join(lines[:9]), "utf-8")
    labelimg.write_report(out)
    assert not (out / "report_parts").exists()


def test_undo_removes_the_page_and_leaves_what_somebody_added(album, tmp_path, monkeypatch):
    monkeypatch.setattr("labelimg.clusterimg.report.layout.PART", 4)
    monkeypatch.setattr("labelimg.clusterimg.report.parts.PART", 4)
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    assert (out / "report_parts/part_1.js").exists()
    (out / "report_parts/mine.txt").write_text("mine", "utf-8")
    assert labelimg.undo(out) == ()
    assert every_file(out) == {"report_parts/mine.txt": b"mine"}


def test_a_page_that_somebody_changed_is_not_replaced(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out)
    page = out / "report.html"
    page.write_text("my page", "utf-8")
    with pytest.raises(OutputError, match=r"report\.html is not as an earlier run wrote it"):
        labelimg.write_report(out)
    assert page.read_text("utf-8") == "my page"
    page.unlink()
    labelimg.write_report(out)
    assert data_of(page)["images"] == 9


def test_what_a_writing_left_that_was_cut_off_is_taken_for_ours(tmp_path):
    out = make_result(tmp_path, [3], PART)
    labelimg.write_report(out)
    whole = pages_of(out)
    known = json.loads((out / ".labelimg/wrote.json").read_text("utf-8"))
    kept = {name: at for name, at in known.items() if not name.startswith("report")}
    (out / ".labelimg/wrote.json").write_text(json.dumps(kept), "utf-8")
    (out / "report.html").unlink()
    labelimg.write_report(out)
    assert pages_of(out) == whole


def test_missing_thumbnails_are_made_from_where_the_images_are_now(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, transfer="move", report=False)
    assert not list(out.glob("report*"))
    assert not (out / "thumbnails.bin").exists()
    told: list[tuple[int, int]] = []
    labelimg.write_report(out, threads=2, progress=lambda *at: told.append(at))
    assert told[-1] == (9, 9)
    assert all(image[2] for image in images_of(data_of(out / "report.html")))
    labelimg.write_report(out, progress=lambda *at: pytest.fail("decoded again"))


def test_an_image_that_is_gone_has_no_thumbnail_and_stays_listed(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, report=False)
    (out / "results/outliers/moon.png").unlink()
    labelimg.write_report(out)
    assert [image[0] for image in images_of(data_of(out / "report.html")) if not image[2]] == ["moon.png"]


def test_the_page_follows_a_merge(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, merge=False, batch_size=5)
    assert data_of(out / "report.html")["clusters"][0][0].startswith("batch_")
    labelimg.merge(out)
    assert [cluster[0] for cluster in data_of(out / "report.html")["clusters"]] == [
        "cluster_0",
        "cluster_1",
        "cluster_2",
    ]


@pytest.mark.parametrize("count", [1, 2])
def test_one_image_and_two_equal_ones_have_a_page(tmp_path, count):
    for k in range(count):
        save(tmp_path / f"in/{k}.png", photograph("coffee"))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    data = data_of(tmp_path / "out/report.html")
    assert (data["images"], data["outliers"]) == (count, count % 2)


def test_no_readable_image_has_a_page(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").write_bytes(b"no picture")
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out")
    assert data_of(tmp_path / "out/report.html")["images"] == 0
    assert "a.png" in (tmp_path / "out/report.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["similarities/batch_0.csv", "near_misses.csv", "report.json", "unreadable.csv"])
@pytest.mark.parametrize("text", ["", "nonsense\n", "a,b,c\n1,2\nx,y,z\n", "\0\0"])
def test_a_damaged_table_costs_what_is_in_it(tmp_path, name, text):
    out = make_result(tmp_path, [4, 2], 2)
    (out / name).write_text(text, "utf-8")
    labelimg.write_report(out)
    assert data_of(out / "report.html")["images"] == 8


@pytest.mark.parametrize("text", ["", "nonsense\n"])
def test_damaged_clusters_are_an_error_that_names_them(tmp_path, text):
    out = make_result(tmp_path, [2], 0)
    (out / "clusters.csv").write_text(text, "utf-8")
    with pytest.raises(OutputError, match=r"clusters\.csv is not as labelimg writes it"):
        labelimg.write_report(out)


def test_a_pair_that_review_tore_apart_is_no_link(tmp_path):
    out = make_result(tmp_path, [2, 2], 0)
    labelimg.write_report(out)
    assert len(data_of(out / "report.html")["pairs"]["links"]) == 2
    result = read_result(out)
    rows = [
        (name, "apart" if k == 0 else "rest", name if k == 0 else result.names[1], "")
        for k, name in enumerate(result.names)
    ]
    write_csv(out / "clusters.csv", ("image", "cluster", "representative", "written"), rows)
    labelimg.write_report(out)
    data = data_of(out / "report.html")
    assert len(data["pairs"]["links"]) == 1
    assert [[folder, size, tight] for folder, size, tight, _ in data["clusters"]] == [
        ["rest", 3, None],
        ["apart", 1, None],
    ]


def test_the_command_makes_the_page_and_says_where(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, report=False)
    result = CliRunner().invoke(cli.app, ["report", str(out), "--quiet", "--threads", "2"])
    assert (result.exit_code, result.stdout) == (0, f"{out / 'report.html'}\n")
    assert not (out / ".labelimg/lock").exists()


def test_the_command_leaves_other_folders_alone(album, tmp_path):
    before = every_file(album)
    result = CliRunner().invoke(cli.app, ["report", str(album)])
    assert isinstance(result.exception, OutputError)
    assert "no result of labelimg" in str(result.exception)
    assert every_file(album) == before
    assert isinstance(CliRunner().invoke(cli.app, ["report", str(tmp_path / "no")]).exception, OutputError)


def test_no_report_leaves_none_and_a_finished_run_gets_one_when_asked(album, tmp_path):
    out = tmp_path / "out"
    labelimg.cluster(album, out=out, report=False)
    assert not any(path.name.startswith(("report", "thumbnails", "near")) for path in out.iterdir())
    labelimg.cluster(album, out=out)  # finished already
    assert (out / "report.html").exists()


@pytest.mark.parametrize("value", ["0.5", None, -1, float("nan"), 10**400, [1]])
def test_a_curve_of_other_than_numbers_is_none(value):
    names = [name for name in Curve.__dataclass_fields__ if name not in ("sample", "count")]
    told = {"sample": 9, "count": 90, **{name: [0, 0.5, 1] for name in names}}
    assert curve_from(told) is not None
    for name in names:
        assert curve_from({**told, name: [0, value, 1]}) is None
    assert curve_from({**told, "sample": float("inf")}) is None
