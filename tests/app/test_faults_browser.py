"""What a rater sees when something breaks: calm words, and no answer lost. In a real browser."""

from __future__ import annotations

import resource
import sqlite3
import subprocess

import pytest

from evalkit.voting import server
from tests.app.conftest import new_settings
from tests.app.serving import open_trial
from tests.app.test_rater_browser import answer, begin, link, revealed, saved, tab, votes_of
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("asked")]
KEPT = "Your answers are kept here"


@pytest.fixture
def asked(require):
    require("browser")


def waits(page):
    page.locator(".status", has_text=KEPT).wait_for()


def test_a_dropped_network_keeps_answers_and_sends_them_later(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.context.set_offline(True)
        page.keyboard.type("15")
        waits(page)
        assert votes_of(trial, url) == []
        page.context.set_offline(False)
        saved(page)
        page.keyboard.press("Enter")
        revealed(page, 2)
    assert [vote[2] for vote in votes_of(trial, url)] == ["left", "left"]


@pytest.mark.slow
def test_a_locked_database_is_waited_for(trial, address, chromium):
    """Another program holds the write lock for longer than the app waits."""
    url, path = link(trial, address), trial.settings.data_dir / "evalkit.db"
    with tab(chromium, url) as page:
        begin(page)
        blocker = sqlite3.connect(path, isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        try:
            page.keyboard.press("1")
            waits(page)
        finally:
            blocker.execute("ROLLBACK")
            blocker.close()
        saved(page)
    assert [vote[2] for vote in votes_of(trial, url)] == ["left"]


def test_answers_outlive_f5_while_nothing_can_be_sent(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.route("**/answers", lambda route: route.fulfill(status=503, body="{}"))
        page.keyboard.press("3")
        waits(page)
        page.unroute("**/answers")
        page.reload()
        revealed(page, 1)
        page.locator(".answer input:checked").wait_for(state="attached")
    assert [vote[2] for vote in votes_of(trial, url)] == ["right"]


def test_a_laptop_closed_for_thirty_hours_loses_no_answer(trial, address, chromium):
    url = link(trial, address)
    with tab(chromium, url) as page:
        begin(page)
        page.evaluate("() => { const now = performance.now.bind(performance); performance.now = () => now() + 108e6; }")
        page.keyboard.press("1")
        saved(page)
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        revealed(page, 2)
    assert [vote[2] for vote in votes_of(trial, url)] == ["left", "left"]


@pytest.mark.parametrize("status", [pytest.param(400, marks=pytest.mark.slow), 413])
def test_a_letter_that_is_refused_is_kept_and_sent_in_parts(trial, address, chromium, status):
    """More actions than a letter may have; the page neither drops them nor goes on as if they were saved."""
    url, sizes = link(trial, address), []

    def refuse(route):
        sizes.append(len(route.request.post_data_json["outbox"]))
        route.fulfill(status=status, body="{}")

    with tab(chromium, url) as page:
        begin(page)
        page.route("**/answers", refuse)
        for number in range(119):
            page.keyboard.press("13"[number % 2])
        page.locator(".status", has_text="If this stays").wait_for()
        assert votes_of(trial, url) == [] and max(sizes) <= 50
        page.unroute("**/answers")
        saved(page)
        page.keyboard.press("5")
        page.keyboard.press("Enter")
        revealed(page, 2)
    assert [vote[2] for vote in votes_of(trial, url)] == ["left", "left"]


class Served:
    """A served study whose server may be killed, started again, and left without room on its disk."""

    def __init__(self, tmp_path_factory):
        self.study = open_trial(new_settings(tmp_path_factory))
        self.log, self.port = tmp_path_factory.mktemp("log") / "faults.log", server._free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        words, environment = server.command("rater", self.port, "127.0.0.1"), self.study.settings.environment()
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
        server._wait(f"{self.address}/_stcore/health", self.process, self.log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def room(self, most):
        """No file may grow beyond `most` bytes: writes fail as on a full disk."""
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    made = Served(tmp_path_factory)
    yield made
    made.kill()


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_half_written(served, chromium):
    url = link(served.study, served.address)
    with tab(chromium, url) as page:
        begin(page)
        served.room(4096)
        page.keyboard.type("15")
        page.keyboard.press("Enter")
        waits(page)
        assert votes_of(served.study, url) == []
        served.room(resource.RLIM_INFINITY)
        revealed(page, 2)  # all three actions in their order, by themselves
    assert len(votes_of(served.study, url)) == 2


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_was_said(served, chromium):
    url = link(served.study, served.address)
    with tab(chromium, url) as page:
        begin(page)
        answer(page)
        revealed(page, 2)
        served.kill()
        page.keyboard.type("37")
        waits(page)
        served.start()
        saved(page)
        page.keyboard.press("Enter")
        revealed(page, 3)
    assert [vote[2] for vote in votes_of(served.study, url)] == ["left", "left", "right", "right"]
