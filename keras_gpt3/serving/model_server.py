"""The server of one model: its newest version, its limits, its counts."""

import asyncio
import concurrent.futures
import contextlib
import logging
import time

import tensorflow as tf

from keras_gpt3.serving.completion_request import parse_completion
from keras_gpt3.serving.completions import Completion
from keras_gpt3.serving.exported_model import ExportedModel
from keras_gpt3.serving.json_body import CLIENT_GONE
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.json_body import unexpected_error
from keras_gpt3.serving.predict_request import parse_predict
from keras_gpt3.serving.predict_request import parse_stream
from keras_gpt3.serving.served_model import ServedModel
from keras_gpt3.serving.server_metrics import ServerMetrics
from keras_gpt3.serving.slots.slot_drafts import ModelDrafts
from keras_gpt3.serving.slots.slot_drafts import PromptDrafts
from keras_gpt3.serving.version_folders import VersionLoader
from keras_gpt3.serving.version_folders import newest_versions

_logger = logging.getLogger("keras_gpt3")


class ModelServer:
    """Serves the newest version of a folder, and newer ones as they appear."""

    def __init__(self, folder, settings):
        self.settings = settings
        self.metrics = ServerMetrics()
        self._threads = ServingThreads()
        self._queue = Admission(settings.max_queue, "prompts", "--max-queue")
        if settings.draft:
            # Before the model: a name that is wrong would seem to be its fault.
            newest_versions(settings.draft, "draft")
        self._versions = VersionLoader(
            folder, self._load, settings.max_version_loads
        )
        self._served = self._versions.load_first()
        self._created = int(time.time())
        self._watch_numbers()

    @property
    def version(self):
        return self._served.model.version

    async def predict(self, name, version, body):
        """Answer a `:predict` request."""
        start, signature = time.monotonic(), "unknown"
        with self._counted(start, lambda: signature):
            served = self._find(name, version)
            request = parse_predict(body, served.model, self.settings)
            signature = request.signature_name
            with self._queue.admit(request.num_rows):
                async with asyncio.timeout(self.settings.request_timeout):
                    return await served.predict(request)

    async def stream(self, name, version, body):
        """Answer a `:stream` request."""
        start = time.monotonic()
        with self._counted(start, lambda: "stream"):
            served = self._find(name, version)
            arrays = parse_stream(body, served.model, self.settings)
            with self._queue.admit(1):
                pieces = self._in_time(start, served.stream(arrays), True)
                async with contextlib.aclosing(pieces):
                    async for piece in pieces:
                        yield piece

    async def complete(self, body):
        """Answer a completion: in bytes at once, or in events of a stream."""
        start = time.monotonic()
        with self._counted(start, lambda: "completions"):
            served = self._served
            request = parse_completion(body, self.settings)
            completion = Completion(request, served, self.settings)
            with self._queue.admit(request.num_rows):
                events = self._in_time(
                    start, completion.events(), request.stream
                )
                async with contextlib.aclosing(events):
                    if not request.stream:
                        whole = completion.whole([x async for x in events])
                        yield await served.written(whole)
                        return
                    async for event in events:
                        streamed = completion.streamed(event)
                        if streamed is not None:
                            yield streamed

    def openai_model(self):
        """The model as OpenAI's lists have it."""
        return {
            "id": self.settings.name,
            "object": "model",
            "created": self._created,
            "owned_by": "keras-gpt3",
        }

    def status(self, name, version):
        """The versions that are served, in TensorFlow Serving's form."""
        served = self._find(name, version)
        status = {"error_code": "OK", "error_message": ""}
        return {
            "model_version_status": [
                {
                    "version": str(served.model.version),
                    "state": "AVAILABLE",
                    "status": status,
                }
            ]
        }

    def metadata(self, name, version):
        """The signatures, in TensorFlow Serving's form."""
        served = self._find(name, version)
        return {
            "model_spec": {
                "name": name,
                "signature_name": "",
                "version": str(served.model.version),
            },
            "metadata": {
                "signature_def": {"signature_def": served.model.definitions()}
            },
        }

    async def watch(self):
        """Load newer versions as they appear, for ever."""
        while True:
            await asyncio.sleep(self.settings.watch_seconds)
            await self.look_for_newer()

    async def look_for_newer(self):
        """Load the newest version, if it is newer than the one served.

        Running requests are answered from the old one; see `VersionLoader`.
        """
        newer = await asyncio.to_thread(self._versions.load_newer, self.version)
        if newer is not None:
            self._served = newer
            _logger.info("Serving version %d.", self.version)

    def close(self):
        """Wait for running work, and stop the threads."""
        self._threads.close()

    def _watch_numbers(self):
        self.metrics.watch(
            "keras_gpt3_prompts_inside",
            "Prompts of requests that wait or run.",
            lambda: self._queue.inside,
        )
        self.metrics.watch(
            "keras_gpt3_slots_used",
            "Answers that are written now, each in a slot.",
            lambda: self._engine_number("num_slots_used"),
        )
        self.metrics.watch(
            "keras_gpt3_slots",
            "The most answers that are written at a time.",
            lambda: self.settings.max_slots,
        )
        self.metrics.watch(
            "keras_gpt3_prompts_waiting",
            "Prompts that wait for a slot.",
            lambda: self._engine_number("num_waiting"),
        )
        self.metrics.watch(
            "keras_gpt3_version",
            "The version of the model that new requests are answered from.",
            lambda: self.version,
        )

    def _engine_number(self, name):
        engine = self._served.engine
        return getattr(engine, name) if engine else 0

    def _load(self, version, path):
        model = ExportedModel(path, version)
        drafts = PromptDrafts() if self.settings.speculative else None
        if self.settings.draft:
            # One for each version: both may run, each with slots of its own.
            version, path = newest_versions(self.settings.draft)[0]
            drafts = ModelDrafts(ExportedModel(path, version), model)
        return ServedModel(
            model, self.settings, self._threads, self.metrics, drafts
        )

    def _find(self, name, version):
        served = self._served
        if name != self.settings.name:
            raise RequestError(
                404,
                f"The model must be {self.settings.name}. Received: "
                f"name={name!a:.50}. Request /v1/models/{self.settings.name}.",
            )
        if version is not None and version != str(served.model.version):
            raise RequestError(
                404,
                f"The version must be {served.model.version}, the one served. "
                f"Received: version={version!a:.50}. Leave it out.",
            )
        return served

    async def _in_time(self, start, pieces, is_stream):
        """Pieces of an answer, until its time has run out."""
        loop, is_awaited = asyncio.get_running_loop(), is_stream
        end = loop.time() + self.settings.request_timeout
        async with contextlib.aclosing(pieces):
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                if is_awaited:
                    seconds = time.monotonic() - start
                    self.metrics.first_piece_seconds.observe(seconds)
                    is_awaited = False
                yield piece

    @contextlib.contextmanager
    def _counted(self, start, signature):
        """Count a request, and turn each error into an HTTP status."""
        code = 500
        try:
            yield
            code = 200
        except (asyncio.CancelledError, GeneratorExit):
            code = CLIENT_GONE
            raise
        except Exception as error:
            translated = self._translated(error)
            code = translated.status
            raise translated from error
        finally:
            seconds = time.monotonic() - start
            self.metrics.request(signature(), code, seconds)

    def _translated(self, error):
        if isinstance(error, RequestError):
            return error
        if isinstance(error, ValueError):
            return RequestError(400, str(error))
        if isinstance(error, TimeoutError):
            seconds = f"{self.settings.request_timeout:g}"
            return RequestError(
                504,
                f"A request must be answered within {seconds} seconds. "
                "Received: no answer yet. Request fewer tokens, or start the "
                "server with a longer --request-timeout.",
            )
        if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
            return RequestError(
                503,
                "An answer must fit the memory. Received: out of memory. Send "
                "fewer or shorter prompts.",
            )
        _logger.error("A request failed.", exc_info=error)
        return unexpected_error(error)


