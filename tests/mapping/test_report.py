"""The report page in a real browser."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landslide import open_cube
from landslide.mapping.choices import MapChoices
from landslide.mapping.report.page import area_text
from landslide.mapping.report.previews import PROBABLE, UNSEEN, coarse_of_cube, tinted
from landslide.mapping.write import write_products

from .conftest import CHUNK
from .synthetic import make_facts, make_ground, make_scene


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cube = make_ground()
    made = write_products(
        make_scene(cube),
        cube,
        make_facts(simulated=True, warnings=("A <b>warning</b> & more.",)),
        str(tmp_path_factory.mktemp("report")),
        MapChoices(formats=("report",)),
    )
    return Path(made["report.html"])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def page(
    browser: Any, page_file: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Any, list[str]]]:
    """The page as opened without a network, and what the browser found wrong with it."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, offline=True, reduced_motion="reduce"
    )
    opened, wrong = context.new_page(), []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "request",
        lambda r: None if r.url.startswith(("file:", "data:")) else wrong.append(r.url),
    )
    opened.goto(page_file.as_uri())
    yield opened, wrong
    context.close()


def test_it_loads_without_errors_and_fits_the_screen(page: tuple[Any, list[str]]) -> None:
    opened, wrong = page
    assert wrong == []
    across = "[document.documentElement.scrollWidth, innerWidth]"
    wide, screen = opened.evaluate(across)
    assert wide <= screen
    broken = "[...document.images].filter((i) => !i.complete || !i.naturalWidth).length"
    assert opened.evaluate(broken) == 0
    said = opened.locator("body").inner_text()
    for sentence in ("Simulated data", "Unvalidated", "2018-08-24", "A <b>warning</b> & more."):
        assert sentence in said


def test_the_swipe_moves_by_slider_keyboard_and_pointer(page: tuple[Any, list[str]]) -> None:
    opened, wrong = page
    edge = opened.locator("#swipe .edge")

    def share() -> float:
        frame, at = opened.locator("#swipe").bounding_box(), edge.bounding_box()
        return (at["x"] + at["width"] / 2 - frame["x"]) / frame["width"]

    assert share() == pytest.approx(0.5, abs=0.02)
    opened.locator("#swipe-at").fill("20")
    assert share() == pytest.approx(0.2, abs=0.02)
    opened.locator("#swipe-at").press("ArrowRight")
    assert share() == pytest.approx(0.21, abs=0.02)
    opened.locator("#swipe").scroll_into_view_if_needed()
    box = opened.locator("#swipe").bounding_box()
    opened.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=4)
    opened.mouse.up()
    assert share() == pytest.approx(0.8, abs=0.02)
    clip = opened.locator("#swipe .after").evaluate("(i) => getComputedStyle(i).clipPath")
    assert "80%" in clip
    assert wrong == []


def test_a_polygon_opens_its_facts(page: tuple[Any, list[str]]) -> None:
    opened, wrong = page
    middle = """(id) => {
      const s = JSON.parse(document.getElementById("data").textContent).find((s) => s.id === id);
      const map = document.getElementById("map");
      const at = new DOMPoint(s.x, s.y).matrixTransform(map.getScreenCTM());
      return [at.x, at.y];
    }"""
    opened.locator("#map").scroll_into_view_if_needed()
    for number in (1, 2):
        x, y = opened.evaluate(middle, number)
        opened.mouse.click(x, y)
        facts = opened.locator("#facts").inner_text()
        assert f"Landslide {number}" in facts
        for name in ("Area", "Probability", "Slope", "Elevation", "Longitude"):
            assert name in facts
    assert wrong == []


def test_the_table_shows_a_landslide_on_the_map_and_the_map_zooms(
    page: tuple[Any, list[str]],
) -> None:
    opened, wrong = page
    seen = "(m) => [m.viewBox.baseVal.x, m.viewBox.baseVal.y, m.viewBox.baseVal.width]"
    whole = opened.locator("#map").evaluate(seen)
    opened.get_by_label("Show landslide 3 on the map").press("Enter")
    assert "Landslide 3" in opened.locator("#facts").inner_text()
    assert opened.locator("#map path.chosen").count() == 1
    assert opened.locator("#map").evaluate(seen) != whole
    opened.get_by_label("Show the whole map").click()
    assert opened.locator("#map").evaluate(seen) == whole
    opened.get_by_label("Probability").uncheck()
    assert not opened.locator("#probability").is_visible()
    assert wrong == []


