"""A loaded export with its batches: one version of what is served."""

import asyncio
import contextlib
import functools

from keras_gpt3.serving.batch_collector import BatchCollector
from keras_gpt3.serving.json_body import parse_body
from keras_gpt3.serving.json_text import json_text
from keras_gpt3.serving.predict_request import check_row
from keras_gpt3.serving.predict_request import takes_rows
from keras_gpt3.serving.text_rows import arrays_from_rows
from keras_gpt3.serving.text_rows import check_bytes
from keras_gpt3.serving.text_rows import check_lengths
from keras_gpt3.serving.text_stream import TextStream

# Answers of more are run and written one at a time.
_MANY_VALUES = 2**17
_STREAM_NEEDS = ("generate", "tokenize", "detokenize", "prefill", "extend")


class ServedModel:
    """Runs requests on an export."""

    def __init__(self, model, settings, threads, metrics):
        self.model = model
        self._settings = settings
        self._threads = threads
        self._metrics = metrics
        self._collectors = {
            name: BatchCollector(
                functools.partial(self._run_rows, name),
                threads.running,
                settings.max_batch_size,
                settings.max_batch_tokens,
                settings.batch_timeout_ms / 1000,
            )
            for name, signature in model.signatures.items()
            if takes_rows(name, signature)
        }
        self._large = asyncio.Semaphore()
        if "generate" in self._collectors:
            # Asks the model once: now, not at the first request.
            model.max_text_bytes  # noqa: B018

    async def predict(self, request):
        """Answers a request."""
        is_large = request.num_values > _MANY_VALUES
        # As numbers of Python and as text it takes ten times its array.
        async with self._large if is_large else contextlib.nullcontext():
            outputs = await self._outputs(request)
            return await self._in(
                self._threads.writing, self._written, request, outputs
            )

    def stream_row(self, body):
        """Reads and checks the request for a stream."""
        missing = set(_STREAM_NEEDS) - set(self.model.signatures)
        if missing:
            raise ValueError(
                "A stream needs the signatures of an export with a "
                f"preprocessor. Received: none of {', '.join(sorted(missing))}."
                " Attach one and export again."
            )
        signature = self.model.signatures["generate"]
        options = sorted(set(signature.inputs) - {"prompts"})
        row = parse_body(body, ("prompt", *options))
        if "prompt" not in row:
            raise ValueError(
                "A stream needs a prompt. Received: no prompt. Add what is "
                "missing."
            )
        row["prompts"] = row.pop("prompt")
        return check_row(signature, row, self._settings)

    async def stream(self, row):
        """Generates an answer in pieces."""
        await self._check_lengths("generate", [row])
        stream = await self._in(
            self._threads.running, TextStream, self.model, row
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
        name = request.signature_name
        if request.rows is None:
            if name == "tokenize" and "generate" in self._collectors:
                check_bytes(self.model, request.arrays["texts"].ravel())
            return await self._in(
                self._threads.running, self.model.call, name, request.arrays
            )
        longest = await self._check_lengths(name, request.rows)
        return await self._collectors[name].answer(request.rows, longest)

    def _run_rows(self, name, rows):
        """Runs a batch; called in the running thread."""
        self._metrics.batch_rows.labels(name).observe(len(rows))
        inputs = arrays_from_rows(self.model.signatures[name], rows)
        outputs = self.model.call(name, inputs)
        if name == "generate":
            self._metrics.generated_tokens.inc(int(outputs["num_tokens"].sum()))
        return outputs

    async def _check_lengths(self, name, rows):
        # In a thread of its own: not behind the batch that is running.
        return await self._in(
            self._threads.checking, check_lengths, self.model, name, rows
        )

    def _written(self, request, outputs):
        """Writes an answer; called in a writing thread."""
        limit = self._settings.max_answer_values
        return json_text(request.answer(outputs, limit)).encode()

    async def _in(self, executor, function, *arguments):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(executor, function, *arguments)
