"""Runs batches in this process. Encoding and writing of a batch overlap with the drawing of the next one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from evalkit.engines import Batch, Draw, Keep

WRITERS = 2


def run(batches: Iterable[Batch], draw: Draw, keep: Keep, drawn: Callable[[Batch], None]) -> None:
    """Draws the batches in order, and keeps every image of each; `drawn` is told after each batch.

    Whatever ends it (Ctrl-C too), images that were drawn are kept first. The first error of a writer is raised.
    """
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="writer") as writers:
        writing: list[Future[None]] = []
        for batch in batches:
            started = time.perf_counter()
            images = draw(batch.full())[: len(batch.images)]
            seconds = (time.perf_counter() - started) / batch.size
            _finish(writing)
            pairs = zip(batch.images, images, strict=True)
            writing = [writers.submit(keep, planned, image, seconds) for planned, image in pairs]
            drawn(batch)
        _finish(writing)


def _finish(writing: Iterable[Future[None]]) -> None:
    for future in writing:
        future.result()
