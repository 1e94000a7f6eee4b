"""Pictures that a study warns of, or that a rater wants hidden: under a cover until they are asked for, both alike."""

from __future__ import annotations

import pytest

from evalkit.errors import SpecError
from evalkit.store import db
from evalkit.store.tables import StudyRow
from tests.app.conftest import new_settings
from tests.app.serving import open_trial, serve
from tests.app.test_rater_browser import PHONE, answer, begin, link, revealed, saved, tab, votes_of
from tests.stages.drawing import TEXTS

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
WARNED = [text.strip() for text in TEXTS[4:]]
"""The prompts of category odd"""


@pytest.fixture
def asked(require):
    require("browser")


@pytest.fixture(scope="module")
def warning(tmp_path_factory):
    return open_trial(new_settings(tmp_path_factory), content_warning=["odd"])


@pytest.fixture(scope="module")
def served(warning, tmp_path_factory):
    with serve("rater", warning.settings, tmp_path_factory.mktemp("log") / "covers.log") as url:
        yield url


def arrived(page, position):
    """The pair has come, revealed or under its cover; gives the prompt."""
    page.locator(".count", has_text=f"{position} of").wait_for()
    page.locator(".pair.revealed, .pair.ready").wait_for()
    return page.locator(".prompt .text").inner_text().strip()


def frames(page):
    return [page.locator(".frame").nth(side).bounding_box() for side in (0, 1)]


def hidden(page):
    """Whether neither picture can be seen."""
    seen = page.locator(".picture").evaluate_all("all => all.map((one) => getComputedStyle(one).visibility)")
    assert len(set(seen)) == 1  # never one without the other
    return seen[0] == "hidden"


def start(page):
    page.get_by_text("Disturbing pictures").wait_for()
    page.get_by_text("I have read this").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Try an example").wait_for()
    page.goto(f"{page.url}&step=go")


@pytest.mark.parametrize("size", [{"width": 1366, "height": 768}, PHONE], ids=["laptop", "phone"])
def test_what_a_study_warns_of_is_hidden_until_it_is_asked_for_and_nothing_moves(warning, served, chromium, size):
    url, covered = link(warning, served), []
    with tab(chromium, url, size) as page:
        start(page)
        for position in range(1, 8):
            prompt = arrived(page, position)
            assert hidden(page) == (page.locator(".pair.covered").count() == 1)
            if hidden(page):
                covered.append(prompt)
                before = frames(page)
                assert before[0]["width"] == before[1]["width"] and page.locator(".answer input:enabled").count() == 0
                page.wait_for_timeout(1500 if len(covered) == 1 else 0)  # the clock stands still meanwhile
                page.get_by_role("button", name="Show both pictures").click()
                revealed(page, position)
                assert not hidden(page) and frames(page) == before
            answer(page)
        page.get_by_text("Your completion code").wait_for()
    assert sorted(covered) == sorted(WARNED)
    assert len(votes_of(warning, url)) == 14


def test_enter_uncovers_and_an_uncovered_pair_stays_so_after_an_undo(warning, served, chromium):
    with tab(chromium, link(warning, served)) as page:
        start(page)
        position = 1
        while arrived(page, position) not in WARNED:
            answer(page)
            position += 1
        page.keyboard.press("1")
        assert page.locator(".answer input:checked").count() == 0
        page.keyboard.press("Enter")
        revealed(page, position)
        page.keyboard.type("15")
        saved(page)
        page.keyboard.press("Enter")
        if position < 7:
            arrived(page, position + 1)
            page.locator(".undo").click()
            revealed(page, position)


def test_a_rater_may_have_every_pair_hidden_from_now_on_and_go_on_without_looking(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.locator(".report").click()
        page.get_by_text("Hide every pair until I ask").click()
        page.locator(".complaint").get_by_role("button", name="Send").click()
        page.get_by_text("You may go on without answering").wait_for()
        page.locator(".foot .next").click()
        arrived(page, 2)
        assert hidden(page) and page.get_by_text("Hidden until you ask to see them").is_visible()
        page.reload()
        arrived(page, 2)
        assert hidden(page)
        page.keyboard.press("Enter")
        revealed(page, 2)
        answer(page)
        arrived(page, 3)
        page.locator(".report").click()
        page.locator(".complaint").get_by_role("button", name="Send").click()
        page.get_by_text("You may go on without answering").wait_for()
        page.locator(".foot .next").click()
        arrived(page, 4)
    assert {vote[0] for vote in votes_of(trial, url)} == {2}


def test_a_wish_told_before_the_example_is_kept_by_the_server(trial, address, chromium):
    with tab(chromium, link(trial, address)) as page:
        page.get_by_text("I have read this").click()
        page.get_by_role("button", name="Start").click()
        page.get_by_text("Hide every pair of pictures until I ask").click()
        page.get_by_role("button", name="Try an example").click()
        page.locator(".pair.revealed").wait_for()  # two drawn shapes
        page.goto(page.url.replace("step=example", "step=go"))
        arrived(page, 1)
        assert hidden(page)


def test_the_warning_follows_from_the_prompt_and_a_name_of_none_is_refused(warning, tmp_path_factory):
    with db.session(warning.engine, reading=True) as session:
        assert session.get(StudyRow, warning.study_id).spec["warned"] == ["w-5", "w-6", "w-7"]
    with pytest.raises(SpecError, match="no prompt of the study is called 'horror'"):
        open_trial(new_settings(tmp_path_factory), content_warning=["odd", "horror"])
