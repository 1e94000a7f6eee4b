"""The commands of `evalkit vote` that change, rehearse or save a frozen study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.cli_vote import vote_app
from evalkit.options import DEFAULT, AsJson, StudyName, resolve_study, shown, this_settings
from evalkit.outcome import Outcome

__all__ = ["vote_app"]

Codes = Annotated[list[str] | None, typer.Option("--rater", help="a rater's code from `vote invite`, or their link")]


@vote_app.command("amend")
@shown
def vote_amend(
    study: StudyName = DEFAULT,
    reason: Annotated[str, typer.Option(help="why; the report prints it")] = "",
    changes: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE, as in the study file")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Change the plan of a frozen study, or note a deviation; the log keeps it and the report prints it.

    \b
    Example: evalkit vote amend demo --set analysis.equivalence_margin=0.15 --reason "a smaller panel than planned"
    """
    from evalkit.stages.vote_change import amend as stage

    return stage(resolve_study(study), this_settings(), reason=reason, changes=changes or ())


@vote_app.command("interim")
@shown
def vote_interim(
    study: StudyName = DEFAULT,
    reason: Annotated[str, typer.Option(help="what the look is for; the report prints it")] = "",
    as_json: AsJson = False,
) -> Outcome:
    """Export the votes of an open study: a line in its log, and a deviation on every page of a report.

    \b
    Example: evalkit vote interim demo --reason "safety review"
    """
    from evalkit.stages.vote_change import interim as stage

    return stage(resolve_study(study), this_settings(), reason=reason)


@vote_app.command("revoke")
@shown
def vote_revoke(study: StudyName = DEFAULT, rater: Codes = None, as_json: AsJson = False) -> Outcome:
    """Withdraw invites. Votes that were cast stay; what was left unfinished returns to the pool.

    \b
    Example: evalkit vote revoke demo --rater 3f9a0c1b2d4e
    """
    from evalkit.stages.vote_change import revoke as stage

    return stage(resolve_study(study), this_settings(), codes=rater or ())


@vote_app.command("erase")
@shown
def vote_erase(
    study: StudyName = DEFAULT,
    rater: Codes = None,
    due: Annotated[bool, typer.Option("--due", help="of all raters, once voting.retention_days have passed")] = False,
    as_json: AsJson = False,
) -> Outcome:
    """Remove what raters told of themselves; their votes stay or go as the study file says.

    \b
    Example: evalkit vote erase demo --rater 3f9a0c1b2d4e
    """
    from evalkit.stages.vote_change import erase as stage

    return stage(resolve_study(study), this_settings(), codes=rater or (), due=due)


@vote_app.command("rehearse")
@shown
def vote_rehearse(
    study: StudyName = DEFAULT,
    mode: Annotated[str, typer.Option(help="pilot or preview")] = "pilot",
    raters: Annotated[int, typer.Option(min=1, max=1000, help="places, and links")] = 1,
    days: Annotated[int, typer.Option(min=1, help="how long the links are valid")] = 7,
    as_json: AsJson = False,
) -> Outcome:
    """Open a pilot or a preview: a copy of the study whose votes never mix with it.

    \b
    Example: evalkit vote rehearse demo --mode preview
    """
    from evalkit.stages.vote_change import rehearse as stage

    return stage(resolve_study(study), this_settings(), mode=mode, raters=raters, days=days)


@vote_app.command("backup")
@shown
def vote_backup(
    out: Annotated[Path | None, typer.Option(help="folder to write; default: DATA/backups/TIME")] = None,
    images: Annotated[bool, typer.Option(help="copy the raters' pictures too (else they are listed)")] = True,
    as_json: AsJson = False,
) -> Outcome:
    """Back up the voting database while it is in use, proven by each study's log.

    \b
    Example: evalkit vote backup --out /mnt/safe/monday
    """
    from evalkit.stages.vote_backup import backup as stage

    return stage(this_settings(), out=out, images=images)


@vote_app.command("restore")
@shown
def vote_restore(
    folder: Annotated[Path, typer.Argument(help="what `vote backup` wrote")], as_json: AsJson = False
) -> Outcome:
    """Restore a backup into an empty database, and prove every study in it.

    \b
    Example: evalkit vote restore /mnt/safe/monday
    """
    from evalkit.stages.vote_backup import restore as stage

    return stage(folder, this_settings())
