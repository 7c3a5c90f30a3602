"""The page in a real browser: opened from the disk, every control used, nothing asked of the network."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from results_for_pages import make_result

import labelimg
from labelimg.clusterimg.report.layout import PART
from pictures import make_album, photograph, save

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
NASTY = [
    "a<img src=x onerror=boom()>.jpg",
    "b'\"&amp;.jpg",
    "c\nline.jpg",
    "d#1?2%41.jpg",
    "e\udcff.jpg",
    "find me.jpg",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; in the end no error was told and nothing but files was asked for."""
    contexts, errors, asked = [], [], []

    def open_page(page: Path, *, width: int = 1280, height: int = 900, tab: str = "", **how: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **how)
        contexts.append(context)
        opened = context.new_page()
        opened.on(
            "console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None
        )
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(page.absolute().as_uri() + (f"#{tab}" if tab else ""))
        settled(opened)
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def settled(page: Any) -> None:
    page.wait_for_function(
        "document.getElementById('status').textContent && !document.querySelector('[aria-busy=true]')"
    )


def shown(page: Any) -> list[str]:
    """The panel in sight: the headings of its clusters."""
    return page.eval_on_selector_all(".cluster", "all => all.filter(e => e.offsetParent).map(e => e.ariaLabel)")


def names(page: Any) -> list[str]:
    return page.eval_on_selector_all(".image .name", "all => all.filter(e => e.offsetParent).map(e => e.textContent)")


def filtered(page: Any, text: str) -> None:
    before = page.locator("#status").text_content()
    page.locator("#filter").fill(text)
    page.wait_for_function("b => document.getElementById('status').textContent !== b", arg=before)
    settled(page)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clusters of 14, 5 and 2 images and four outliers, with odd names among them."""
    out = make_result(tmp_path_factory.mktemp("small"), [14, 5, 2], 4, names=NASTY)
    labelimg.write_report(out)
    return out / "report.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100,000 images: a cluster of 3,000, thousands of small ones, and outliers."""
    sizes = [3000, 400, *[5] * 4000, *[2] * 8000]
    out = make_result(tmp_path_factory.mktemp("large"), sizes, 100_000 - sum(sizes), few=True)
    labelimg.write_report(out)
    return out / "report.html"


def test_it_says_what_was_asked_and_found(small, visit):
    page = visit(small)
    assert page.title() == "photos: 3 clusters"
    sentence = page.locator(".sentence").inner_text()
    assert "25 images were compared by imagehash and put together above a similarity of 0.7." in sentence
    assert "21 of them are in 3 clusters, 4 are outliers. 1 file could not be read." in sentence
    assert shown(page) == ["cluster_0", "cluster_1", "cluster_2"]


def test_a_real_run_shows_the_curve_with_its_threshold_and_every_thumbnail(tmp_path, visit):
    labelimg.cluster(make_album(tmp_path / "album"), out=tmp_path / "out", threshold=0.7)
    page = visit(tmp_path / "out/report.html")
    assert "threshold 0.7" in page.locator("figure.curve svg").text_content()
    sizes = page.eval_on_selector_all(".image img", "all => all.map(i => i.naturalWidth)")
    assert len(sizes) == 7
    assert min(sizes) > 0
    with page.context.expect_page() as opened:  # a middle click opens the file
        page.locator(".image").first.click(button="middle")
    opened.value.wait_for_load_state()
    assert opened.value.url.startswith((tmp_path / "out/results/cluster_0").as_uri())
    assert opened.value.evaluate("document.images[0].naturalWidth") > 0


def test_pointing_tells_size_and_similarity(small, visit):
    page = visit(small)
    row = page.locator(".cluster").first.locator(".image")
    row.nth(0).hover()
    assert "the representative" in page.locator("#tip").inner_text()
    row.nth(1).hover()
    text = page.locator("#tip").inner_text()
    assert "40 × 40 pixels" in text
    assert "similarity to the representative: 0.900" in text
    page.mouse.move(2, 2)
    assert page.locator("#tip").is_hidden()
    row.nth(1).focus()
    page.keyboard.press("Tab")  # by the keyboard the same is told
    assert page.locator("#tip").is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"


