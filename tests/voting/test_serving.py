"""Serving: derived from the database alone, so reloads, second tabs and requests sent twice change nothing."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, SheetRow, VoteRow
from evalkit.voting import closing, invites, serving
from tests.voting.studies import NOW, Trial

LATER = NOW + timedelta(minutes=1)


def votes(trial: Trial) -> list[VoteRow]:
    with db.session(trial.engine, reading=True) as session:
        return list(session.scalars(select(VoteRow).order_by(VoteRow.id)))


def cast(trial: Trial, rater: int, assignment: int, question: str, choice: str, now=NOW) -> None:
    with db.session(trial.engine) as session:
        serving.cast(session, rater, assignment, question, choice, 1200, now, "test")


def finish(trial: Trial, rater: int, assignment: int, now=NOW) -> None:
    with db.session(trial.engine) as session:
        serving.finish(session, rater, assignment, now)


def undo(trial: Trial, rater: int) -> bool:
    with db.session(trial.engine) as session:
        return serving.undo(session, rater, LATER)


def test_a_rater_goes_from_the_link_to_the_completion_code(trial):
    with db.session(trial.engine) as session:
        token = invites.invite(session, trial.study_id, count=1, valid_days=1, now=NOW)[0].token
    with db.session(trial.engine) as session:
        state = serving.enter(session, token, NOW)
    assert (state.consented, state.done, state.total, state.finished) == (False, 0, 8, False)
    assert state.completion_code is None and state.miniature and not state.closed
    assert state.estimated_minutes == round(8 * 2 * serving.SECONDS_PER_QUESTION / 60, 1)
    with db.session(trial.engine) as session:
        serving.consent(session, state.rater_id, "2026-01", NOW, ["en", "es"], {"profession": "painter"})
    positions = [trial.answer(state.rater_id, "tie").position for _ in range(8)]
    assert positions == list(range(1, 9))
    with db.session(trial.engine) as session:
        assert serving.next_comparison(session, state.rater_id, NOW) is None
        state = serving.enter(session, token, NOW)
    assert state.finished and state.done == 8 and len(state.completion_code) == 8 and state.languages == ("en", "es")
    assert state.estimated_minutes == 0


def test_who_was_invited_to_read_a_language_keeps_it_when_the_page_cannot_speak_it(trial):
    with db.session(trial.engine) as session:
        wish = {"count": 1, "valid_days": 1, "now": NOW}
        hindi = invites.invite(session, trial.study_id, languages=["hi"], **wish)[0]
        free = invites.invite(session, trial.study_id, **wish)[0]
        for invite in (hindi, free):
            serving.consent(session, invite.rater_id, "1-en", NOW, ["en"])
    with db.session(trial.engine) as session:
        assert serving.enter(session, hindi.token, NOW).languages == ("hi",)
        assert serving.enter(session, free.token, NOW).languages == ("en",)


def test_what_is_shown_names_no_arm_and_no_system(sqlite_trial):
    shown = sqlite_trial.show(sqlite_trial.arrive()[0])
    told = repr(shown)
    for secret in (*sqlite_trial.link.systems, *sqlite_trial.link.systems.values(), *sqlite_trial.link.images.values()):
        assert secret not in told
    assert {question.name for question in shown.questions} == {"aesthetics", "alignment"}
    assert shown.questions[0].answers == ("Left", "Equally good", "Right", "Both bad")


@pytest.mark.parametrize("lang", ["es", "es-MX", "zz"])
def test_the_questions_come_in_the_raters_language_else_in_english(sqlite_trial, lang):
    rater = sqlite_trial.arrive()[0]
    with db.session(sqlite_trial.engine) as session:
        question = serving.next_comparison(session, rater, NOW, lang).questions[0]
    assert question.text.startswith("¿" if lang.startswith("es") else "Which")


def test_reload_and_second_tab_show_the_same_comparison_with_its_answers(trial):
    rater = trial.arrive()[0]
    first = trial.show(rater)
    cast(trial, rater, first.assignment_id, "alignment", "right")
    again = trial.show(rater, LATER)
    assert again.assignment_id == first.assignment_id and again.answers == {"alignment": "right"}


def test_a_double_click_is_one_vote_and_another_answer_replaces_it(trial):
    rater = trial.arrive()[0]
    shown = trial.show(rater)
    for choice in ("left", "left", "neither"):
        cast(trial, rater, shown.assignment_id, "aesthetics", choice)
    assert [(vote.question, vote.choice, vote.response_ms) for vote in votes(trial)] == [
        ("aesthetics", "neither", 1200)
    ]


def test_a_request_that_is_sent_again_after_next_is_harmless(trial):
    rater = trial.arrive()[0]
    shown = trial.answer(rater)
    cast(trial, rater, shown.assignment_id, "aesthetics", "left")
    finish(trial, rater, shown.assignment_id)
    assert len(votes(trial)) == 2
    with pytest.raises(VotingError, match="not the one being asked"):
        cast(trial, rater, shown.assignment_id, "aesthetics", "right")


def test_next_needs_every_answer_or_a_report(trial):
    rater = trial.arrive()[0]
    shown = trial.show(rater)
    cast(trial, rater, shown.assignment_id, "aesthetics", "left")
    with pytest.raises(VotingError, match="answer every question"):
        finish(trial, rater, shown.assignment_id)
    with db.session(trial.engine) as session:
        for _ in range(2):
            serving.report_image(session, rater, shown.assignment_id, "right", "x" * 9000, NOW)
    finish(trial, rater, shown.assignment_id)
    assert trial.show(rater).position == 2


def test_undo_goes_back_one_step_and_only_while_the_next_is_untouched(trial):
    rater = trial.arrive()[0]
    assert not trial.show(rater).can_undo and not undo(trial, rater)
    first, second = trial.answer(rater), trial.show(rater)
    assert second.can_undo and undo(trial, rater)
    reopened = trial.show(rater)
    assert reopened.assignment_id == first.assignment_id and reopened.answers == dict.fromkeys(
        first_names(first), "left"
    )
    assert not reopened.can_undo and not undo(trial, rater)
    cast(trial, rater, first.assignment_id, "aesthetics", "right")
    finish(trial, rater, first.assignment_id)
    cast(trial, rater, second.assignment_id, "aesthetics", "tie")
    assert not trial.show(rater).can_undo and not undo(trial, rater)


def first_names(shown: serving.Presented) -> list[str]:
    return [question.name for question in shown.questions]


def test_the_last_comparison_can_be_undone_too(trial):
    rater = trial.arrive()[0]
    last = [trial.answer(rater) for _ in range(8)][-1]
    assert undo(trial, rater) and trial.show(rater).assignment_id == last.assignment_id


def test_someone_elses_comparison_and_one_not_shown_yet_are_refused(trial):
    mine, other = trial.arrive(2)
    shown = trial.show(mine)
    trial.show(other)
    with pytest.raises(VotingError, match="not yours"):
        cast(trial, other, shown.assignment_id, "aesthetics", "left")
    with pytest.raises(VotingError, match="not yours"):
        cast(trial, mine, 10**6, "aesthetics", "left")
    with db.session(trial.engine, reading=True) as session:
        ahead = session.scalar(
            select(AssignmentRow.id).join(SheetRow).where(SheetRow.rater_id == mine, AssignmentRow.position == 2)
        )
    with pytest.raises(VotingError, match="not the one being asked"):
        cast(trial, mine, ahead, "aesthetics", "left")
    assert votes(trial) == []


@pytest.mark.parametrize(("question", "choice"), [("beauty", "left"), ("aesthetics", "a"), ("aesthetics", "")])
def test_unknown_questions_and_choices_are_refused(sqlite_trial, question, choice):
    rater = sqlite_trial.arrive()[0]
    with pytest.raises(VotingError, match="not one of those offered"):
        cast(sqlite_trial, rater, sqlite_trial.show(rater).assignment_id, question, choice)


def test_nothing_is_taken_after_closing(trial):
    rater = trial.arrive()[0]
    shown = trial.show(rater)
    cast(trial, rater, shown.assignment_id, "aesthetics", "left")
    with db.session(trial.engine) as session:
        closing.set_closed(session, trial.study_id, LATER)
    for call in (
        lambda: cast(trial, rater, shown.assignment_id, "alignment", "left", LATER),
        lambda: finish(trial, rater, shown.assignment_id, LATER),
        lambda: trial.show(rater),
        lambda: undo(trial, rater),
        lambda: trial.arrive(),
    ):
        with pytest.raises(VotingError, match="closed"):
            call()
    assert len(votes(trial)) == 1


def test_nobody_votes_without_consent_or_after_the_link_has_expired(trial):
    with db.session(trial.engine) as session:
        silent = invites.invite(session, trial.study_id, count=1, valid_days=1, now=NOW)[0].rater_id
    with pytest.raises(VotingError, match="agree"):
        trial.show(silent)
    rater = trial.arrive(valid_days=1)[0]
    with pytest.raises(VotingError, match="expired on 5 March 2026"):
        trial.show(rater, NOW + timedelta(days=1))


def test_sheets_are_taken_once_each_and_then_the_places_are_full(trial):
    raters = trial.arrive(5)
    for rater in raters[:4]:
        trial.show(rater)
        trial.show(rater)
    with pytest.raises(VotingError, match="All places in this study are taken"):
        trial.show(raters[4])
    with db.session(trial.engine, reading=True) as session:
        taken = session.scalars(select(SheetRow.rater_id)).all()
    assert sorted(taken) == sorted(raters[:4])


def test_what_an_absent_rater_left_returns_to_the_pool_and_what_was_answered_stays(trial):
    gone, *others, late = trial.arrive(5)
    for rater in others:
        trial.show(rater)
    done = trial.answer(gone)
    half = trial.show(gone)
    cast(trial, gone, half.assignment_id, "aesthetics", "tie")
    with db.session(trial.engine) as session:
        invites.revoke(session, gone, LATER)
    shown = [trial.answer(late) for _ in range(6)]
    assert shown[0].total == 6 and not {done.assignment_id, half.assignment_id} & {item.assignment_id for item in shown}
    assert [item.position for item in shown] == list(range(1, 7))
    with db.session(trial.engine, reading=True) as session:
        assert serving.next_comparison(session, late, NOW) is None
        assert session.scalar(select(func.count(VoteRow.id))) == 2 + 1 + 12


def test_time_left_follows_the_raters_own_pace_and_a_pause_does_not_count_whole(sqlite_trial):
    with db.session(sqlite_trial.engine) as session:
        invite = invites.invite(session, sqlite_trial.study_id, count=1, valid_days=1, now=NOW)[0]
        serving.consent(session, invite.rater_id, "1", NOW)
    clock = NOW
    for seconds in (30, 3600, 30, 3600, 3600):
        shown = sqlite_trial.show(invite.rater_id, clock)
        clock += timedelta(seconds=seconds)
        with db.session(sqlite_trial.engine) as session:
            for question in shown.questions:
                serving.cast(session, invite.rater_id, shown.assignment_id, question.name, "tie", 5, clock, "test")
            serving.finish(session, invite.rater_id, shown.assignment_id, clock)
    with db.session(sqlite_trial.engine, reading=True) as session:
        assert serving.enter(session, invite.token, clock).estimated_minutes == 3 * serving.PACE_CAP / 60


def test_response_times_are_kept_within_a_day(sqlite_trial):
    rater = sqlite_trial.arrive()[0]
    shown = sqlite_trial.show(rater)
    with db.session(sqlite_trial.engine) as session:
        serving.cast(session, rater, shown.assignment_id, "aesthetics", "left", -5, NOW, "test")
        serving.cast(session, rater, shown.assignment_id, "alignment", "left", 10**12, NOW, "test")
    assert {vote.question: vote.response_ms for vote in votes(sqlite_trial)} == {
        "aesthetics": 0,
        "alignment": serving.DAY_MS,
    }
