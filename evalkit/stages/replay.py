"""`evalkit replay`: a run of a study that has a published table and nothing else, for the report to read."""

from __future__ import annotations

import time

from evalkit.errors import SpecError
from evalkit.outcome import Outcome
from evalkit.settings import Settings
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store.manifest import add_stage, begin
from evalkit.store.run import Run


def replay(resolved: ResolvedStudy, settings: Settings) -> Outcome:
    """Makes the run folder with the study and its published table; draws nothing and asks nobody.

    Raises:
        SpecError: the study has no published table.
    """
    published = resolved.study.published
    if published is None:
        raise SpecError("the study has no published table", where=str(resolved.path), hint="add `published:` to it")
    run, started = Run(settings.runs_dir / resolved.run_name), time.perf_counter()
    with run.lock("replay", wait=settings.wait):
        begin(run, resolved)
        if not run.has("manifest.json"):
            add_stage(run, "replay", seconds=time.perf_counter() - started, tables=list(published.tables))
    said = f"published table of {published.source}: {len(published.tables)} questions"
    return Outcome(said, where=run.folder, next=f"evalkit report {resolved.study.name}")
