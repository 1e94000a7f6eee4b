"""Studies whose truth is planted: what the report may say of them, and what it must not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from evalkit.errors import RunError
from evalkit.sections import methods, reconstruction, study_tables, summary, votes_quality
from evalkit.sections import metrics as metrics_section
from evalkit.sections._blocks import Section, Table
from evalkit.sections._departures import departures
from evalkit.sections._notices import notices
from evalkit.sections._study import read_facts
from evalkit.store import frames
from evalkit.store.run import Run

Simulate = Callable[..., Run]
FIRST = "DeciDiffusion 1.0, 30 steps"
SMALL = {"prompts": 10, "images": 1, "raters": 5, "parts": ("images", "votes")}
NO_NOISE = {"prompt_sd": 0.0, "rater_sd": 0.0, "extra_kinds": False}


def made(section: Section | None) -> Section:
    assert section is not None
    return section


def votes_as(run: Run, **columns: Any) -> Run:
    """The run with columns of its votes set to one value."""
    run.write_table("votes.parquet", run.read_table("votes.parquet", "votes").assign(**columns), "votes")
    return run


def test_a_strong_preference_is_found(simulate: Simulate) -> None:
    found = made(summary.section(simulate(**SMALL | NO_NOISE, effect=4.0)))
    assert found.title == f"Aesthetics: {FIRST} was preferred"
    assert "p < .001" in found.conclusion and "10 prompts, 5 raters" in found.conclusion


def test_no_effect_is_never_called_on_par_without_its_test(simulate: Simulate) -> None:
    found = made(summary.section(simulate(**SMALL, effect=0.0)))
    assert found.title == "Aesthetics: neither a preference nor parity was shown"
    assert any(
        "does not make the systems equal" in point for block in found.blocks for point in getattr(block, "points", ())
    )


def test_many_even_votes_are_on_par(simulate: Simulate) -> None:
    plan = NO_NOISE | {"prompts": 120, "images": 1, "raters": 8, "parts": ("votes",), "ties": 0.8, "effect": 0.0}
    found = made(summary.section(simulate(**plan)))
    assert (
        found.title == "Aesthetics: on par within ±10 points"
        and "parity within ±10 points was shown" in found.conclusion
    )


def test_all_ties_is_no_evidence_and_no_crash(simulate: Simulate) -> None:
    run = votes_as(simulate(**SMALL), choice="tie")
    found, tables = made(summary.section(run)), made(study_tables.section(run))
    assert "no conclusion is possible" in found.conclusion and "(no interval)" in found.conclusion
    assert tables.numbers["aesthetics/deci-30-sd15-50/preference test"].p == 1.0  # type: ignore[union-attr]
    assert "no value" not in found.conclusion
    assert "cannot be judged" in made(votes_quality.section(run)).title


def test_an_unbeaten_system_gets_no_infinite_number(simulate: Simulate) -> None:
    tables = made(study_tables.section(votes_as(simulate(**SMALL), choice="a")))
    text = json.dumps([block.rows for block in tables.blocks if isinstance(block, Table)])
    assert "inf" not in text and "nan" not in text.lower() and "100 %" in text
    assert "no finite value: one system won no vote" in text


def test_one_rater_speaks_for_that_rater_only(simulate: Simulate) -> None:
    found = made(summary.section(simulate(**SMALL | {"raters": 1, "prompts": 20})))
    assert "this rater only" in found.conclusion and "1 rater." in found.conclusion


def test_one_prompt_gives_no_interval_and_no_test(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"prompts": 1})
    found = made(summary.section(run))
    assert found.title == "Aesthetics: no conclusion is possible"
    assert "(no interval)" in found.conclusion and "under 8 prompts" in found.conclusion
    assert made(study_tables.section(run)).numbers["aesthetics/deci-30-sd15-50/preference test"].p is None  # type: ignore[union-attr]


def test_few_prompts_are_named_as_the_sample_size(simulate: Simulate) -> None:
    found = made(summary.section(simulate(**SMALL | {"raters": 12})))
    said = " ".join(point for block in found.blocks for point in getattr(block, "points", ()))
    assert "The smaller of prompts (10) and raters (12) is the sample size" in said


def test_missing_cells_are_counted(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    votes = run.read_table("votes.parquet", "votes")
    alignment = votes.index[(votes["question"] == "alignment") & (votes["kind"] == "vote")]
    run.write_table("votes.parquet", votes.drop(alignment[:7]), "votes")
    table = made(study_tables.section(run)).blocks[0]
    assert isinstance(table, Table) and "Alignment: 7 comparisons without an answer" in table.note


def test_nobody_asked_about_one_question(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    votes = run.read_table("votes.parquet", "votes")
    run.write_table("votes.parquet", votes[votes["question"] == "aesthetics"], "votes")
    said = " ".join(getattr(block, "text", "") for block in made(summary.section(run)).blocks)
    assert "On alignment, nobody has compared" in said


def test_no_votes_at_all_is_a_sentence(simulate: Simulate) -> None:
    for parts in (("images",), ("images", "scores"), ("images", "scores", "thumbnails"), ()):
        run = simulate(**SMALL | {"parts": parts})
        for name in ("votes.parquet", "metrics.json", "images.parquet"):
            if name.split(".")[0] not in (*parts, *(["metrics"] if "scores" in parts else [])):
                run.path(name).unlink(missing_ok=True)
        found = made(summary.section(run))
        assert "there is no result on preference" in found.conclusion and not found.numbers
        assert study_tables.section(run) is None and votes_quality.section(run) is None


def test_an_empty_table_of_votes_is_a_sentence(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"kept": 0.0})
    assert "Nobody has voted" in made(summary.section(run)).conclusion
    assert made(study_tables.section(run)).blocks == ()


def test_excluded_raters_golds_and_repeats_never_count(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    raters = run.read_table("raters.parquet", "raters")
    raters.loc[0, "excluded_because"] = "failed the golds"
    run.write_table("raters.parquet", raters, "raters")
    estimate = made(summary.section(run)).numbers["aesthetics/deci-30-sd15-50/net preference"]
    assert (estimate.n, estimate.raters) == (40, 4)  # type: ignore[union-attr]
    flow = next(b for b in made(votes_quality.section(run)).blocks if isinstance(b, Table) and "invitation" in b.title)
    steps = dict(flow.rows)
    assert steps["Raters left out: failed the golds"] == "1" and steps["Votes analysed"] == "80"
    left_out = sum(int(n) for step, n in flow.rows if step.startswith("Votes left out"))
    assert int(steps["Votes cast"]) == left_out + 80


def test_simulated_votes_are_left_out_as_soon_as_people_voted(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    votes = run.read_table("votes.parquet", "votes")
    run.write_table("votes.parquet", votes.assign(simulated=votes["rater"] != "r0000"), "votes")
    estimate = made(summary.section(run)).numbers["aesthetics/deci-30-sd15-50/net preference"]
    assert (estimate.n, estimate.raters) == (10, 1)  # type: ignore[union-attr]


def test_the_side_of_the_screen_is_found_where_it_was_planted(simulate: Simulate) -> None:
    biased = made(votes_quality.section(simulate(**SMALL | {"raters": 10, "left_bias": 1.5})))
    assert biased.title.startswith("The side of the screen mattered in 2 of 2")


def test_three_systems_are_ranked_and_compared_in_pairs(simulate: Simulate) -> None:
    plan = SMALL | NO_NOISE | {"systems": ("x", "y", "z"), "titles": ("X", "Y", "Z"), "effect": 3.0, "published": False}
    tables = made(study_tables.section(simulate(**plan, ties=0.1)))
    assert len([name for name in tables.numbers if name.endswith("preference test")]) == 6
    ranking = next(
        b for b in tables.blocks if isinstance(b, Table) and b.title == "Aesthetics: strengths of all systems"
    )
    assert [row[0] for row in ranking.rows] == ["X", "Y", "Z"] and ranking.rows[0][3] == "1"


def test_a_disconnected_graph_has_no_ranking_and_says_why(simulate: Simulate) -> None:
    plan = SMALL | {"systems": ("w", "x", "y", "z"), "titles": ("W", "X", "Y", "Z"), "published": False}
    run = simulate(**plan)
    votes = run.read_table("votes.parquet", "votes")
    islands = votes[(votes["system_a"] + votes["system_b"]).isin(["wx", "yz"])]
    run.write_table("votes.parquet", islands, "votes")
    tables = made(study_tables.section(run))
    ranking = [b for b in tables.blocks if isinstance(b, Table) and "strengths of all systems" in b.title]
    assert len(ranking) == 2 and not any(table.rows for table in ranking)
    assert all("No finite strengths" in table.note for table in ranking)


def test_one_rater_always_left_is_seen_and_counts_for_nobody(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"raters": 6, "effect": 0.0})
    votes = run.read_table("votes.parquet", "votes")
    mine = votes["rater"] == "r0000"
    votes.loc[mine, "choice"] = ["a" if side == "left" else "b" for side in votes.loc[mine, "side_shown"]]
    run.write_table("votes.parquet", votes, "votes")
    numbers = made(votes_quality.section(run)).numbers
    left = numbers["aesthetics/deci-30-sd15-50/left image wins"]
    assert left.value is not None and left.value > 0.5  # type: ignore[union-attr]
    repeats = next(n for name, n in numbers.items() if name == "aesthetics/repeats, same answer")
    assert repeats.n == 6


def test_the_result_without_exclusions_stands_beside_the_planned_one(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    assert "no rule to leave out votes" in said_of(votes_quality.section(run))
    raters = run.read_table("raters.parquet", "raters")
    raters.loc[0, "excluded_because"] = "gold_accuracy below 0.8"
    run.write_table("raters.parquet", raters, "raters")
    run.write_json("voting.json", {"closed_at": "2026-11-24", "exclusions": {"gold_accuracy_below": 0.8}})
    table = next(b for b in made(votes_quality.section(run)).blocks if "without exclusions" in getattr(b, "title", ""))
    assert isinstance(table, Table)
    assert [row[2] for row in table.rows] == ["40", "40"] and [row[5] for row in table.rows] == ["50", "50"]
    assert "gold accuracy below 0.8" in table.note


def test_growing_ties_along_the_sheet_are_found_and_even_ones_are_not(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"prompts": 30, "raters": 8, "extra_kinds": False})
    votes = run.read_table("votes.parquet", "votes")
    assert "No change of ties along the sheet was shown" in said_of(votes_quality.section(run))
    late = votes["position"] > 14
    run.write_table("votes.parquet", votes.assign(choice=votes["choice"].where(~late, "tie")), "votes")
    assert "Ties change along the sheet" in said_of(votes_quality.section(run))


def test_groups_of_prompts_and_of_raters_are_exploratory(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"prompts": 27, "raters": 14})
    raters = run.read_table("raters.parquet", "raters")
    raters["languages"] = ["en", "de"] * 7
    raters["profession"] = ["Photography"] * 5 + ["Art"] * 5 + ["Design"] * 2 + [frames.FEW] * 2
    raters["years"] = ["0-2"] * 12 + ["3-5"] * 2
    run.write_table("raters.parquet", raters, "raters")
    tables = made(study_tables.section(run)).blocks
    table = next(b for b in tables if isinstance(b, Table) and b.title.startswith("Exploratory"))
    groups = {(row[1], row[2]) for row in table.rows}
    assert {("category", "Animals"), ("raters' languages", "de"), ("raters' languages", "en")} <= groups
    assert {name for kind, name in groups if kind == "raters' work"} == {"Photography", "Art"}
    assert not any(kind == "raters' years in it" for kind, _ in groups)  # one group, and one too small to be shown
    assert "not planned" in table.note and "fewer than 5 raters" in table.note


def test_halo_is_shown_by_when_the_text_was_shown(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"prompts": 20, "raters": 8, "extra_kinds": False})

    def halo() -> Table | None:
        blocks = made(study_tables.section(run)).blocks
        return next((b for b in blocks if isinstance(b, Table) and b.title.startswith("Halo")), None)

    assert halo() is None
    votes = run.read_table("votes.parquet", "votes")
    votes["prompt_hidden"] = votes["rater"] < "r0004"
    first = votes[votes["question"] == "aesthetics"].set_index(["rater", "image_a", "image_b"])["choice"]
    shown = (votes["question"] == "alignment") & ~votes["prompt_hidden"]
    same = [first[key] for key in votes.loc[shown, ["rater", "image_a", "image_b"]].itertuples(index=False, name=None)]
    votes.loc[shown, "choice"] = same  # where the text is there from the start, one answer follows the other
    run.write_table("votes.parquet", votes, "votes")
    rows = {row[0]: row for row in halo().rows}
    assert float(rows["from the start"][1].split()[0]) > 0.95 and rows["from the start"][3] == "4"
    assert float(rows["after the first answer"][1].split()[0]) < 0.6


def test_amendments_and_looks_are_departures_and_a_pilot_says_so(simulate: Simulate) -> None:
    run = simulate(**SMALL)
    change = {"key": "analysis.equivalence_margin", "before": 0.1, "after": 0.05}
    amendment = {"at": "2026-11-24T10:00:00+00:00", "reason": "a typing error", "changes": [change]}
    events = [{"at": "2026-11-24", "what": "interim", "detail": {}, "sha": "0"}]
    run.write_json(
        "voting.json", {"closed_at": "2026-11-25", "amendments": [amendment], "events": events, "mode": "pilot"}
    )
    record = run.read_json("voting.json") | {"analysis": {"primary_question": "alignment", "equivalence_margin": 0.05}}
    run.write_json("voting.json", record)
    assert made(summary.section(run)).title.startswith("Alignment")
    assert "parity within ±5 points" in made(summary.section(run)).conclusion
    found = list(departures(run, read_facts(run), None))
    assert any("equivalence_margin from 0.1 to 0.05 (a typing error)" in one for one in found)
    assert any("looked at 1 time before" in one for one in found)
    assert any(one.startswith("Pilot: a rehearsal") for one in notices(run, read_facts(run)))


def test_the_published_table_alone_is_a_reconstruction_and_never_votes(simulate: Simulate) -> None:
    run = simulate(parts=(), study={"voting": None, "sections": ["reconstruction", "methods"]})
    found = made(reconstruction.section(run))
    assert "95: 39 / 29 / 25 / 2" in found.conclusion and "p = .275" in found.conclusion
    assert found.title.startswith("Reconstruction:")
    text = json.dumps([block.rows for block in found.blocks if isinstance(block, Table)])
    assert '"202"' in text and '"382"' in text and '"534"' in text and '"67 %"' in text
    assert "not 95 votes that somebody cast" in said_of(found)
    assert reconstruction.section(simulate(**SMALL)) is None


def test_a_reviewers_list_is_filled_from_data(simulate: Simulate) -> None:
    run = simulate(**SMALL, simulated=False)
    section = made(methods.section(run))
    items = dict(next(b for b in section.blocks if isinstance(b, Table) and b.title.startswith("Checklist")).rows)
    assert items["Pairs, and raters for each"] == "10 pairs; 5 to 5 raters on each pair and question"
    assert "“Which is better (aesthetics)?”" in items["Questions and answers, word by word"]
    assert "not recorded" in items["Raters: pay"]


def said_of(section: Section | None) -> str:
    return " ".join(
        " ".join([getattr(block, "text", ""), *getattr(block, "points", ())]) for block in made(section).blocks
    )


def test_unlike_signatures_never_share_a_column(simulate: Simulate) -> None:
    run = simulate(**SMALL | {"parts": ("images", "scores")})
    assert columns_of("clip_score", run) == 1
    record = run.read_json("metrics.json")
    next(v for v in record["values"] if v["metric"] == "clip_score")["signature"] += "|other-preprocessing"
    run.write_json("metrics.json", record)
    assert columns_of("clip_score", run) == 2


def columns_of(metric: str, run: Run) -> int:
    table = made(metrics_section.section(run)).blocks[0]
    assert isinstance(table, Table)
    return sum(1 for column in table.columns if column.title == "value" and column.group.startswith(metric))


@pytest.mark.parametrize(("column", "value"), [("choice", "left"), ("system_a", "stranger"), ("side_shown", "above")])
def test_votes_that_make_no_sense_are_refused(simulate: Simulate, column: str, value: str) -> None:
    run = simulate(**SMALL)
    votes: pd.DataFrame = run.read_table("votes.parquet", "votes")
    votes.loc[0, column] = value
    run.write_table("votes.parquet", votes, "votes")
    with pytest.raises(RunError, match=f"{column} '{value}' is unknown"):
        summary.section(run)
