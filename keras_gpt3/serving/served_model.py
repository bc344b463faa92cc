"""One version of the served model: a loaded export, its slots and batches."""

import asyncio
import contextlib
import functools

import numpy as np

from keras_gpt3.serving.batching import BatchCollector
from keras_gpt3.serving.batching import join_arrays
from keras_gpt3.serving.json_body import json_text
from keras_gpt3.serving.request_limits import check_bytes
from keras_gpt3.serving.request_limits import encoded
from keras_gpt3.serving.request_limits import longest_row
from keras_gpt3.serving.request_limits import num_start_tokens
from keras_gpt3.serving.request_limits import prompt_rows
from keras_gpt3.serving.slots.slot_answer import SlotRequest
from keras_gpt3.serving.slots.slot_engine import SlotEngine

# Larger answers are computed and written one at a time.
_MANY_VALUES = 2**17
_SETTINGS = ("temperature", "top_k", "top_p", "seed")


class ServedModel:
    """Runs requests on an export.

    Texts are continued in slots, contexts and continuations are scored in
    batches, and the other signatures are called as they are.
    """

    def __init__(self, model, settings, threads, metrics, drafts=None):
        self.model = model
        self._settings = settings
        self._threads = threads
        self._metrics = metrics
        self.engine = self._scores = None
        if "generate" in model.signatures:
            self.engine = SlotEngine(model, settings, threads, metrics, drafts)
            self._scores = BatchCollector(
                functools.partial(self._run_batch, "score"),
                threads.running,
                settings.max_batch_size,
                settings.max_batch_tokens,
                settings.batch_timeout_ms / 1000,
            )
        self._large = asyncio.Semaphore()

    @property
    def token_bytes(self):
        """The bytes of each token, special ones under their own text."""
        return self.model.token_bytes

    @property
    def num_start_tokens(self):
        """The tokens that stand before a text as a prompt."""
        return num_start_tokens(self.model)

    async def token_ids(self, text):
        """The token ids of a prompt, its start token included."""
        texts = [text.encode()]
        (ids,) = await self._in(
            self._threads.checking, encoded, self.model, texts, True
        )
        return ids

    async def predict(self, request):
        """Answer a request."""
        is_large = request.num_values > _MANY_VALUES
        # Python's numbers and their text need ten times the array's memory.
        async with self._large if is_large else contextlib.nullcontext():
            outputs = await self._outputs(request)
            return await self._in(
                self._threads.writing, self._written, request, outputs
            )

    async def written(self, answer):
        """Write an answer that JSON can have as it is."""
        return await self._in(
            self._threads.writing, lambda: json_text(answer).encode()
        )

    async def stream(self, arrays):
        """Generate an answer in pieces."""
        (request,) = await self._slot_requests(arrays)
        async with contextlib.aclosing(self.engine.generate(request)) as pieces:
            async for piece in pieces:
                if piece.text:
                    yield {"text": piece.text}
        yield {
            "finish_reason": piece.finish_reason,
            "num_tokens": piece.num_tokens,
            "num_prompt_tokens": len(request.token_ids),
        }

    async def call(self, name, inputs):
        """Call a signature when the running thread is free."""
        return await self._in(
            self._threads.running, self.model.call, name, inputs
        )

    async def _outputs(self, request):
        name, arrays = request.signature_name, request.arrays
        # A vocabulary without texts has these names as well, if one chooses.
        if name == "generate" and self.engine:
            return await self._generate(arrays)
        if name == "score" and self._scores:
            # In a thread of its own: it must not wait for the running batch.
            longest = await self._in(
                self._threads.checking, longest_row, self.model, arrays
            )
            return await self._scores.answer(arrays, request.num_rows, longest)
        if name == "tokenize":
            check_bytes(self.model, arrays["texts"])
        return await self.call(name, arrays)

    async def _generate(self, arrays):
        """Answers to several prompts, as `generate` returns them."""
        requests = await self._slot_requests(arrays)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._answer(r)) for r in requests]
        except ExceptionGroup as errors:
            # What goes wrong for one does for all that run.
            raise errors.exceptions[0] from errors
        columns = zip(*(task.result() for task in tasks), strict=True)
        names = ("texts", "num_tokens", "num_prompt_tokens", "finish_reason")
        dtypes = (object, "int32", "int32", object)
        return {
            name: np.array(values, dtype)
            for name, values, dtype in zip(names, columns, dtypes, strict=True)
        }

    async def _answer(self, request):
        texts = []
        async with contextlib.aclosing(self.engine.generate(request)) as pieces:
            async for piece in pieces:
                texts.append(piece.text)
        reason = piece.finish_reason.encode()
        num_prompt = len(request.token_ids)
        return "".join(texts).encode(), piece.num_tokens, num_prompt, reason

    async def _slot_requests(self, arrays):
        """What the engine is to continue: a request for each row."""
        rows = await self._in(
            self._threads.checking, prompt_rows, self.model, arrays
        )
        columns = {name: arrays[name].tolist() for name in _SETTINGS}
        return [
            SlotRequest(
                token_ids=ids,
                max_new_tokens=int(arrays["max_new_tokens"][i]),
                stop=tuple(string for string in arrays["stop"][i] if string),
                **{name: values[i] for name, values in columns.items()},
            )
            for i, ids in enumerate(rows)
        ]

    def _run_batch(self, name, requests):
        """Run a batch; called in the running thread."""
        arrays = join_arrays(requests)
        num_rows = len(next(iter(arrays.values())))
        self._metrics.batch_rows.labels(name).observe(num_rows)
        return self.model.call(name, arrays)

    def _written(self, request, outputs):
        """Write an answer; called in a writing thread."""
        limit = self._settings.max_answer_values
        return json_text(request.answer(outputs, limit)).encode()

    async def _in(self, executor, function, *arguments):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, function, *arguments)