class Admission:
    """Counts what is inside, and rejects what would exceed a limit."""

    def __init__(self, limit, noun, option):
        self.inside = 0
        self._limit = limit
        self._noun = noun
        self._option = option

    @contextlib.contextmanager
    def admit(self, amount=1):
        """Admit something for as long as the block runs."""
        if self.inside + amount > self._limit:
            raise RequestError(
                429,
                f"The server takes at most {self._limit} {self._noun} at a "
                f"time. Received: {self._noun}={self.inside + amount}. Try "
                f"again later, or start it with a higher {self._option}.",
                headers={"Retry-After": "1"},
            )
        self.inside += amount
        try:
            yield
        finally:
            self.inside -= amount


class ServingThreads:
    """One thread runs the model, one counts tokens, four write answers.

    TensorFlow spreads each call over all processors: a concurrent second call
    would only slow both down.
    """

    def __init__(self):
        self.running = concurrent.futures.ThreadPoolExecutor(1, "running")
        self.checking = concurrent.futures.ThreadPoolExecutor(1, "checking")
        self.writing = concurrent.futures.ThreadPoolExecutor(4, "writing")

    def close(self):
        """Wait for running work, and drop what has not begun."""
        for executor in (self.checking, self.running, self.writing):
            executor.shutdown(wait=True, cancel_futures=True)
