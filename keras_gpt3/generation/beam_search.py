"""Beam search, of stock operations: live models and exports run it."""

import math
import typing

import keras
import keras_hub
from keras import ops

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.generation.decode_loop import is_stop_token
from keras_gpt3.generation.decode_loop import without_hidden_states
from keras_gpt3.generation.logit_filters import top_k

# The score of a beam that is not there.
NEVER = -math.inf


def beam_search(
    next_logits,
    token_ids,
    padding_mask,
    cache,
    stop_token_ids,
    num_beams=4,
    length_penalty=0.6,
    end=None,
):
    """Search for the most probable continuations of a batch of prompts.

    Brown et al. 2020, section 2.4, with the same settings. Of all extensions
    of a prompt's beams by one token, the `num_beams` most probable without a
    stop token become the next beams, as in T5, which the paper cites. Those
    with a stop token join a pool, which keeps the `num_beams` best, if they
    are among the `num_beams` most probable of all, as in transformers; beams
    cut off at the end join it last. One beam is greedy decoding.

    The pool compares sums of log-probabilities divided by
    `((5 + n) / 6) ** length_penalty` (Wu et al. 2016, section 7), where `n` is
    a continuation's number of tokens, the stop token included. A prompt's
    search ends early when its best beam, divided as if it were of full length
    already, is no better than the worst of a full pool: sums only fall, and no
    divisor is larger.

    Of equal scores the earlier beam comes first, then the lower token id.
    The answer to a prompt does not depend on the rest of the batch.

    Args:
        next_logits: callable. `next_logits(token_ids, cache, index)` returns
            the scores for position `index`, shape
            `(batch * num_beams, vocabulary_size)`, and the updated cache.
        token_ids: int tensor of shape `(batch, length)`, padded on the right.
        padding_mask: bool tensor of shape `(batch, length)`, True on the
            prompt.
        cache: nest of tensors of shape `(batch, ...)`, after the prompts. Each
            row is repeated for its beams, whose rows follow each other.
        stop_token_ids: list of ints or int tensors. Ids at which a
            continuation ends; a negative one never occurs.
        num_beams: int. Beams of a prompt. Defaults to `4`.
        length_penalty: float or float tensor, at least 0. The larger, the
            better long continuations fare; 0 compares plain sums. Defaults to
            `0.6`.
        end: int, or int tensor of shape `()` or `(batch,)`. Position at which
            continuations are cut off. Defaults to `None`, the length of the
            ids.

    Returns:
        A dict, the best continuation of each prompt first: `"token_ids"` and
        `"padding_mask"`, shape `(batch, num_beams, length)`, prompts included,
        and `"scores"`, float32 of shape `(batch, num_beams)`. The mask ends
        with the stop token; the ids after it are those given. Where there are
        fewer continuations than beams, the rest are the prompt with a score
        of `-inf`.

    Raises:
        ValueError: If `num_beams` is not an integer from 1 to the vocabulary
            size, or `length_penalty` is negative or not finite.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_gpt3.generation import beam_search

    def count_up(token_ids, cache, index):
        previous = keras.ops.take(token_ids, index - 1, axis=1)
        return keras.ops.one_hot(previous + 1, 10), cache

    answers = beam_search(
        count_up,
        token_ids=np.array([[3, 4, 0, 0, 0]], "int32"),
        padding_mask=np.array([[True, True, False, False, False]]),
        cache=(),
        stop_token_ids=[9],
        num_beams=2,
    )
    answers["token_ids"][0, 0]  # [3, 4, 5, 6, 7]
    ```
    """
    check_beam_settings(num_beams, length_penalty)
    length = ops.shape(token_ids)[1]
    end = ops.reshape(length if end is None else end, (-1, 1))  # (B or 1, 1)
    prompt_lengths = ops.sum(
        ops.cast(padding_mask, "int32"), axis=-1, keepdims=True
    )  # (B, 1)

    def penalized(scores, ends):
        generated = ops.relu(ops.cast(ends - prompt_lengths, "float32"))
        exponent = ops.cast(length_penalty, "float32")
        return scores / ops.power((5 + generated) / 6, exponent)

    def offered(pool, token_ids, sums, is_ended, ends):
        scores = penalized(ops.where(is_ended, sums, NEVER), ends)
        return _best_of(pool, token_ids, ends, scores)

    def unfinished(index, token_ids, scores, pool, cache):
        return ops.any((index < end) & (scores > NEVER))

    def body(index, token_ids, scores, pool, cache):
        flat = ops.reshape(token_ids, (-1, length))  # (B * K, T)
        logits, cache = next_logits(flat, cache, index)
        in_prompt = index < prompt_lengths
        found = _extensions(logits, scores, num_beams, len(stop_token_ids))
        stops = is_stop_token(found.tokens, stop_token_ids)  # (B, C)
        most_probable = _Extensions(*(x[:, :num_beams] for x in found))
        pool = offered(
            pool,
            _extended(token_ids, most_probable, index),
            most_probable.sums,
            stops[:, :num_beams] & ~in_prompt,
            index + 1,
        )
        beams = _continuing(found, stops, num_beams)
        # Within a prompt all beams are the same: any parent will do.
        given = ops.take(token_ids, index, axis=2)
        beams = beams._replace(
            tokens=ops.where(in_prompt, given, beams.tokens),
            sums=ops.where(in_prompt, scores, beams.sums),
        )
        token_ids, scores = _extended(token_ids, beams, index), beams.sums
        cache = _reorder_cache(cache, beams.parents)
        # Of equal scores the one that stopped by itself comes first.
        is_cut_off = (index + 1 >= end) & ~in_prompt
        pool = offered(pool, token_ids, scores, is_cut_off, index + 1)
        scores = ops.where(is_cut_off, NEVER, scores)
        scores = _drop_settled(scores, pool, penalized(scores, end))
        return index + 1, token_ids, scores, pool, cache

    token_ids, scores, pool, cache = _first_beams(
        token_ids, prompt_lengths, cache, num_beams
    )
    start = (ops.min(prompt_lengths), token_ids, scores, pool, cache)
    _, token_ids, scores, pool, _ = ops.while_loop(unfinished, body, start)
    cut_off = penalized(scores, end)
    # Prompts that left no room for an answer are not in the pool yet.
    token_ids, ends, scores = _best_of(pool, token_ids, end, cut_off)
    mask = ops.arange(length, dtype="int32") < ends[..., None]
    return {"token_ids": token_ids, "padding_mask": mask, "scores": scores}


