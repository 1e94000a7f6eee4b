"""The command line: one command per stage. It computes nothing, and imports what is heavy only when it is used."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from evalkit import terminal
from evalkit.cli_audit import audit, translate
from evalkit.cli_bench import bench
from evalkit.cli_cluster import cluster_app
from evalkit.cli_plan import plan
from evalkit.cli_report import export, replay, report
from evalkit.cli_simulate import simulate
from evalkit.cli_table import table_app
from evalkit.cli_vote_change import vote_app
from evalkit.errors import EvalkitError
from evalkit.options import (
    DEFAULT,
    Address,
    AsJson,
    EngineName,
    Names,
    Quiet,
    StudyName,
    Wait,
    Workers,
    listed,
    resolve_study,
    shown,
    this_engine,
    this_settings,
)
from evalkit.outcome import Outcome

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Evaluation and blind human-preference studies for text-to-image models.",
    epilog="Start: evalkit demo · A real study: check, fetch, generate, score, vote open, vote close, report.",
)
app.add_typer(vote_app, name="vote")
app.add_typer(table_app, name="table")
app.add_typer(cluster_app, name="cluster")
app.command()(plan)
app.command()(simulate)
app.command()(report)
app.command()(export)
app.command()(replay)
app.command()(bench)
app.command()(audit)
app.command()(translate)


def main() -> None:
    """Runs the command line; a user's mistake ends in three lines and exit code 2 (3: a missing extra)."""
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]
    try:
        app()
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)
    except (EvalkitError, ImportError, MemoryError) as error:
        readable = _readable(error)
        if debug or readable is None:
            raise
        terminal.show_error(readable, as_json="--json" in sys.argv)
        sys.exit(readable.exit_code)


def _readable(error: EvalkitError | ImportError | MemoryError) -> EvalkitError | None:
    from evalkit.registry import missing_extra

    if isinstance(error, MemoryError):
        hint = "close other programs, or take a smaller part; what was finished is kept"
        return EvalkitError(f"memory ran out: {error}", hint=hint)
    return error if isinstance(error, EvalkitError) else missing_extra(error)


@app.command()
@shown
def ls(
    kind: Annotated[str, typer.Argument(help="studies, models, prompts, questions, metrics or checks")] = "studies",
    as_json: AsJson = False,
) -> Outcome:
    """List studies, models, prompts, questions, metrics or checks.

    \b
    Example: evalkit ls models
    """
    from evalkit.stages.ls import ls as stage

    return stage(kind, this_settings())


@app.command()
@shown
def check(
    study: StudyName = DEFAULT,
    seconds_per_image: Annotated[float, typer.Option(min=0, help="what one image costs on your machine")] = 2.0,
    as_json: AsJson = False,
) -> Outcome:
    """Find everything that a study names, and count images, disk, hours and votes.

    \b
    Example: evalkit check demo --seconds-per-image 0.4
    """
    from evalkit.stages.check import check as stage

    return stage(resolve_study(study), this_settings(), seconds_per_image=seconds_per_image)


@app.command()
@shown
def fetch(
    study: StudyName = DEFAULT,
    to: Annotated[Path | None, typer.Option(help="copy all of it to this folder too: an offline mirror")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="take all of it from such a folder")] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Pin the revisions that a study leaves open, and download what it needs: models, metrics' networks, prompts.

    \b
    Examples: evalkit fetch decidiffusion-vs-sd15
              evalkit fetch --to /media/disk/mirror      (online)
              evalkit fetch --from /media/disk/mirror    (offline)
    """
    from evalkit.stages.fetch import fetch as stage

    with terminal.bar(quiet=quiet or as_json) as progress:
        return stage(resolve_study(study), this_settings(), to=to, source=source, progress=progress)


@app.command("import")
@shown
def import_(
    folder: Annotated[Path, typer.Argument(help="the folder of pictures")],
    system: Annotated[str, typer.Option(help="the system of the study that drew them")],
    study: Annotated[str, typer.Option(help="the study")] = DEFAULT,
    table: Annotated[Path | None, typer.Option(help="CSV with file and prompt_key or prompt")] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Take pictures that somebody already has, matched to prompts by file name or by a table.

    \b
    Example: evalkit import ~/pictures --system closed-model --study my-study
    """
    from evalkit.stages.import_images import import_images as stage

    return stage(resolve_study(study), this_settings(), folder=folder, system=system, table=table)


