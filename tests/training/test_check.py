"""The verdicts of the check: a bar is met, missed or not measured; medians by hand; planted copies are seen."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evalkit.spec.fingerprint import folder_digest
from evalkit.stats.estimate import Estimate
from evalkit.stats.proportion import wilson
from evalkit.training import acceptance, check_report, drawing, ladder, novelty, scenes, sheet, vocabulary
from evalkit.training.check import ALL, SYSTEMS, Accuracy, Check, relative
from evalkit.training.cost import EightImages, StepCost
from evalkit.training.ladder import Climb, Ladder, Rung
from evalkit.training.scenes import Graphics


def number(value: float, half: float = 0.1) -> Estimate:
    return Estimate(value, value - half, value + half, 480, "by hand")


def good(**changes: object) -> Check:
    """A check in which every bar is met; 2 steps lie 10 above 50 in each distance."""
    distances = {1: 40.0, 2: 30.0, 3: 27.0, 4: 26.0, 8: 23.0, 10: 22.0, 16: 21.0, 30: 20.1, 50: 20.0}
    rows = [
        Accuracy(system, steps, ALL.label, judge, what, wilson(470, 480), number(0.95, 0.02))
        for system in SYSTEMS
        for steps in ALL.steps
        for judge, what in acceptance.BARS
    ]
    rungs = [Rung(metric, steps, number(value)) for metric in ladder.METRICS for steps, value in distances.items()]
    climbs = [
        Climb(metric, fewer, more, number(distances[fewer] - distances[more]), 0.01)
        for metric in ladder.METRICS
        for fewer, more in ladder.PAIRS
    ]
    whole = Check(
        n=480,
        seed=0,
        guidance=drawing.Guidance(),
        accuracies=tuple(rows),
        ladders=tuple(Ladder(system, tuple(rungs), tuple(climbs)) for system in SYSTEMS),
        nearest=(),
        cost=StepCost(30, dict.fromkeys(SYSTEMS, 20.0), {SYSTEMS[0]: 4, SYSTEMS[1]: 3}, 0.85, 0.82, 0.87),
        eight=(EightImages(SYSTEMS[0], 50, 4.0, 8.0, 2),),
        megabytes=24.5,
        reading=wilson(56, 64),
    )
    return replace(whole, **changes)


def verdicts(check: Check) -> dict[str, str]:
    return {line.demand: line.verdict for line in acceptance.lines(check)}


def with_climb(check: Check, pair: tuple[int, int], estimate: Estimate) -> Check:
    """The check with another difference between two step counts, of both systems."""

    def changed(one: Ladder) -> Ladder:
        mine = (replace(c, estimate=estimate) if (c.fewer, c.more) == pair else c for c in one.climbs)
        return replace(one, climbs=tuple(mine))

    return replace(check, ladders=tuple(map(changed, check.ladders)))


def test_a_good_pair_is_accepted_line_by_line() -> None:
    found = acceptance.lines(good())
    assert acceptance.accepted(found) and {line.verdict for line in found} == {"met", "aim reached"}
    text = check_report.as_text(good())
    assert text.startswith(check_report.MINIATURE) and "accepted: every bar is met" in text
    assert "n = 480" in text and "95.0% (93.0% to 97.0%)" in text


@pytest.mark.parametrize(
    ("changed", "demand"),
    [
        (
            with_climb(good(), (4, 8), Estimate(2.0, -0.1, 4.1, 480, "x")),
            "emoji-sd, FD-pca64: 4 steps are worse than 8, paired",
        ),
        (with_climb(good(), (30, 50), number(2.0)), "emoji-sd, KID-lite0: 30 steps are as good as 50 (planted null)"),
        (good(megabytes=25.1), "weights, MB"),
        (good(reading=wilson(44, 64)), "a reader who sees no prompts names the object on a contact sheet"),
        (good(cost=replace(good().cost, high=1.01)), "step time, challenger / baseline"),
        (good(eight=(EightImages(SYSTEMS[0], 50, 12.0, 9.0, 2),)), "8 images: emoji-sd, 50 steps, 2 threads, seconds"),
    ],
)
def test_each_planted_fault_turns_its_line_red(changed: Check, demand: str) -> None:
    assert verdicts(changed)[demand] == "NOT met"
    assert not acceptance.accepted(acceptance.lines(changed)) and "NOT accepted" in check_report.as_text(changed)


def test_what_steps_bring_to_the_challenger_is_an_aim_and_decides_nothing() -> None:
    baseline, challenger = with_climb(good(), (8, 16), number(-1.0)).ladders
    still = good(ladders=(good().ladders[0], challenger))
    assert verdicts(still)["emoji-nas, FD-pca64: 8 steps are worse than 16, paired"] == "aim NOT reached"
    assert acceptance.accepted(acceptance.lines(still))
    assert not acceptance.accepted(acceptance.lines(good(ladders=(baseline, challenger))))


def test_what_was_not_measured_is_not_accepted_and_a_missed_aim_decides_nothing() -> None:
    few = with_climb(good(), (2, 4), Estimate(None, None, None, 48, "x", note="48 samples in 64 dimensions"))
    assert verdicts(few)["emoji-sd, FD-pca64: 2 steps are worse than 4, paired"] == "not measured"
    assert not acceptance.accepted(acceptance.lines(few))
    low = tuple(replace(row, share=number(0.8, 0.05)) for row in good().accuracies)
    missed = acceptance.lines(good(accuracies=low))
    assert acceptance.accepted(missed) and "aim NOT reached" in {line.verdict for line in missed}


def test_an_accuracy_under_its_bar_is_not_met() -> None:
    rows = tuple(
        replace(row, accuracy=wilson(330, 480)) if row.judge == "emoji-clip" else row for row in good().accuracies
    )
    said = verdicts(good(accuracies=rows))
    assert said["emoji-clip names the object: emoji-sd, 50 steps"] == "NOT met"
    assert said["outside names the object: emoji-sd, 50 steps"] == "met"


def test_a_share_of_the_judges_own_accuracy_is_wider_than_either_interval() -> None:
    share = relative(wilson(360, 480), wilson(450, 480))
    assert share.value == pytest.approx(0.8)
    assert share.low == pytest.approx(wilson(360, 480).low / wilson(450, 480).high)


def test_copies_of_training_renders_are_seen_and_fresh_ones_are_not(sprites: Graphics) -> None:
    asked = [vocabulary.Scene(kind, colour) for kind in range(12) for colour in range(10)]
    training = novelty.training_renders(sprites, 200)
    fresh = scenes.scene_batch(sprites, asked, 5).pixels
    copied = novelty.nearest(training[[7, 150]], training)
    assert copied.places.tolist() == [7, 150] and copied.distances == pytest.approx([0, 0], abs=0.1)
    found = novelty.nearest(fresh, training)
    one = np.sqrt(((fresh[0].astype(float) - training[found.places[0]]) ** 2).mean())
    assert found.distances[0] == pytest.approx(one, rel=1e-4) and found.distances.min() > 0.5


@given(st.integers(0, 10_000), st.integers(9, 60))
def test_the_median_and_its_order_statistics(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).gamma(2, size=n)
    found = novelty.median_interval(values)
    assert found.value == pytest.approx(np.median(values))
    assert found.low is not None and found.high is not None and found.low <= found.value <= found.high
    outside = stats.binom.cdf(int((values < found.low).sum()), n, 0.5)
    assert outside <= 0.025
    assert novelty.median_interval(values[:4]).low is None


def test_a_reading_counts_for_the_very_weights_that_were_read(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    (weights / "emoji-sd").mkdir(parents=True)
    (weights / "emoji-sd" / "model.safetensors").write_bytes(b"weights")
    assert sheet.reading(weights).value is None
    told = {"system": "emoji-sd", "right": 56, "n": 64, "weights": folder_digest(weights / "emoji-sd")}
    (weights / "reading.json").write_text(json.dumps(told))
    assert sheet.reading(weights).value == pytest.approx(56 / 64)
    (weights / "emoji-sd" / "model.safetensors").write_bytes(b"others")
    assert sheet.reading(weights).value is None
