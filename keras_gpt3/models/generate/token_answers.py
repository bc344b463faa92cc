"""Answers as token ids, whichever way the sampler finds them."""

import random
import typing

import keras
import numpy as np
from keras import ops

from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.sampling_steps import is_stepwise
from keras_gpt3.models.generate.length_buckets import coarse_bucket

# Tokens between two looks for stop strings: each look costs a copy of the
# cache, and what follows a stop string is decoded in vain.
_TOKENS_BETWEEN_LOOKS = 16


class TokenAnswers(typing.NamedTuple):
    """Answers as token ids, those of one prompt one after the other."""

    token_ids: np.ndarray
    padding_mask: np.ndarray
    scores: np.ndarray | None = None


def answer_tokens(graphs, batch, request, prefix=None, has_stopped=None):
    """Continue prompts."""
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


class Decoding:
    """A batch whose answers are chosen token after token, part by part."""

    def __init__(self, graphs, batch, request, prefix=None):
        copies = request.num_return_sequences
        length = cache_length(graphs, batch, request)
        _, cache = first_pass(graphs, batch, length, prefix, False)
        cache = keras.tree.map_structure(
            lambda x: ops.repeat(x, copies, axis=0) if copies > 1 else x, cache
        )
        self.batch = batch.repeated(copies)
        self.end = int(batch.ends.max())
        self._stop_token_ids = request.stop_token_ids
        self._loop = graphs.steps(
            (len(self.batch.ends), length),
            request.stop_token_ids,
            _settings_of_rows(request.settings, len(batch.ends), copies),
        )
        wide = self.batch.widened(length)
        self._mask = ops.convert_to_tensor(wide.padding_mask, "bool")
        room = self.batch.ends - self.batch.lengths
        state = start_decoding(
            ops.convert_to_tensor(wide.token_ids, "int32"),
            self._mask,
            cache,
            ops.convert_to_tensor(room, "int32"),
        )
        # A prompt that fills its row is answered already.
        self._state = state._replace(finished=state.criteria_state <= 0)

    @property
    def index(self):
        """The first position that is not decided yet, an int."""
        return int(self._state.index)

    @property
    def is_finished(self):
        """Whether every row is finished, a bool."""
        return self.index >= self.end or bool(ops.all(self._state.finished))

    def advance(self, count):
        """Decide some more positions."""
        end = min(self.index + count, self.end)
        self._state = self._loop(end, self._state, self._mask)

    def stop_rows(self, rows):
        """End rows."""
        finished = self._state.finished | ops.convert_to_tensor(rows, "bool")
        self._state = self._state._replace(finished=finished)

    def answers(self):
        """What is decided."""
        token_ids, mask = self._state.token_ids, self._mask
        mask = mask_up_to_stop(token_ids, mask, self._stop_token_ids)
        mask = ops.convert_to_numpy(mask)[:, : self.end]
        positions = np.arange(self.end)
        ends = np.minimum(self.batch.ends, self.index)
        ends = np.maximum(ends, self.batch.lengths)
        mask = mask & (positions < ends[:, None])
        token_ids = ops.convert_to_numpy(token_ids)[:, : self.end]
        return np.where(mask, token_ids, self.batch.token_ids), mask


def cache_length(graphs, batch, request):
    """Positions that a cache is made for.

    A limit on the new tokens gives each length of prompt another sum: those
    are rounded up, so that the loop is compiled for few.
    """
    length = batch.token_ids.shape[1]
    if request.max_new_tokens is None:
        return length
    return coarse_bucket(length, graphs.model.backbone.max_sequence_length)


def first_pass(graphs, batch, length, prefix=None, needs_states=True):
    """Read prompts as far as the shortest goes."""
    shortest, longest = int(batch.lengths.min()), int(batch.lengths.max())
    if prefix is None:
        prompts = batch.token_ids[:, :longest]
        return graphs.prefill(prompts, shortest, length, needs_states)
    states, cache = prefix.repeated(len(batch.ends), length)
    read = prefix.num_tokens
    if shortest == read:
        return states, cache
    more, cache = graphs.extend(batch.token_ids[:, read:shortest], cache, read)
    return ops.concatenate([states, more], axis=1), cache


def _settings_of_rows(settings, rows, copies):
    """Settings by which a prompt's copies draw each with a seed of its own."""
    if settings is None:
        return None
    seeds = settings["seed"]
    if seeds is None:
        # Inputs of the compiled loop, as given ones are. From Python's
        # generator, by which `keras.utils.set_random_seed` fixes keras-hub's
        # samplers as well.
        drawn = [random.randrange(2**31) for _ in range(rows * copies)]
        # One row runs the loop of a given seed.
        seeds = drawn if len(drawn) > 1 else drawn[0]
    elif copies > 1:
        seeds = seeds + np.tile(np.arange(copies), rows)
    # As int32 holds them.
    return settings | {"seed": np.asarray(seeds).astype("int32")}
