"""The raters' app in a real browser: mouse, keys, F5, a second tab, two raters, a phone, and links that do not work."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from evalkit.store import db
from evalkit.store.tables import AssignmentRow, RaterRow, SheetRow, VoteRow
from evalkit.voting import closing, invites
from evalkit.voting.leakcheck import words_found
from tests.app.conftest import new_settings
from tests.app.serving import open_trial, secrets_of, serve

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 375, "height": 812}


@pytest.fixture
def asked(require):
    require("browser")


CONTEXTS = {}
"""One a window's size and kind: what the browser has cached of Streamlit's own files is used again."""


@contextmanager
def tab(browser, link, size=LAPTOP, **wish):
    """A new page; nothing but the link says who the rater is."""
    kind = repr((sorted(size.items()), sorted(wish.items())))
    if kind not in CONTEXTS:
        CONTEXTS[kind] = browser.new_context(viewport=size, **wish)
    page = CONTEXTS[kind].new_page()
    page.set_default_timeout(60_000)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.goto(link)
    try:
        yield page
        assert page.faults == []
    finally:
        page.evaluate("localStorage.clear()")
        page.close()


def begin(page):
    page.get_by_text("I have read this").click()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Try an example").wait_for()
    page.goto(f"{page.url}&step=go")  # one test below goes through the example
    revealed(page, 1)


def revealed(page, position):
    page.wait_for_function(
        """position => {
            const shadows = [...document.querySelectorAll('*')].map((element) => element.shadowRoot);
            const root = shadows.find((shadow) => shadow?.querySelector('.pair'));
            if (!root?.querySelector('.count').textContent) return false; // the example
            return root.querySelector('.progress').getAttribute('aria-valuenow') === String(position - 1)
                && root.querySelector('.pair').classList.contains('revealed');
        }""",
        arg=position,
    )


def saved(page):
    page.locator(".status", has_text="Saved.").wait_for()


def answer(page, column=0):
    """Both questions by mouse, and on."""
    for row in range(2):
        page.locator(".question").nth(row).locator(".answer").nth(column).click()
    saved(page)
    page.locator(".foot .next").click()


def link(study, address, **wish):
    return f"{address}/?t={study.invite(**wish).token}"


def votes_of(study, link):
    """(position, question, choice, milliseconds) of a link's rater."""
    sha = invites.token_sha(link.split("t=")[1])
    wanted = select(AssignmentRow.position, VoteRow.question, VoteRow.choice, VoteRow.response_ms)
    wanted = wanted.join_from(VoteRow, AssignmentRow).join(SheetRow).join(RaterRow).where(RaterRow.token_sha == sha)
    with db.session(study.engine, reading=True) as session:
        return [tuple(row) for row in session.execute(wanted.order_by(VoteRow.id))]


