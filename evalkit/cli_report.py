"""The commands that end a study: `evalkit report` and `evalkit export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit import terminal
from evalkit.options import DEFAULT, AsJson, Names, Quiet, StudyName, listed, resolve_study, shown, this_settings
from evalkit.outcome import Outcome

Runs = Annotated[tuple[str, str] | None, typer.Option(metavar="RUN1 RUN2", help="what changed between two runs")]


@shown
def report(
    study: StudyName = DEFAULT,
    out: Annotated[Path | None, typer.Option(help="where to write it; default reports/STUDY-SHA8")] = None,
    sections: Names = "",
    interim: Annotated[bool, typer.Option("--interim", help="of an open study, after `evalkit vote interim`")] = False,
    compare: Runs = None,
    same: Annotated[list[str] | None, typer.Option(metavar="OLD=NEW", help="systems that are versions of one")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Write the report of a study from its run folder alone: page, Markdown, LaTeX, CSV, JSON.

    \b
    Examples: evalkit report demo
              evalkit report demo --sections summary,study_tables,methods
              evalkit report demo --interim
              evalkit report --compare data/runs/demo-1a2b3c4d data/runs/demo-5e6f7a8b --same nas-30=nas-20
    """
    from evalkit.stages.compare import compare as compare_stage
    from evalkit.stages.compare import pairs_of
    from evalkit.stages.report import report as stage
    from evalkit.store.run import latest_run

    if compare is not None:
        first, second = (latest_run(this_settings().runs_dir, name) for name in compare)
        return compare_stage(first, second, this_settings(), same=pairs_of(same or []), out=out)
    run = latest_run(this_settings().runs_dir, study)
    return stage(run, this_settings(), out=out, interim=interim, chosen=listed(sections))


@shown
def replay(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="a study with a published table")] = "published-table",
    as_json: AsJson = False,
) -> Outcome:
    """Make a run of a published table alone, so that `evalkit report` says what can stand behind it.

    \b
    Example: evalkit replay published-table
    """
    from evalkit.stages.replay import replay as stage

    return stage(resolve_study(study), this_settings())


@shown
def export(
    study: StudyName = DEFAULT,
    out: Annotated[Path | None, typer.Option(help="the folder to write into; default exports/STUDY-SHA8")] = None,
    hub_layout: Annotated[
        bool, typer.Option("--hub-layout", help="with the pictures, as datasets.load_dataset reads it")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Write the raw data of a closed study: CSV, Parquet, JSONL, a codebook and Croissant metadata.

    \b
    Examples: evalkit export demo
              evalkit export demo --hub-layout --out ~/demo-votes
    """
    from evalkit.stages.export import export as stage
    from evalkit.store.run import latest_run

    with terminal.bar(quiet=quiet or as_json) as progress:
        run = latest_run(this_settings().runs_dir, study)
        return stage(run, this_settings(), out=out, hub_layout=hub_layout, progress=progress)
