"""Measuring in rounds: each round times every cell once, in an order that rotates, so that a drifting clock (heat,
neighbours) falls on all of them alike and cancels out of every ratio within a round."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.outcome import Progress, silent
from evalkit.runtimes._cell import Cell, timed
from evalkit.store.images import DrawnImage, write_image

Row = dict[str, Any]


def parts_in_rounds(
    cells: Sequence[Cell], stages: Sequence[str], rounds: int, device: str, progress: Progress = silent
) -> list[Row]:
    """Seconds of every stage of every cell for one batch, a row each."""
    rows = []
    for number in range(rounds):
        for cell in rotated(cells, number):
            for stage in stages:
                if seconds := _stage_seconds(cell, stage, number, device):
                    rows.append(_row(cell, stage, 0, number, seconds))
        progress("rounds of stages", number + 1, rounds)
    return rows


def images_in_rounds(
    cells: Sequence[Cell], steps: Sequence[int], rounds: int, device: str, progress: Progress = silent
) -> tuple[list[Row], dict[tuple[str, str, int, int], list[DrawnImage]]]:
    """Seconds of whole batches, from prompts to files, a row each; and the images of the first round."""
    rows, drawn = [], {}
    for number in range(rounds):
        for cell, count in rotated([(cell, count) for cell in cells for count in steps], number):
            seconds, images = timed(partial(_draw_and_write, cell, number, count), device)
            rows.append(_row(cell, "image", count, number, seconds))
            if number == 0:
                drawn[cell.system, cell.runtime, cell.batch_size, count] = images
        progress("rounds of images", number + 1, rounds)
    return rows, drawn


def rotated(things: Sequence[Any], number: int) -> Iterator[Any]:
    """The things in their order, begun one further each round, and backwards in every second one."""
    start = number % max(1, len(things))
    turned = [*things[start:], *things[:start]]
    yield from reversed(turned) if number % 2 else turned


def _stage_seconds(cell: Cell, stage: str, number: int, device: str) -> float | None:
    if stage == "write":
        return timed(_writer(cell), device)[0]
    return timed(lambda: cell.one(stage), device)[0] if stage in cell.calls else None


def _writer(cell: Cell) -> Callable[[], None]:
    """Writes a batch of noise, which takes longest, at the size that the cell draws."""
    import numpy as np

    width, height = cell.facts["width"], cell.facts["height"]
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return lambda: _write([DrawnImage(pixels)] * cell.batch_size)


def _draw_and_write(cell: Cell, number: int, steps: int) -> list[DrawnImage]:
    images: list[DrawnImage] = cell.images(number, steps)
    _write(images)
    return images


def _write(images: Sequence[DrawnImage]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for place, image in enumerate(images):
            write_image(Path(folder), f"{place:064x}", image, seconds=None, batch_size=len(images), made={})


def _row(cell: Cell, stage: str, steps: int, number: int, seconds: float) -> Row:
    return {
        "system": cell.system,
        "runtime": cell.runtime,
        "batch_size": cell.batch_size,
        "stage": stage,
        "steps": steps,
        "round": number,
        "seconds": seconds,
    }
