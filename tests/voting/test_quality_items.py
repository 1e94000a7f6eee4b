"""Golds, repeats, warm-ups and hidden prompts as raters meet them, and what becomes of them in the tables."""

from collections import Counter

import pytest
from sqlalchemy import select

from evalkit.errors import VotingError
from evalkit.spec.design import Exclusions
from evalkit.store import db
from evalkit.store.tables import AssignmentRow, ComparisonRow, RaterRow, SheetRow
from evalkit.voting import conduct, monitor, seals, serving, simulate, tidy
from evalkit.voting.conduct import Conduct
from evalkit.voting.simulate import Temper
from tests.voting.studies import NOW, Trial, freeze, write_study

SYSTEMS = ["system-u", "system-v"]
QUALITY = {
    "golds": 2,
    "repeats": 2,
    "warmups": 1,
    "exclude": {"gold_accuracy_below": 0.75, "median_seconds_below": 0.5},
}


@pytest.fixture
def checked(sqlite, checkout, settings) -> Trial:
    """Eight comparisons, two golds, two repeats and a warm-up on each sheet; half of the sheets hide the prompt."""
    resolved = write_study(checkout, prompt_count=14, images=2, sample=4, hide_prompt="half", quality=QUALITY)
    return freeze(sqlite, resolved, settings)


def table(trial: Trial):
    with db.session(trial.engine, reading=True) as session:
        cast = tidy.votes(session, trial.study_id, trial.link, SYSTEMS)
        rules = Exclusions.model_validate(QUALITY["exclude"])
        return cast, tidy.raters(session, trial.study_id, cast, rules)


def answer_rightly(trial: Trial, rater: int, *, golds: bool = True) -> None:
    """Goes through a sheet: golds right (or wrong), everything else for the picture with the smaller run key."""
    while True:
        with db.session(trial.engine) as session:
            shown = serving.next_comparison(session, rater, NOW)
            if shown is None:
                return
            item = session.get_one(AssignmentRow, shown.assignment_id)
            side = "left" if trial.link.images[shown.left] < trial.link.images[shown.right] else "right"
            if item.comparison.gold is not None:
                side = "left" if ((item.comparison.gold == "a") == item.a_is_left) == golds else "right"
        trial.answer(rater, side)


def test_a_sheet_has_all_its_items_and_says_nothing_of_them(checked):
    rater = checked.arrive()[0]
    first = checked.show(rater)
    assert first.practice and (first.position, first.total) == (1, 1)
    with db.session(checked.engine) as session:
        assert serving.whereabouts(session, rater, NOW)[0].practising
    shown = [checked.answer(rater) for _ in range(13)]
    assert [item.position for item in shown[1:]] == list(range(1, 13)) and {item.total for item in shown[1:]} == {12}
    fields = {frozenset(vars(item)) for item in shown}
    assert len(fields) == 1 and not any("gold" in repr(item) or "repeat" in repr(item) for item in shown)
    assert len({item.left for item in shown} | {item.right for item in shown}) == 2 * (8 + 2 + 1)


def test_tables_tell_votes_golds_repeats_and_practice_apart(checked):
    good, bad = checked.arrive(2)
    answer_rightly(checked, good)
    answer_rightly(checked, bad, golds=False)
    cast, raters = table(checked)
    per_rater = {"vote": 16, "gold": 4, "repeat": 4, "warmup": 2}
    assert Counter(cast["kind"]) == {kind: 2 * count for kind, count in per_rater.items()}
    repeats = cast[cast["kind"] == "repeat"].merge(
        cast[cast["kind"] == "vote"], on=["rater", "question", "image_a", "image_b"], suffixes=("", "_before")
    )
    assert len(repeats) == 8 and (repeats["side_shown"] != repeats["side_shown_before"]).all()
    assert (repeats["choice"] == repeats["choice_before"]).all() and (repeats["occasion"] == 2).all()
    golds = cast[cast["kind"] == "gold"]
    assert (golds["system_a"] == golds["system_b"]).all()
    codes = {row.id: row.code for row in raters_of(checked)}
    assert set(golds.loc[golds["rater"] == codes[good], "choice"]) == {"a"}
    row = raters.set_index("rater")
    assert row.loc[codes[good], ["gold_accuracy", "consistency", "excluded_because"]].tolist() == [1.0, 1.0, ""]
    assert row.loc[codes[bad], "gold_accuracy"] == 0 and "75%" in row.loc[codes[bad], "excluded_because"]
    assert row["n_votes"].tolist() == [26, 26]


def raters_of(trial: Trial) -> list[RaterRow]:
    with db.session(trial.engine, reading=True) as session:
        return list(session.scalars(select(RaterRow)))


def test_a_gold_is_noise_or_another_prompts_image_and_each_system_is_right_as_often(checked):
    with db.session(checked.engine, reading=True) as session:
        golds = session.scalars(select(ComparisonRow).where(ComparisonRow.kind == "gold")).all()
        kinds = Counter(gold.gold_kind for gold in golds)
        arms = Counter(gold.image_a.arm for gold in golds)
        judged = {row.prompt_id for row in session.scalars(select(ComparisonRow)) for row in [row.image_a] if row}
        assert kinds == {"noise": 2, "other_prompt": 2} and set(arms.values()) == {2}
        assert all(gold.image_a.arm == gold.image_b.arm and gold.votes_wanted > 0 for gold in golds)
        votes = {
            r.image_a.prompt_id for r in session.scalars(select(ComparisonRow).where(ComparisonRow.kind == "vote"))
        }
        assert not votes & {gold.image_a.prompt_id for gold in golds} and judged
    systems = {image.key: image for image in checked.planned}
    assert len(systems) == 16


