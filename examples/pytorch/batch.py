"""Calls that come at the same time run through a model as one."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class Busy(Exception):
    """As many calls wait as are let wait."""

    reason = "the model has more to do than it can: try again later"


class Batcher:
    """Gathers the calls of one model.

    The first call waits for others for `delay` seconds at most, until there are `rows` rows. A batch runs in a thread of
    its own, so that the server answers others meanwhile; what comes during that time is the next batch. Nothing is kept
    of a call whose caller has left before it ran.
    """

    def __init__(self, run: Callable[[list[Any]], list[Any]], rows: int = 64, delay: float = 0.002, waiting: int = 256) -> None:
        self.run, self.rows, self.delay = run, rows, delay
        self.queue: asyncio.Queue = asyncio.Queue(waiting)
        self.thread = ThreadPoolExecutor(1)
        self.worker: asyncio.Task | None = None
        self.batches = self.calls = 0  # that ran

    async def __call__(self, item: Any, rows: int) -> Any:
        """Gives what `run` gives for an item of so many rows. It raises Busy where too many wait."""
        if self.worker is None:
            self.worker = asyncio.create_task(self._work())
        answer = asyncio.get_running_loop().create_future()
        try:
            self.queue.put_nowait((item, rows, answer))
        except asyncio.QueueFull:
            raise Busy from None
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        over = None  # what did not fit into the batch before
        while True:
            batch = [over or await self.queue.get()]
            over, until, rows = None, loop.time() + self.delay, batch[0][1]
            while rows < self.rows and over is None:
                try:
                    async with asyncio.timeout_at(until):
                        one = await self.queue.get()
                except TimeoutError:
                    break
                if rows + one[1] > self.rows:
                    over = one
                else:
                    batch.append(one)
                    rows += one[1]
            batch = [one for one in batch if not one[2].done()]
            if batch:
                await self._answer(loop, batch)

    async def _answer(self, loop: asyncio.AbstractEventLoop, batch: list) -> None:
        try:
            answers = await loop.run_in_executor(self.thread, self.run, [item for item, _, _ in batch])
        except Exception as failed:  # whatever it is, the callers are told and the worker goes on
            for _, _, answer in batch:
                if not answer.done():
                    answer.set_exception(failed)
            return
        self.batches, self.calls = self.batches + 1, self.calls + len(batch)
        for (_, _, answer), given in zip(batch, answers, strict=True):
            if not answer.done():
                answer.set_result(given)
