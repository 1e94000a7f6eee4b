"""The command `evalkit plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.options import DEFAULT, AsJson, StudyName, resolve_study, shown, this_settings
from evalkit.outcome import Outcome


@shown
def plan(
    study: StudyName = DEFAULT,
    share: Annotated[float | None, typer.Option(min=0, max=1, help="expected share of decisive votes")] = None,
    preference: Annotated[float | None, typer.Option(min=-1, max=1, help="or: expected (wins - losses)/votes")] = None,
    ties: Annotated[float | None, typer.Option(min=0, max=0.99, help="share of votes that decide nothing")] = None,
    prompts: Annotated[int | None, typer.Option(min=1, max=20_000, help="instead of the study's")] = None,
    images: Annotated[int | None, typer.Option(min=1, max=100, help="images a prompt, instead of the study's")] = None,
    raters: Annotated[int | None, typer.Option(min=1, max=20_000, help="instead of the study's")] = None,
    votes_per_pair: Annotated[int | None, typer.Option(min=1, help="raters that judge each pair of images")] = None,
    comparisons_per_rater: Annotated[int | None, typer.Option(min=1, help="the size of a sheet")] = None,
    prompt_sd: Annotated[float, typer.Option(min=0, max=5, help="how prompts differ, in logits")] = 0.8,
    image_sd: Annotated[float, typer.Option(min=0, max=5, help="how images of a prompt differ, in logits")] = 0.4,
    rater_sd: Annotated[float, typer.Option(min=0, max=5, help="how raters differ, in logits")] = 0.3,
    power: Annotated[float, typer.Option(min=0.1, max=0.99, help="the power that is wanted")] = 0.8,
    alpha: Annotated[float, typer.Option(min=0.0001, max=0.5, help="the level of the test")] = 0.05,
    seconds: Annotated[float, typer.Option(min=0.1, help="what one comparison takes a rater")] = 15.0,
    runs: Annotated[int, typer.Option(min=200, max=20_000, help="simulated studies of each design")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="of the simulation")] = 0,
    out: Annotated[Path | None, typer.Option(help="write the picture of prompts against raters (SVG)")] = None,
    write: Annotated[bool, typer.Option("--write", help="put the design that is needed into the study file")] = False,
    as_json: AsJson = False,
) -> Outcome:
    """What a voting design can see, how many votes an expected preference needs, and what they cost.

    \b
    Examples: evalkit plan
              evalkit plan my-study --share 0.6 --ties 0.25 --prompts 100 --raters 20 --votes-per-pair 3 --out plan.svg
              evalkit plan my-study --share 0.6 --ties 0.25 --write
    """
    from evalkit.stages.plan import Expected, Wanted
    from evalkit.stages.plan import plan as stage

    expected = Expected(share, preference, ties, prompt_sd, image_sd, rater_sd)
    asked = Wanted(prompts, images, raters, votes_per_pair, comparisons_per_rater, power, alpha, seconds, runs, seed)
    return stage(resolve_study(study), this_settings(), expected=expected, wanted=asked, out=out, write=write)
