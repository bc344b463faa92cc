"""Answers to completions, in OpenAI's form, from the pieces of rows."""

import asyncio
import contextlib
import time
import typing
import uuid

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.request_limits import check_bytes
from keras_gpt3.serving.request_limits import check_values
from keras_gpt3.serving.slots.slot_answer import SlotRequest


class ScoredToken(typing.NamedTuple):
    """A token of a prompt; those of answers have the same names."""

    token_id: int
    # `None` where nothing comes before it.
    log_probability: float | None
    # Pairs of an id and its log-probability, the most likely first.
    top: tuple


class Completion:
    """The answers to a request, in parts.

    A whole answer is put together from the parts that a stream sends, so both
    say the same.
    """

    def __init__(self, request, served, settings):
        self._request = request
        self._served = served
        self._settings = settings
        self._head = {
            "id": f"cmpl-{uuid.uuid4().hex}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": settings.name,
        }

    async def events(self):
        """The answer in parts, each as OpenAI's streams have it.

        The last one has the usage and no choice.
        """
        request, num_new = self._request, {}
        if self._served.engine is None:
            raise ValueError(
                "A completion must have the signatures of an export with a "
                "preprocessor. Received: none. Attach one and export again."
            )
        rows = [await self._token_ids(prompt) for prompt in request.prompts]
        self._check_rows(rows)
        special = self._served.model.special_token_ids
        choices = [
            _Choice(index, self._served.token_bytes, request.num_top >= 0)
            for index in range(request.num_rows)
        ]
        if request.echo:
            echoes = await self._echoes(rows)
            for choice, echo in zip(choices, echoes, strict=True):
                part = choice.part(*echo)
                # An empty text before a start token has nothing to echo.
                if part is not None:
                    yield self._event(part)
        if request.max_tokens:
            pieces = _merged(self._generators(rows))
            async with contextlib.aclosing(pieces):
                async for index, piece in pieces:
                    num_new[index] = piece.num_tokens
                    part = choices[index].part(
                        piece.text, piece.tokens, piece.finish_reason, special
                    )
                    if part is not None:
                        yield self._event(part)
        num_prompt, num_new = sum(map(len, rows)), sum(num_new.values())
        yield self._head | {
            "choices": [],
            "usage": {
                "prompt_tokens": num_prompt,
                "completion_tokens": num_new,
                "total_tokens": num_prompt + num_new,
            },
        }

    def streamed(self, event):
        """An event as a stream sends it, or `None` if it does not."""
        if self._request.include_usage:
            return {"usage": None} | event
        return event if event["choices"] else None

    def whole(self, events):
        """The answer that all events make."""
        choices = {}
        *events, last = events
        for event in events:
            (part,) = event["choices"]
            choice = choices.setdefault(part["index"], part)
            if choice is not part:
                _extend(choice, part)
        choices = [choices[index] for index in sorted(choices)]
        return self._head | {"choices": choices, "usage": last["usage"]}

    def _event(self, part):
        return self._head | {"choices": [part]}

    async def _token_ids(self, prompt):
        if isinstance(prompt, str):
            check_bytes(self._served.model, [prompt.encode()])
            return await self._served.token_ids(prompt)
        return prompt

    def _check_rows(self, rows):
        """Raise unless rows and biases have known ids and fit the context."""
        request, known = self._request, len(self._served.token_bytes)
        context = self._served.model.context
        for ids in rows:
            if not ids:
                raise RequestError(400, "0".join(EMPTY_PROMPT), param="prompt")
            _check_ids("prompt", ids, known)
            total = len(ids) + request.max_tokens
            if total > context:
                raise RequestError(
                    400,
                    f"prompt and max_tokens must fit the context of {context} "
                    f"tokens. Received: tokens={total}. Shorten the prompt, or "
                    "request fewer tokens.",
                    param="prompt",
                    code="context_length_exceeded",
                )
        biased = [token_id for token_id, _ in request.options["logit_bias"]]
        _check_ids("logit_bias", biased, known)
        if request.num_top >= 0:
            shown = sum(map(len, rows)) if request.echo else 0
            shown += len(rows) * request.max_tokens
            shown *= request.n * (request.num_top + 2)
            check_values(shown, self._settings.max_answer_values)

    async def _echoes(self, rows):
        """For each choice its prompt: text, tokens, and why it ends there."""
        request, starts = self._request, self._served.num_start_tokens
        scores = [()] * len(rows)
        if request.scores_prompts:
            scores = await self._scores(rows)
        echoes = []
        for prompt, tokens in zip(request.prompts, scores, strict=True):
            text = prompt
            if isinstance(prompt, str):
                # The start token is not of the text.
                tokens = tokens[starts:]
            else:
                parts = [self._served.token_bytes[i] for i in prompt]
                text = b"".join(parts).decode(errors="replace")
            if tokens:
                tokens = [tokens[0]._replace(log_probability=None), *tokens[1:]]
            reason = None if request.max_tokens else "length"
            echoes += [(text, tokens, reason)] * request.n
        return echoes

    async def _scores(self, rows):
        """The tokens of each prompt, scored some rows at a time."""
        longest, settings = max(map(len, rows)), self._settings
        most = max(1, settings.max_batch_tokens // longest)
        most = min(most, settings.max_batch_size)
        scores = []
        for start in range(0, len(rows), most):
            batch = rows[start : start + most]
            width = max(map(len, batch))
            padded = [ids + [0] * (width - len(ids)) for ids in batch]
            inputs = {
                "token_ids": np.array(padded, "int32"),
                "lengths": np.array([len(ids) for ids in batch], "int32"),
                "number": np.array(self._request.num_top, "int32"),
            }
            answer = await self._served.call("score_tokens", inputs)
            scores += map(
                _scored, batch, *(answer[x].tolist() for x in _SCORES)
            )
        return scores

    def _generators(self, rows):
        """The engine's generator of each choice."""
        request = self._request
        return [
            self._served.engine.generate(
                SlotRequest(
                    token_ids=ids,
                    max_new_tokens=request.max_tokens,
                    num_top=request.num_top,
                    **request.row_options(choice),
                )
            )
            for ids in rows
            for choice in range(request.n)
        ]


_SCORES = ("log_probabilities", "top_token_ids", "top_log_probabilities")


def _scored(ids, log_probabilities, top_ids, top_log_probabilities):
    """The tokens of a row, of columns that are padded on the right."""
    columns = zip(top_ids, top_log_probabilities, strict=True)
    tops = [tuple(zip(*pair, strict=True)) for pair in columns]
    return [
        ScoredToken(*token)
        for token in zip(ids, log_probabilities, tops, strict=False)
    ]


def _check_ids(name, ids, known):
    wrong = [token_id for token_id in ids if not 0 <= token_id < known]
    if wrong:
        raise RequestError(
            400,
            f"The ids of {name} must be from 0 to {known - 1}. Received: "
            f"id={echoed(wrong[0])}. Take ids from the model's own tokenizer.",
            param=name,
        )


async def _merged(generators):
    """Pairs of a row's index and its piece, as they come."""
    queue = asyncio.Queue()

    async def feed(index, pieces):
        try:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    queue.put_nowait((index, piece))
            queue.put_nowait((index, None))
        except Exception as error:
            queue.put_nowait((index, error))

    tasks = [
        asyncio.create_task(feed(index, pieces))
        for index, pieces in enumerate(generators)
    ]
    try:
        running = len(tasks)
        while running:
            index, piece = await queue.get()
            if isinstance(piece, Exception):
                raise piece
            if piece is None:
                running -= 1
            else:
                yield index, piece
    finally:
        # A client that has gone, or an error: the other rows end as well.
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# === Parts of answers ===

_COLUMNS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
# JSON has no infinity: as vLLM writes the probability of what is ruled out.
_LEAST_LOG_PROBABILITY = -9999.0


class _Choice:
    """What has been written of an answer."""

    def __init__(self, index, token_bytes, has_log_probabilities):
        self._index = index
        self._token_bytes = token_bytes
        self._has_log_probabilities = has_log_probabilities
        self._num_characters = 0

    def part(self, text, tokens, finish_reason, textless=frozenset()):
        """The next part; `None` if nothing is to be said.

        Prompts show special tokens; answers have no text of `textless` ids.
        """
        shows_tokens = self._has_log_probabilities and tokens
        if not (text or shows_tokens or finish_reason):
            return None
        log_probabilities = None
        if self._has_log_probabilities:
            log_probabilities = self._columns(tokens, textless)
        return {
            "text": text,
            "index": self._index,
            "logprobs": log_probabilities,
            "finish_reason": finish_reason,
        }

    def _columns(self, tokens, textless):
        columns = {name: [] for name in _COLUMNS}
        for token in tokens:
            own = token.log_probability
            columns["tokens"].append(self._text(token.token_id))
            columns["token_logprobs"].append(_finite(own))
            columns["top_logprobs"].append(self._best(token))
            columns["text_offset"].append(self._num_characters)
            if token.token_id in textless:
                continue
            # All but the bytes that continue a character.
            self._num_characters += sum(
                byte & 0xC0 != 0x80
                for byte in self._token_bytes[token.token_id]
            )
        return columns

    def _best(self, token):
        """The most likely tokens, and this one, as OpenAI has it."""
        if token.log_probability is None:
            return None
        best = {self._text(i): _finite(value) for i, value in token.top}
        own = self._text(token.token_id)
        return best | {own: _finite(token.log_probability)}

    def _text(self, token_id):
        text = self._token_bytes[token_id]
        try:
            return text.decode()
        except UnicodeDecodeError:
            # As OpenAI writes what is not a whole character.
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in text)


def _finite(value):
    return value if value is None else max(value, _LEAST_LOG_PROBABILITY)


def _extend(choice, part):
    """Put a part at the end of what came before it."""
    choice["text"] += part["text"]
    choice["finish_reason"] = part["finish_reason"]
    if choice["logprobs"] is None:
        choice["logprobs"] = part["logprobs"]
    elif part["logprobs"] is not None:
        for name, values in part["logprobs"].items():
            choice["logprobs"][name] += values
