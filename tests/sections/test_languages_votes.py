"""Votes by the language of the prompt: people's own measure of the gap."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from evalkit.sections._language_votes import vote_blocks
from evalkit.sections._study import read_facts
from tests.sections.simulated_run import Plan, simulate_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Every vote twice, once as on Spanish prompts, where half of the answers are "neither"."""
    run = simulate_run(tmp_path_factory.mktemp("spoken"), Plan(prompts=12, raters=6, parts=("images", "votes")))
    votes = run.read_table("votes.parquet", "votes")
    spanish = votes.assign(lang="es", vote_id="es-" + votes["vote_id"])
    spanish.loc[(spanish.index // 2) % 2 == 0, "choice"] = "neither"
    run.write_table("votes.parquet", pd.concat([votes, spanish], ignore_index=True), "votes")
    return run


def test_the_share_of_neither_differs_by_what_was_planted(run):
    facts = read_facts(run)
    (table,) = vote_blocks(run, facts, "en")
    assert [row[0] for row in table.rows] == ["English (en)", "Spanish (es)"]
    english, spanish = table.rows
    assert english[3] == "–" and spanish[3].startswith("+4") and "(" in spanish[3], spanish
    assert english[5:] == ("12", "6") and "Exploratory" in table.note


def test_without_votes_and_in_one_language_a_sentence_and_no_number(tmp_path):
    silent = simulate_run(tmp_path / "silent", Plan(parts=("images",)))
    assert "Nobody has voted" in vote_blocks(silent, read_facts(silent), "en")[0].text
    one = simulate_run(tmp_path / "one", Plan(parts=("images", "votes")))
    assert "English (en)" in vote_blocks(one, read_facts(one), "en")[0].text


def test_where_nobody_was_asked_for_alignment_there_is_a_sentence(run):
    facts = read_facts(run)
    voting = facts.study.voting.model_copy(update={"questions": ["aesthetics"]})
    beauty = replace(facts, study=facts.study.model_copy(update={"voting": voting}))
    (said,) = vote_blocks(run, beauty, "en")
    assert "Nobody was asked whether pictures fit" in said.text


def test_the_interval_of_the_gap_is_at_the_studys_confidence(run):
    facts = read_facts(run)
    wide = vote_blocks(run, facts, "en")[0].rows[1][3]
    loose = facts.study.model_copy(update={"analysis": facts.study.analysis.model_copy(update={"confidence": 0.8})})
    narrow = vote_blocks(run, replace(facts, study=loose), "en")[0].rows[1][3]

    def ends(said):
        return [float(number.replace("−", "-")) for number in re.findall(r"[+−-]?\d+(?:\.\d+)?", said)]

    assert ends(wide)[0] == ends(narrow)[0]
    assert ends(wide)[1] < ends(narrow)[1] < ends(narrow)[2] < ends(wide)[2], (wide, narrow)
