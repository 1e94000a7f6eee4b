"""WCAG 2.2 AA, as far as a machine can tell: axe on every page, 400 % zoom, reduced motion, focus, four languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.wording import languages, wording
from tests.app.test_rater_browser import LAPTOP, PHONE, begin, link, revealed, tab

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
STREAMLITS_OWN: set[str] = set()
"""Rules that Streamlit's own markup breaks on our pages: none, as of 1.67."""


@pytest.fixture
def asked(require):
    require("browser")


@pytest.fixture(scope="module")
def axe():
    """The source of axe-core, as the package axe-playwright-python carries it."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def faults(page, axe):
    """What axe finds, as `rule: element`; looked at again, since Streamlit greys for a moment what it draws anew."""
    for patience in (0, 2000, 4000):
        page.wait_for_timeout(patience)
        found = look(page, axe)
        if not found:
            break
    return found


def look(page, axe):
    page.evaluate(axe)
    found = page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [
        f"{fault['id']} ({fault['impact']}): {node['html'][:120]}"
        for fault in found["violations"]
        for node in fault["nodes"]
        if fault["id"] not in STREAMLITS_OWN
    ]


@pytest.mark.parametrize("code", list(languages()))
def test_axe_finds_nothing_on_any_page(trial, address, chromium, axe, code):
    words = wording(code)
    size = PHONE if code in ("es", "ar") else LAPTOP
    with tab(chromium, f"{link(trial, address)}&lang={code}", size) as page:
        page.get_by_text(words["consent_agree"]).wait_for()
        found = faults(page, axe)
        page.locator('[data-testid="stCheckbox"] label').click()
        page.get_by_role("button", name=words["consent_start"], exact=True).click()
        page.get_by_role("button", name=words["guide_start"]).wait_for()
        page.get_by_test_id("stExpander").wait_for(state="detached")  # Streamlit greys what it is about to take away
        found += faults(page, axe)
        page.get_by_role("button", name=words["guide_start"]).click()
        page.locator(".pair.revealed").wait_for()
        found += faults(page, axe)
        page.locator(".pause").click()
        found += faults(page, axe)
        assert found == []


def test_the_twin_a_picture_without_words_is_found(trial, address, chromium, axe):
    with tab(chromium, link(trial, address)) as page:
        begin(page)
        page.locator(".pair.revealed img").first.evaluate("image => image.removeAttribute('alt')")
        assert any(fault.startswith(("image-alt", "button-name")) for fault in faults(page, axe))


def test_at_400_percent_nothing_is_cut_off(trial, address, chromium):
    """WCAG 1.4.10: 1280 px at 400 % is a window of 320 CSS px; one scrolls down, never sideways."""
    with tab(chromium, link(trial, address), {"width": 320, "height": 256}) as page:
        begin(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for part in (".answer", ".foot .next", ".undo", ".report", ".say", ".pause"):
            page.locator(part).first.scroll_into_view_if_needed()
            box = page.locator(part).first.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= 320 and box["height"] >= 24


def test_nothing_moves(trial, address, chromium):
    with tab(chromium, link(trial, address), reduced_motion="no-preference") as page:
        begin(page)
        page.keyboard.press("z")
        moving = "document.getAnimations().filter((one) => one.playState === 'running').length"
        assert page.evaluate(moving) == 0


def test_focus_is_on_the_text_of_each_new_pair_and_returns_from_dialogs(trial, address, chromium):
    with tab(chromium, link(trial, address)) as page:
        begin(page)
        page.keyboard.type("15")
        page.keyboard.press("Enter")
        revealed(page, 2)
        assert page.locator(".prompt:focus").count() == 1
        page.locator(".pause").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Escape")
        assert page.locator(".pause:focus").count() == 1
