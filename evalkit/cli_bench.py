"""The command `evalkit bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit import terminal
from evalkit.options import (
    DEFAULT,
    AsJson,
    Names,
    Quiet,
    StudyName,
    Wait,
    listed,
    numbered,
    resolve_study,
    shown,
    this_settings,
)
from evalkit.outcome import Outcome

Numbers = Annotated[str, typer.Option(help="whole numbers, separated by commas")]


@shown
def bench(
    study: StudyName = DEFAULT,
    systems: Names = "",
    runtimes: Annotated[str, typer.Option(help="of pytorch, compile, onnxruntime, openvino")] = "pytorch",
    steps: Annotated[str, typer.Option(help="as 50,35,30; default: the study's and the published ones")] = "",
    batch_size: Annotated[str, typer.Option(help="images at once, as 1,4")] = "1",
    stages: Annotated[str, typer.Option(help="of text, step, vae, safety, write")] = "text,step,vae,safety,write",
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="times that everything is measured")] = 10,
    longest: Annotated[float, typer.Option(min=0, help="draw whole images that take at most so many seconds")] = 60.0,
    wait: Wait = False,
    random_weights: Annotated[bool, typer.Option("--random-weights", help="full size, no download")] = False,
    contiguous: Annotated[
        bool, typer.Option("--contiguous", help="diffusers' memory format, not channels last")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Measure the latency of a study's systems: text, step, autoencoder, file, and whole images, in turns.

    \b
    Examples: evalkit bench --batch-size 1,4 --steps 50,35,30
              evalkit bench --random-weights --stages step --rounds 5 --longest 0
              evalkit bench demo --runtimes pytorch,openvino
    """
    from evalkit.stages.bench import Asked
    from evalkit.stages.bench import bench as stage

    asked = Asked(
        systems=listed(systems),
        runtimes=listed(runtimes),
        steps=numbered(steps, "--steps"),
        batch_sizes=numbered(batch_size, "--batch-size"),
        stages=listed(stages),
        rounds=rounds,
        longest=longest,
        random_weights=random_weights,
        contiguous=contiguous,
    )
    with terminal.bar(quiet=quiet or as_json) as progress:
        return stage(resolve_study(study), this_settings(wait=wait), asked=asked, progress=progress)
