"""Tidy: sides undone, arms joined; checked against what each rater was made to do, by the pixels they looked at."""

import random
from collections import Counter
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import func, select

from evalkit.errors import RunError
from evalkit.spec.design import Exclusions
from evalkit.store import db, frames
from evalkit.store.tables import SheetRow, StudyRow
from evalkit.voting import amending, closing, counting, invites, serving, tidy
from tests.voting.studies import NOW, freeze, write_study

SYSTEMS = ["system-u", "system-v"]


def export(trial, systems=SYSTEMS):
    with db.session(trial.engine, reading=True) as session:
        return tidy.votes(session, trial.study_id, trial.link, systems)


def prefer(trial, rater, system) -> list[str]:
    """The rater always takes the image of `system`, wherever it stands; gives the sides taken."""
    made, sides = {image.key: image.system for image in trial.planned}, []
    for _ in range(8):
        shown = trial.show(rater)
        sides.append("left" if made[trial.link.images[shown.left]] == system else "right")
        trial.answer(rater, sides[-1])
    return sides


def test_who_always_takes_one_system_is_said_to(trial):
    first, second = trial.arrive(2)
    sides = prefer(trial, first, "system-u") + prefer(trial, second, "system-v")
    assert Counter(sides) == {"left": 8, "right": 8}
    table = export(trial)
    assert list(table.columns) == list(frames.VOTES) and len(table) == 32
    assert set(table["system_a"]) == {"system-u"} and set(table["system_b"]) == {"system-v"}
    by_rater = table.groupby("rater")["choice"].agg(lambda choices: "".join(sorted(set(choices))))
    assert sorted(by_rater) == ["a", "b"]
    left = table["side_shown"] == "left"
    assert Counter(np.where(left == (table["choice"] == "a"), "left", "right")) == {"left": 16, "right": 16}


def test_the_order_of_systems_is_that_of_the_study_and_turning_it_turns_the_answers(trial):
    prefer(trial, trial.arrive()[0], "system-u")
    one, other = export(trial), export(trial, SYSTEMS[::-1])
    assert set(one["choice"]) == {"a"} and set(other["choice"]) == {"b"}
    assert (one["image_a"] == other["image_b"]).all() and (one["side_shown"] != other["side_shown"]).all()


def test_images_prompts_and_ties_are_those_that_were_shown(trial):
    rater, planned = trial.arrive()[0], {image.key: image for image in trial.planned}
    choices = [random.Random(number).choice(["tie", "neither", "left", "right"]) for number in range(8)]
    shown = [trial.answer(rater, choice) for choice in choices]
    table = export(trial)
    for place, (item, choice) in enumerate(zip(shown, choices, strict=True), start=1):
        rows = table[table["position"] == place]
        assert len(rows) == 2 and set(rows["question"]) == {"aesthetics", "alignment"}
        row = rows.iloc[0]
        left, right = planned[trial.link.images[item.left]], planned[trial.link.images[item.right]]
        assert row["prompt_key"] == left.prompt.key == right.prompt.key and left.index == right.index
        seen_left = row["image_a"] if row["side_shown"] == "left" else row["image_b"]
        assert seen_left == left.key
        wanted = {"left": left.system, "right": right.system}.get(choice, choice)
        assert {"a": row["system_a"], "b": row["system_b"]}.get(row["choice"], row["choice"]) == wanted
        assert not row["simulated"] and row["cast_at"] == "2026-03-04T10:00:00.000+00:00"


def test_a_link_of_another_opening_is_refused(trial, checkout, settings):
    trial.answer(trial.arrive()[0])
    other = freeze(trial.engine, write_study(checkout, raters=5), settings)
    with pytest.raises(RunError, match=r"arms\.json does not know"), db.session(trial.engine, reading=True) as session:
        tidy.votes(session, trial.study_id, other.link, SYSTEMS)


def test_no_votes_are_an_empty_table_and_raters_who_never_came_are_told_apart(sqlite_trial):
    trial = sqlite_trial
    assert len(export(trial)) == 0
    voted, _ = trial.arrive(2)
    trial.answer(voted)
    with db.session(trial.engine) as session:
        invites.invite(session, trial.study_id, count=1, valid_days=1, now=NOW)
    with db.session(trial.engine, reading=True) as session:
        table = tidy.raters(session, trial.study_id, export(trial), Exclusions())
        flow = tidy.flow(session, trial.study_id)
    assert sorted(table["excluded_because"]) == ["", "did not agree to take part", "did not vote"]
    assert sorted(table["n_votes"]) == [0, 0, 2] and table["gold_accuracy"].isna().all()
    people = {"invited": 3, "consented": 2, "voted": 1, "finished": 0, "withdrawn": 0, "erased": 0}
    assert flow == {"people": people, "simulated": dict.fromkeys(people, 0)}