def test_an_image_held_by_others_says_so(small, visit):
    page = visit(small)
    page.locator(".more").first.click()
    last = page.locator(".cluster").first.locator(".image").nth(13)
    last.hover()
    assert "similar to the representative through others; most to" in page.locator("#tip").inner_text()


def test_a_large_cluster_shows_more_when_asked(small, visit):
    page = visit(small)
    first = page.locator(".cluster").first
    assert first.locator(".image").count() == 10
    assert first.locator(".more").inner_text() == "Show all 14"
    first.locator(".more").click()
    assert page.locator(".cluster").first.locator(".image").count() == 14
    assert page.evaluate("document.activeElement.className") == "image"


def test_names_are_shown_and_never_run(small, visit):
    page = visit(small)
    page.evaluate("() => { window.boom = () => { document.title = 'boom'; }; }")
    listed = []
    for tab in ("clusters", "outliers"):
        page.locator(f"#tab-{tab}").click()
        settled(page)
        for more in page.locator(".more").all():
            more.click()
        listed += names(page)
    assert {"a<img src=x onerror=boom()>.jpg", "b'\"&amp;.jpg", "c\\nline.jpg", "d#1?2%41.jpg", "e\\udcff.jpg"} <= set(
        listed
    )
    assert page.title() != "boom"
    assert page.locator("img[src='x']").count() == 0


def test_filter_by_name_in_clusters_outliers_and_pairs(small, visit):
    page = visit(small)
    filtered(page, "FIND me")
    found = names(page)
    page.locator("#tab-outliers").click()
    settled(page)
    found += names(page)
    assert found == ["find me.jpg"]
    assert page.locator("mark").first.text_content() == "find me"
    page.locator("#filter").press("Escape")
    page.wait_for_function("document.querySelectorAll('#panel-outliers .image').length === 4")
    page.locator("#tab-clusters").click()
    filtered(page, "cluster_1")
    assert shown(page) == ["cluster_1"]
    filtered(page, "no such name")
    assert shown(page) == []
    assert "0 clusters" in page.locator("#panel-clusters").inner_text()
    page.locator("#tab-links").click()
    settled(page)
    assert page.locator("#panel-links .pair").count() == 0


def test_orders(small, visit):
    page = visit(small)
    page.select_option("#sort", "smallest")
    settled(page)
    assert shown(page) == ["cluster_2", "cluster_1", "cluster_0"]
    page.select_option("#sort", "tightest")
    settled(page)
    assert sorted(shown(page)) == ["cluster_0", "cluster_1", "cluster_2"]
    page.select_option("#sort", "name")
    settled(page)
    assert shown(page) == ["cluster_0", "cluster_1", "cluster_2"]
    page.select_option("#sort", "loosest")
    settled(page)
    assert page.locator(".cluster").first.inner_text().split("\n")[2] == "tightness 0.750"


def test_links_and_misses(small, visit):
    page = visit(small, tab="links")
    pairs = page.locator("#panel-links .pair")
    assert pairs.first.locator("p").inner_text() == "0.750 in cluster_0"
    assert "0.7" in page.locator("#panel-links .lead").inner_text()
    page.locator("#tab-misses").click()
    settled(page)
    assert page.locator("#panel-misses .pair").count() == 3
    assert "0.650 cluster_" in page.locator("#panel-misses .pair p").first.inner_text()
    assert "among 1,000 of the images" in page.locator("#panel-misses .lead").inner_text()


def test_unreadable_files_with_reasons(small, visit):
    page = visit(small, tab="unreadable")
    assert page.locator("#panel-unreadable td").all_inner_texts() == [
        "broken & <b>.jpg",
        "truncated or damaged: 'x' < 3",
    ]


