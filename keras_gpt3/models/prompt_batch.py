"""Prompts as arrays with room for their answers."""

import typing

import numpy as np

from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.models.prompt_check import check_prompt
from keras_gpt3.ops.sequence_length_check import check_sequence_length
from keras_gpt3.ops.token_id_check import check_token_ids
from keras_gpt3.tokenization.left_truncation import truncate_left


class PromptBatch(typing.NamedTuple):
    """Prompts, and where their answers must end."""

    token_ids: np.ndarray
    padding_mask: np.ndarray
    ends: np.ndarray

    @property
    def lengths(self):
        """The prompts' numbers of tokens, an int array."""
        return self.padding_mask.sum(axis=1)

    def widened(self, length):
        """The batch with more padding, up to a length."""
        room = ((0, 0), (0, length - self.token_ids.shape[1]))
        return PromptBatch(
            np.pad(self.token_ids, room),
            np.pad(self.padding_mask, room),
            self.ends,
        )

    def repeated(self, count):
        """Each prompt so many times, one after the other."""
        return PromptBatch(*(np.repeat(x, count, axis=0) for x in self))


def batch_of_texts(model, texts, request, prefix=()):
    """Encodes prompts."""
    preprocessor = model.preprocessor
    prompts = preprocessor.prompt_ids(texts, add_start_token=not prefix)
    prompts = [[*prefix, *ids] for ids in prompts]
    if not all(prompts):
        raise ValueError("0".join(EMPTY_PROMPT))
    length = request.max_length or preprocessor.sequence_length
    pad_token_id = preprocessor.tokenizer.pad_token_id
    # A prefix that is a text has the start token.
    num_kept = len(prefix) or int(preprocessor.add_start_token)
    cut = _cut(model, prompts, request, length, len(prefix), num_kept)
    return _padded(model, cut, request, length, pad_token_id)


def batch_of_ids(model, inputs, request, prefix=()):
    """Checks prompts that are given as token ids."""
    inputs = check_prompt(inputs)
    token_ids, padding_mask = inputs["token_ids"], inputs["padding_mask"]
    check_token_ids(token_ids, model.backbone.vocabulary_size)
    rows = zip(token_ids, padding_mask, strict=True)
    prompts = [[*prefix, *ids[mask].tolist()] for ids, mask in rows]
    length = max(request.max_length or 0, len(prefix) + token_ids.shape[1])
    context = model.backbone.max_sequence_length
    if request.max_new_tokens is None:
        # The padding is room for an answer, of which there may be too much.
        length = min(length, context) if request.truncate else length
        check_sequence_length(length, context)
    cut = _cut(model, prompts, request, length, len(prefix), len(prefix))
    return _padded(model, cut, request, length, 0)


def _cut(model, prompts, request, max_length, num_before, num_kept):
    """Prompts cut to what leaves room, if asked for and there is any."""
    context, new = model.backbone.max_sequence_length, request.max_new_tokens
    # An answer has at least one token.
    longest = context - new if new else max_length - 1
    if request.truncate != "left" or longest <= num_before:
        return prompts
    return [truncate_left(ids, longest, num_kept) for ids in prompts]


def _padded(model, prompts, request, max_length, pad_token_id):
    """Lists of ids as a batch."""
    context, new = model.backbone.max_sequence_length, request.max_new_tokens
    lengths = np.array([len(ids) for ids in prompts], "int32")
    ends = lengths + new if new else np.full_like(lengths, max_length)
    if new and ends.max() > context:
        raise ValueError(f"{ends.max()}".join(too_long_message(context)))
    if lengths.max() > ends.max():
        raise ValueError(
            "A prompt must fit sequence_length. Received: a prompt of "
            f"{lengths.max()} tokens, sequence_length={ends.max()}. Shorten "
            "the prompt, raise `max_length` (`sequence_length`), or set "
            "truncate to left."
        )
    padding_mask = np.arange(ends.max()) < lengths[:, None]
    token_ids = np.full(padding_mask.shape, pad_token_id, "int32")
    token_ids[padding_mask] = np.concatenate(prompts)
    return PromptBatch(token_ids, padding_mask, ends)
