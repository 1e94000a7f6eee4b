"""One opened study, one served raters' app and one browser for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from evalkit.settings import Settings
from tests.app.serving import OpenStudy, open_trial, serve
from tests.conftest import CHROMIUM, ROOT, lacks

QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
QUIET += ("--disable-sync", "--no-first-run", "--disable-extensions")


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> OpenStudy:
    return open_trial(new_settings(tmp_path_factory))


@pytest.fixture(scope="session")
def address(trial: OpenStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the raters' app of the trial is served."""
    with serve("rater", trial.settings, tmp_path_factory.mktemp("log") / "rater.log") as url:
        yield url


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A real browser; tests that use it are marked `browser` and have asked `require("browser")` first."""
    if lacks("browser"):
        pytest.skip(lacks("browser"))
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


def new_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    return Settings(root=root, app_url="http://raters.example", _env_file=None)