def test_the_map_zooms_about_its_middle_and_is_moved_by_the_keyboard(
    page: tuple[Any, list[str]],
) -> None:
    opened, wrong = page
    chart = opened.locator("#map")
    middle = (
        "(m) => { const b = m.viewBox.baseVal; return [b.x + b.width / 2, b.y + b.height / 2]; }"
    )
    whole = chart.evaluate(middle)
    for _ in range(12):
        opened.get_by_label("Zoom in").click()
    assert chart.evaluate(middle) == pytest.approx(whole)
    chart.focus()
    for key, axis, sign in (("ArrowRight", 0, 1), ("ArrowUp", 1, -1)):
        before = chart.evaluate(middle)
        chart.press(key)
        moved = np.subtract(chart.evaluate(middle), before)
        assert moved[axis] * sign > 0
        assert moved[1 - axis] == pytest.approx(0)
    chart.press("Enter")
    assert "Landslide" in opened.locator("#facts-title").inner_text()
    assert opened.locator("#map path.chosen").count() == 1
    for _ in range(12):
        chart.press("-")
    assert chart.evaluate(middle) == pytest.approx(whole)
    assert wrong == []


def test_every_control_has_a_name_and_every_picture_a_text(page: tuple[Any, list[str]]) -> None:
    opened, _ = page
    nameless = """[...document.querySelectorAll("button, input")].filter(
      (e) => !(e.ariaLabel || e.textContent.trim() || (e.labels && e.labels.length))).length"""
    assert opened.evaluate(nameless) == 0
    assert opened.evaluate("[...document.images].filter((i) => !i.alt).length") == 0


def test_the_page_is_one_file_that_names_no_other(page_file: Path) -> None:
    text = page_file.read_text()
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert "https:" not in text
    assert 'src="data:' in text


def test_it_says_what_its_numbers_leave_out(page_file: Path) -> None:
    text = page_file.read_text()
    assert "if the probabilities are right; what the model gets wrong on a new event is" in text
    assert "Spread between the models: <strong>" in text
    assert "mean of the models&#39;: 0.100 before calibration, 0.020 after, over 1,000 or" in text


@pytest.mark.parametrize(
    ("area", "unit", "text"),
    [(1234.5, "m2", "1,230 m²"), (383_070, "m2", "0.383 km²"), (12, "pixels", "12 pixels"),
     (100_000, "m2", "0.100 km²"), (2_915_529, "m2", "2.92 km²"), (123_456_789, "m2", "123 km²"),
     (None, "m2", "unknown"), (3.14159e-8, "(degrees)2", "3.14e-08 (degrees)2")],
)  # fmt: skip
def test_areas_read_as_people_write_them(area: float | None, unit: str, text: str) -> None:
    assert area_text(area, unit) == text


def test_a_picture_holds_the_means_of_squares_and_reads_each_chunk_once(
    small_cube: str, fetched: Counter[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = open_cube(small_cube, block_pixels=CHUNK)["vv"][0].isel(y=slice(7, 229))
    wanted = np.full((45, 30), np.nan, np.float32)  # squares of 5 pixels
    values = plane.to_numpy()
    for row, column in np.ndindex(wanted.shape):
        square = values[5 * row : 5 * row + 5, 5 * column : 5 * column + 5]
        if np.isfinite(square).any():
            wanted[row, column] = np.nanmean(square)
    monkeypatch.setattr("landslide.mapping.report.previews.LONGEST", 45)
    fetched.clear()
    np.testing.assert_allclose(coarse_of_cube(plane), wanted, rtol=1e-6)
    assert len(fetched) == 4 * 3
    assert set(fetched.values()) == {1}


def test_what_was_not_observed_is_hatched_and_what_is_improbable_is_clear() -> None:
    share = np.full((16, 24), 0.9)
    share[:, 8:16] = 0
    share[:, 16:] = np.nan
    *colours, opacity = tinted(share)
    painted = np.stack(colours, axis=-1)
    assert (painted[:, :16] == PROBABLE).all()
    assert (painted[:, 16:] == UNSEEN).all()
    assert (opacity[:, :8] > 150).all()
    assert not opacity[:, 8:16].any()
    assert len(np.unique(opacity[:, 16:])) == 2  # hatched
    assert opacity[:, 16:].min() > 50
