"""The command `evalkit simulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from evalkit import terminal
from evalkit.options import DEFAULT, AsJson, Quiet, StudyName, resolve_study, shown, this_settings
from evalkit.outcome import Outcome


@shown
def simulate(
    study: StudyName = DEFAULT,
    raters: Annotated[int | None, typer.Option(min=1, max=100_000, help="default: as many as the study wants")] = None,
    seed: Annotated[int, typer.Option(min=0, help="the same seed votes the same")] = 0,
    strength: Annotated[
        list[str] | None, typer.Option(metavar="SYSTEM=LOGITS", help="planted quality; default: by the step counts")
    ] = None,
    prompt_spread: Annotated[float, typer.Option(min=0, max=10, help="how it varies by prompt, in logits")] = 0.5,
    image_spread: Annotated[float, typer.Option(min=0, max=10, help="how it varies by image, in logits")] = 0.4,
    ability: Annotated[float, typer.Option(min=0, max=100, help="how clearly they see; 0 sees no difference")] = 1.0,
    ability_spread: Annotated[float, typer.Option(min=0, max=3, help="how raters differ in it (log scale)")] = 0.25,
    side_bias: Annotated[float, typer.Option(min=-10, max=10, help="leaning of all to the left, in logits")] = 0.0,
    side_spread: Annotated[float, typer.Option(min=0, max=10, help="how raters differ in it")] = 0.15,
    ties: Annotated[float, typer.Option(min=0, max=20, help="a difference under so many logits is on par")] = 0.5,
    lapses: Annotated[float, typer.Option(min=0, max=1, help="share of answers without a look, golds too")] = 0.0,
    careless: Annotated[float, typer.Option(min=0, max=1, help="share of raters who never look")] = 0.0,
    fatigue: Annotated[float, typer.Option(min=0, max=10, help="ability falls by exp(-this) over a sheet")] = 0.0,
    drop_out: Annotated[float, typer.Option(min=0, max=1, help="share of raters who leave half-way")] = 0.0,
    seconds: Annotated[float, typer.Option(min=0.05, max=3600, help="median time of an answer")] = 6.0,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="vote at this app, over its websocket and requests")
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=5000, help="raters at the app at the same time")] = 50,
    speed: Annotated[float, typer.Option(min=0, help="times faster than people; 0: no pauses at all")] = 0.0,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> Outcome:
    """Let programs vote in an open study, with planted preferences and human faults. Their votes are marked simulated.

    \b
    Examples: evalkit simulate demo --raters 20 --strength nas-30=0.5 --strength sd-50=0
              evalkit simulate my-study --side-bias 0.6 --lapses 0.1 --drop-out 0.2 --json
              evalkit simulate my-study --server http://localhost:8501 --raters 200 --speed 1
    """
    from evalkit.stages.simulate import Served, simulate_panel
    from evalkit.voting.panelists import Temper

    temper = Temper(
        ability=ability, sharpness=ability_spread, left=side_bias, side=side_spread, tie=ties, lapse=lapses,
        careless=careless, fatigue=fatigue, drop_out=drop_out, seconds=seconds,
    )  # fmt: skip
    app = Served(server, at_once, speed) if server else None
    with terminal.bar(quiet=quiet or as_json) as progress:
        return simulate_panel(
            resolve_study(study), this_settings(), raters=raters, seed=seed, planted=_planted(strength or []),
            temper=temper, prompt_spread=prompt_spread, image_spread=image_spread, server=app, progress=progress,
        )  # fmt: skip


def _planted(given: list[str]) -> dict[str, float] | None:
    """ "nas-30=0.5" as a pair; None where nothing was given.

    Raises:
        SpecError: not SYSTEM=LOGITS.
    """
    from evalkit.errors import SpecError

    planted = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            planted[name] = float(value)
        except ValueError:
            raise SpecError(f"{text!r} is not SYSTEM=LOGITS", where="--strength", hint="nas-30=0.5") from None
    return planted or None
