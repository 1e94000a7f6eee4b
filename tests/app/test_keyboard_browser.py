"""From the link to the completion code without a mouse: four languages, at desktop and at phone width."""

from __future__ import annotations

import pytest

from app.wording import wording
from tests.app.test_rater_browser import LAPTOP, PHONE, link, revealed, tab, votes_of

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return { type: at.type, text: at.textContent.trim(), place: at.closest('label')?.className || at.className };
}"""
BACK = "https://panel.example/back?cc={code}"


@pytest.fixture
def asked(require):
    require("browser")


def tab_to(page, key="Tab", **wanted):
    """Presses Tab until what has the focus is of this type, holds this text, or is called so in the style sheet."""
    seen = []
    for _ in range(30):
        page.keyboard.press(key)
        found = page.evaluate(FOCUSED)
        if all(
            value == found[name] or (name == "place" and value in found[name].split()) for name, value in wanted.items()
        ):
            return
        seen.append(found)
    raise AssertionError(f"{key} does not reach {wanted}, but {seen}")


def enter(page, key="Tab", **wanted):
    tab_to(page, key, **wanted)
    page.keyboard.press("Enter")


@pytest.mark.parametrize(("code", "size"), [("en", LAPTOP), ("es", PHONE), ("zh", PHONE), ("ar", LAPTOP)])
def test_keys_alone_are_enough(trial, address, chromium, code, size):
    words, url = wording(code), link(trial, address, return_url=BACK)
    with tab(chromium, f"{url}&lang={code}", size) as page:
        consent_and_example(page, words)
        by_number(page, words)
        by_tab_and_arrows(page, words)
        dialogs(page, words)
        for position in range(3, 8):
            revealed(page, position)
            page.keyboard.type("15")
            page.keyboard.press("Enter")
        page.get_by_text(words["done_code"]).wait_for()
        tab_to(page, text=words["done_return"])
    choices = {vote[:2]: vote[2] for vote in votes_of(trial, url)}
    assert len(choices) == 14 and sorted(choices.values()) == sorted(["right", "right", "tie", "tie"] + ["left"] * 10)


def consent_and_example(page, words):
    page.get_by_text(words["consent_agree"]).wait_for()
    tab_to(page, type="checkbox")
    page.keyboard.press("Space")
    enter(page, text=words["consent_start"])
    page.get_by_role("button", name=words["guide_start"]).wait_for()
    page.get_by_test_id("stExpander").wait_for(state="detached")
    enter(page, text=words["guide_start"])
    page.get_by_text(words["practice_prompt"]).wait_for()
    page.locator(".pair.revealed").wait_for()
    page.keyboard.type("15")  # the example: nothing of it is stored
    page.keyboard.press("Enter")


def by_number(page, words):
    """The first pair: nothing goes on before both are answered; then number keys, and on at once."""
    revealed(page, 1)
    page.keyboard.press("Enter")
    page.get_by_text(words["answer_first"]).wait_for()
    page.keyboard.press("z")
    assert page.locator(".pair.zoomed").count() == 1
    page.keyboard.type("37")
    page.keyboard.press("Enter")  # before anything is saved
    revealed(page, 2)


def by_tab_and_arrows(page, words):
    """The second pair, without number keys: they are switched off and on again, undo is pressed, radios are walked."""
    tab_to(page, place="keys")
    page.keyboard.press("Space")
    page.keyboard.type("15")
    assert page.locator(".answer input:checked").count() == 0
    enter(page, key="Shift+Tab", place="undo")
    revealed(page, 1)
    assert page.locator(".answer input:checked").count() == 2
    enter(page, place="next")
    revealed(page, 2)
    for _ in range(2):
        tab_to(page, type="radio")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
    assert [box.get_attribute("value") for box in page.locator(".answer input:checked").all()] == ["tie", "tie"]
    page.locator(".status", has_text=words["saved"]).wait_for()
    tab_to(page, place="keys")
    page.keyboard.press("Space")


def dialogs(page, words):
    """Comment, report and pause of the second pair: each opens, closes and gives the focus back."""
    enter(page, key="Shift+Tab", place="say")
    page.keyboard.type("42 pixels")  # digits are text here
    enter(page, text=words["send"])
    enter(page, key="Shift+Tab", place="report")
    page.keyboard.press("Escape")
    enter(page, key="Shift+Tab", place="pause")
    page.get_by_text(words["paused_text"]).wait_for()
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED)["place"] == "quiet pause"
    enter(page, place="next")
