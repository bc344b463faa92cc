"""One version of the served model: a loaded export and its batches."""

import asyncio
import collections
import contextlib
import dataclasses
import functools
import itertools

import numpy as np

from keras_gpt3.export.token_signatures import CACHE_NAMES
from keras_gpt3.generation.stop_strings import TextPieces
from keras_gpt3.serving.json_body import json_text
from keras_gpt3.serving.predict_request import check_bytes
from keras_gpt3.serving.predict_request import join_arrays
from keras_gpt3.serving.predict_request import longest_row
from keras_gpt3.tokenization.text_check import truncate_left

# Larger answers are computed and written one at a time.
_MANY_VALUES = 2**17


class ServedModel:
    """Runs requests on an export."""

    def __init__(self, model, settings, threads, metrics):
        self.model = model
        self._settings = settings
        self._threads = threads
        self._metrics = metrics
        self._collectors = {
            name: BatchCollector(
                functools.partial(self._run_batch, name),
                threads.running,
                settings.max_batch_size,
                settings.max_batch_tokens,
                settings.batch_timeout_ms / 1000,
            )
            for name, signature in model.signatures.items()
            if signature.batches_rows
        }
        self._large = asyncio.Semaphore()

    async def predict(self, request):
        """Answers a request."""
        is_large = request.num_values > _MANY_VALUES
        # Python's numbers and their text need ten times the array's memory.
        async with self._large if is_large else contextlib.nullcontext():
            outputs = await self._outputs(request)
            return await self._in(
                self._threads.writing, self._written, request, outputs
            )

    async def stream(self, arrays):
        """Generates an answer in pieces."""
        await self._longest_row("generate", arrays)
        stream = await self._in(
            self._threads.running, TextStream, self.model, arrays
        )
        while stream.finish_reason is None:
            before = stream.num_tokens
            text = await self._in(self._threads.running, stream.advance)
            self._metrics.generated_tokens.inc(stream.num_tokens - before)
            if text:
                yield {"text": text}
        yield {
            "finish_reason": stream.finish_reason,
            "num_tokens": stream.num_tokens,
            "num_prompt_tokens": stream.num_prompt_tokens,
        }

    async def _outputs(self, request):
        name, arrays = request.signature_name, request.arrays
        if name in self._collectors:
            longest = await self._longest_row(name, arrays)
            collector = self._collectors[name]
            return await collector.answer(arrays, request.num_rows, longest)
        if name == "tokenize":
            check_bytes(self.model, arrays["texts"])
        return await self._in(
            self._threads.running, self.model.call, name, arrays
        )

    def _run_batch(self, name, requests):
        """Run a batch; called in the running thread."""
        arrays = join_arrays(requests)
        num_rows = len(next(iter(arrays.values())))
        self._metrics.batch_rows.labels(name).observe(num_rows)
        outputs = self.model.call(name, arrays)
        if name == "generate":
            self._metrics.generated_tokens.inc(int(outputs["num_tokens"].sum()))
        return outputs

    async def _longest_row(self, name, arrays):
        # In a thread of its own: it must not wait for the running batch.
        return await self._in(
            self._threads.checking, longest_row, self.model, name, arrays
        )

    def _written(self, request, outputs):
        """Write an answer; called in a writing thread."""
        limit = self._settings.max_answer_values
        return json_text(request.answer(outputs, limit)).encode()

    async def _in(self, executor, function, *arguments):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, function, *arguments)


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
        """Waits for the answer to a request."""
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
        """Runs batches until no request waits."""
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
        """Answers a single request with its error; several run one by one."""
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


_SETTINGS = ("temperature", "top_k", "top_p", "seed")
# The first token is sent as soon as it is known; later ones share the fixed
# cost of a call of the graph.
_TOKENS_A_PIECE = 4


class TextStream:
    """Continues a prompt, a few tokens at each call.

    The concatenated pieces are the text that `generate` returns for the row.
    """

    def __init__(self, model, arrays):
        answer = model.call("tokenize", {"texts": arrays["prompts"]})
        (ids,) = answer["token_ids"].tolist()
        (start,) = answer.get("start_token_ids", np.empty((1, 0))).tolist()
        ids, new = start + ids, int(arrays["max_new_tokens"][0])
        if arrays["truncate"][0]:
            ids = truncate_left(ids, model.context - new, len(start))
        ids = np.array([ids], "int32")
        self.finish_reason = None
        self.num_tokens = 0
        self.num_prompt_tokens = ids.shape[1]
        self._model = model
        self._pieces = TextPieces([s.decode() for s in arrays["stop"][0]])
        self._end = ids.shape[1] + new
        answer = model.call_on_tensors(
            "prefill", {"token_ids": ids, "cache_length": np.array(self._end)}
        )
        self._state = {name: answer[name] for name in CACHE_NAMES}
        self._state |= {
            "token_ids": np.pad(ids, ((0, 0), (0, new))),
            "index": np.array(ids.shape[1]),
        }
        self._settings = {name: arrays[name] for name in _SETTINGS}

    def advance(self):
        """Generate a few more tokens."""
        start = int(self._state["index"])
        step = _TOKENS_A_PIECE if self.num_tokens else 1
        end = np.array(min(start + step, self._end))
        inputs = self._state | self._settings | {"end": end}
        answer = self._model.call_on_tensors("extend", inputs)
        has_stopped = bool(answer["stopped"][0])
        self._state = {name: answer[name] for name in self._state}
        index = int(answer["index"])
        new = answer["token_ids"][0, start:index].numpy()
        # The end of text itself is not part of the answer.
        shown = self._feed(new[:-1] if has_stopped else new)
        if self._pieces.stopped or has_stopped:
            self.finish_reason = "stop"
        elif index >= self._end:
            self.finish_reason = "length"
        if self.finish_reason:
            shown += self._pieces.finish()
            # A stop string may end in the text that was held back.
            if self._pieces.stopped:
                self.finish_reason = "stop"
        return shown

    def _feed(self, token_ids):
        """Feed the bytes of tokens, up to the one that completes a stop."""
        if not len(token_ids):
            return ""
        tokens = {
            "token_ids": token_ids[:, np.newaxis],
            "lengths": np.ones(len(token_ids), "int32"),
        }
        shown = ""
        for text in self._model.call("detokenize", tokens)["texts"]:
            shown += self._pieces.feed(text)
            self.num_tokens += 1
            if self._pieces.stopped:
                break
        return shown