def test_the_prompt_comes_after_the_questions_that_need_none(checked):
    raters = checked.arrive(4)
    hiding = [rater for rater in raters if checked.show(rater).prompt_hidden]
    assert len(hiding) == 2
    rater, shown = hiding[0], checked.show(hiding[0])
    assert shown.prompt == "" and shown.translation is None and shown.questions[0].name == "aesthetics"
    with pytest.raises(VotingError, match="not shown yet"):
        cast(checked, rater, shown, "alignment", "left")
    with pytest.raises(VotingError, match="answer the first question"):
        reveal(checked, rater, shown)
    cast(checked, rater, shown, "aesthetics", "left")
    cast(checked, rater, shown, "aesthetics", "tie")
    reveal(checked, rater, shown)
    reveal(checked, rater, shown)
    after = checked.show(rater)
    assert after.prompt and not after.prompt_hidden
    assert {question.name: question.locked for question in after.questions} == {"aesthetics": True, "alignment": False}
    with pytest.raises(VotingError, match="given before the text was shown"):
        cast(checked, rater, shown, "aesthetics", "right")
    cast(checked, rater, shown, "alignment", "right")
    open_sheet = next(rater for rater in raters if rater not in hiding)
    seen = checked.show(open_sheet)
    assert seen.prompt and not any(question.locked for question in seen.questions)


def cast(trial, rater, shown, question, choice):
    with db.session(trial.engine) as session:
        serving.cast(session, rater, shown.assignment_id, question, choice, 900, NOW, "test")


def reveal(trial, rater, shown):
    with db.session(trial.engine) as session:
        serving.reveal(session, rater, shown.assignment_id, NOW)


def test_comments_are_kept_changed_and_removed(checked):
    rater = checked.arrive()[0]
    shown = checked.show(rater)
    for text, kept in ((" <b>first</b> ", "<b>first</b>"), ("x" * 3000, "x" * 2000), ("", "")):
        with db.session(checked.engine) as session:
            serving.comment(session, rater, shown.assignment_id, text, NOW)
        assert checked.show(rater).comment == kept
    with db.session(checked.engine) as session:
        serving.comment(session, rater, shown.assignment_id, "the tower leans", NOW)
    with db.session(checked.engine, reading=True) as session:
        said = tidy.comments(session, checked.study_id, checked.link)
    assert [one["text"] for one in said] == ["the tower leans"]
    assert said[0]["left"] == checked.link.images[shown.left]


def test_a_panel_answers_golds_rightly_unless_it_is_careless(checked):
    temper = Temper(careless=0.5)
    simulate.simulate(
        checked.engine, checked.study_id, lambda key, question: 0.0,
        raters=24, seed=3, now=NOW, temper=temper,
    )  # fmt: skip
    cast, raters = table(checked)
    assert set(cast["kind"]) == {"vote", "gold", "repeat", "warmup"} and cast["simulated"].all()
    honest = raters[raters["excluded_because"] == ""]
    assert 6 <= len(honest) <= 18 and honest["gold_accuracy"].min() >= 0.75
    assert raters.loc[raters["excluded_because"] != "", "excluded_because"].str.contains("under 0.5 s").any()
    with db.session(checked.engine, reading=True) as session:
        assert seals.verify(session, checked.study_id) == []
        seen = monitor.progress(session, checked.study_id, NOW)
    assert sum(bool(rater.excluded_because) for rater in seen.raters) == 24 - len(honest)
    assert seen.planned == 4 * 8 and seen.votes == 24 * 16


@pytest.mark.parametrize(
    ("found", "rules", "because"),
    [
        (
            Conduct(votes=9, golds_right=2, golds_answered=4),
            {"gold_accuracy_below": 0.75},
            "under 75% of the golds right",
        ),
        (Conduct(votes=9, golds_right=3, golds_answered=4), {"gold_accuracy_below": 0.75}, ""),
        (Conduct(votes=9), {"gold_accuracy_below": 0.75, "consistency_below": 0.5}, ""),
        (Conduct(repeats_alike=1, repeats_answered=4), {"consistency_below": 0.5}, "under 50% of the repeats alike"),
        (Conduct(median_seconds=0.4), {"median_seconds_below": 0.5}, "median time under 0.5 s"),
        (Conduct(same_answer=0.95), {"same_answer_above": 0.9}, "over 90% of one answer"),
        (
            Conduct(votes=3, same_answer=1.0),
            {"votes_below": 4, "same_answer_above": 0.9},
            "over 90% of one answer; fewer than 4 votes",
        ),
        (Conduct(votes=3), {}, ""),
    ],
)
def test_rules_exclude_by_what_was_measured(found, rules, because):
    assert conduct.excluded_because(found, Exclusions(**rules)) == because


def test_a_gold_against_another_prompts_image_has_a_right_answer_to_alignment_alone(checked):
    rater = checked.arrive()[0]
    answer_rightly(checked, rater)
    with db.session(checked.engine, reading=True) as session:
        mine = select(SheetRow.id).where(SheetRow.rater_id == rater)
        kinds = session.scalars(
            select(ComparisonRow.gold_kind)
            .join(AssignmentRow)
            .where(AssignmentRow.sheet_id.in_(mine), ComparisonRow.kind == "gold")
        ).all()
        did = conduct.conduct(session, checked.study_id)[rater]
    assert did.golds_answered == sum(2 if kind == "noise" else 1 for kind in kinds) == did.golds_right
