"""evalkit report: a run folder -> report.json, and from that alone the page, Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit import __version__, registry, sections
from evalkit.errors import RunError
from evalkit.outcome import Outcome
from evalkit.sections._blocks import Section, as_record
from evalkit.sections._notices import notices
from evalkit.sections._publish import SCHEMA, publish
from evalkit.sections._study import read_facts, read_voting
from evalkit.settings import Settings
from evalkit.store.run import Run


def report(
    run: Run, settings: Settings, *, out: Path | None = None, interim: bool = False, chosen: Sequence[str] = ()
) -> Outcome:
    """Writes the report of a run into `out` (default: REPORTS/RUN). Reads the run folder and nothing else.

    `chosen`: sections in their order, instead of those that the study chooses.

    Raises:
        RunError: the run lacks its study, a table is damaged, or the study is still open and `interim` is not asked.
    """
    require_closed(run, interim=interim)
    folder = out or settings.reports_dir / run.name
    written = publish(compose(run, interim=interim, chosen=chosen), folder, run.path("thumbnails"))
    if interim:
        run.log("interim report", where=str(folder))
    found = written["sections"]
    return Outcome(
        said=f"{found[0]['title']}. {len(found)} sections.",
        where=folder / "index.html",
        facts={
            "run": run.name,
            "sections": [section["name"] for section in found],
            "conclusion": found[0]["conclusion"],
        },
        warnings=tuple(written["notices"]),
    )


def compose(run: Run, *, interim: bool = False, chosen: Sequence[str] = ()) -> dict[str, Any]:
    """The whole report as one JSON record."""
    facts = read_facts(run)
    names = chosen or facts.study.sections or sections.in_order()
    made: list[Section | None] = [registry.get("sections", name).section(run) for name in names]
    if not any(made):
        raise RunError("the run holds nothing for these sections", where=run.name, hint=f"sections: {', '.join(names)}")
    return {
        "schema": SCHEMA,
        "evalkit": __version__,
        "run": run.name,
        "interim": interim,
        "study": {
            "name": facts.study.name,
            "title": facts.study.title,
            "summary": facts.study.summary,
            "sha": facts.sha,
            "confidence": facts.study.analysis.confidence,
        },
        "notices": notices(run, facts, interim=interim),
        "sections": [as_record(section) for section in made if section is not None],
    }


def require_closed(run: Run, *, interim: bool) -> None:
    """Refuses to look into a study that is still open, unless that is asked for by name; and the other way round."""
    open_ = bool(voting := read_voting(run)) and voting.get("closed_at", "unknown") is None
    if interim and not open_:
        raise RunError("the study is not open: there is nothing interim about it", where=run.name, hint="no --interim")
    if interim and not run.has("votes.parquet"):
        hint = '`evalkit vote interim --reason "..."` first: the look is a line in the log of the study'
        raise RunError("the votes of the open study were not exported", where=run.name, hint=hint)
    if run.has("votes.parquet") and open_ and not interim:
        hint = "`evalkit vote close` first, or --interim, which every page will say"
        raise RunError("the study is still open: results are read once, after it closed", where=run.name, hint=hint)
