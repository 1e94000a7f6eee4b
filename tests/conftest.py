"""Fixtures of the whole suite: a checkout of its own, and what may be missing on a machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from evalkit.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
QUIET += ("--disable-sync", "--no-first-run", "--disable-extensions")


LONGEST = ("test_demo.py", "test_readme.py", "test_resume.py", "test_end_to_end.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files of minutes come first, so that no process waits for another's at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


def lacks(name: str) -> str | None:
    """Why `name` (browser, postgres, latex) cannot be tested here; None if it can."""
    if name == "browser" and not any(map(shutil.which, CHROMIUM)):
        return "Chromium is not installed (apt-get install chromium)"
    if name == "postgres" and not (any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb")):
        return "PostgreSQL's server is not installed (apt-get install postgresql)"
    if name == "latex" and not shutil.which("pdflatex"):
        return "LaTeX is not installed (apt-get install texlive-latex-recommended texlive-latex-extra)"
    return None


@pytest.fixture
def require() -> Callable[[str], None]:
    """`require("browser")` skips, with a reason, what this machine lacks; EVALKIT_TEST_REQUIRE makes it fail."""

    def check(name: str) -> None:
        reason = lacks(name)
        if reason and name in os.environ.get("EVALKIT_TEST_REQUIRE", "").split(","):
            pytest.fail(f"required here: {reason}")
        if reason:
            pytest.skip(reason)

    return check


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A real browser, one for the whole suite: its driver's event loop allows no second one.

    Tests that use it are marked `browser` and have asked `require("browser")` first.
    """
    if lacks("browser"):
        pytest.skip(lacks("browser"))
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture
def shared_data() -> Path:
    """Public data sets that lie beside the checkout of its developers."""
    if not (SHARED / "data").is_dir():
        pytest.skip("shared data sets are not beside this checkout")
    return SHARED / "data"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of the test's own."""
    return empty_checkout(tmp_path)


def empty_checkout(root: Path) -> Path:
    """An empty checkout with the project's own questions: studies/, data/models, data/prompts, data/questions."""
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    return root


@pytest.fixture
def settings(checkout: Path) -> Settings:
    """Settings that know nothing of this machine's environment but the checkout."""
    return Settings(root=checkout, _env_file=None)
