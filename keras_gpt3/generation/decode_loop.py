"""The decode loop, of stock operations: live models and exports run it."""

import typing

import keras
from keras import ops

from keras_gpt3.generation.logit_filters import rule_out_unknown


class DecodeState(typing.NamedTuple):
    """Where decoding stands, between two positions."""

    index: typing.Any  # The next position: of all rows, or (B,) of each.
    token_ids: typing.Any
    finished: typing.Any  # Which rows have ended, shape (B,).
    cache: typing.Any
    criteria_state: typing.Any = ()


def decode(next_logits, choose, token_ids, padding_mask, cache, stop_token_ids):
    """Continue a batch of right-padded prompts up to their full length.

    A longer prompt of the batch keeps its tokens while shorter ones are
    continued: a row's answer does not depend on the others. The loop ends when
    all rows have finished.

    Args:
        next_logits: callable. `next_logits(token_ids, cache, index)` returns
            the scores for position `index`, shape
            `(batch, vocabulary_size)`, and the updated cache.
        choose: callable. `choose(logits, index)` returns the ids, shape
            `(batch,)`, that go to position `index`.
        token_ids: int tensor of shape `(batch, length)`.
        padding_mask: bool tensor of shape `(batch, length)`, True on the
            prompt.
        cache: cache after the prompts, as `next_logits` takes it.
        stop_token_ids: list of ints or int tensors. Ids at which a row ends;
            a negative one never occurs.

    Returns:
        The token ids, shape `(batch, length)`. What follows the stop token
        of a row means nothing: see `mask_up_to_stop`.

    Example:

    ```python
    import keras
    import numpy as np
    from keras_gpt3.generation import decode

    def count_up(token_ids, cache, index):
        previous = keras.ops.take(token_ids, index - 1, axis=1)
        return keras.ops.one_hot(previous + 1, 10), cache

    answer = decode(
        count_up,
        choose=lambda logits, index: keras.ops.argmax(logits, axis=-1),
        token_ids=np.array([[3, 4, 0, 0, 0]], "int32"),
        padding_mask=np.array([[True, True, False, False, False]]),
        cache=(),
        stop_token_ids=[9],
    )  # [[3, 4, 5, 6, 7]]
    ```
    """
    state = start_decoding(token_ids, padding_mask, cache)
    length = ops.shape(token_ids)[1]
    return decode_until(
        length, next_logits, choose, state, padding_mask, stop_token_ids
    ).token_ids


def start_decoding(
    token_ids, padding_mask, cache, criteria_state=(), in_step=True
):
    """The state before the first position.

    Rows in step start after the shortest prompt, others each after its own.
    """
    lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
    finished = ops.zeros_like(padding_mask[:, 0])
    index = ops.min(lengths) if in_step else lengths
    return DecodeState(index, token_ids, finished, cache, criteria_state)


def decode_until(
    end,
    next_logits,
    choose,
    state,
    padding_mask,
    stop_token_ids,
    stopping_criteria=None,
    variables=(),
    enough=None,
):
    """Continue decoding up to a position, or until all rows have finished.

    The position is one for all rows, or (B,) where each stands at its own: a
    row that is there waits for the others. `stopping_criteria(criteria_state,
    chosen, is_answer)` returns its next state and which rows end with the
    chosen ids, beside those that end at a stop token. `enough` is the number
    of finished rows at which to return, as others wait for their places; by
    default all.
    """
    length = ops.shape(state.token_ids)[1]
    lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)

    variables = loop_variables(variables)
    choose = without_state(choose, variables)

    def unfinished(values, index, token_ids, finished, cache, criteria_state):
        is_going_on = ops.any((index < end) & ~finished)
        if enough is not None:
            count = ops.sum(ops.cast(finished, "int32"))
            is_going_on = is_going_on & (count < enough)
        return is_going_on

    def body(values, index, token_ids, finished, cache, criteria_state):
        logits, cache = next_logits(token_ids, cache, index)
        chosen, values = choose(values, logits, index)
        chosen = ops.cast(chosen, token_ids.dtype)
        chosen = ops.where(finished, token_before(token_ids, index), chosen)
        here = ops.arange(length, dtype="int32") == index[..., None]
        here = here & ~padding_mask & (index < end)[..., None]
        token_ids = ops.where(here, chosen[:, None], token_ids)
        goes_on = ~finished & (index < end)
        is_answer = (index >= lengths) & goes_on
        stops = is_stop_token(chosen, stop_token_ids)
        if stopping_criteria is not None:
            criteria_state, ends = stopping_criteria(
                criteria_state, chosen, is_answer
            )
            stops = stops | ends
        # A row of its own stays where it has ended.
        step = ops.cast(goes_on, index.dtype) if len(index.shape) else 1
        return (
            values,
            index + step,
            token_ids,
            finished | (stops & is_answer),
            cache,
            criteria_state,
        )

    values = tuple(variable.value for variable in variables)
    values, *state = ops.while_loop(unfinished, body, (values, *state))
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return DecodeState(*state)


