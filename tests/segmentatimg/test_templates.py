"""Template painting: what is found where, what is painted, and a folder of images."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from labelimg import files
from labelimg.cli import app
from labelimg.errors import OutputError, UnreadableImageError, UsageError
from labelimg.segmentatimg import templates
from labelimg.segmentatimg.maskfolder import MaskFolder
from labelimg.segmentatimg.masks import load_masks
from labelimg.segmentatimg.painting import Painting, Rect
from labelimg.segmentatimg.stamping import stamp
from labelimg.segmentatimg.templates import background, find_matches, load_templates, make_template
from pictures import save, truncated_png

RED, BLUE = (204, 0, 0), (0, 0, 255)


def noise(height, width, seed=0, low=0):
    return np.random.default_rng(seed).integers(low, 256, (height, width, 3), np.uint8)


def flat(height, width, colour=RED):
    return np.full((height, width, 3), colour, np.uint8)


def whole(template, name="t", segment=None, attention=None):
    """A template of which all pixels count unless something else is said."""
    height, width = template.shape[:2]
    attention = np.ones((height, width), bool) if attention is None else attention
    return make_template(name, template, flat(height, width) if segment is None else segment, attention=attention)


def error_at(image, template, left, top):
    """TM_SQDIFF_NORMED by its definition; not finite where it is none."""
    height, width = template.template.shape[:2]
    part = image[top : top + height, left : left + width][template.attention].astype(float)
    wanted = template.template[template.attention].astype(float)
    with np.errstate(all="ignore"):
        return ((part - wanted) ** 2).sum() / np.sqrt(np.float64((part**2).sum() * (wanted**2).sum()))


def errors(image, template):
    height, width = template.template.shape[:2]
    rows, columns = image.shape[0] - height + 1, image.shape[1] - width + 1
    return {(left, top): error_at(image, template, left, top) for top in range(rows) for left in range(columns)}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_errors_are_those_of_the_definition_wherever_that_is_a_number(seed, height, width, black):
    image, rng = noise(14, 17, seed), np.random.default_rng(seed)
    if black:
        image[5:, :8] = 0
    attention = rng.random((height, width)) < 0.7
    attention[0, 0] = True
    template = whole(noise(height, width, seed + 1, low=1), attention=attention)
    wanted = errors(image, template)
    numbers = {at: error for at, error in wanted.items() if np.isfinite(error)}
    (match,) = find_matches(image, [template])
    assert match.error == pytest.approx(min(numbers.values()), abs=1e-5)
    assert numbers[match.left, match.top] == pytest.approx(match.error, abs=1e-5)
    threshold = 0.6
    found = find_matches(image, [template], threshold)
    assert all(numbers[each.left, each.top] < threshold + 1e-5 for each in found)
    # By hand: the best first, and nothing that overlaps; what is nearly equal may come in either order.
    left = {at: error for at, error in numbers.items() if error < threshold - 1e-5}
    for match in found:
        assert match.error <= min(left.values(), default=1) + 1e-5
        left = {(x, y): e for (x, y), e in left.items() if abs(x - match.left) >= width or abs(y - match.top) >= height}
    assert not left


def test_the_best_place_of_each_template_is_taken_in_their_order():
    image = noise(20, 30)
    first, second = whole(image[3:9, 4:12].copy(), "a"), whole(image[10:15, 20:25].copy(), "b")
    found = find_matches(image, [second, first])
    assert [(each.template.name, each.left, each.top) for each in found] == [("b", 20, 10), ("a", 4, 3)]
    assert all(each.error < 1e-5 for each in found)


def test_of_equal_places_the_upper_left_one_is_taken():
    image = np.zeros((6, 12, 3), np.uint8)
    image[1:3, 2:4] = image[1:3, 7:9] = image[4:6, 2:4] = (10, 200, 30)
    (match,) = find_matches(image, [whole(flat(2, 2, (10, 200, 30)))])
    assert (match.left, match.top) == (2, 1)
    found = find_matches(image, [whole(flat(2, 2, (10, 200, 30)))], 0.01)
    assert [(each.left, each.top) for each in found] == [(2, 1), (7, 1), (2, 4)]


def test_the_threshold_is_exclusive():
    image = np.zeros((3, 3, 3), np.uint8)
    image[1, 1] = (10, 200, 30)
    template = whole(flat(1, 1, (10, 200, 30)))
    assert find_matches(image, [template], 0) == []
    assert len(find_matches(image, [template], 1e-3)) == 1


def test_of_overlapping_places_of_several_templates_the_best_alone_is_kept():
    image = noise(12, 12)
    exact = whole(image[2:8, 2:8].copy(), "exact")
    near = image[4:10, 4:10].copy()
    near[0, 0] ^= 255
    found = find_matches(image, [whole(near, "near"), exact], 0.1)
    assert [each.template.name for each in found] == ["exact"]


def test_pixels_without_attention_do_not_count():
    image = noise(20, 20)
    template = image[5:11, 6:12].copy()
    attention = np.zeros((6, 6), bool)
    attention[2:4, 1:5] = True
    template[~attention] = noise(6, 6, 5)[~attention]
    (match,) = find_matches(image, [whole(template, attention=attention)])
    assert (match.left, match.top) == (6, 5) and match.error < 1e-5


def test_what_can_be_nowhere_is_nowhere():
    image = noise(8, 8, low=1)
    larger = [whole(noise(9, 3)), whole(noise(3, 9))]
    unseen = whole(noise(3, 3), attention=np.zeros((3, 3), bool))
    black = whole(np.zeros((3, 3, 3), np.uint8))
    for template in (*larger, unseen, black):
        assert find_matches(image, [template]) == [] and find_matches(image, [template], 1) == []
        painting = Painting(image, np.ones((8, 8), int))
        assert not painting.stamp([template]) and not painting.can_undo
    assert find_matches(np.zeros((8, 8, 3), np.uint8), [whole(noise(3, 3, low=1))], 1) == []
    assert find_matches(image, []) == [] and find_matches(image, [], 0.5) == []


def test_large_black_parts_of_an_image_hide_nothing_and_are_nothing():
    image = noise(300, 300)
    image[:100, :100] = 0
    template = whole(image[270:290, 270:290].copy())
    (match,) = find_matches(image, [template])
    assert (match.left, match.top) == (270, 270)
    assert [(each.left, each.top) for each in find_matches(image, [template], 0.1)] == [(270, 270)]


def test_where_all_that_counts_is_black_there_is_no_match_whatever_rounding_makes_of_it():
    image, attention = np.zeros((101, 101, 3), np.uint8), np.ones((101, 101), bool)
    image[50, 50] = 255
    attention[48:53, 48:53] = False
    assert find_matches(image, [whole(noise(101, 101, low=1), attention=attention)]) == []


@pytest.mark.parametrize("threshold", [None, 0.2, 0.9])
def test_a_large_image_is_looked_over_in_bands_to_the_same_matches(monkeypatch, threshold):
    image = noise(83, 61, 3)
    parts = [whole(image[top : top + height, 7:20].copy(), f"{top}") for top, height in ((0, 9), (23, 12), (70, 13))]
    expected = find_matches(image, parts, threshold)
    assert len(expected) >= 3
    monkeypatch.setattr(templates, "LARGE_PIXELS", 100)
    monkeypatch.setattr(templates, "_BAND_PIXELS", 61 * 14)
    found = find_matches(image, parts, threshold)
    assert [(m.template.name, m.left, m.top) for m in found] == [(m.template.name, m.left, m.top) for m in expected]
    np.testing.assert_allclose([m.error for m in found], [m.error for m in expected], atol=1e-4)


def test_in_bands_the_upper_of_equal_places_is_taken(monkeypatch):
    image = np.full((60, 30, 3), 90, np.uint8)
    monkeypatch.setattr(templates, "LARGE_PIXELS", 100)
    monkeypatch.setattr(templates, "_BAND_PIXELS", 30 * 10)
    (found,) = find_matches(image, [whole(image[:5, :5].copy())])
    assert found.top < 10 - 4


def test_a_template_as_large_as_the_image_is_compared_once():
    image = noise(5, 6)
    (match,) = find_matches(image, [whole(image.copy())])
    assert (match.left, match.top) == (0, 0)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(UsageError, match="template threshold must be between 0 and 1"):
        find_matches(noise(4, 4), [], threshold)


# ------------------------------------------------------------------------------------------------ background and paint


def test_the_background_is_what_is_near_the_borders_colour_and_connected_to_it():
    template = flat(7, 7, (100, 150, 250))
    template[1, 1] = (110, 140, 240)
    template[2:5, 2:5] = (30, 30, 30)
    template[3, 3] = (100, 150, 250)
    found = background(template)
    wanted = np.ones((7, 7), bool)
    wanted[2:5, 2:5] = False
    np.testing.assert_array_equal(found, wanted)
    assert make_template("t", template, flat(7, 7)).attention.sum() == 9


def test_a_template_of_one_colour_has_no_background():
    assert not background(flat(3, 4)).any()
    (match,) = find_matches(
        np.concatenate([flat(4, 4, BLUE), flat(4, 4)]), [make_template("t", flat(2, 2), flat(2, 2))]
    )
    assert (match.left, match.top) == (0, 4)


def test_a_stamp_paints_the_masked_pixels_of_the_segment_in_their_colours_as_one_action():
    image = noise(10, 12)
    segment = np.zeros((3, 4, 3), np.uint8)
    segment[0], segment[2, :2] = RED, BLUE
    template = make_template("t", image[4:7, 5:9].copy(), segment, attention=np.ones((3, 4), bool))
    painting = Painting(image, np.ones((10, 12), int))
    assert painting.stamp([template]) == Rect(5, 4, 9, 7)
    masks = painting.masks()
    assert set(masks) == {RED, BLUE}
    assert np.argwhere(masks[RED]).tolist() == [[4, 5], [4, 6], [4, 7], [4, 8]]
    assert np.argwhere(masks[BLUE]).tolist() == [[6, 5], [6, 6]]
    assert not painting.stamp([template]), "it is there already"
    painting.undo()
    assert not painting.masks() and not painting.can_undo
    only = np.zeros((3, 4), bool)
    only[1, 1] = True
    painting.stamp([make_template("t", template.template, segment, attention=template.attention, mask=only)])
    assert painting.masks()[0, 0, 0].sum() == 255, "black is a colour where the mask says so"


# ------------------------------------------------------------------------------------------------------------- folders


@pytest.fixture
def sets(tmp_path):
    """Two templates, cut out of an image, with their segments."""
    image = noise(40, 50, 3)
    for name, part in (("plane", image[5:15, 8:20]), ("bird", image[20:28, 30:40])):
        save(tmp_path / "templates" / f"{name}.png", part)
        save(tmp_path / "segments" / f"{name}.png", flat(*part.shape[:2], RED if name == "plane" else BLUE))
        save(tmp_path / "attentions" / f"{name}.png", np.full(part.shape[:2], 255, np.uint8))
    mask = np.zeros((10, 12), np.uint8)
    mask[2, 3] = 255
    save(tmp_path / "masks/plane.png", mask)
    save(tmp_path / "images/one.png", image)
    save(tmp_path / "images/two.png", noise(40, 50, 4))
    return tmp_path


def loaded(sets, **more):
    return load_templates(sets / "templates", sets / "segments", attentions=sets / "attentions", **more)


def test_sets_are_put_together_by_name(sets):
    bird, plane = loaded(sets, masks=sets / "masks")
    assert (bird.name, plane.name) == ("bird", "plane")
    assert bird.mask.all() and plane.mask.sum() == 1 and plane.attention.all()
    assert len(load_templates(sets / "templates", sets / "segments")) == 2


def test_what_does_not_fit_together_is_named(sets):
    save(sets / "masks/boat.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(UsageError, match=r"no template of the name of these masks: boat\.png"):
        loaded(sets, masks=sets / "masks")
    (sets / "segments/bird.png").unlink()
    with pytest.raises(UsageError, match=r"no segment of the name of these templates: bird\.png"):
        loaded(sets)
    save(sets / "segments/bird.png", flat(3, 3))
    with pytest.raises(UsageError, match="template bird: its segment is 3 x 3, the template 10 x 8"):
        loaded(sets)
    save(sets / "segments/bird.png", flat(8, 10))
    save(sets / "segments/bird.jpg", flat(8, 10))
    with pytest.raises(UsageError, match=r"bird\.jpg and bird\.png in .*segments have one name"):
        loaded(sets)
    (sets / "segments/bird.jpg").unlink()
    truncated_png(sets / "segments/bird.png")
    with pytest.raises(UnreadableImageError, match=r"bird\.png"):
        loaded(sets)
    (sets / "nothing").mkdir()
    with pytest.raises(UsageError, match="no images in the folder of templates"):
        load_templates(sets / "nothing", sets / "segments")


def test_a_segment_with_shades_is_refused():
    with pytest.raises(UsageError, match="its segment has 400 colours, at most 255 can be painted"):
        make_template("t", noise(20, 20), noise(20, 20, 1))


def test_a_folder_is_stamped_and_goes_on_where_it_was_interrupted(sets):
    folder = MaskFolder(sets / "images")
    done = stamp(folder, loaded(sets), threshold=0.1)
    one, two = folder.images
    assert {(each.template.name, each.left, each.top) for each in done.matches[one]} == {
        ("bird", 30, 20),
        ("plane", 8, 5),
    }
    assert done.matches[two] == () and not folder.is_done(two)
    masks = load_masks(folder.masks_of(one), (50, 40))
    assert np.argwhere(masks[RED]).min(axis=0).tolist() == [5, 8] and (masks[RED] > 0).sum() == 120
    again = stamp(MaskFolder(sets / "images"), loaded(sets), threshold=0.1)
    assert again.skipped == (one,) and list(again.matches) == [two]


def test_add_paints_over_what_is_there_and_overwrite_in_place_of_it(sets):
    folder = MaskFolder(sets / "images")
    one = folder.images[0]
    mine = np.zeros((40, 50), np.uint8)
    mine[0:10, 0:20] = 255
    folder.save(one, {(9, 9, 9): mine})
    stamp(folder, loaded(sets), threshold=0.1, add=True)
    masks = folder.load(one)
    assert set(masks) == {(9, 9, 9), RED, BLUE}
    assert (masks[9, 9, 9] > 0).sum() == 200 - 5 * 12
    stamp(folder, loaded(sets), threshold=0.1, overwrite=True)
    assert set(folder.load(one)) == {RED, BLUE}
    with pytest.raises(UsageError, match="only one"):
        stamp(folder, loaded(sets), add=True, overwrite=True)


def test_the_result_does_not_depend_on_the_number_of_threads(sets):
    names = {}
    for threads in (1, 3):
        folder = MaskFolder(sets / "images", sets / f"out{threads}")
        done = stamp(folder, loaded(sets), threads=threads)
        names[threads] = {
            path: [(each.left, each.top, each.error) for each in found] for path, found in done.matches.items()
        }
    assert names[1] == names[3]


def test_a_mask_that_cannot_be_read_is_named_and_stays(sets):
    folder = MaskFolder(sets / "images")
    one = folder.images[0]
    folder.save(one, {RED: np.full((40, 50), 255, np.uint8)})
    mask = folder.masks_of(one)[RED]
    mask.write_bytes(b"no picture")
    done = stamp(folder, loaded(sets), add=True)
    assert [each.path for each in done.unreadable] == [one] and mask.name in done.unreadable[0].reason
    assert mask.read_bytes() == b"no picture"


def test_a_bad_image_is_listed_and_a_full_disk_ends_the_run(sets, monkeypatch):
    truncated_png(sets / "images/bad.png")
    folder = MaskFolder(sets / "images")
    done = stamp(folder, loaded(sets))
    assert [path.rsplit("/", 1)[1] for path in (each.path for each in done.unreadable)] == ["bad.png"]

    def refuse(name, path):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "on_operation", refuse)
    with pytest.raises(OutputError, match="no space left"):
        stamp(MaskFolder(sets / "images", sets / "out"), loaded(sets))


# ------------------------------------------------------------------------------------------------------------ commands


def run(*arguments, status=0):
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == status, result.output
    return result


def test_stamp_and_masks_from_the_command_line(sets):
    options = ["--templates", sets / "templates", "--segments", sets / "segments", "--attentions", sets / "attentions"]
    before = {path: path.read_bytes() for path in sets.rglob("*.png")}
    shown = json.loads(run("stamp", sets / "images", *options, "--template-threshold", "0.1", "--json").stdout)
    assert {each["template"] for each in shown["matches"]["one.png"]} == {"plane", "bird"}
    assert shown["matches"]["two.png"] == []
    listed = json.loads(run("masks", sets / "images", "--json").stdout)
    assert list(listed["done"]) == ["one.png"] and listed["left"] == ["two.png"]
    assert set(listed["done"]["one.png"]) == {"(R:204,G:0,B:0)", "(R:0,G:0,B:255)"}
    (sets / "images_segmented/classes.json").write_text('{"(R:204,G:0,B:0)": "plane"}')
    text = run("masks", sets / "images").stdout
    assert "done  one.png  (R:0,G:0,B:255), (R:204,G:0,B:0) plane" in text and "left  two.png" in text
    assert run("masks", sets / "images", "--left").stdout == "two.png\n"
    text = run("stamp", sets / "images", *options, "--template-threshold", "0.1").stdout
    assert "skipped     1" in text and "no match    1" in text
    assert {path: path.read_bytes() for path in before} == before, "originals are as they were"


def test_strays_and_unsaved_work_are_shown(sets):
    folder = MaskFolder(sets / "images")
    folder.save(folder.images[0], {RED: np.full((40, 50), 255, np.uint8)})
    journal = folder.journal_of(folder.images[1])
    journal.parent.mkdir(parents=True)
    journal.write_bytes(b"")
    (folder.out / "gone_mask_(R:1,G:1,B:1).png").write_bytes(b"")
    result = run("masks", sets / "images")
    assert "left  two.png  unsaved work" in result.stdout
    assert "gone_mask_(R:1,G:1,B:1).png: the mask of no image" in result.stderr
