"""The freeze: what changes later is refused or an amendment; looks are planned; a change by hand is found."""

from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Boolean, DateTime, Integer, inspect, select, update

from evalkit.errors import EvalkitError, SpecError, VotingError
from evalkit.store import db
from evalkit.store.tables import Base, SheetRow, StudyRow
from evalkit.voting import amending, closing, enough, events, opening, rehearsing, seals, serving
from tests.voting.studies import NOW, Trial, freeze, write_study

LATER = NOW + timedelta(hours=1)
SYSTEMS = ["system-u", "system-v"]


class Undone(Exception):
    """Rolls a change back."""


@pytest.fixture
def full(sqlite, checkout, settings) -> Trial:
    """A study with all that a study can have, three raters through, closed."""
    trial = freeze(
        sqlite,
        write_study(
            checkout, prompt_count=14, images=2, sample=4, hide_prompt="half",
            quality={"golds": 1, "repeats": 1, "warmups": 1},
        ),
        settings,
    )  # fmt: skip
    for rater in trial.arrive(2):
        with db.session(trial.engine) as session:
            shown = serving.next_comparison(session, rater, NOW)
            serving.comment(session, rater, shown.assignment_id, "said", NOW)
            serving.report_image(session, rater, shown.assignment_id, "left", "broken", NOW)
        for _ in range(11):
            trial.answer(rater)
    with db.session(trial.engine) as session:
        closing.set_closed(session, trial.study_id, LATER)
    return trial


FREE = {
    "rater": "of its columns the seal covers code and simulated; the rest is what people tell, and links that run out",
    "alembic_version": "not of a study",
}
UNSEALED = {
    ("assignment", "expires_at"): "moves on with every answer",
    ("event", "id"): "the order of the log is in its hashes",
    ("sheet", "study_id"): "a sheet that leaves its study is missing from the seal: tested by its assignments",
}


def columns() -> list[tuple[str, str]]:
    own = [(table.name, column.name) for table in Base.metadata.sorted_tables for column in table.columns]
    return [place for place in own if place[0] not in FREE and place not in UNSEALED] + [
        ("rater", "code"), ("rater", "simulated")
    ]  # fmt: skip


def other(column, value):
    if isinstance(column.type, Boolean):
        return not value
    if isinstance(column.type, Integer):
        return (value or 0) + 1
    if isinstance(column.type, DateTime) or "Time" in type(column.type).__name__:
        return LATER + timedelta(days=9)
    if type(column.type).__name__ == "JSON":
        return {"forged": True} if isinstance(value, dict) else ["forged"]
    options = getattr(column.type, "enums", None)
    return next(option for option in options if option != value) if options else f"{value}x"


def test_a_change_by_hand_in_any_column_is_found(full):
    """Of a row of every table; what the database itself refuses is found as well."""
    with db.session(full.engine, reading=True) as session:
        assert seals.verify(session, full.study_id) == []
    assert [place for place in columns() if not found_when_changed(full, *place)] == []


def found_when_changed(trial: Trial, table: str, column: str) -> bool:
    place = Base.metadata.tables[table]
    chosen = select(place).order_by(place.c.id)
    if column == "gold":
        chosen = chosen.where(place.c.gold.is_not(None))
    if table in ("sheet", "assignment"):
        chosen = chosen.where(place.c.rater_id.is_not(None) if table == "sheet" else place.c.served_at.is_not(None))
    try:
        with db.session(trial.engine) as session:
            session.connection().exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            row = session.execute(chosen).mappings().first()
            assert row is not None, table
            changed = {column: other(place.c[column], row[column])}
            session.execute(update(place).where(place.c.id == row["id"]).values(changed))
            raise Undone(seals.verify(session, trial.study_id))
    except Undone as undone:
        return bool(undone.args[0])
    except EvalkitError:
        return True


def test_a_row_that_is_gone_is_found(full):
    unseen = []
    for table in ("vote", "assignment", "comparison", "image", "comment", "report_of_image", "event"):
        with suppress(Undone), db.session(full.engine) as session:
            session.connection().exec_driver_sql("PRAGMA defer_foreign_keys=ON")
            session.connection().exec_driver_sql(f"DELETE FROM {table} WHERE id = (SELECT min(id) FROM {table})")  # noqa: S608
            unseen += [] if seals.verify(session, full.study_id) else [table]
            raise Undone
    assert unseen == []


def test_every_column_is_sealed_or_said_not_to_be():
    tables = {table.name for table in Base.metadata.sorted_tables}
    assert {table for table, _ in columns()} | {"alembic_version"} == tables | {"alembic_version"}


