"""How many raters were planned: from what was drawn, where the study file says votes per comparison or one language."""

from __future__ import annotations

import pytest

from evalkit.sections import methods
from evalkit.sections._departures import departures
from evalkit.sections._study import read_facts
from evalkit.sections._votes import read_votes

SMALL = {"prompts": 10, "images": 1, "raters": 6, "parts": ("images", "votes"), "simulated": False}
VOTES = {"images": 1, "questions": ["aesthetics", "alignment"], "votes_per_comparison": 3}
ONE = {"images": 1, "questions": ["aesthetics", "alignment"], "raters": 3, "languages": "one"}


def said(run) -> tuple[str, list[str]]:
    """The plan's row of the vote, and what is said of raters among the departures."""
    facts = read_facts(run)
    plan = next(block for block in methods.section(run).blocks if "plan" in getattr(block, "title", ""))
    row = next(cells[1] for cells in plan.rows if cells[0] == "Vote")
    return row, [line for line in departures(run, facts, read_votes(run, facts)) if line.startswith("Raters: ")]


@pytest.mark.parametrize(
    ("voting", "places", "row", "departure"),
    [
        (VOTES, 6, "6 sheets,", []),
        (VOTES, 8, "8 sheets,", ["Raters: 8 planned, 6 analysed."]),
        (VOTES, None, "sheets for 3 votes on each comparison,", []),
        (ONE, 6, "6 sheets of one language each", []),
        (ONE, None, "3 sheets in each language,", []),
        ({**VOTES, "languages": "one"}, 6, "6 sheets of one language each", []),
    ],
)
def test_the_number_of_sheets_is_that_which_was_drawn(simulate, voting, places, row, departure):
    run = simulate(**SMALL, study={"voting": voting})
    if places is not None:
        run.write_json("voting.json", {"design": {**voting, "places": places, "sheets": 3}})
    vote, raters = said(run)
    assert row in vote and "10 sheets" not in vote and raters == departure
