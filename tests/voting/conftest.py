import pytest

from evalkit.voting import pictures
from tests.voting.databases import database_url, engine, kind, sqlite  # noqa: F401
from tests.voting.studies import sqlite_trial, trial  # noqa: F401


@pytest.fixture
def small_pictures(monkeypatch):
    """Pictures stay at 64 px: encoding large ones would take most of the time of these tests."""
    monkeypatch.setattr(pictures, "MIN_SIDE", 64)
