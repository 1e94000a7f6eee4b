"""`evalkit report --compare`: two run folders -> one report of what changed and whether it is real."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit import __version__
from evalkit.errors import RunError, SpecError
from evalkit.outcome import Outcome
from evalkit.sections._blocks import as_record
from evalkit.sections._comparison import sides, votes_section
from evalkit.sections._comparison_plans import metrics_section, plans_section, run_table
from evalkit.sections._notices import notices
from evalkit.sections._publish import SCHEMA, publish
from evalkit.sections._study import read_voting
from evalkit.settings import Settings
from evalkit.store.run import Run


def compare(
    first: Run, second: Run, settings: Settings, *, same: Mapping[str, str] | None = None, out: Path | None = None
) -> Outcome:
    """Writes the comparison of two runs into `out` (default: REPORTS/FIRST-against-SECOND).

    `same`: a system of the first run -> the system of the second that is its other version; others match by name.

    Raises:
        RunError: a study is still open, or the runs share nothing that could be compared.
    """
    for run in (first, second):
        voting = read_voting(run)
        if run.has("votes.parquet") and voting.get("closed_at", "unknown") is None:
            raise RunError("the study is still open: it is compared after it closed", where=run.name)
    record = compose(first, second, same or {})
    folder = out or settings.reports_dir / f"{first.name}-against-{second.name}"
    written = publish(record, folder, first.path("thumbnails"))
    facts = {"first": first.name, "second": second.name, "numbers": written["sections"][0]["numbers"]}
    conclusion = written["sections"][0]["conclusion"]
    warnings = tuple(written["notices"])
    return Outcome(conclusion, where=folder / "index.html", facts=facts, warnings=warnings)


def compose(first: Run, second: Run, same: Mapping[str, str]) -> dict[str, Any]:
    """The comparison as one JSON record in the shape of a report."""
    one, two = sides(first, second, same)
    votes = votes_section(one, two)
    made = [
        replace(votes, blocks=(*votes.blocks, run_table(one, two))),
        metrics_section(one, two),
        plans_section(one, two),
    ]
    said = dict.fromkeys([*notices(first, one.facts), *notices(second, two.facts)])
    return {
        "schema": SCHEMA,
        "evalkit": __version__,
        "run": f"{first.name} against {second.name}",
        "interim": False,
        "study": {
            "name": one.facts.study.name,
            "title": f"{one.facts.study.title}: what changed",
            "summary": f"The run {second.name} against the run {first.name}: what changed, and is it real?",
            "sha": one.facts.sha,
            "confidence": one.facts.study.analysis.confidence,
        },
        "notices": list(said),
        "sections": [as_record(section) for section in made if section is not None],
    }


def pairs_of(same: Sequence[str]) -> dict[str, str]:
    """`OLD=NEW` words as old -> new.

    Raises:
        SpecError: a word without "=".
    """
    for word in same:
        if "=" not in word:
            raise SpecError(f"{word!r} does not name two systems", hint="--same OLD=NEW")
    return {old.strip(): new.strip() for old, _, new in (word.partition("=") for word in same)}
