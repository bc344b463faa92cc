"""Requests that come at about the same time share a batch."""

import asyncio
import collections
import contextlib
import dataclasses
import itertools

import numpy as np


@dataclasses.dataclass(frozen=True)
class _Waiting:
    """A request waiting for its batch."""

    inputs: object
    num_rows: int
    longest: int
    arrived: float
    answer: asyncio.Future


class BatchCollector:
    """Collects requests for a moment and runs their rows as one batch.

    Requests keep their order. While a batch runs, the next one is collected.
    A batch that fails is run again request by request, so that a bad one fails
    alone. A request whose client has gone is left out.
    """

    def __init__(self, run, executor, max_rows, max_tokens, timeout):
        self._run = run
        self._executor = executor
        self._max_rows = max_rows
        self._max_tokens = max_tokens
        self._timeout = timeout
        self._waiting = collections.deque()
        self._has_come = asyncio.Event()
        self._task = None

    async def answer(self, inputs, num_rows, longest):
        """Wait for the answer to a request."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(
            inputs, num_rows, longest, loop.time(), loop.create_future()
        )
        self._waiting.append(waiting)
        self._has_come.set()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work())
        return await waiting.answer

    async def _work(self):
        """Run batches until no request waits."""
        while self._waiting:
            await self._until_full_or_due()
            batch = self._take()
            if batch:
                await self._answer(batch)

    async def _until_full_or_due(self):
        loop = asyncio.get_running_loop()
        due = self._waiting[0].arrived + self._timeout
        while sum(w.num_rows for w in self._waiting) < self._max_rows:
            left = due - loop.time()
            if left <= 0:
                return
            self._has_come.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._has_come.wait(), left)

    def _take(self):
        """The next batch: the first requests, as many as fit."""
        batch, num_rows, longest = [], 0, 0
        while self._waiting:
            first = self._waiting[0]
            if not first.answer.done():
                num_rows += first.num_rows
                longest = max(longest, first.longest)
                is_over = num_rows > self._max_rows
                is_over |= num_rows * longest > self._max_tokens
                if batch and is_over:
                    break
                batch.append(first)
            self._waiting.popleft()
        return batch

    async def _answer(self, batch):
        loop = asyncio.get_running_loop()
        inputs = [waiting.inputs for waiting in batch]
        try:
            columns = await loop.run_in_executor(
                self._executor, self._run, inputs
            )
            answers = _cut(columns, [waiting.num_rows for waiting in batch])
        except Exception as error:
            await self._answer_failed(batch, error)
            return
        for waiting, own in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(own)

    async def _answer_failed(self, batch, error):
        """Answer a single request with its error; several run one by one."""
        for waiting in batch:
            # Its client may have gone while the others ran.
            if waiting.answer.done():
                continue
            if len(batch) > 1:
                await self._answer([waiting])
            else:
                waiting.answer.set_exception(error)


def _cut(columns, sizes):
    """Split the outputs of a batch into those of its requests."""
    for name, array in columns.items():
        if array.shape[:1] != (sum(sizes),):
            raise ValueError(
                "A batch must give one value a row of each output. Received: "
                f"{name}.shape={array.shape} for {sum(sizes)} rows. Export "
                "the model again, with this version of keras_gpt3."
            )
    stops = list(itertools.accumulate(sizes))
    return [
        {name: array[stop - size : stop] for name, array in columns.items()}
        for stop, size in zip(stops, sizes, strict=True)
    ]


def join_arrays(requests):
    """Concatenate the arrays of several requests, row after row."""
    return {
        name: np.concatenate([arrays[name] for arrays in requests])
        for name in requests[0]
    }
