"""The pool: what absent raters left untouched goes to others; balance counts completed work only; clocks may jump."""

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from evalkit.errors import VotingError
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, CommentRow, ComparisonRow, RaterRow, SheetRow, VoteRow
from evalkit.voting import enough, events, monitor, pool, seals, serving, tidy, worksheets
from tests.voting.studies import NOW, Trial, freeze, write_study

HOURS = 48


def after(hours: float):
    return NOW + timedelta(hours=hours)


def through(trial: Trial, rater: int, now) -> int:
    """Answers until nothing is left; gives the number of comparisons."""
    count = 0
    while True:
        with db.session(trial.engine) as session:
            if serving.next_comparison(session, rater, now) is None:
                return count
        trial.answer(rater, now=now)
        count += 1


def test_a_sheet_that_nobody_works_on_returns_to_the_pool_after_its_time(trial):
    *raters, late = trial.arrive(5, valid_days=90)
    for rater in raters:
        trial.answer(rater)
    with pytest.raises(VotingError, match="All places"):
        trial.show(late, after(HOURS - 1))
    assert trial.show(late, after(HOURS + 1)).total == 7
    with db.session(trial.engine, reading=True) as session:
        assert seals.verify(session, trial.study_id) == []
        assert [row.what for row in events.lines(session, trial.study_id)] == ["open", "invite", "pool"]


def test_a_comment_stays_with_who_wrote_it(trial):
    """Only what nobody touched goes to another rater, who would else read it, and be named as its writer."""
    first, *raters, late = trial.arrive(5, valid_days=90)
    for rater in (first, *raters):
        trial.answer(rater)
    shown = trial.show(first)
    with db.session(trial.engine) as session:
        serving.comment(session, first, shown.assignment_id, "my uncle's tower", NOW)
        session.execute(update(RaterRow).where(RaterRow.id == first).values(revoked_at=NOW))
    assert trial.show(late, after(1)).total == 6
    with db.session(trial.engine, reading=True) as session:
        (owner,) = session.scalars(
            select(SheetRow.rater_id).join(AssignmentRow).join(CommentRow, CommentRow.assignment_id == AssignmentRow.id)
        )
    assert owner == first


def test_work_holds_a_sheet_and_who_comes_back_goes_on_with_what_is_left(trial):
    slow, *others, late, later = trial.arrive(6, valid_days=90)
    for rater in others:
        through(trial, rater, NOW)
    trial.answer(slow)
    trial.answer(slow, now=after(HOURS - 2))  # renews the time
    with pytest.raises(VotingError, match="All places"):
        trial.show(late, after(HOURS + 2))
    assert through(trial, late, after(2 * HOURS)) == 6
    with pytest.raises(VotingError, match="All places"):
        trial.show(later, after(4 * HOURS))
    with db.session(trial.engine) as session:
        assert serving.next_comparison(session, slow, after(2 * HOURS)) is None
        counts = select(AssignmentRow.comparison_id, func.count()).where(AssignmentRow.finished_at.is_not(None))
        done = dict(list(session.execute(counts.group_by(AssignmentRow.comparison_id)).all()))
    assert set(done.values()) == {4} and len(done) == 8  # every comparison by four raters, drop-out or not


def test_golds_and_warmups_come_again_and_a_repeat_never_without_its_first_showing(sqlite, checkout, settings):
    quality = {"golds": 2, "repeats": 3, "warmups": 1}
    trial = freeze(
        sqlite, write_study(checkout, prompt_count=14, images=2, sample=4, raters=1, quality=quality), settings
    )
    gone, late = trial.arrive(2, valid_days=90)
    for _ in range(6):
        trial.answer(gone)
    first = trial.show(late, after(HOURS + 1))
    assert first.practice
    with db.session(sqlite, reading=True) as session:
        sheet = session.scalars(select(SheetRow).where(SheetRow.rater_id == late)).one()
        kinds = Counter(item.comparison.kind for item in sheet.assignments if item.occasion == 1)
        assert kinds["warmup"] == 1 and kinds["gold"] == 2 and 2 <= kinds["vote"] <= 5
        seen = set()
        for item in sheet.assignments:
            assert item.occasion == 1 or item.comparison_id in seen
            seen.add(item.comparison_id)
        assert seals.verify(session, trial.study_id) == []
    through(trial, late, after(HOURS + 1))
    with db.session(sqlite, reading=True) as session:
        votes = select(func.count(VoteRow.id)).join(AssignmentRow).join(ComparisonRow)
        assert session.scalar(votes.where(ComparisonRow.kind == "vote", AssignmentRow.occasion == 1)) == 16


def away_and_back(trial):
    """Who answered one of eight and was away too long; another took the rest. Gives both."""
    gone, *others, late = trial.arrive(5, valid_days=90)
    for rater in others:
        through(trial, rater, NOW)
    trial.answer(gone)
    through(trial, late, after(HOURS + 1))
    with trial.engine.begin() as connection:
        connection.execute(update(RaterRow).values(return_url="https://panel.example/?code={code}"))
    return gone, late


