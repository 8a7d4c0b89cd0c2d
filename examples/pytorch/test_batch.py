"""Tests of batch.py, which need no model: python -m unittest."""

import asyncio
import threading
import unittest

from batch import Batcher, Busy


class TestBatcher(unittest.IsolatedAsyncioTestCase):
    async def test_callers_get_their_own(self) -> None:
        sizes = []

        def run(items: list[int]) -> list[int]:
            sizes.append(len(items))
            return [item * 10 for item in items]

        batcher = Batcher(run, rows=8, waiting=100)
        answers = await asyncio.gather(*(batcher(i, 1) for i in range(64)))
        self.assertEqual(answers, [i * 10 for i in range(64)])
        self.assertEqual((sum(sizes), max(sizes)), (64, 8))

    async def test_rows_are_bounded_and_nothing_is_lost(self) -> None:
        rows = []

        def run(items: list[int]) -> list[int]:
            rows.append(sum(items))
            return items

        batcher = Batcher(run, rows=10, waiting=100)
        wanted = [7, 7, 3, 10, 1, 9, 2, 10, 4]
        self.assertEqual(await asyncio.gather(*(batcher(n, n) for n in wanted)), wanted)
        self.assertLessEqual(max(rows), 10)

    async def test_too_many_are_refused_and_those_who_left_are_not_run(self) -> None:
        held, began, ran = threading.Event(), threading.Event(), []

        def run(items: list[int]) -> list[int]:
            began.set()
            held.wait(10)
            ran.extend(items)
            return items

        batcher = Batcher(run, rows=1, waiting=2)
        first = asyncio.create_task(batcher(1, 1))
        await asyncio.to_thread(began.wait, 10)
        waiting = [asyncio.create_task(batcher(n, 1)) for n in (2, 3)]
        await asyncio.sleep(0)  # lets both take their places
        with self.assertRaises(Busy):
            await batcher(4, 1)
        waiting[0].cancel()
        held.set()
        self.assertEqual((await first, await waiting[1]), (1, 3))
        self.assertEqual(ran, [1, 3])

    async def test_a_batch_that_fails_fails_alone(self) -> None:
        def run(items: list[int]) -> list[int]:
            if 13 in items:
                raise RuntimeError("out of memory")
            return items

        batcher = Batcher(run, rows=1)
        answers = await asyncio.gather(*(batcher(n, 1) for n in (12, 13, 14)), return_exceptions=True)
        self.assertEqual((answers[0], answers[2]), (12, 14))
        self.assertIsInstance(answers[1], RuntimeError)


if __name__ == "__main__":
    unittest.main()
