"""What arrives while the database is writing is written together next: one commit, and one wait for the disk, for all.

A commit has to reach the disk before anything is acknowledged; one by one, the raters would queue up for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from starlette.concurrency import run_in_threadpool

Asked = TypeVar("Asked")
Done = TypeVar("Done")
MOST = 32
"""In one commit, so that nobody waits for long"""


class Batches(Generic[Asked, Done]):
    """Work that is done in batches, one at a time, each in a thread; everybody gets the result of their own.

    Args:
        work: what is asked -> its results or errors, in the same order; what it raises befalls all of them.
    """

    def __init__(self, work: Callable[[Sequence[Asked]], Sequence[Done | Exception]]) -> None:
        self._work = work
        self._waiting: list[tuple[Asked, asyncio.Future[Done]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> Done:
        """The result, once the batch that it is in is through."""
        future: asyncio.Future[Done] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            results = await self._results([asked for asked, _ in batch])
            for (_, future), result in zip(batch, results, strict=True):
                if future.done():  # whoever asked has gone
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    async def _results(self, batch: list[Asked]) -> Sequence[Done | Exception]:
        try:
            return await run_in_threadpool(self._work, batch)
        except Exception as error:
            return [error] * len(batch)
