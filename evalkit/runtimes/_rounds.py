"""Measuring in rounds: each round times every cell once, in an order that turns, so that a drifting clock (heat,
neighbours) falls on all of them alike and cancels out of every ratio over rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from evalkit.outcome import Progress, silent
from evalkit.runtimes._cell import Cell, Timed, timed
from evalkit.store.images import DrawnImage, write_image

Row = dict[str, Any]


def parts_in_rounds(
    cells: Sequence[Cell], stages: Sequence[str], rounds: int, device: str, progress: Progress = silent
) -> list[Row]:
    """Seconds of every stage of every cell for one batch, a row each."""
    rows = []
    for done, (number, cell) in enumerate(_turns(cells, rounds), start=1):
        for stage in stages:
            if taken := _stage(cell, stage, device):
                rows.append(_row(cell, stage, 0, number, taken))
        progress("parts", done, rounds * len(cells))
    return rows


def images_in_rounds(
    cells: Sequence[Cell], steps: Sequence[int], rounds: int, device: str, progress: Progress = silent
) -> tuple[list[Row], dict[tuple[str, str, int, int], list[DrawnImage]]]:
    """Seconds of whole batches, from prompts to files, a row each; and the images of the first round."""
    rows, drawn, kinds = [], {}, [(cell, count) for cell in cells for count in steps]
    for done, (number, (cell, count)) in enumerate(_turns(kinds, rounds), start=1):
        taken = timed(partial(_draw_and_write, cell, number, count), device)
        rows.append(_row(cell, "image", count, number, taken))
        if number == 0:
            drawn[cell.system, cell.runtime, cell.batch_size, count] = taken.answer
        progress("whole batches", done, rounds * len(kinds))
    return rows, drawn


def turned(things: Sequence[Any], number: int) -> list[Any]:
    """The things in the order of a round: every second round is the one before it backwards, and every second pair of
    rounds begins one further. Of two things: AB BA BA AB, so that a steady drift favours neither."""
    start = number // 2 % max(1, len(things))
    order = [*things[start:], *things[:start]]
    return order[::-1] if number % 2 else order


def _turns(things: Sequence[Any], rounds: int) -> Iterator[tuple[int, Any]]:
    return ((number, thing) for number in range(rounds) for thing in turned(things, number))


def _stage(cell: Cell, stage: str, device: str) -> Timed | None:
    if stage == "write":
        return timed(_writer(cell), device)
    return timed(lambda: cell.one(stage), device) if stage in cell.calls else None


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


def _row(cell: Cell, stage: str, steps: int, number: int, taken: Timed) -> Row:
    return {
        "system": cell.system,
        "runtime": cell.runtime,
        "batch_size": cell.batch_size,
        "stage": stage,
        "steps": steps,
        "round": number,
        "seconds": taken.seconds,
        "cpu_seconds": taken.cpu_seconds,
    }
