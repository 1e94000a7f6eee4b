"""WCAG 2.2 AA, as far as a machine can tell: axe on every page, 400 % zoom, reduced motion, focus, four languages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.wording import languages, wording
from evalkit.store import db
from evalkit.voting import closing, invites, rehearsing
from evalkit.voting.visit import Visit
from tests.app.serving import serve
from tests.app.test_rater_browser import LAPTOP, PHONE, begin, link, revealed, tab

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
ZOOMED = {"width": 320, "height": 256}
"""1280 x 1024 px at 400 %"""
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
        page.get_by_text(words["about_head"]).click()
        page.get_by_text(words["about_display"]).wait_for()
        found = faults(page, axe)
        page.locator('[data-testid="stCheckbox"] label').click()
        page.get_by_role("button", name=words["consent_start"], exact=True).click()
        page.get_by_role("button", name=words["guide_start"]).wait_for()
        page.get_by_test_id("stExpander").wait_for(state="detached")  # Streamlit greys what it is about to take away
        found += faults(page, axe)
        page.get_by_role("button", name=words["guide_start"]).click()
        page.locator(".pair.revealed").wait_for()
        page.goto(page.url.replace("step=example", "step=go"))
        revealed(page, 1)
        found += faults(page, axe)
        found += [fault for place in ("pause", "say", "report") for fault in in_dialog(page, axe, place)]
        found += under_cover(page, axe)
        assert found == []


def in_dialog(page, axe, place):
    page.locator(f".{place}").click()
    found = faults(page, axe)
    page.keyboard.press("Escape")
    return found


def under_cover(page, axe):
    """The next pair, which the rater wants hidden."""
    page.locator(".report").click()
    page.locator(".covers input").check()
    page.locator(".complaint .next").click()
    page.locator(".foot .next").click()
    page.locator(".pair.covered.ready").wait_for()
    return faults(page, axe)


@pytest.mark.parametrize(("code", "size"), [("en", PHONE), ("ar", LAPTOP)])
def test_axe_finds_nothing_on_the_last_pages(trial, address, chromium, axe, code, size):
    words, over = wording(code), link(trial, address, return_url="https://panel.example/back")
    with Visit(address, over.split("t=")[1]) as visit:
        visit.consent()
        while visit.comparison:
            visit.answer({question["name"]: "tie" for question in visit.comparison["questions"]})
    pages = {"done": over, "closed": f"{address}/?t={closed(trial)}"}
    pages |= {"refused": f"{address}/?t=unknown", "no_link": f"{address}/?"}
    found = []
    for about, url in pages.items():
        with tab(chromium, f"{url}&lang={code}", size) as page:
            page.get_by_text(words[f"{about}_title"]).wait_for()
            found += [f"{about}: {fault}" for fault in faults(page, axe)]
    assert found == []


def closed(trial):
    """The token of a rater of a study that was closed."""
    with db.session(trial.engine) as session:
        now = datetime.now(UTC)
        preview = rehearsing.rehearse(session, trial.study_id, "preview", now, 1)
        made = invites.invite(session, preview, count=1, valid_days=1, now=now)[0]
        closing.set_closed(session, preview, now)
    return made.token


def test_axe_finds_nothing_in_the_researchers_app(trial, chromium, axe, tmp_path):
    settings = trial.settings.model_copy(update={"researcher_password": SecretStr("a long password")})
    with serve("researcher", settings, tmp_path / "log") as url, tab(chromium, url) as page:
        page.get_by_label("Password").first.fill("a long password")
        found = [f"entering: {fault}" for fault in faults(page, axe)]
        page.keyboard.press("Enter")
        for view in ("Progress", "Raters", "Quality", "Rehearsal", "Closing"):
            page.get_by_test_id("stSidebar").get_by_text(view, exact=True).click()
            page.get_by_test_id("stMain").locator("h1").wait_for()
            page.wait_for_timeout(500)  # charts draw
            found += [f"{view}: {fault}" for fault in faults(page, axe)]
        assert found == [], "\n".join(found)


def test_the_twin_a_picture_without_words_is_found(trial, address, chromium, axe):
    with tab(chromium, link(trial, address)) as page:
        begin(page)
        page.locator(".pair.revealed img").first.evaluate("image => image.removeAttribute('alt')")
        assert any(fault.startswith(("image-alt", "button-name")) for fault in faults(page, axe))


def in_the_width(page, *parts):
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate("document.querySelector('.stMain').scrollWidth") <= 320
    for part in parts:
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 320 and box["height"] >= 24


def test_at_400_percent_consent_and_instructions_are_not_cut_off(trial, address, chromium):
    with tab(chromium, link(trial, address), ZOOMED) as page:
        page.get_by_text("About you (optional)").click()
        page.get_by_text("What do you look at?").wait_for()
        in_the_width(page, ".st-key-sheet", ".st-key-start button", ".st-key-display", ".st-key-language")
        page.get_by_text("I have read this").click()
        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Try an example").wait_for()
        in_the_width(page, ".st-key-sheet", ".st-key-example button", ".st-key-light", ".st-key-covers")


def test_at_400_percent_nothing_is_cut_off(trial, address, chromium):
    """WCAG 1.4.10: 1280 px at 400 % is a window of 320 CSS px; one scrolls down, never sideways."""
    with tab(chromium, link(trial, address), ZOOMED) as page:
        begin(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for part in (".answer", ".foot .next", ".undo", ".report", ".say", ".keys", ".pause"):
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
