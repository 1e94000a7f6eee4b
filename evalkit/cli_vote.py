"""The commands of `evalkit vote`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit import terminal
from evalkit.options import DEFAULT, AsJson, Quiet, StudyName, listed, resolve_study, shown, this_settings
from evalkit.outcome import Outcome

vote_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The blind side-by-side study.")


@vote_app.command("open")
@shown
def vote_open(
    study: StudyName = DEFAULT,
    beside: Annotated[bool, typer.Option(help="although one of this name is open, from a file changed since")] = False,
    unchecked: Annotated[str, typer.Option(metavar="WHY", help="without the check for unsafe images, and why")] = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Freeze a study and open it for votes.

    Pictures of models that can draw people are looked at by the detector of unsafe images first; what it finds is not
    shown to raters.

    \b
    Examples: evalkit vote open demo
              evalkit vote open --unchecked "all pictures were looked at by two of us"
    """
    from evalkit.stages.vote import open_study as stage

    with terminal.bar(quiet=quiet or as_json) as progress:
        resolved, settings = resolve_study(study), this_settings()
        return stage(resolved, settings, beside=beside, unchecked=unchecked, progress=progress)


@vote_app.command("invite")
@shown
def vote_invite(
    study: StudyName = DEFAULT,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="how many raters")] = 1,
    days: Annotated[int, typer.Option(min=1, help="how long the links are valid")] = 30,
    out: Annotated[Path | None, typer.Option(help="write the links into this CSV file")] = None,
    return_url: Annotated[str | None, typer.Option(help="where raters go when done; {code}: completion code")] = None,
    languages: Annotated[str, typer.Option(help="that these raters read, separated by commas")] = "",
    as_json: AsJson = False,
) -> Outcome:
    """Make invite links, one rater each. They are shown once: only their hash is stored.

    \b
    Example: evalkit vote invite demo --count 30 --out links.csv
    """
    from evalkit.stages.vote import invite as stage

    known = listed(languages)
    return stage(
        resolve_study(study), this_settings(), count=count, days=days, out=out, return_url=return_url, languages=known
    )


@vote_app.command("status")
@shown
def vote_status(study: StudyName = DEFAULT, as_json: AsJson = False) -> Outcome:
    """How far the voting is, without saying who leads.

    \b
    Example: evalkit vote status demo --json
    """
    from evalkit.stages.vote import status as stage

    return stage(resolve_study(study), this_settings())


@vote_app.command("verify")
@shown
def vote_verify(
    study: StudyName = DEFAULT,
    head: Annotated[str | None, typer.Option(help="the head of the log that was printed at opening or closing")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Prove that the study's log, its frozen design and its votes are unbroken.

    \b
    Example: evalkit vote verify demo
    """
    from evalkit.stages.vote import verify as stage

    return stage(resolve_study(study), this_settings(), head=head)


@vote_app.command("leakcheck")
@shown
def vote_leakcheck(study: StudyName = DEFAULT, quiet: Quiet = False, as_json: AsJson = False) -> Outcome:
    """Serve a rehearsal of the study, and search all that a browser receives for what tells the systems apart.

    \b
    Example: evalkit vote leakcheck demo
    """
    from evalkit.stages.leakcheck import check_served as stage

    with terminal.bar(quiet=quiet or as_json) as progress:
        return stage(resolve_study(study), this_settings(), progress=progress)


@vote_app.command("close")
@shown
def vote_close(study: StudyName = DEFAULT, as_json: AsJson = False) -> Outcome:
    """Close a study for good and write its votes into the run folder.

    \b
    Example: evalkit vote close demo
    """
    from evalkit.stages.vote import close as stage

    return stage(resolve_study(study), this_settings())