def check_beam_settings(num_beams, length_penalty):
    """Raise unless a search can run with these settings."""
    check_integer("num_beams", num_beams, minimum=1)
    if ops.is_tensor(length_penalty):
        return
    if not (math.isfinite(length_penalty) and length_penalty >= 0):
        raise ValueError(
            "length_penalty must be finite and at least 0. Received: "
            f"length_penalty={length_penalty}. Use 0 to compare sums of "
            "log-probabilities."
        )


# B: batch, K: beams, C: candidates, T: length, V: vocabulary.


class _Extensions(typing.NamedTuple):
    """Beams with a token more, each of shape `(B, any number)`."""

    parents: typing.Any  # The beams that are extended.
    tokens: typing.Any
    sums: typing.Any  # Of log-probabilities.


def _first_beams(token_ids, prompt_lengths, cache, num_beams):
    """Each prompt as its first beam, and a pool that is empty."""
    token_ids = ops.convert_to_tensor(token_ids)[:, None]
    token_ids = ops.repeat(token_ids, num_beams, axis=1)  # (B, K, T)
    ends = ops.repeat(prompt_lengths, num_beams, axis=1)  # (B, K)
    # Equal beams would be extended equally: the others come from the first.
    is_first = ops.arange(num_beams, dtype="int32") == 0
    scores = ops.zeros_like(ends, dtype="float32")
    pool = (token_ids, ends, ops.full_like(scores, NEVER))
    cache = keras.tree.map_structure(
        lambda x: ops.repeat(x, num_beams, axis=0), cache
    )
    return token_ids, ops.where(is_first, scores, NEVER), pool, cache


def _extensions(logits, scores, num_beams, num_stops):
    """The most probable extensions, enough that all beams can continue."""
    vocabulary_size = logits.shape[-1]
    if num_beams > vocabulary_size:
        raise ValueError(
            f"num_beams must be at most the vocabulary's {vocabulary_size} "
            f"tokens. Received: num_beams={num_beams}. Use fewer beams."
        )
    log_probabilities = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    sums = ops.reshape(scores, (-1, 1)) + log_probabilities  # (B * K, V)
    sums = ops.reshape(sums, (-1, num_beams * vocabulary_size))
    # In each beam all stop tokens may rank before another token. A single beam
    # has no others beside it: it stops.
    count = num_beams * (1 + num_stops) if num_beams > 1 else 1
    best, indices = top_k(sums, min(count, sums.shape[-1]))
    return _Extensions(
        indices // vocabulary_size, indices % vocabulary_size, best
    )


