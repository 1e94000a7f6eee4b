"""One opened study, one served raters' app and one browser for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from evalkit.settings import Settings
from tests.app.serving import OpenStudy, open_trial, serve
from tests.conftest import ROOT


@pytest.fixture(scope="session")
def trial(tmp_path_factory: pytest.TempPathFactory) -> OpenStudy:
    return open_trial(new_settings(tmp_path_factory))


@pytest.fixture(scope="session")
def address(trial: OpenStudy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the raters' app of the trial is served."""
    with serve("rater", trial.settings, tmp_path_factory.mktemp("log") / "rater.log") as url:
        yield url


def new_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("studies", "data/models", "data/prompts"):
        (root / folder).mkdir(parents=True)
    shutil.copytree(ROOT / "data" / "questions", root / "data" / "questions")
    return Settings(root=root, app_url="http://raters.example", _env_file=None)
