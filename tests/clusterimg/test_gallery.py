"""Where sections and images lie on the page, against looking at every image in turn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelimg.clusterimg.gallery import GAP, HEADER, MARGIN, NAME, Gallery, Hit, Section

sizes = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=5)


def gallery(counts: list[tuple[int, bool]], width: int, side: int = 100) -> Gallery:
    sections, first = [], 0
    for number, (count, folded) in enumerate(counts):
        sections.append(Section(number, np.arange(first, first + count, dtype=np.int32), folded))
        first += count
    return Gallery(sections, width, side)


def test_places_as_worked_by_hand():
    page = gallery([(3, False), (1, False)], MARGIN + 100 + GAP + 100 + MARGIN)
    assert page.columns == 2
    line = 80 + NAME + GAP
    assert page.place(0) == (MARGIN, HEADER, 100, 80 + NAME)
    assert page.place(1) == (MARGIN + 100 + GAP, HEADER, 100, 80 + NAME)
    assert page.place(2) == (MARGIN, HEADER + line, 100, 80 + NAME)
    assert page.heading(1)[1] == int(page.tops[1]) == HEADER + 2 * line + 14
    assert page.place(3)[1] == int(page.tops[1]) + HEADER


def test_a_page_with_nothing_on_it():
    page = gallery([], 500)
    assert len(page) == 0 and page.at(5, 5) == Hit() and list(page.seen(0, 500)) == [] and page.beside(0, "down") == -1
    assert len(page.within((0, 0, 500, 500))) == 0


def test_a_folded_section_shows_one_line():
    page = gallery([(9, True), (2, False)], 2 * MARGIN + 3 * 100 + 2 * GAP)
    assert page.rows.tolist() == [0, 1, 2, 9, 10]
    assert page.position(5) == -1 and page.position(9) == 3


def test_a_page_narrower_than_an_image_has_one_column():
    assert gallery([(2, False)], 10).columns == 1


@settings(max_examples=200, deadline=None)
@given(sizes, st.integers(60, 700), st.integers(0, 900), st.integers(0, 900))
def test_what_lies_at_a_point_is_the_image_whose_place_holds_it(counts, width, x, y):
    page = gallery(counts, width)
    found = [
        k
        for k in range(len(page))
        for left, top, wide, high in [page.place(k)]
        if left <= x < left + wide and top <= y < top + high
    ]
    hit = page.at(x, y)
    assert [hit.position] == (found or [-1])
    inside = [k for k in range(len(counts)) if page.tops[k] <= y < page.tops[k + 1]]
    assert [hit.section] == (inside or [-1])
    assert hit.heading == bool(inside and y < page.tops[inside[0]] + HEADER)
    if found:
        assert page.section_at(found[0]) == inside[0]


@settings(max_examples=200, deadline=None)
@given(sizes, st.integers(60, 700), st.integers(0, 900), st.integers(1, 400))
def test_what_is_seen_holds_every_image_that_touches_the_band(counts, width, top, height):
    page = gallery(counts, width)
    touching = {
        k for k in range(len(page)) if page.place(k)[1] < top + height and top < page.place(k)[1] + page.place(k)[3]
    }
    seen = {k for section in page.seen(top, top + height) for k in page.seen_in(section, top, top + height)}
    assert touching <= seen
    assert all(page.place(k)[1] < top + height + 2 * page.tile[1] for k in seen)
    left, wide = width // 3, width // 4
    within = set(page.within((left, top, wide, height)).tolist())
    assert within == {k for k in touching if page.place(k)[0] < left + wide and left < page.place(k)[0] + 100}


@settings(max_examples=200, deadline=None)
@given(sizes, st.integers(60, 700), st.integers(0, 40), st.sampled_from(["up", "down"]))
def test_up_and_down_lead_to_the_nearest_line_that_way(counts, width, position, direction):
    page = gallery(counts, width)
    if position >= len(page):
        return
    to = page.beside(position, direction)
    x, y = page.place(position)[:2]
    heights = {page.place(k)[1] for k in range(len(page))}
    lines = sorted(each for each in heights if (each > y if direction == "down" else each < y))
    if not lines:
        assert to == position
        return
    line = lines[0] if direction == "down" else lines[-1]
    on_it = [k for k in range(len(page)) if page.place(k)[1] == line]
    assert to == max((k for k in on_it if page.place(k)[0] <= x), default=on_it[0])


@pytest.mark.parametrize(("direction", "to"), [("left", 3), ("right", 5)])
def test_left_and_right_go_on_over_the_ends_of_sections(direction, to):
    page = gallery([(4, False), (1, False), (2, False)], 700)
    assert page.beside(4, direction) == to
    assert page.beside(0, "left") == 0 and page.beside(6, "right") == 6
