"""The panel: it votes through the raters' own functions, what is planted comes out, and it takes nobody's place."""

import threading

import numpy as np
import pytest
from sqlalchemy import func, select

from evalkit.errors import VotingError
from evalkit.stats.clustered import clustered_mean
from evalkit.store import db
from evalkit.store.tables import RaterRow, SheetRow, VoteRow
from evalkit.voting import closing, seals, simulate, tidy
from evalkit.voting.planted import planted_quality, strengths_by_steps
from tests.voting.studies import NOW, freeze, write_study

SYSTEMS = ["system-u", "system-v"]


def panel(trial, strengths, *, raters=6, seed=1, **options):
    systems = {image.key: image.system for image in trial.planned}
    return simulate.simulate(
        trial.engine,
        trial.study_id,
        lambda key, question: strengths[systems[trial.link.images[key]]],
        raters=raters,
        seed=seed,
        now=NOW,
        **options,
    )


def table(trial):
    with db.session(trial.engine, reading=True) as session:
        return tidy.votes(session, trial.study_id, trial.link, SYSTEMS)


def test_every_vote_is_marked_and_no_place_of_a_person_is_taken(trial):
    assert panel(trial, dict.fromkeys(SYSTEMS, 0.0)) == 6 * 8 * 2
    cast = table(trial)
    assert cast["simulated"].all() and cast["rater"].nunique() == 6 and (cast["response_ms"] > 0).all()
    with db.session(trial.engine, reading=True) as session:
        free = select(func.count()).where(SheetRow.simulated.is_(False), SheetRow.rater_id.is_(None))
        assert session.scalar(free) == 4
        assert seals.verify(session, trial.study_id) == []
    person = trial.arrive()[0]
    trial.answer(person)
    marks = table(trial).groupby("rater")["simulated"].agg(["all", "any"])
    assert (marks["all"] == marks["any"]).all() and (~marks["all"]).sum() == 1


@pytest.mark.parametrize(("strength", "sign"), [(1.5, 1), (-1.5, -1)])
def test_what_is_planted_comes_out(sqlite_trial, strength, sign):
    panel(sqlite_trial, {"system-u": strength, "system-v": 0.0}, raters=12)
    cast = table(sqlite_trial)
    score = cast["choice"].map({"a": 1.0, "b": -1.0, "tie": 0.0, "neither": 0.0}).to_numpy()
    prompts, raters = (cast[name].astype("category").cat.codes.to_numpy() for name in ("prompt_key", "rater"))
    found = clustered_mean(score, prompts, raters).estimate
    assert sign * found.value > 0.2 and found.value == pytest.approx(score.mean())


def test_nothing_planted_gives_no_preference_for_a_system_over_many_panels(sqlite, checkout, settings):
    from dataclasses import replace

    resolved, net = write_study(checkout, prompt_count=2, images=1, raters=1), []
    for number in range(12):
        trial = freeze(sqlite, replace(resolved, sha=f"{number:064x}"), settings)
        panel(trial, dict.fromkeys(SYSTEMS, 0.0), raters=6, seed=number)
        net.append((table(trial)["choice"].map({"a": 1, "b": -1}).fillna(0)).mean())
    assert abs(np.mean(net)) < 4 * np.std(net, ddof=1) / len(net) ** 0.5


def test_all_four_answers_occur_and_low_quality_makes_neither(sqlite_trial):
    panel(sqlite_trial, dict.fromkeys(SYSTEMS, -2.0), raters=10)
    shares = table(sqlite_trial)["choice"].value_counts(normalize=True)
    assert set(shares.index) == {"a", "b", "tie", "neither"} and shares["neither"] > 0.1


