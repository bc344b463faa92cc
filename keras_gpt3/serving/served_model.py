"""One version of the served model: a loaded export and its batches."""

import asyncio
import contextlib
import functools

import numpy as np

from keras_gpt3.export.token_signatures import CACHE_NAMES
from keras_gpt3.generation.stop_strings import TextPieces
from keras_gpt3.serving.batching import BatchCollector
from keras_gpt3.serving.batching import join_arrays
from keras_gpt3.serving.json_body import json_text
from keras_gpt3.serving.request_limits import check_bytes
from keras_gpt3.serving.request_limits import longest_row
from keras_gpt3.tokenization.tokenizer_inputs import truncate_left

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

    @property
    def num_start_tokens(self):
        """The tokens that stand before a text as a prompt."""
        tokenize = self.model.signatures["tokenize"]
        return 1 if "start_token_ids" in tokenize.outputs else 0

    async def call(self, name, inputs):
        """Call a signature when the running thread is free."""
        return await self._in(
            self._threads.running, self.model.call, name, inputs
        )

    async def _outputs(self, request):
        name, arrays = request.signature_name, request.arrays
        if name in self._collectors:
            longest = await self._longest_row(name, arrays)
            collector = self._collectors[name]
            return await collector.answer(arrays, request.num_rows, longest)
        if name == "tokenize":
            check_bytes(self.model, arrays["texts"])
        return await self.call(name, arrays)

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