def _continuing(found, stops, num_beams):
    """The most probable extensions without a stop token."""
    sums, places = top_k(ops.where(stops, NEVER, found.sums), num_beams)
    parents, tokens = (
        ops.take_along_axis(x, places, axis=1)
        for x in (found.parents, found.tokens)
    )
    return _Extensions(parents, tokens, sums)


def _extended(token_ids, extensions, index):
    """The ids of extensions, shape `(B, any number, T)`."""
    here = ops.arange(ops.shape(token_ids)[2], dtype="int32") == index
    tokens = ops.cast(extensions.tokens, token_ids.dtype)[..., None]
    return ops.where(here, tokens, _take_beams(token_ids, extensions.parents))


def _best_of(pool, token_ids, end, scores):
    """The pool after beams that end have been offered to it."""
    more = (token_ids, ops.zeros_like(pool[1]) + end, scores)
    both = [
        ops.concatenate(pair, axis=1) for pair in zip(pool, more, strict=True)
    ]
    _, best = top_k(both[-1], token_ids.shape[1])
    return tuple(_take_beams(x, best) for x in both)


def _drop_settled(scores, pool, best_possible):
    """End the search of prompts whose beams cannot better their pool."""
    best_possible = ops.max(best_possible, axis=1, keepdims=True)
    settled = ops.min(pool[-1], axis=1, keepdims=True) >= best_possible
    return ops.where(settled, NEVER, scores)


def _flat_rows(beams, num_beams):
    """Rows of `(B * num_beams, ...)` for beams counted in each prompt."""
    rows = ops.arange(ops.shape(beams)[0], dtype="int32")
    return rows[:, None] * num_beams + beams


def _take_beams(x, beams):
    """Beams of a tensor of shape `(B, any number, ...)`."""
    shape = ops.shape(x)
    flat = ops.reshape(x, (-1, *shape[2:]))
    return ops.take(flat, _flat_rows(beams, shape[1]), axis=0)


def _reorder_cache(cache, parents):
    """Give each beam the cache of the beam that it extends."""
    rows = ops.reshape(_flat_rows(parents, parents.shape[1]), (-1,))
    return keras.tree.map_structure(lambda x: ops.take(x, rows, axis=0), cache)


@keras.saving.register_keras_serializable(package="keras_gpt3")
class BeamSampler(keras_hub.samplers.Sampler):
    """The best answer that `beam_search` finds.

    The defaults are those of Brown et al. 2020, section 2.4. keras-hub's beam
    sampler compares sums of log-probabilities whatever their length, and
    continues after a stop token as long as one beam has none; this one does
    neither.

    Args:
        num_beams: int. Beams of a prompt. Defaults to `4`.
        length_penalty: float. The larger, the better long answers fare; 0
            compares plain sums. Defaults to `0.6`.
        return_all_beams: bool. Whether a call returns every beam, ids of shape
            `(batch, num_beams, length)`, and their scores, shape
            `(batch, num_beams)`, best first, instead of the best beam. Not for
            `generate`, which expects one answer. Defaults to `False`.

    Raises:
        ValueError: If `num_beams` is not an integer of at least 1, or
            `length_penalty` is negative or not finite.

    Example:

    ```python
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", num_layers=1, preprocessor=None
    )
    model.compile(sampler=keras_gpt3.generation.BeamSampler(num_beams=2))
    ```
    """

    def __init__(self, num_beams=4, length_penalty=0.6, return_all_beams=False):
        check_beam_settings(num_beams, length_penalty)
        super().__init__()
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.return_all_beams = return_all_beams

    def __call__(
        self,
        next,
        prompt,
        cache=None,
        index=0,
        mask=None,
        stop_token_ids=None,
        hidden_states=None,
        model=None,
    ):
        if mask is None:
            mask = ops.arange(ops.shape(prompt)[1], dtype="int32") < index
            mask = ops.broadcast_to(mask, ops.shape(prompt))
        answers = beam_search(
            without_hidden_states(next),
            prompt,
            mask,
            () if cache is None else cache,
            stop_token_ids or (),
            self.num_beams,
            self.length_penalty,
        )
        if self.return_all_beams:
            return answers["token_ids"], answers["scores"]
        return answers["token_ids"][:, 0]

    def get_config(self):
        # Not the temperature of the parent: a search draws nothing.
        return {
            "num_beams": self.num_beams,
            "length_penalty": self.length_penalty,
            "return_all_beams": self.return_all_beams,
        }
