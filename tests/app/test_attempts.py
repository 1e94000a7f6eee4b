"""Guessing links is slowed; time heals; nobody else is slowed."""

from datetime import UTC, datetime, timedelta

from app.attempts import MOST_NAMES, Attempts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_after_the_limit_one_waits_and_others_do_not():
    guesses = Attempts(limit=3, period=timedelta(minutes=1))
    for _ in range(3):
        assert not guesses.exhausted("10.0.0.1", NOW)
        guesses.count("10.0.0.1", NOW)
    assert guesses.exhausted("10.0.0.1", NOW + timedelta(seconds=59))
    assert not guesses.exhausted("10.0.0.2", NOW)
    assert not guesses.exhausted("10.0.0.1", NOW + timedelta(seconds=61))


def test_the_memory_is_bounded():
    guesses = Attempts(limit=1)
    for number in range(MOST_NAMES + 10):
        guesses.count(str(number), NOW)
    assert not guesses.exhausted("0", NOW) and guesses.exhausted(str(MOST_NAMES + 9), NOW)
