"""From ids to text, whole or as a stream."""

import dataclasses

import numpy as np

from keras_gpt3.generation.stop_strings import TextPieces
from keras_gpt3.generation.stop_strings import cut_at_stop
from keras_gpt3.models.generate.token_answers import Decoding
from keras_gpt3.models.generate.token_answers import chooses_stepwise


class AnswerTexts:
    """The texts of answers, cut at stop strings."""

    def __init__(self, tokenizer, prompt_mask, stop=()):
        self._tokenizer = tokenizer
        self._prompt_mask = prompt_mask
        # As bytes: an exported graph compares them as well.
        self._stop = tuple(string.encode() for string in stop)

    def decode(self, answers, strip_prompt=False):
        """Decode answers."""
        texts = [found for found, _ in self._cut(answers)]
        if not strip_prompt:
            prompts = self._rows(answers.token_ids, self._prompt_mask)
            texts = [a + b for a, b in zip(prompts, texts, strict=True)]
        return [text.decode("utf-8", "replace") for text in texts]

    def have_stopped(self, answers):
        """Which answers hold a stop string."""
        return np.array([stopped for _, stopped in self._cut(answers)])

    def _cut(self, answers):
        """Pairs of an answer's bytes and whether a stop string cut them."""
        mask = answers.padding_mask & ~self._prompt_mask
        rows = self._rows(answers.token_ids, mask)
        return [cut_at_stop(row, self._stop) for row in rows]

    def _rows(self, token_ids, mask):
        rows = zip(token_ids, mask, strict=True)
        return [spell(self._tokenizer, ids[is_in]) for ids, is_in in rows]


def spell(tokenizer, token_ids):
    """The bytes of tokens, special ones left out."""
    is_special = np.isin(token_ids, tokenizer.special_token_ids)
    return tokenizer.encoding.decode_bytes(token_ids[~is_special])


@dataclasses.dataclass(frozen=True)
class BeamAnswer:
    """One of the likeliest answers to a prompt."""

    text: str | None
    token_ids: tuple
    score: float


def beam_answers(tokenizer, batch, found):
    """The answers of a beam search, prompt by prompt."""
    count = len(found.scores) // len(batch.ends)
    answers = []
    for row, length in enumerate(np.repeat(batch.lengths, count)):
        if row % count == 0:
            answers.append([])
        token_ids = found.token_ids[row][found.padding_mask[row]][length:]
        # Where there are fewer continuations than beams.
        if np.isfinite(found.scores[row]):
            answers[-1].append(
                BeamAnswer(
                    _text(tokenizer, token_ids),
                    tuple(token_ids.tolist()),
                    float(found.scores[row]),
                )
            )
    return answers


def _text(tokenizer, token_ids):
    if tokenizer is None:
        return None
    return spell(tokenizer, token_ids).decode("utf-8", "replace")


# Tokens of a piece: the first is there as soon as it can be, later ones are
# worth the copy of the cache that each costs.
_FIRST, _LATER = 1, 4


def check_stream(model, inputs, request):
    """Raise if an answer cannot be given piece by piece."""
    if model.preprocessor is None:
        raise ValueError(
            "stream must have a preprocessor, which makes text of tokens. "
            "Received: preprocessor=None. Attach a GPT3Preprocessor."
        )
    if not isinstance(inputs, str):
        raise ValueError(
            "stream must be given one prompt, a string. Received: type="
            f"{type(inputs).__name__}. Stream each prompt by itself, or use "
            "generate."
        )
    if not chooses_stepwise(request):
        raise ValueError(
            "sampler must choose token after token to be streamed. Received: "
            f"sampler={type(request.sampler).__name__}. Use generate, or pass "
            "a temperature."
        )


def text_pieces(model, batch, request, prefix=None):
    """Yield the answer to one prompt while it is generated."""
    tokenizer = model.preprocessor.tokenizer
    pieces = TextPieces(request.stop)
    decoding = Decoding(model.decode_graphs(), batch, request, prefix)
    shown, count = int(batch.lengths[0]), _FIRST
    while not (decoding.is_finished or pieces.stopped):
        decoding.advance(count)
        (token_ids,), (mask,) = decoding.answers()
        end = int(mask.sum())
        text = pieces.feed(spell(tokenizer, token_ids[shown:end]))
        if text:
            yield text
        shown, count = end, _LATER
    if text := pieces.finish():
        yield text
