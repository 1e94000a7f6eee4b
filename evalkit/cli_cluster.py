"""The command `evalkit cluster check`."""

from __future__ import annotations

import typer

from evalkit.options import DEFAULT, Address, AsJson, StudyName, resolve_study, shown, this_engine, this_settings
from evalkit.outcome import Outcome

cluster_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The Ray cluster that --engine ray uses.")


@cluster_app.callback()
def group() -> None:
    """The Ray cluster that --engine ray uses."""


@cluster_app.command()
@shown
def check(study: StudyName = DEFAULT, address: Address = None, as_json: AsJson = False) -> Outcome:
    """What each node has: GPUs, memory, the study's checkpoints, the storage, and the same versions as here.

    \b
    Examples: evalkit cluster check --address 10.0.0.1:6379
              evalkit cluster check my-study --json
    """
    from evalkit.stages.cluster import check as stage

    resolved = resolve_study(study)
    return stage(resolved, this_settings(), engine=this_engine("ray", address, None))