def test_keys(small, visit):
    page = visit(small)
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#keys").is_hidden()
    page.keyboard.press("2")
    settled(page)
    assert page.locator("#panel-outliers").is_visible()
    page.keyboard.press("ArrowLeft")
    settled(page)
    assert page.locator("#panel-clusters").is_visible()
    page.evaluate("document.activeElement.blur()")
    for key, at in (("j", "cluster_0"), ("j", "cluster_1"), ("k", "cluster_0")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.ariaLabel") == at
    page.keyboard.press("s")
    settled(page)
    assert page.input_value("#sort") == "smallest"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.type("t?")  # letters in the field are no commands
    assert page.input_value("#filter") == "t?"
    page.keyboard.press("Escape")
    assert page.input_value("#filter") == ""
    page.keyboard.press("+")
    assert page.evaluate("document.documentElement.dataset.zoom") == "l"
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert page.evaluate("document.documentElement.dataset.zoom") == "s"


def luminance(text: str) -> float:
    parts = [float(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(small, visit, scheme):
    page = visit(small, color_scheme=scheme)
    ground = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (ground > 0.5) == (scheme == "light")
    look = "e => { let g = e; while (getComputedStyle(g).backgroundColor === 'rgba(0, 0, 0, 0)') g = g.parentElement;"
    look += " return [getComputedStyle(e).color, getComputedStyle(g).backgroundColor]; }"
    for selector in (".sentence", ".facts li", ".cluster h2 a", ".cluster h2 span", ".name", "[role=tab]", "footer"):
        ink, paper = (luminance(text) for text in page.eval_on_selector(selector, look))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5, selector
    page.locator("#theme").click()
    assert (luminance(page.evaluate("getComputedStyle(document.body).backgroundColor")) > 0.5) != (scheme == "light")


def test_everything_has_a_name_for_those_who_do_not_see(small, visit):
    page = visit(small)
    assert page.eval_on_selector_all("img", "all => all.filter(i => !i.hasAttribute('alt')).length") == 0
    page.locator(".more").first.click()
    unnamed = "all => all.filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).length"
    assert page.eval_on_selector_all("button, select, input, a", unnamed) == 0
    assert page.locator("h1").count() == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.eval_on_selector_all("[id]", "all => all.length - new Set(all.map(e => e.id)).size") == 0
    assert page.locator("[role=tab][aria-selected=true]").count() == 1


@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone(small, visit, width):
    page = visit(small, width=width, height=740, has_touch=True, is_mobile=True)
    for tab in page.locator("[role=tab]").all():
        tab.click()
        settled(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in ("#filter", "#sort", "#theme", "#help"):
        box = page.locator(control).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    assert page.locator("#filter").bounding_box()["width"] >= 80


def test_models_and_map_of_a_deep_run(tmp_path, visit):
    out = make_result(tmp_path, [6, 4], 2, deep=True)
    labelimg.write_report(out)
    page = visit(out / "report.html")
    assert "sorted into kinds by what the model efficientnet_lite0 sees" in page.locator(".sentence").inner_text()
    page.locator("#tab-models").click()
    assert page.locator("tr.chosen").inner_text().split("\t")[:3] == ["batch_0", "kmeans", "clusters=3"]
    assert "seconds" not in page.locator("#panel-models thead").inner_text()
    page.locator("#tab-map").click()
    settled(page)
    canvas = page.locator("canvas")
    box = canvas.bounding_box()
    points = page.evaluate("JSON.parse(document.getElementById('data').textContent).map")
    first = page.evaluate("JSON.parse(document.getElementById('data').textContent).first[0][0]")
    x = box["x"] + box["width"] * (0.03 + 0.94 * points["x"][0] / 4095)
    y = box["y"] + box["height"] * (0.03 + 0.94 * (1 - points["y"][0] / 4095))
    page.mouse.move(x, y)
    page.wait_for_function("!document.getElementById('tip').hidden")
    assert first in page.locator("#tip").inner_text()
    pixels = (
        "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((_, k) => k % 4 < 3)).size"
    )
    assert canvas.evaluate(pixels) > 10
    legend = page.locator(".legend button")
    assert legend.count() == 2
    legend.first.click()
    assert legend.first.get_attribute("aria-pressed") == "true"
    page.mouse.click(x, y)
    page.wait_for_function("document.activeElement.ariaLabel === 'cluster_0'")


def test_a_hundred_thousand_images_open_within_a_second(large, browser):
    assert large.stat().st_size < 3_000_000
    taken, worked = [], []
    for _ in range(5):
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        told = page.context.new_cdp_session(page)
        told.send("Performance.enable", {"timeDomain": "threadTicks"})  # processor time: others' work is not in it
        began = time.perf_counter()
        page.goto(large.absolute().as_uri(), wait_until="commit")
        page.wait_for_selector(".image img")
        settled(page)
        taken.append(time.perf_counter() - began)
        metrics = {each["name"]: each["value"] for each in told.send("Performance.getMetrics")["metrics"]}
        worked.append(metrics["TaskDuration"])
        assert [url for url in asked if not url.startswith("data:")] == [large.absolute().as_uri()]  # none of the parts
        assert page.locator(".image").count() <= PART
        page.context.close()
    assert 0 < min(worked) < 0.5
    # Where more wants to run than there are processors, a clock tells of the others.
    assert min(taken) < 1.0 or os.getloadavg()[0] > 2 * (os.cpu_count() or 1), (taken, worked)


def test_any_of_a_hundred_thousand_images_is_found(large, visit):
    page = visit(large)
    assert "page 1 of" in page.locator(".pages").inner_text()
    data = json.loads(page.locator("#data").text_content())
    assert len(data["first"][0]) == PART
    page.locator(".pages button").last.click()
    page.wait_for_function("document.querySelector('.pages').innerText.includes('page 2 of')")
    settled(page)
    assert page.locator(".cluster .image img").count() == 24 * 5
    page.locator(".pages button").first.click()
    page.wait_for_function("document.querySelector('.pages').innerText.includes('page 1 of')")
    first = page.locator(".cluster").first
    first.locator(".more").click()
    page.wait_for_function("document.querySelector('.cluster').querySelectorAll('.image').length === 200")
    filtered(page, "0098765.jpg")
    everything = names(page)
    page.locator("#tab-outliers").click()
    settled(page)
    assert [*everything, *names(page)] == ["0098765.jpg"]
    filtered(page, "0000001.jpg")
    page.locator("#tab-clusters").click()
    settled(page)
    assert names(page) == ["0000001.jpg"]
    page.locator("#tab-links").click()
    settled(page)
    page.locator("#filter").fill("")
    page.wait_for_function("document.querySelectorAll('#panel-links .pair').length === 100")


def test_parts_of_another_report_are_not_shown(tmp_path, visit, browser):
    out = make_result(tmp_path, [3], 2 * PART)
    labelimg.write_report(out)
    part = out / "report_parts/part_1.js"
    part.write_text('labelimg("0000000000000000",[]);\n', "utf-8")
    page = visit(out / "report.html", tab="outliers")
    page.locator(".pages button").last.click()
    page.wait_for_function("document.body.innerText.includes('belongs to another report')")
    part.unlink()
    context = browser.new_context()
    page = context.new_page()
    page.goto((out / "report.html").as_uri() + "#outliers")
    page.wait_for_selector(".pages")
    page.locator(".pages button").last.click()
    page.wait_for_function("document.body.innerText.includes('part_1.js is missing')")
    context.close()


def test_an_image_without_a_thumbnail_shows_itself(tmp_path, visit):
    for k, name in enumerate(("a.png", "b.tif")):
        save(tmp_path / f"in/{name}", photograph(("coffee", "moon")[k]))
    labelimg.cluster(tmp_path / "in", out=tmp_path / "out", report=False)
    labelimg.write_report(tmp_path / "out", make_thumbnails=False)
    page = visit(tmp_path / "out/report.html", tab="outliers")
    page.wait_for_function("document.querySelector('.image img').naturalWidth > 100")
    assert page.locator(".no").inner_text() == "no thumbnail"


def test_no_cluster_at_all_says_so(tmp_path, visit):
    out = make_result(tmp_path, [], 3)
    labelimg.write_report(out)
    page = visit(out / "report.html")
    assert page.locator("#panel-outliers .image").count() == 3
    page.keyboard.press("1")
    page.wait_for_function("document.getElementById('panel-clusters').innerText.trim() === 'No two images are alike.'")
    assert "No cluster was found: all are outliers." in page.locator(".sentence").inner_text()