def cached_scores(backbone, num_known=None):
    """What scores a position through a cache, as a sampler's `next` does."""

    def next_scores(token_ids, cache, index):
        states, cache = backbone.decode_position(token_ids, cache, index)
        logits = rule_out_unknown(backbone.logits(states), num_known)
        return logits, states, cache

    return next_scores


def token_before(token_ids, index):
    """The tokens (B,) before a position of all rows, or of each."""
    if not len(index.shape):
        return ops.take(token_ids, index - 1, axis=1)
    return ops.take_along_axis(token_ids, index[:, None] - 1, axis=1)[:, 0]


def without_hidden_states(next_scores):
    """What scores a position, as `decode` takes it."""

    def next_logits(token_ids, cache, index):
        logits, _, cache = next_scores(token_ids, cache, index)
        return logits, cache

    return next_logits


def is_stop_token(token_ids, stop_token_ids):
    """Which ids are stop tokens."""
    stops = ops.zeros_like(token_ids, dtype="bool")
    for stop_token_id in stop_token_ids:
        stop_token_id = ops.cast(stop_token_id, token_ids.dtype)
        stops = stops | (token_ids == stop_token_id)
    return stops


def mask_up_to_stop(token_ids, prompt_mask, stop_token_ids):
    """Which positions belong to the answer: up to the first stop token."""
    stops = is_stop_token(token_ids, stop_token_ids) & ~prompt_mask
    stops = ops.cast(stops, "int32")
    return ops.cumsum(stops, axis=-1) - stops == 0


def loop_variables(variables):
    """List the variables that a loop must carry with its tensors.

    Other backends' loops assign to variables as they run. On JAX an assignment
    is lost after the loop unless the loop returns it.
    """
    return list(variables) if keras.config.backend() == "jax" else []


def without_state(function, variables):
    """Make a function take and return the variables that it assigns to."""
    if not variables:
        return lambda values, *args: (function(*args), values)

    def stateless(values, *args):
        mapping = zip(variables, values, strict=True)
        with keras.StatelessScope(mapping) as scope:
            result = function(*args)
        return result, tuple(scope.get_current_value(v) for v in variables)

    return stateless


def positions_from(start, count):
    """The positions (B, T) of some tokens of each row."""
    return start[:, None] + ops.arange(count, dtype="int32")


def write_tokens(token_ids, new, index, count):
    """Rows with the first `count` (B,) of new tokens (B, T) from `index` on."""
    if new.shape[1] == 0:
        return token_ids
    length = ops.shape(token_ids)[1]
    place = ops.arange(length, dtype="int32") - index[:, None]  # (B, L)
    is_new = (place >= 0) & (place < count[:, None])
    place = ops.clip(place, 0, ops.shape(new)[1] - 1)
    return ops.where(is_new, ops.take_along_axis(new, place, axis=1), token_ids)
