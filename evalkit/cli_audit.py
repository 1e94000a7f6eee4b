"""The commands `evalkit audit` and `evalkit translate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit import terminal
from evalkit.options import (
    Address,
    AsJson,
    EngineName,
    Names,
    Quiet,
    Wait,
    Workers,
    listed,
    resolve_study,
    shown,
    this_engine,
    this_settings,
)
from evalkit.outcome import Outcome

DEFAULT = "audit-languages"
AuditStudy = Annotated[str, typer.Argument(metavar="STUDY", help="a name in studies/, or the path of a YAML file")]


@shown
def audit(
    study: AuditStudy = DEFAULT,
    checks: Names = "",
    partial: Annotated[bool, typer.Option("--partial", help="audit the images that are there")] = False,
    wait: Wait = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Languages against English, who is shown, what is unsafe: every number with its interval.

    \b
    Examples: evalkit audit emoji-audit
              evalkit audit audit-people --checks representation --json
    """
    from evalkit.stages.audit import audit as stage

    with terminal.bar(quiet=quiet or as_json) as progress:
        resolved = resolve_study(study)
        return stage(resolved, this_settings(wait=wait), checks=listed(checks), partial=partial, progress=progress)


@shown
def translate(
    study: AuditStudy = DEFAULT,
    model: Annotated[str, typer.Option(help="NLLB-200 or MADLAD-400: owner/name@REVISION, or a folder")] = "",
    languages: Names = "",
    limit: Annotated[int | None, typer.Option(min=1, help="only the first so many prompts")] = None,
    import_: Annotated[Path | None, typer.Option("--import", help="take translations of people: key,lang,text")] = None,
    sheet: Annotated[Path | None, typer.Option(help="write what nobody has read yet, for a reader")] = None,
    read: Annotated[Path | None, typer.Option(help="take a sheet back from its reader")] = None,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Fill the languages of a study's prompts: by a model with back-translation, or by people.

    \b
    Examples: evalkit translate --languages es,sw --limit 10
              evalkit translate audit-languages --sheet review.csv
              evalkit translate audit-languages --read review.csv
    """
    from evalkit.stages import translate as stage

    resolved, settings = resolve_study(study), this_settings()
    for file, does in ((import_, stage.take), (sheet, stage.write_sheet), (read, stage.read_sheet)):
        if file is not None:
            return does(resolved, settings, file)
    with terminal.bar(quiet=quiet or as_json) as progress:
        wish: dict[str, Any] = {"model": model or stage.DEFAULT_MODEL, "languages": listed(languages), "limit": limit}
        wish["engine"] = this_engine(engine, address, workers)
        return stage.translate(resolved, settings, progress=progress, **wish)