def amend(trial, reason="a smaller panel", changes=None, now=NOW):
    with db.session(trial.engine) as session:
        return amending.amend(session, trial.study_id, reason, changes or {}, now)


def record(trial):
    with db.session(trial.engine, reading=True) as session:
        return closing.record(session, session.get(StudyRow, trial.study_id))


def test_as_planned_there_is_no_amendment_and_each_one_is_kept_with_time_and_reason(trial):
    assert record(trial)["amendments"] == []
    head = amend(trial, changes={"analysis.equivalence_margin": 0.05, "voting.quality.exclude.votes_below": 4})
    amend(trial, "two raters shared a desk")
    told = record(trial)
    assert told["head"] != head and told["analysis"]["equivalence_margin"] == 0.05
    assert told["design"]["quality"]["exclude"]["votes_below"] == 4
    first, second = told["amendments"]
    assert first["at"] == NOW.isoformat() and not first["closed"]
    assert first["changes"][0] == {"key": "analysis.equivalence_margin", "before": 0.1, "after": 0.05}
    assert second["changes"] == () and second["reason"] == "two raters shared a desk"
    with db.session(trial.engine, reading=True) as session:
        assert seals.verify(session, trial.study_id, head) == []
        assert session.get(StudyRow, trial.study_id).spec["analysis"]["equivalence_margin"] == 0.1


@pytest.mark.parametrize(
    ("reason", "changes", "said"),
    [
        (" ", {"analysis.confidence": 0.9}, "needs a reason"),
        ("r", {"analysis.confidence": 7}, "does not fit"),
        ("r", {"analysis.equivalence_margin": 0.1}, "nothing would change"),
        ("r", {"voting.raters": 2}, "cannot be taken back"),
        ("r", {"analysis.looks": [3]}, "belong together"),
        ("r", {"analysis.primary_question": "beauty"}, "not among the questions"),
    ],
)
def test_an_amendment_that_does_not_fit_is_refused_and_leaves_no_line(sqlite_trial, reason, changes, said):
    with pytest.raises(VotingError, match=said):
        amend(sqlite_trial, reason, changes)
    with db.session(sqlite_trial.engine, reading=True) as session:
        assert [row.what for row in events.lines(session, sqlite_trial.study_id)] == ["open"]


@pytest.mark.parametrize("key", ["voting.seed", "voting.images", "systems", "voting.questions", "analysis.marginn"])
def test_what_raters_see_cannot_be_amended(sqlite_trial, key):
    with pytest.raises(SpecError, match="no amendable key"):
        amend(sqlite_trial, changes={key: 3})


def test_more_raters_get_sheets_of_their_own_that_the_log_vouches_for(trial):
    amend(trial, changes={"voting.raters": 7})
    with db.session(trial.engine, reading=True) as session:
        assert len(session.scalars(select(SheetRow)).all()) == 7
        assert [row.what for row in events.lines(session, trial.study_id)] == ["open", "amend", "draw"]
        assert seals.verify(session, trial.study_id) == []
    for rater in trial.arrive(7):
        trial.answer(rater)
    with db.session(trial.engine) as session:
        session.execute(
            update(Base.metadata.tables["assignment"])
            .where(Base.metadata.tables["assignment"].c.draw == 1)
            .values(a_is_left=True)
        )
        assert "drawing 1 of sheets differs from what the log says of it" in seals.verify(session, trial.study_id)
        session.rollback()


def test_a_changed_file_is_refused_while_the_study_is_open(sqlite_trial, checkout):
    changed = write_study(checkout, analysis={"equivalence_margin": 0.2})
    with db.session(sqlite_trial.engine, reading=True) as session:
        with pytest.raises(VotingError, match=r"analysis.equivalence_margin was 0.1, is 0.2"):
            opening.require_study(session, changed)
        with pytest.raises(VotingError, match="the file was changed since"):
            opening._refuse_changed(session, changed, beside=False)
        opening._refuse_changed(session, changed, beside=True)
        opening._refuse_changed(session, sqlite_trial.resolved, beside=False)


def looking(trial) -> enough.Enough:
    with db.session(trial.engine, reading=True) as session:
        return enough.enough(session, trial.study_id)