def said_of(trial, gone, late):
    now = after(HOURS + 2)
    with db.session(trial.engine) as session:
        assert serving.next_comparison(session, gone, now) is None
        states = [serving.whereabouts(session, rater, now)[0] for rater in (gone, late)]
        return {
            "finished": [state.finished for state in states],
            "codes": [state.completion_code is not None for state in states],
            "back": [state.return_url is not None for state in states],
            "progress": [(state.done, state.total) for state in states],
            "monitor": [one.state for one in monitor.progress(session, trial.study_id, now).raters],
            "flow": tidy.flow(session, trial.study_id)["people"]["finished"],
            "complete": enough.enough(session, trial.study_id).complete_sheets,
        }


def test_who_left_most_of_a_sheet_to_others_has_not_finished(trial, monkeypatch):
    gone, late = away_and_back(trial)
    said = said_of(trial, gone, late)
    assert said["finished"] == said["codes"] == said["back"] == [False, True]
    assert said["progress"] == [(1, 8), (7, 7)]
    assert said["monitor"] == ["voting", "finished", "finished", "finished", "finished"]
    assert said["flow"] == said["complete"] == 4
    monkeypatch.setattr(pool, "passed_on", lambda session, study_id: {})  # the twin: what is left looks whole
    fooled = said_of(trial, gone, late)
    assert fooled["finished"] == fooled["codes"] == fooled["back"] == [True, True]
    assert set(fooled["monitor"]) == {"finished"} and fooled["flow"] == fooled["complete"] == 5


@pytest.mark.parametrize("jump", [-timedelta(days=400), timedelta(days=40)])
def test_a_clock_that_jumps_loses_nothing(trial, jump):
    rater = trial.arrive(valid_days=900)[0]
    first = trial.answer(rater)
    for _ in range(7):
        trial.answer(rater, now=NOW + jump)
    with db.session(trial.engine) as session:
        assert serving.next_comparison(session, rater, NOW + jump) is None
        assert serving.next_comparison(session, rater, NOW) is None
        assert session.scalar(select(func.count(VoteRow.id))) == 16
        state, _ = serving.whereabouts(session, rater, NOW + jump)
        assert state.finished and state.estimated_minutes == 0 and not state.break_due
        assert seals.verify(session, trial.study_id) == []
    assert first.position == 1


def test_a_break_is_due_after_the_sessions_minutes_and_not_after_a_rest(sqlite_trial):
    rater = sqlite_trial.arrive()[0]
    sqlite_trial.show(rater)
    due = []
    for minute in (1, 4, 8, 12, 16, 20, 24, 31):
        now = NOW + timedelta(minutes=minute if minute < 31 else 34)
        with db.session(sqlite_trial.engine, reading=True) as session:
            sheet = session.scalars(select(SheetRow).where(SheetRow.rater_id == rater)).one()
            due.append(worksheets.work(session, sheet.id).spell_minutes(now))
        if minute < 31:
            sqlite_trial.answer(rater, now=now)
    assert due == [0, 3, 7, 11, 15, 19, 23, 0]


@pytest.mark.parametrize(("known", "lang"), [(["sw"], "sw"), (["en-GB"], "en"), (["fr"], None)])
def test_a_sheet_of_one_language_goes_to_who_knows_it(sqlite, checkout, settings, known, lang):
    resolved = write_study(checkout, raters=2, languages="one")
    rows = [f"s-{n},{text} {n},{code}" for n in range(4) for code, text in (("en", "a house"), ("sw", "nyumba"))]
    (checkout / "data/prompts/scenes.csv").write_text("\n".join(["key,prompt,lang", *rows]))
    trial = freeze(sqlite, type(resolved)(**{**vars(resolved)}), settings)
    rater = trial.arrive(languages=known)[0]
    if lang is None:
        with pytest.raises(VotingError, match="All places"):
            trial.show(rater)
        return
    shown = [trial.answer(rater) for _ in range(8)]
    assert {item.lang for item in shown} == {lang} and {item.translation for item in shown} == {None}


def test_a_prompt_in_a_strange_language_comes_with_its_translation(sqlite, checkout, settings):
    resolved = write_study(checkout, raters=1)
    rows = [f"s-{n},{text} {n},{code}" for n in range(4) for code, text in (("en", "a house"), ("sw", "nyumba"))]
    (checkout / "data/prompts/scenes.csv").write_text("\n".join(["key,prompt,lang", *rows]))
    trial = freeze(sqlite, resolved, settings)
    rater = trial.arrive(languages=["en"])[0]
    shown = [trial.answer(rater) for _ in range(16)]
    assert {(item.lang, item.translation_lang) for item in shown} == {("en", None), ("sw", "en")}
    strange = next(item for item in shown if item.lang == "sw")
    assert strange.prompt.startswith("nyumba") and strange.translation.startswith("a house")