def test_a_rater_votes_with_the_mouse_to_the_end(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        page.get_by_role("button", name="Start").click()  # without consent nothing starts
        page.get_by_text("Tick the box first").wait_for()
        begin(page)
        for position in range(1, 8):
            revealed(page, position)
            answer(page, column=position % 4)
        page.get_by_text("Your completion code").wait_for()
        code = page.locator("code").inner_text().strip()
    votes = votes_of(trial, url)
    assert len(votes) == 14 and len({vote[:2] for vote in votes}) == 14
    assert [vote[2] for vote in votes[::2]] == [("left", "tie", "right", "neither")[i % 4] for i in range(1, 8)]
    assert all(0 < vote[3] < 120_000 for vote in votes)
    with db.session(trial.engine, reading=True) as session:
        rater = session.scalars(select(RaterRow).where(RaterRow.completion_code == code)).one()
        assert (rater.viewing["width"], rater.viewing["height"]) == (1366, 768)
        assert rater.languages == ["en"] and rater.consent_version == "2-en"


def test_f5_and_a_second_tab_go_on_where_the_rater_was(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        answer(page)
        revealed(page, 2)
        page.keyboard.press("3")
        saved(page)
        page.reload()
        revealed(page, 2)
        assert page.locator(".question").nth(0).locator("input:checked").get_attribute("value") == "right"
        with tab(chromium, url) as other:
            revealed(other, 2)
            answer(other, column=1)
            revealed(other, 3)
        page.keyboard.press("4")  # the first tab is behind: its answer comes too late, and it is brought up to date
        revealed(page, 3)
    votes = votes_of(trial, url)
    assert [vote[2] for vote in votes] == ["left", "left", "tie", "tie"] and len({vote[:2] for vote in votes}) == 4


def test_double_clicks_and_a_changed_mind_leave_one_answer_each(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        first, second = (page.locator(".question").nth(row).locator(".answer") for row in range(2))
        first.nth(0).dblclick()
        first.nth(2).click()
        first.nth(2).click()
        second.nth(3).dblclick()
        saved(page)
        page.locator(".foot .next").dblclick()
        revealed(page, 2)
        page.wait_for_timeout(500)
        revealed(page, 2)
    assert [vote[1:3] for vote in sorted(votes_of(trial, url))] in (
        [("aesthetics", "right"), ("alignment", "neither")],
        [("aesthetics", "neither"), ("alignment", "right")],  # the sheet asks in the other order
    )


def test_undo_goes_back_once_and_keeps_what_was_said(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        answer(page, column=3)
        revealed(page, 2)
        page.locator(".undo").click()
        revealed(page, 1)
        assert page.locator(".answer input:checked").count() == 2
        assert page.locator(".undo").is_disabled()
        answer(page, column=0)
        revealed(page, 2)
        assert page.locator(".undo").is_enabled()
        page.keyboard.press("1")
        saved(page)
        assert page.locator(".undo").is_disabled()  # the server would not go back any more
    assert [vote[2] for vote in votes_of(trial, url)] == ["left"] * 3


def test_an_image_can_be_reported_and_passed_over(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.locator(".report").click()
        page.get_by_label("Empty or broken").check()
        page.keyboard.press("1")  # keys do not vote while the form is open
        page.get_by_role("button", name="Send").click()
        page.get_by_text("Reported.").wait_for()
        assert page.locator(".undo").is_disabled()
        page.reload()
        page.get_by_text("Reported.").wait_for()
        page.locator(".foot .next").click()
        revealed(page, 2)
    assert votes_of(trial, url) == []


def test_a_pause_hides_the_images_and_is_not_counted(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.locator(".pause").click()
        page.wait_for_timeout(3000)
        page.get_by_role("button", name="Continue").click()
        page.keyboard.press("1")
        saved(page)
    assert votes_of(trial, url)[0][3] < 2900


def test_two_raters_do_not_meet(trial, address, chromium):
    urls = [link(trial, address) for _ in range(2)]
    with tab(chromium, urls[0]) as one, tab(chromium, urls[1]) as two:
        for page in (one, two):
            begin(page)
        answer(one, column=0)
        answer(two, column=2)
        revealed(one, 2)
        revealed(two, 2)
    assert [[vote[2] for vote in votes_of(trial, url)] for url in urls] == [["left", "left"], ["right", "right"]]


def test_a_prompt_is_text_and_never_markup(trial, address, chromium):
    with tab(chromium, link(trial, address)) as page:
        page.on("dialog", lambda dialog: page.faults.append("a script ran"))
        begin(page)
        seen = []
        for position in range(1, 8):
            revealed(page, position)
            seen.append(page.locator(".prompt .text").inner_text())
            assert page.locator(".prompt .text *").count() == 0
            answer(page)
        assert "<script>alert('x')</script>" in seen and "猫" in seen


@pytest.mark.parametrize("size", [LAPTOP, {"width": 1280, "height": 720}], ids=["1366x768", "1280x720"])
def test_it_fits_without_scrolling(trial, address, chromium, size):
    with tab(chromium, link(trial, address), size) as page:
        begin(page)
        low = page.locator(".panel").bounding_box()
        assert low["y"] + low["height"] <= size["height"]
        assert page.evaluate("document.querySelector('.stMain').scrollHeight") <= size["height"]
        left, right = (page.locator(".frame").nth(side).bounding_box() for side in (0, 1))
        assert left["width"] == right["width"] >= 280 and left["y"] == right["y"]  # whatever the prompt's length


def test_on_a_phone_the_images_stack_and_the_questions_are_in_reach(trial, address, chromium):
    with tab(chromium, link(trial, address), PHONE, has_touch=True, is_mobile=True) as page:
        begin(page)
        left, right, panel = (
            page.locator(at).first.bounding_box() for at in (".frame", ".frame[data-side=right]", ".panel")
        )
        assert left["x"] == right["x"] and left["y"] + left["height"] <= right["y"]
        assert panel["y"] + panel["height"] <= PHONE["height"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        targets = page.locator("button:visible, .answer:visible")
        for number in range(targets.count()):
            box = targets.nth(number).bounding_box()
            assert min(box["width"], box["height"]) >= 24
        answer(page)
        revealed(page, 2)


def test_arabic_runs_right_to_left_and_left_stays_left(trial, address, chromium):
    with tab(chromium, link(trial, address), locale="ar-EG") as page:
        page.locator('[data-testid="stCheckbox"] label').click()
        page.get_by_role("button", name="ابدأ").click()
        page.get_by_role("button", name="جرّب مثالًا").click()
        page.locator(".pair.revealed").wait_for()
        assert page.locator(".page").get_attribute("dir") == "rtl"
        boxes = [page.locator(".answer").nth(column).bounding_box()["x"] for column in range(4)]
        assert boxes == sorted(boxes)
        assert page.locator(".frame[data-side=left]").bounding_box()["x"] < boxes[3]


@pytest.mark.parametrize(
    ("query", "text"),
    [("", "An invitation is needed"), ("?t=unknown", "This link does not work")],
    ids=["none", "unknown"],
)
def test_links_that_open_nothing(address, chromium, query, text):
    with tab(chromium, f"{address}/{query}") as page:
        page.get_by_text(text).wait_for()
        assert page.locator("button:visible").count() == 0


def test_an_expired_and_a_withdrawn_link(trial, address, chromium):
    expired, withdrawn = trial.invite(valid_days=-1), trial.invite()
    with db.session(trial.engine) as session:
        invites.revoke(session, withdrawn.rater_id, datetime.now(UTC))
    for invite in (expired, withdrawn):
        with tab(chromium, f"{address}/?t={invite.token}") as page:
            page.get_by_text("This link does not work").wait_for()


def test_what_a_browser_is_given_holds_no_secret(trial, address, chromium):
    """The document with its shadow, every address, header and message; the twin plants a name."""
    heard = []
    with tab(chromium, "about:blank") as page:
        page.on("request", lambda request: heard.append(f"{request.url} {request.headers}"))
        page.on("response", lambda response: heard.append(f"{response.url} {response.headers}"))
        page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: heard.append(as_text(frame))))
        page.goto(link(trial, address))
        begin(page)
        heard.append(page.evaluate(WHOLE_DOCUMENT))
    assert words_found(heard, secrets_of(trial)) == []
    images = [line for line in heard if "/img/" in line]
    assert (
        images and any('class="pair' in line for line in heard) and any("evalkit.comparison" in line for line in heard)
    )
    assert len(words_found([*heard, "<img alt='heron-9'>"], secrets_of(trial))) == 1


WHOLE_DOCUMENT = """() => {
    const shadows = [...document.querySelectorAll('*')].filter((e) => e.shadowRoot).map((e) => e.shadowRoot.innerHTML);
    return document.documentElement.outerHTML + shadows.join('');
}"""


def as_text(frame):
    return frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame


def test_after_closing_nothing_is_taken(tmp_path_factory, chromium):
    study = open_trial(new_settings(tmp_path_factory))
    with serve("rater", study.settings, tmp_path_factory.mktemp("log") / "closing.log") as address:
        url = link(study, address)
        with tab(chromium, url) as page:
            begin(page)
            page.keyboard.press("1")
            saved(page)
            with db.session(study.engine) as session:
                closing.set_closed(session, study.study_id, datetime.now(UTC))
            page.keyboard.press("5")
            page.get_by_text("This study is closed").wait_for()
            page.reload()
            page.get_by_text("This study is closed").wait_for()
    assert len(votes_of(study, url)) == 1
