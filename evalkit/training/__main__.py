"""`python -m evalkit.training`: run (train and export), check (measure the exported pair), references (features)."""

import json
from pathlib import Path
from typing import Annotated

import typer

from evalkit.errors import EvalkitError
from evalkit.settings import settings

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Out = Annotated[Path | None, typer.Option(help="where the weights lie; default data/weights")]


@app.command()
def run(
    phase: Annotated[list[str] | None, typer.Option(help="autoencoder, clip, sd, nas, export; default all")] = None,
    out: Out = None,
) -> None:
    """Train what is not trained yet, in order, and write the weights. A run cut off goes on from its checkpoint."""
    from evalkit.training.pipeline import PHASES, Training

    use_threads()
    training = Training(settings().data_dir / "training", out or _weights())
    for name in phase or PHASES:
        training.run(name)


@app.command()
def check(
    n: Annotated[int, typer.Option(min=8, max=480, help="pictures for each system and step count")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="draws noise, renders and scenes; 0 is what the cards print")] = 0,
    out: Out = None,
    as_json: Annotated[bool, typer.Option("--json", help="print the results as JSON")] = False,
) -> None:
    """Draw with the exported pair and hold it to its bars; exit code 1 where one is not met. Goes on where it stopped.

    A full check draws 1,920 pictures at up to 50 steps: about 20 minutes on two cores. `--n 48` is a quick look; the
    distances between step counts need at least 128 pictures.
    """
    from evalkit.terminal import bar
    from evalkit.training import acceptance
    from evalkit.training.check import measure
    from evalkit.training.check_report import as_record, as_text

    use_threads()
    with bar(quiet=as_json) as progress:
        result = measure(out or _weights(), settings().data_dir / "training", n, seed, progress)
    typer.echo(json.dumps(as_record(result), indent=2) if as_json else as_text(result))
    raise typer.Exit(0 if acceptance.accepted(acceptance.lines(result)) else 1)


@app.command()
def nearest(
    folder: Annotated[Path, typer.Argument(help="gets nearest.png and nearest.csv")],
    system: Annotated[str, typer.Option(help="emoji-sd or emoji-nas")] = "emoji-sd",
    steps: Annotated[int, typer.Option(min=1, help="denoising steps")] = 50,
    n: Annotated[int, typer.Option(min=8, max=480, help="pictures")] = 480,
    seed: Annotated[int, typer.Option(min=0, help="as for check, whose pictures it takes")] = 0,
    out: Out = None,
) -> None:
    """Show beside each picture the training render nearest to it: trained combinations above, never trained ones below.

    The renders hold graphics of others (Twemoji, CC BY 4.0), so what this writes is not committed.
    """
    from evalkit.training.memory_sheet import write_nearest

    use_threads()
    write_nearest(
        out or _weights(), settings().data_dir / "training", folder, system=system, steps=steps, n=n, seed=seed
    )


@app.command()
def sheet(
    folder: Annotated[Path, typer.Argument(help="gets sheet.png, and key.csv with what was asked")],
    system: Annotated[str, typer.Option(help="emoji-sd or emoji-nas")] = "emoji-sd",
    steps: Annotated[int, typer.Option(min=1, help="denoising steps")] = 50,
    seed: Annotated[int, typer.Option(help="draws the scenes and the noise")] = 64,
    n: Annotated[int, typer.Option(min=1, max=480, help="pictures")] = 64,
    named: Annotated[bool, typer.Option("--named", help="say above each picture what was asked")] = False,
    out: Out = None,
) -> None:
    """Draw a contact sheet for a reader who has not seen the prompts; the key lies beside it."""
    from evalkit.training.sheet import write_sheet

    use_threads()
    write_sheet(out or _weights(), folder, system=system, steps=steps, seed=seed, n=n, named=named)


@app.command()
def references(out: Out = None) -> None:
    """Write EfficientNet-lite0 features of fresh renders, the reference of the Frechet distance."""
    from evalkit.training.references import write_references

    use_threads()
    write_references(settings().data_dir / "training", (out or _weights()) / "references")


def use_threads() -> None:
    """As many torch threads as the settings say, or two: results are the same only for the same number."""
    import torch

    torch.set_num_threads(settings().threads or 2)


def _weights() -> Path:
    return settings().root / "data" / "weights"


def main() -> None:
    try:
        app()
    except EvalkitError as error:
        typer.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()
