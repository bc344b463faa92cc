"""Answers as token ids, whichever way the sampler finds them."""

import typing

import numpy as np
from keras import ops

from keras_gpt3.generation.beam_sampler import BeamSampler
from keras_gpt3.generation.sampling_steps import is_stepwise
from keras_gpt3.models.decoding import Decoding
from keras_gpt3.models.decoding import cache_length
from keras_gpt3.models.decoding import first_pass

# Tokens between two looks for stop strings: each look costs a copy of the
# cache, and what stands behind a stop string is decoded in vain.
_TOKENS_BETWEEN_LOOKS = 16


class TokenAnswers(typing.NamedTuple):
    """Answers as token ids, those of one prompt one after the other."""

    token_ids: np.ndarray
    padding_mask: np.ndarray
    scores: np.ndarray | None = None


def answer_tokens(graphs, batch, request, prefix=None, has_stopped=None):
    """Continues prompts."""
    if chooses_stepwise(request):
        return _by_steps(graphs, batch, request, prefix, has_stopped)
    if isinstance(request.sampler, BeamSampler):
        return _by_beams(graphs, batch, request, prefix)
    return _by_sampler(graphs, batch, request, prefix)


def chooses_stepwise(request):
    """Whether a request is answered token after token."""
    return request.settings is not None or is_stepwise(request.sampler)


def _by_steps(graphs, batch, request, prefix, has_stopped):
    decoding = Decoding(graphs, batch, request, prefix)
    while not decoding.is_finished:
        if has_stopped is None:
            decoding.advance(decoding.end)
        else:
            decoding.advance(_TOKENS_BETWEEN_LOOKS)
            decoding.stop_rows(has_stopped(TokenAnswers(*decoding.answers())))
    return TokenAnswers(*decoding.answers())


def _by_beams(graphs, batch, request, prefix):
    length = cache_length(graphs, batch, request)
    _, cache = first_pass(graphs, batch, length, prefix, False)
    wide = batch.widened(length)
    found = graphs.beams(
        (len(batch.ends), length), request.stop_token_ids, request.sampler
    )(
        ops.convert_to_tensor(wide.token_ids, "int32"),
        ops.convert_to_tensor(wide.padding_mask, "bool"),
        cache,
        ops.convert_to_tensor(batch.ends, "int32"),
    )
    count, end = request.num_return_sequences, batch.token_ids.shape[1]
    ids, mask, scores = (
        ops.convert_to_numpy(found[name])[:, :count]
        for name in ("token_ids", "padding_mask", "scores")
    )
    ids, mask = (x.reshape(-1, length)[:, :end] for x in (ids, mask))
    given = batch.repeated(count).token_ids
    return TokenAnswers(np.where(mask, ids, given), mask, scores.reshape(-1))


def _by_sampler(graphs, batch, request, prefix):
    copies = batch.repeated(request.num_return_sequences)
    # Not rounded up, as a search may find another answer with more room.
    length = batch.token_ids.shape[1]
    states, cache = first_pass(graphs, copies, length, prefix)
    # Samplers that look at hidden states write the later ones there.
    room = ((0, 0), (0, length - states.shape[1]), (0, 0))
    found = graphs.whole((len(copies.ends), length), request.stop_token_ids)(
        ops.convert_to_tensor(copies.token_ids, "int32"),
        ops.convert_to_tensor(copies.padding_mask, "bool"),
        ops.pad(states, room),
        cache,
    )
    token_ids = ops.convert_to_numpy(found["token_ids"])
    mask = ops.convert_to_numpy(found["padding_mask"])
    mask = mask & (np.arange(length) < copies.ends[:, None])
    return TokenAnswers(np.where(mask, token_ids, copies.token_ids), mask)


def without_prompts(answers, prompt_lengths):
    """Answers moved to the front, with a mask that leaves the prompts out."""
    token_ids, mask = answers.token_ids, answers.padding_mask
    positions = np.arange(token_ids.shape[1])
    is_answer = mask & (positions >= prompt_lengths[:, None])
    places = positions + prompt_lengths[:, None]
    places %= token_ids.shape[1]
    return TokenAnswers(
        *(
            np.take_along_axis(x, places, axis=1)
            for x in (token_ids, is_answer)
        ),
        answers.scores,
    )


def answer_arrays(answers, copies):
    """Answers in the form of `GPT3.generate` without a preprocessor."""
    arrays = {
        "token_ids": answers.token_ids,
        "padding_mask": answers.padding_mask,
    }
    if copies == 1:
        return arrays
    return {
        name: x.reshape(-1, copies, x.shape[1]) for name, x in arrays.items()
    }