@pytest.mark.parametrize(("width", "reached"), [(0.9, True), (0.01, False)])
def test_enough_is_said_at_the_frozen_looks_alone_and_never_who_leads(sqlite, checkout, settings, width, reached):
    resolved = write_study(
        checkout, prompt_count=10, images=1, raters=6, analysis={"half_width": width, "looks": [3, 5]}
    )
    trial = freeze(sqlite, resolved, settings)
    assert looking(trial).said == "not yet: 0 complete sheets, the next look is after 3"
    for number, rater in enumerate(trial.arrive(5), start=1):
        for place in range(10):
            trial.answer(rater, "left" if (7 * place + rater) % 5 == 0 else "tie", NOW + timedelta(minutes=number))
        seen = looking(trial)
        assert seen.complete_sheets == number and (seen.looks[0].half_width is None) == (number < 3)
        assert seen.enough is (reached and number >= 3)
    assert seen.said.startswith("enough: after 3" if reached else "not yet, and no look is left")
    assert not set(trial.link.systems) & set(repr(seen).split("'"))


def test_an_unfinished_sheet_and_one_that_is_excluded_do_not_count_as_complete(sqlite, checkout, settings):
    quality = {"exclude": {"same_answer_above": 0.9}}
    trial = freeze(sqlite, write_study(checkout, raters=3, quality=quality), settings)
    mixed, same, slow = trial.arrive(3)
    for place in range(8):
        trial.answer(mixed, ["left", "right", "tie", "neither"][place % 4])
        trial.answer(same, "left")
    trial.answer(slow)
    seen = looking(trial)
    assert seen.complete_sheets == 1 and seen.enough is None and "no looks are planned" in seen.said


def test_an_interim_look_is_a_line_of_the_log_and_leaves_the_study_open(trial):
    rater = trial.arrive()[0]
    trial.answer(rater)
    with db.session(trial.engine) as session:
        study = session.get(StudyRow, trial.study_id)
        with pytest.raises(VotingError, match="needs a reason"):
            closing.interim(session, study, trial.link, SYSTEMS, "", NOW)
        found = closing.interim(session, study, trial.link, SYSTEMS, "safety review", NOW)
    assert len(found.votes) == 2 and found.record["interim"] == {"at": NOW.isoformat(), "reason": "safety review"}
    assert found.record["closed_at"] is None and found.record["events"][-1]["what"] == "interim"
    trial.answer(rater)
    with db.session(trial.engine) as session:
        study = session.get(StudyRow, trial.study_id)
        closed = closing.close(session, study, trial.link, SYSTEMS, LATER)
        with pytest.raises(VotingError, match="closed"):
            closing.interim(session, study, trial.link, SYSTEMS, "again", LATER)
    assert closed.record["interim"] is None and [e["what"] for e in closed.record["events"]][-2:] == [
        "interim",
        "close",
    ]


def test_a_rehearsal_is_a_study_of_its_own_whose_votes_never_mix(trial):
    with db.session(trial.engine) as session:
        pilot = rehearsing.rehearse(session, trial.study_id, "pilot", NOW, sheets=2)
        preview = rehearsing.rehearse(session, trial.study_id, "preview", NOW, sheets=1)
    tester = trial.arrive(study_id=pilot)[0]
    for _ in range(8):
        shown = trial.answer(tester)
    real = trial.arrive()[0]
    trial.answer(real)
    with db.session(trial.engine, reading=True) as session:
        study = session.get(StudyRow, trial.study_id)
        assert [row.mode for row in rehearsing.of(session, study)] == ["pilot", "preview"]
        cast = {
            number: closing.tidy.votes(session, number, trial.link, SYSTEMS)
            for number in (trial.study_id, pilot, preview)
        }
        assert {number: len(table) for number, table in cast.items()} == {trial.study_id: 2, pilot: 16, preview: 0}
        assert set(cast[pilot]["image_a"]) <= {image.key for image in trial.planned}
        assert opening.find_study(session, trial.resolved).id == trial.study_id
        assert seals.verify(session, trial.study_id) == seals.verify(session, pilot) == []
        copies = {row.key for row in session.scalars(select(closing.tidy.ImageRow))}
        assert len(copies) == 3 * 16 and shown.left in copies and shown.left not in trial.link.images
    with pytest.raises(VotingError, match="only an open study"), db.session(trial.engine) as session:
        rehearsing.rehearse(session, pilot, "preview", NOW)
    with pytest.raises(VotingError, match="no such mode"), db.session(trial.engine) as session:
        rehearsing.rehearse(session, trial.study_id, "study", NOW)


def test_the_tables_hold_no_network_address():
    """Neither a column for one, nor anything that takes the place of one."""
    named = {column.name for table in Base.metadata.sorted_tables for column in table.columns}
    assert not {name for name in named if {"ip", "address", "host", "agent", "email", "name"} & set(name.split("_"))}
    assert inspect(StudyRow).columns.keys()