def test_the_record_of_a_closed_study_names_reports_by_the_runs_own_keys(sqlite_trial):
    trial = sqlite_trial
    rater = trial.arrive()[0]
    shown = trial.show(rater)
    with db.session(trial.engine) as session:
        serving.report_image(session, rater, shown.assignment_id, "right", "a logo", NOW)
    with db.session(trial.engine) as session:
        closed = closing.close(
            session, session.get(StudyRow, trial.study_id), trial.link, SYSTEMS, NOW + timedelta(hours=1)
        )
    assert closed.record["reported_images"] == [
        {"image": trial.link.images[shown.right], "reason": "a logo", "at": NOW.isoformat()}
    ]
    assert closed.record["closed_at"] == (NOW + timedelta(hours=1)).isoformat()
    assert (
        closed.record["head"] == closed.record["events"][-1]["sha"] and closed.record["events"][-1]["what"] == "close"
    )


@pytest.mark.parametrize(
    ("voting", "places"),
    [
        ({"raters": 3, "languages": "one"}, 6),
        ({"votes_per_comparison": 3, "comparisons_per_rater": 4}, 12),
        ({"votes_per_comparison": 3, "comparisons_per_rater": 4, "languages": "one"}, 12),
    ],
)
def test_the_record_says_how_many_sheets_there_are_in_all(sqlite, checkout, settings, voting, places):
    """Of every language; an absent rater's rest is no new place, more raters by amendment are."""
    resolved = write_study(checkout, **voting)
    rows = [f"s-{n},{text} {n},{code}" for n in range(4) for code, text in (("en", "a house"), ("sw", "nyumba"))]
    (checkout / "data/prompts/scenes.csv").write_text("\n".join(["key,prompt,lang", *rows]))
    trial = freeze(sqlite, resolved, settings)
    with db.session(sqlite, reading=True) as session:
        study = session.get(StudyRow, trial.study_id)
        assert closing.record(session, study)["design"]["places"] == places
        assert session.scalar(select(func.count(SheetRow.id))) == places
    if "votes_per_comparison" not in voting:
        with db.session(sqlite) as session:
            amending.amend(session, trial.study_id, "slow", {"voting.raters": 4}, NOW)
            assert counting.places(session, session.get(StudyRow, trial.study_id)) == 8


def told(trial, people):
    """Raters who told these backgrounds of themselves, and the table of raters that a study exports."""
    with db.session(trial.engine) as session:
        for background in people:
            invite = invites.invite(session, trial.study_id, count=1, valid_days=1, now=NOW)[0]
            serving.consent(session, invite.rater_id, "1", NOW, background=background, viewing={"light": "Dim"})
    with db.session(trial.engine, reading=True) as session:
        return tidy.raters(session, trial.study_id, export(trial), Exclusions())


def test_what_raters_told_is_exported_in_bands_and_what_few_told_is_not(sqlite_trial):
    many = [{"profession": "Photography", "years": years, "display": "Laptop"} for years in (3, 4, 5, 4, 3)]
    few = [{"profession": "Art", "years": 40, "display": "Laptop"}] * 4
    table = told(sqlite_trial, [*many, *few, {}])
    assert table["profession"].value_counts().to_dict() == {"Photography": 5, frames.FEW: 4, "": 1}
    assert table["years"].value_counts().to_dict() == {"3-5": 5, frames.FEW: 4, "": 1}
    assert set(table["display"]) == {"Laptop", ""} and set(table["light"]) == {"Dim"} and set(table["colour"]) == {""}
    assert "Art" not in table.to_csv() and "40" not in table["years"].to_list()


def test_a_table_of_an_earlier_version_is_read_with_what_it_lacks_left_empty():
    table = pd.DataFrame({name: [] for name in frames.RATERS if name not in frames.LATER["raters"]})
    assert list(frames.conform(table, "raters").columns) == list(frames.RATERS)
    with pytest.raises(RunError, match="missing"):
        frames.conform(table.drop(columns="n_votes"), "raters")


def test_the_table_says_on_which_sheets_the_prompt_was_hidden_at_first(sqlite, checkout, settings):
    trial = freeze(sqlite, write_study(checkout, hide_prompt="half"), settings)
    for rater in trial.arrive(4):
        trial.answer(rater)
    table = export(trial)
    assert table.groupby("rater")["prompt_hidden"].first().value_counts().to_dict() == {True: 2, False: 2}
    early = table[table["prompt_hidden"]].groupby("rater")["question"].first()
    assert set(early) == {"aesthetics"}
