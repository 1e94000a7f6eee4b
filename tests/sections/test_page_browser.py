"""The page in a real browser: nothing sticks out, the filter works without script, both colour schemes can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.settings import Settings
from evalkit.stages.report import report
from tests.sections.simulated_run import Plan, simulate_run

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    run = simulate_run(root / "runs" / "simulated-ab12cd34", Plan(miniature=True))
    outcome = report(run, Settings(root=root, _env_file=None))
    assert outcome.where is not None
    return outcome.where


@pytest.fixture
def opened(page_file: Path, require: Callable[[str], None], request: pytest.FixtureRequest) -> Iterator[Any]:
    """`opened(width=375, dark=True)`: the report in Chromium."""
    require("browser")
    contexts = []

    def show(width: int = 1280, dark: bool = False) -> Any:
        wish = {"viewport": {"width": width, "height": 800}, "color_scheme": "dark" if dark else "light"}
        contexts.append(request.getfixturevalue("chromium").new_context(**wish))
        shown = contexts[-1].new_page()
        shown.goto(page_file.as_uri())
        return shown

    yield show
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 375])
def test_nothing_sticks_out_of_the_window(opened: Callable[..., Any], width: int) -> None:
    page = opened(width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")


def test_the_answer_and_the_bars_fit_on_the_first_screen(opened: Callable[..., Any]) -> None:
    page = opened()
    for part in (".notice", "#summary .conclusion", "#summary .panels"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 800, part


def test_the_notices_are_as_large_as_the_result(opened: Callable[..., Any]) -> None:
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    page = opened()
    assert page.locator(".notice").first.evaluate(size) >= page.locator(".conclusion").first.evaluate(size)


def test_the_gallery_filters_without_a_script(opened: Callable[..., Any]) -> None:
    page = opened()
    everything = page.locator(".item:visible").count()
    page.get_by_role("radio", name="most contested").check()
    assert 0 < page.locator(".item:visible").count() < everything
    page.get_by_role("radio", name="all").check()
    assert page.locator(".item:visible").count() == everything


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_to_complain_of(opened: Callable[..., Any], dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened(375, dark=dark)
    found = axe.Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:120]) for rule in found] == []


def test_the_twin_axe_sees_a_picture_without_words(opened: Callable[..., Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = opened()
    page.evaluate("document.images[0].removeAttribute('alt')")
    assert "image-alt" in {rule["id"] for rule in axe.Axe().run(page).response["violations"]}


def test_printed_it_hides_no_table(opened: Callable[..., Any], tmp_path: Path) -> None:
    page = opened()
    page.emulate_media(media="print")
    assert page.locator("details table").first.is_visible(), "the twin of a figure is printed"
    assert not page.locator("nav").is_visible() and not page.locator(".filters").is_visible()
    content = page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert len(content) > 20_000 and content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") >= 3


LUMINANCE = """element => {
  const channel = value => { value /= 255; return value <= .03928 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4 };
  const light = text => {
    const [r, g, b] = text.match(/[0-9.]+/g).map(Number).map(channel);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const ink = light(getComputedStyle(element).color), paper = light(getComputedStyle(document.body).backgroundColor);
  return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
}"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_has_contrast_in_light_and_dark(opened: Callable[..., Any], dark: bool) -> None:
    page = opened(dark=dark)
    for part in (".conclusion", ".note", ".subtitle", ".eyebrow", "thead th", ".facts", ".panel svg"):
        assert page.locator(part).first.evaluate(LUMINANCE) >= 4.5, part
