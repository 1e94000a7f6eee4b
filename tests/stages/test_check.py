"""What `evalkit check` counts before the first image is what opening then draws."""

import pytest
from sqlalchemy import func, select

from evalkit.stages import vote
from evalkit.stages.check import check
from evalkit.stages.generate import generate
from evalkit.store import db
from evalkit.store.tables import ComparisonRow, SheetRow
from tests.stages.drawing import procedural
from tests.stages.test_audit import write_prompts

DESIGNS = [
    {"raters": 3, "comparisons_per_rater": 4},
    {"votes_per_comparison": 2, "comparisons_per_rater": 6},
    {"raters": 2, "languages": "one"},
    {"votes_per_comparison": 3, "languages": "one", "comparisons_per_rater": 4},
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: "-".join(design))
def test_comparisons_and_votes_are_those_of_the_sheets_that_are_drawn(checkout, settings, design):
    write_prompts(checkout, ("en", "es"), keys=6)
    voting = {"questions": ["aesthetics", "alignment"], "images": 1, **design}
    resolved = procedural(checkout, "few", "many", prompts="spoken", voting=voting)
    told = check(resolved, settings).facts
    generate(resolved, settings)
    vote.open_study(resolved, settings)
    with db.session(db.connect(settings), reading=True) as session:
        drawn = session.scalar(select(func.count(ComparisonRow.id)).where(ComparisonRow.kind == "vote"))
        votes = sum(2 * len(sheet.assignments) for sheet in session.scalars(select(SheetRow)))
    assert (told["comparisons"], told["votes"]) == (drawn, votes)
