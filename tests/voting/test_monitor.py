"""The monitor counts what happened, and nothing in it changes when the systems change places."""

from datetime import timedelta

import pytest

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.voting import closing, invites, monitor, privacy, serving
from tests.voting.studies import NOW

LATER = NOW + timedelta(days=3)


def seen(trial, now=NOW):
    with db.session(trial.engine, reading=True) as session:
        return monitor.progress(session, trial.study_id, now)


def test_an_empty_study_has_no_share_and_no_speed(trial):
    at_first = seen(trial)
    assert (at_first.planned, at_first.finished, at_first.sheets, at_first.sheets_taken) == (32, 0, 4, 0)
    assert at_first.handling.left_share.value is None and at_first.handling.median_ms is None
    assert at_first.raters == () and len(at_first.comparisons) == 8
    assert {(item.planned, item.finished, item.reports) for item in at_first.comparisons} == {(4, 0, 0)}


def test_progress_sides_and_speed_are_counted(trial):
    first, second, third = trial.arrive(3)
    for choice in ("left", "left", "right", "tie"):
        trial.answer(first, choice)
    shown = trial.show(second)
    with db.session(trial.engine) as session:
        serving.cast(session, second, shown.assignment_id, "aesthetics", "neither", 100, NOW, "test")
        serving.report_image(session, second, shown.assignment_id, "left", "a face", NOW)
        invites.revoke(session, third, NOW)
        invites.invite(session, trial.study_id, count=1, valid_days=1, now=NOW)
    now = seen(trial)
    assert (now.votes, now.simulated_votes, now.finished, now.sheets_taken) == (9, 0, 4, 2)
    assert (now.handling.left, now.handling.right, now.handling.other) == (4, 2, 3)
    assert now.handling.left_share.value == pytest.approx(4 / 6) and now.handling.left_share.n == 6
    assert now.handling.median_ms == 900 and now.handling.last_vote_at == NOW
    assert [rater.state for rater in now.raters] == ["voting", "voting", "revoked", "invited"]
    assert [(rater.done, rater.total) for rater in now.raters] == [(4, 8), (0, 8), (0, 0), (0, 0)]
    assert sum(item.finished for item in now.comparisons) == 4 and sum(item.reports for item in now.comparisons) == 1
    assert seen(trial, LATER + timedelta(days=30)).raters[0].state == "expired"


def test_finished_erased_and_closed_are_told(sqlite_trial):
    trial = sqlite_trial
    done, gone = trial.arrive(2)
    for _ in range(8):
        trial.answer(done)
    with db.session(trial.engine) as session:
        privacy.erase(session, gone, NOW)
        closing.set_closed(session, trial.study_id, LATER)
    now = seen(trial)
    assert [rater.state for rater in now.raters] == ["finished", "erased"] and now.closed_at == LATER
    with db.session(trial.engine, reading=True) as session:
        assert [row.slug for row in monitor.studies(session)] == ["trial"]
        with pytest.raises(VotingError, match="no such study"):
            monitor.progress(session, 10**6, NOW)


def test_nothing_that_the_monitor_says_names_or_depends_on_an_arm(sqlite_trial):
    trial = sqlite_trial
    rater = trial.arrive()[0]
    for _ in range(8):
        trial.answer(rater)
    told = repr(seen(trial))
    assert not any(arm in told for arm in trial.link.systems) and "system" not in told
    from sqlalchemy import text

    with trial.engine.begin() as connection:
        one, other = trial.link.systems
        connection.execute(
            text("UPDATE image SET arm = CASE arm WHEN :one THEN :other ELSE :one END"), {"one": one, "other": other}
        )
    assert repr(seen(trial)) == told


def test_a_simulated_panel_is_counted_apart(sqlite_trial):
    from evalkit.voting.simulate import simulate

    trial = sqlite_trial
    simulate(trial.engine, trial.study_id, lambda key, question: 0.0, raters=2, seed=1, now=NOW)
    now = seen(trial)
    assert (now.votes, now.simulated_votes, now.finished, now.planned) == (32, 32, 0, 32)
    assert now.handling.left + now.handling.right + now.handling.other == 32
    trial.answer(trial.arrive()[0], "right")
    now = seen(trial)
    assert (now.votes, now.simulated_votes, now.finished) == (34, 32, 1)
    assert (now.handling.left, now.handling.right, now.handling.other) == (0, 2, 0)
