"""generate.json: how the images of a run are drawn. The first `evalkit generate` fixes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from evalkit.errors import RunError
from evalkit.store.run import Run

NAME = "generate.json"


@dataclass(frozen=True)
class Drawing:
    """The batch size, and the device: it decides the number format, and so the images' keys."""

    batch_size: int
    device: str


def read(run: Run) -> Drawing | None:
    """How the run's images are drawn; None before the first one."""
    return Drawing(**run.read_json(NAME)) if run.has(NAME) else None


def write(run: Run, drawing: Drawing) -> None:
    run.write_json(NAME, asdict(drawing))


def device_of(run: Run) -> str:
    """The device that the run's plan is for, on whatever machine it is read: for `plan_images`."""
    drawing = read(run)
    return drawing.device if drawing else "cpu"


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