def test_a_panel_that_was_cut_off_goes_on_and_a_finished_one_casts_nothing(trial):
    class Cut(Exception):
        pass

    def cut(what, done, total):
        if done == 2:
            raise Cut

    with pytest.raises(Cut):
        panel(trial, dict.fromkeys(SYSTEMS, 0.0), raters=4, progress=cut)
    assert len(table(trial)) == 2 * 16
    assert panel(trial, dict.fromkeys(SYSTEMS, 0.0), raters=4) == 2 * 16
    assert panel(trial, dict.fromkeys(SYSTEMS, 0.0), raters=4) == 0
    with pytest.raises(VotingError, match=r"a simulated panel \(4 raters, seed 1\) has voted already"):
        panel(trial, dict.fromkeys(SYSTEMS, 0.0), raters=5)
    with db.session(trial.engine, reading=True) as session:
        assert session.scalar(select(func.count(RaterRow.id))) == 4


def test_the_same_seed_gives_the_same_answers_to_the_same_pairs(trial):
    panel(trial, {"system-u": 0.3, "system-v": 0.0}, raters=3, seed=9)
    with db.session(trial.engine, reading=True) as session:
        before = [vote.choice for vote in session.scalars(select(VoteRow).order_by(VoteRow.id))]
    with db.session(trial.engine) as session:
        for vote in session.scalars(select(VoteRow)):
            session.delete(vote)
        for sheet in session.scalars(select(SheetRow).where(SheetRow.simulated)):
            for item in sheet.assignments:
                item.finished_at = None
    panel(trial, {"system-u": 0.3, "system-v": 0.0}, raters=3, seed=9)
    with db.session(trial.engine, reading=True) as session:
        assert [vote.choice for vote in session.scalars(select(VoteRow).order_by(VoteRow.id))] == before


def test_a_closed_or_unknown_study_takes_no_panel(sqlite_trial):
    with db.session(sqlite_trial.engine) as session:
        closing.set_closed(session, sqlite_trial.study_id, NOW)
    with pytest.raises(VotingError, match="closed"):
        panel(sqlite_trial, dict.fromkeys(SYSTEMS, 0.0))
    with pytest.raises(VotingError, match="no such study"):
        simulate.simulate(sqlite_trial.engine, 10**6, lambda *_: 0.0, raters=1, seed=1, now=NOW)


def test_a_person_may_vote_while_the_panel_does(trial):
    person = trial.arrive()[0]
    thread = threading.Thread(target=panel, args=[trial, dict.fromkeys(SYSTEMS, 0.0)], kwargs={"raters": 2})
    thread.start()
    for _ in range(8):
        trial.answer(person)
    thread.join()
    assert table(trial)["simulated"].value_counts().to_dict() == {True: 32, False: 16}


def test_planted_quality_follows_steps_prompts_and_images(sqlite_trial):
    import pandas as pd

    trial = sqlite_trial
    strengths = strengths_by_steps(trial.resolved.study)
    assert strengths == pytest.approx({"system-u": -0.2, "system-v": 0.2})  # 3 and 6 steps: one doubling
    rows = [
        {"key": image.key, "system": image.system, "prompt_key": image.prompt.key, "lang": "en"}
        for image in trial.planned
    ]
    quality = planted_quality(strengths, pd.DataFrame(rows), trial.link, seed=1)
    again = planted_quality(strengths, pd.DataFrame(rows), trial.link, seed=1)
    keys = list(trial.link.images)
    assert [quality(key, "aesthetics") for key in keys] == [again(key, "aesthetics") for key in keys]
    assert all(quality(key, "aesthetics") != quality(key, "alignment") for key in keys)
    drawn = [
        planted_quality(strengths, pd.DataFrame(rows), trial.link, seed)(key, "aesthetics")
        - strengths[trial.link.systems[arm]]
        for seed in range(60)
        for key, arm in ((key, arm_of(trial, key)) for key in keys[:2])
    ]
    spread = (0.5**2 + 0.4**2) ** 0.5
    assert abs(np.mean(drawn)) < 4 * spread / len(drawn) ** 0.5 and np.std(drawn) == pytest.approx(spread, rel=0.3)


def arm_of(trial, key: str) -> str:
    system = {image.key: image.system for image in trial.planned}[trial.link.images[key]]
    return trial.link.arm_of(system)
