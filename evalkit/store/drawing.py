"""generate.json: how the images of a run are drawn. The first `evalkit generate` fixes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from evalkit.errors import RunError
from evalkit.spec.catalog import Prompt
from evalkit.spec.plan import Part, PlannedImage, plan_images
from evalkit.spec.resolve import ResolvedStudy
from evalkit.store.run import Run

NAME = "generate.json"
WHOLE = Part()


@dataclass(frozen=True)
class Drawing:
    """How images are drawn. Device, runtime and safety checker are part of the images' keys."""

    batch_size: int
    device: str
    """it decides the number format"""
    safety_checker: bool = True
    """False: --no-safety-checker"""
    runtime: str = "pytorch"
    """pytorch, or compile: torch.compile"""
    vae_slicing: bool = False
    """decode one image of a batch after the other, since memory is short"""
    threads: int | None = None
    """CPU threads of each process that draws; None: torch's own choice"""


def read(run: Run) -> Drawing | None:
    """How the run's images are drawn; None before the first one."""
    return Drawing(**run.read_json(NAME)) if run.has(NAME) else None


def write(run: Run, drawing: Drawing) -> None:
    run.write_json(NAME, asdict(drawing))


def device_of(run: Run) -> str:
    """The device that the run's plan is for, on whatever machine it is read."""
    drawing = read(run)
    return drawing.device if drawing else "cpu"


def planned(run: Run, prompts: Sequence[Prompt], resolved: ResolvedStudy, *, device: str = "cpu") -> list[PlannedImage]:
    """All images of a run, as they are drawn there; for a run that has not begun, as they would be on `device`."""
    return plan(read(run) or Drawing(1, device), prompts, resolved)


def plan(how: Drawing, prompts: Sequence[Prompt], resolved: ResolvedStudy, part: Part = WHOLE) -> list[PlannedImage]:
    """The images of a study, or a part of them, drawn that way."""
    return plan_images(
        prompts, resolved, part, device=how.device, runtime=how.runtime, safety_checker=how.safety_checker
    )


def check_device(run: Run, device: str) -> None:
    """Refuses to go on with a run on a device of another number format.

    Raises:
        RunError: one of the two is a CPU, the other is not.
    """
    before = read(run)
    if before and (before.device == "cpu") != (device == "cpu"):
        raise RunError(
            f"this run's images are drawn on {before.device}, here it would be {device}: another number format",
            where=str(run.folder),
            hint=f"set EVALKIT_DEVICE={before.device}, or draw into another EVALKIT_DATA",
        )


def check_options(run: Run, *, safety_checker: bool, compiled: bool) -> None:
    """Refuses an option that a run was not begun with: its images would be of two kinds.

    Raises:
        RunError: it says which option.
    """
    before = read(run)
    if before is None:
        return
    asked = {"--no-safety-checker": not safety_checker, "--compile": compiled}
    begun = {"--no-safety-checker": not before.safety_checker, "--compile": before.runtime == "compile"}
    for option, wanted in asked.items():
        if wanted and not begun[option]:
            hint = "go on without it, or draw into another EVALKIT_DATA"
            raise RunError(f"this run was begun without {option}", where=str(run.folder), hint=hint)