@app.command()
@shown
def generate(
    study: StudyName = DEFAULT,
    prompts: Annotated[str | None, typer.Option(help="another prompt set, or a CSV, TSV or JSONL file")] = None,
    systems: Names = "",
    categories: Names = "",
    sample: Annotated[int | None, typer.Option(min=1, help="only this many prompts, drawn by key")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="only the first so many prompts")] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="images at once; default: what memory has room for, fixed in the plan")
    ] = None,
    no_safety_checker: Annotated[
        bool, typer.Option("--no-safety-checker", help="draw without the checkpoints' own; recorded")
    ] = False,
    compiled: Annotated[bool, typer.Option("--compile", help="run the networks by torch.compile; recorded")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="read all images; draw damaged ones again")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be made")] = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    wait: Wait = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Draw the images of a study. Stop it at any time: the same command goes on.

    \b
    Examples: evalkit generate --prompts parti --limit 20
              evalkit generate demo --systems nas-30 --dry-run --json
              evalkit generate --engine ray --address 10.0.0.1:6379
    """
    from evalkit.spec.plan import Part
    from evalkit.stages.generate import generate as stage

    part = Part(listed(systems), listed(categories), sample, limit)
    with terminal.bar(quiet=quiet or as_json) as progress:
        resolved = resolve_study(study, prompts)
        return stage(
            resolved,
            this_settings(wait=wait),
            part=part,
            batch_size=batch_size,
            safety_checker=not no_safety_checker,
            compiled=compiled,
            verify=verify,
            dry_run=dry_run,
            engine=this_engine("local" if dry_run else engine, address, workers),
            progress=progress,
        )


@app.command()
@shown
def score(
    study: Annotated[str, typer.Argument(metavar="STUDY|DIR", help="a study, or a folder of pictures")] = DEFAULT,
    metrics: Names = "",
    reference: Annotated[Path | None, typer.Option(help="score the folder against this folder or .npz file")] = None,
    save_statistics: Annotated[Path | None, typer.Option(help="write the folder's mean and covariance (.npz)")] = None,
    model: Annotated[str | None, typer.Option(help="of a folder: the CLIP, or the resizing of fid")] = None,
    partial: Annotated[bool, typer.Option("--partial", help="score the images that are there")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="compute a run's metrics again, and compare")] = False,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    wait: Wait = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Compute the metrics of a study, or of two folders of pictures, with intervals.

    \b
    Examples: evalkit score demo --metrics clip_score
              evalkit score --verify data/runs/demo-1a2b3c4d
              evalkit score pictures/ --reference photographs/ --metrics fd_lite0,kid_lite0 --json
              evalkit score pictures/ --reference photographs.npz --metrics fid --model pytorch-fid
              evalkit score photographs/ --save-statistics photographs.npz --metrics fd_lite0
    """
    from evalkit.stages.score import score as stage
    from evalkit.stages.score_folders import DEFAULT as FOLDER_METRICS
    from evalkit.stages.score_folders import save_statistics as save
    from evalkit.stages.score_folders import score_folders

    with terminal.bar(quiet=quiet or as_json) as progress:
        options: dict[str, Any] = {"model": model, "progress": progress}
        if save_statistics is not None:
            return save(Path(study), this_settings(), out=save_statistics, metrics=listed(metrics), **options)
        if reference is not None:
            chosen = listed(metrics) or FOLDER_METRICS
            return score_folders(Path(study), this_settings(), reference=reference, metrics=chosen, **options)
        if verify:
            from evalkit.stages.score_verify import verify_run

            return verify_run(study, this_settings(), progress=progress)
        resolved = resolve_study(study)
        options = {"engine": this_engine(engine, address, workers), "progress": progress}
        return stage(resolved, this_settings(wait=wait), metrics=listed(metrics), partial=partial, **options)


@app.command()
@shown
def status(study: StudyName = DEFAULT, as_json: AsJson = False) -> Outcome:
    """What of a study has run, what is missing, who works on it, how quickly, and the time left.

    \b
    Example: evalkit status demo --json
    """
    from evalkit.stages.status import status as stage

    return stage(resolve_study(study), this_settings())


@app.command("app")
def app_(
    which: Annotated[str, typer.Argument(help="rater or researcher")] = "rater",
    port: Annotated[int | None, typer.Option(help="default: 8501 for raters, 8502 for the researcher")] = None,
    as_json: AsJson = False,
) -> None:
    """Serve the raters' or the researcher's app in the browser, until Ctrl-C.

    \b
    Example: evalkit app rater --port 8501
    """
    from evalkit.stages.app import announce, serve

    terminal.show(announce(which, port=port), as_json=as_json)
    serve(which, this_settings(), port=port)


@app.command()
@shown
def demo(quiet: Quiet = False, as_json: AsJson = False) -> Outcome:
    """The whole way in minutes: generate, score, vote (a simulated panel) and report, with two embedded miniatures."""
    from evalkit.demo import demo as run

    with terminal.bar(quiet=quiet or as_json) as progress:
        return run(this_settings(), progress=progress)
