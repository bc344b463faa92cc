"""Answers as token ids, whichever way the sampler finds them."""

import random
import typing

import keras
import numpy as np
from keras import ops

from keras_gpt3.generation.beam_search import BeamSampler
from keras_gpt3.generation.decode_loop import DecodeState
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.drafters import DraftModel
from keras_gpt3.generation.drafters import PromptLookup
from keras_gpt3.generation.drafters import drafts_a_row
from keras_gpt3.generation.sampling_steps import is_stepwise
from keras_gpt3.generation.speculative_decoding import Speculation
from keras_gpt3.generation.speculative_decoding import start_drafting
from keras_gpt3.models.generate.length_buckets import coarse_bucket
from keras_gpt3.models.generate.length_buckets import power_of_two
from keras_gpt3.models.generate.prompt_batch import PromptBatch

# Tokens between two looks for stop strings: each look costs a copy of the
# cache, and what follows a stop string is decoded in vain.
_TOKENS_BETWEEN_LOOKS = 16
# Rows that are decoded at a time. More of them wait for the place of one that
# has ended: each has its cache.
MOST_SLOTS = 64


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
            decoding.advance(batch.token_ids.shape[1])
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
    """Rows whose answers are chosen token after token, part by part.

    Each row has a slot of the cache and a position of its own there. Where
    there are more rows than slots, one that ends leaves its slot to the next.
    """

    def __init__(self, graphs, batch, request, prefix=None):
        copies = request.num_return_sequences
        self.batch = batch.repeated(copies)
        self._graphs = graphs
        self._prefix = prefix
        self._length = cache_length(graphs, batch, request)
        self._stop_token_ids = request.stop_token_ids
        rows = len(self.batch.ends)
        self._settings, self._seeds = _settings_and_seeds(
            request.settings, len(batch.ends), copies
        )
        wide = self.batch.widened(self._length)
        # What is known of all rows: their tokens, and how far these go.
        self._token_ids, self._mask = wide.token_ids.copy(), wide.padding_mask
        self._indices = self.batch.lengths.astype("int32")
        # A prompt that fills its row is answered already.
        self._finished = self._indices >= self.batch.ends
        self._slots = np.arange(min(rows, MOST_SLOTS))  # The row of each slot.
        self._waiting = list(range(len(self._slots), rows))
        self._drafter = request.drafter
        self._loop = graphs.steps(
            (len(self._slots), self._length),
            request.stop_token_ids,
            self._settings_of_slots(),
            request.drafter,
        )
        if self._waiting:
            self._caches = self._first_pass(self.batch, self._slots)
        else:
            caches = self._first_pass(batch, np.arange(len(batch.ends)))
            self._caches = keras.tree.map_structure(
                lambda x: ops.repeat(x, copies, axis=0) if copies > 1 else x,
                caches,
            )
        # What is known of each slot's drafts.
        is_model = request.drafter not in (None, "prompt")
        drafter = DraftModel if is_model else PromptLookup
        self._first_pause = drafter.first_pause
        self._drafting = start_drafting(len(self._slots), self._first_pause)
        self._num_read = self._indices[self._slots] - 1

    @property
    def is_finished(self):
        """Whether every row is finished, a bool."""
        return bool(self._finished.all())

    def advance(self, count):
        """Decide some more positions of the rows that have a slot."""
        self._fill_slots()
        slots, ends = self._slots, self.batch.ends
        index, finished = self._indices[slots], self._finished[slots]
        state = DecodeState(
            ops.convert_to_tensor(index, "int32"),
            ops.convert_to_tensor(self._token_ids[slots], "int32"),
            ops.convert_to_tensor(finished, "bool"),
            self._caches[0],
            ops.convert_to_tensor(ends[slots] - index, "int32"),
        )
        enough = len(slots)
        if self._waiting:
            # A place that is free costs a step of nothing; filling it, a pass.
            enough = min(finished.sum() + 1 + len(slots) // 8, enough)
        state = self._run_loop(
            state, np.minimum(index + count, ends[slots]), enough
        )
        self._token_ids[slots] = ops.convert_to_numpy(state.token_ids)
        self._indices[slots] = ops.convert_to_numpy(state.index)
        self._finished[slots] = ops.convert_to_numpy(state.finished)

    def _run_loop(self, state, end, enough):
        """The state after the loop, which leaves the caches behind."""
        mask = ops.convert_to_tensor(self._mask[self._slots], "bool")
        seeds = self._seeds_of_slots()
        if self._drafter is None:
            state = self._loop(end, state, mask, enough, **seeds)
            self._caches = (state.cache,)
            return state
        memory = self._caches[1:]
        if memory:
            memory += (ops.convert_to_tensor(self._num_read, "int32"),)
        drafting = self._drafting._replace(memory=memory)
        state, drafting = self._loop(
            end, (state, drafting), mask, enough, **seeds
        )
        self._caches = (state.cache, *drafting.memory[:1])
        if memory:
            self._num_read = ops.convert_to_numpy(drafting.memory[1]).copy()
        counts = map(int, drafting.counts)
        counts = zip(counts, self._graphs.model.speculation, strict=True)
        self._graphs.model.speculation = Speculation(*map(sum, counts))
        zeros = keras.tree.map_structure(ops.zeros_like, drafting.counts)
        self._drafting = drafting._replace(counts=zeros, memory=())
        return state

    def stop_rows(self, rows):
        """End rows."""
        self._finished |= rows

    def answers(self):
        """What is decided."""
        width = self.batch.token_ids.shape[1]
        token_ids, mask = self._token_ids[:, :width], self._mask[:, :width]
        mask = mask_up_to_stop(token_ids, mask, self._stop_token_ids)
        mask = ops.convert_to_numpy(mask)
        mask = mask & (np.arange(width) < self._indices[:, None])
        return np.where(mask, token_ids, self.batch.token_ids), mask

    def _fill_slots(self):
        """Give the slots of rows that have ended to rows that wait."""
        free = np.flatnonzero(self._finished[self._slots])[: len(self._waiting)]
        if not len(free):
            return
        rows, self._waiting = (
            self._waiting[: len(free)],
            self._waiting[len(free) :],
        )
        self._slots[free] = rows
        # How the drafts of the row before fared says nothing of the next.
        is_new, drafting = np.isin(self._slots, rows), self._drafting
        self._drafting = drafting._replace(
            pause=ops.where(is_new, 0, drafting.pause),
            next_pause=ops.where(
                is_new, self._first_pause, drafting.next_pause
            ),
        )
        # Powers of two: few shapes to trace. A row that is repeated is written
        # twice to one place.
        missing = power_of_two(len(free)) - len(free)
        free, rows = (np.pad(x, (0, missing), "edge") for x in (free, rows))
        caches = self._first_pass(self.batch, rows)
        self._caches = self._graphs.replace_rows(self._caches, free, caches)
        self._num_read[free] = self._indices[rows] - 1

    def _first_pass(self, batch, rows):
        """The caches after prompts, of the model and of one that drafts."""
        part = PromptBatch(*(x[rows] for x in batch))
        readers = [(self._graphs, self._prefix)]
        if self._drafter not in (None, "prompt"):
            readers.append((self._drafter.decode_graphs(), None))
        caches = []
        for graphs, prefix in readers:
            _, cache = first_pass(
                graphs, part, self._length, prefix, False, False
            )
            if self._drafter is not None:
                # For drafts that turn out wrong.
                spare = drafts_a_row(len(self._slots))
                cache = graphs.with_spare_slots(cache, spare, part.lengths)
            caches.append(cache)
        return tuple(caches)

    def _settings_of_slots(self):
        if self._settings is None:
            return None
        return self._settings | self._seeds_of_slots()

    def _seeds_of_slots(self):
        """One seed for all, or that of each slot's row."""
        if self._seeds is None:
            return {}
        seeds = self._seeds
        return {"seed": seeds[self._slots] if seeds.shape else seeds}


def cache_length(graphs, batch, request):
    """Positions that a cache is made for.

    A limit on the new tokens gives each length of prompt another sum: those
    are rounded up, so that the loop is compiled for few.
    """
    length = batch.token_ids.shape[1]
    if request.max_new_tokens is None:
        return length
    return coarse_bucket(length, graphs.model.backbone.max_sequence_length)


def first_pass(
    graphs, batch, length, prefix=None, needs_states=True, in_step=True
):
    """Read prompts: in step as far as the shortest goes, or each to its end."""
    shortest, longest = int(batch.lengths.min()), int(batch.lengths.max())
    if prefix is None:
        prompts = batch.token_ids[:, :longest]
        end = shortest if in_step else batch.lengths
        return graphs.prefill(prompts, end, length, needs_states)
    states, cache = prefix.repeated(len(batch.ends), length)
    read = prefix.num_tokens
    end = shortest if in_step else longest
    if end == read:
        return states, cache
    ends = None if shortest == end else batch.lengths
    more, cache = graphs.extend(batch.token_ids[:, read:end], cache, read, ends)
    return ops.concatenate([states, more], axis=1), cache


def _settings_and_seeds(settings, rows, copies):
    """Settings, and apart the seeds: copies of a prompt have each its own."""
    if settings is None:
        return None, None
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
    others = {name: x for name, x in settings.items() if name != "seed"}
    # As int32 holds them.
    return others, np.asarray(seeds).astype("int32")
