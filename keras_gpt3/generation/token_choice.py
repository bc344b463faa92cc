"""The choice of the next token, a pure function of seed and position.

The draws are those of each backend. Outside of XLA, TensorFlow's own
operations pick the rows of each kind, so that a row pays for what it requests.

Letters: B batch, V vocabulary, K highest scores, R x C the vocabulary as a
grid, row after row, with padding.
"""

import math
import numbers
import typing

from keras import ops

from keras_gpt3.generation.logit_filters import NEVER
from keras_gpt3.generation.logit_filters import highest_scores
from keras_gpt3.generation.logit_filters import per_row
from keras_gpt3.generation.logit_filters import score_threshold
from keras_gpt3.generation.seeded_draws import as_grid_rows
from keras_gpt3.generation.seeded_draws import column_sums
from keras_gpt3.generation.seeded_draws import draw_from_grid
from keras_gpt3.generation.seeded_draws import grid_shape
from keras_gpt3.generation.seeded_draws import grid_sum
from keras_gpt3.generation.seeded_draws import gumbel_noise
from keras_gpt3.ops.op_compilation import in_stock_tensorflow

# Scores that are sorted for a row with top-k. Enough for the usual one; 256
# take twice as long to select.
NUM_HIGHEST = 128
# The token of a row that has none yet.
_NONE = -1
# Rounds of a draw are numbered above any position.
_ROUND = 2**20


def choose_token(logits, index, temperature, top_k, seed, top_p=1.0, min_p=0.0):
    """Choose the best token, or draw one as `(seed, index)` decides.

    Greedy at temperature 0. Biases and penalties on the scores come before
    this. Then, in Hugging Face's order: temperature, top-k, top-p among what
    top-k keeps, min-p, and the draw. (vLLM applies min-p before top-k and
    top-p.) Tokens rank by their scores before the division, equal ones by
    their ids.

    All settings may be tensors, one value for all rows or one for each: one
    compiled graph serves every request. Filters that no row uses cost nothing.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        index: int, or int tensor of shape `()` or `(batch,)`. Position of the
            token to choose.
        temperature: float, or float tensor of shape `()` or `(batch,)`.
            Divides the scores; 0 is greedy.
        top_k: int, or int tensor of shape `()` or `(batch,)`. Number of tokens
            to draw among; 0 is all.
        seed: int, or int tensor of shape `()` or `(batch,)`. A row's draw
            depends on its own seed and position alone: rows of one seed
            share their randomness.
        top_p: float, or float tensor of shape `()` or `(batch,)`. Probability
            that the tokens to draw among reach together; see `keep_top_p`.
            Defaults to `1.0`, all.
        min_p: float, or float tensor of shape `()` or `(batch,)`. Least
            probability, as a share of the highest, see `keep_min_p`. Defaults
            to `0.0`, all.

    Returns:
        An int32 tensor of shape `(batch,)`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import choose_token

    logits = np.array([[0.0, 2.0, 1.0]], "float32")
    choose_token(logits, index=0, temperature=0.0, top_k=0, seed=0)  # [1]
    ```
    """
    logits = ops.cast(logits, "float32")
    # Numbers are known as the graph is traced, and what they do not require
    # is not part of it.
    may_draw = may_be_greedy = may_filter = True
    filters = (top_k, top_p, min_p)
    if isinstance(temperature, numbers.Real):
        may_draw = temperature > 0
        may_be_greedy = not may_draw
    if all(isinstance(x, numbers.Real) for x in filters):
        may_filter = _is_filtered(*filters, logits.shape[-1])
    rows = _Rows(
        logits,
        *(ops.cast(x, "int32") for x in (index, seed, top_k)),
        *(ops.cast(x, "float32") for x in (temperature, top_p, min_p)),
    )
    if not may_draw:
        return _most_probable(rows)
    if not may_be_greedy and not may_filter:
        return _draw_among_all(rows)
    tokens = ops.full_like(logits[:, 0], _NONE, dtype="int32")
    is_drawn = rows.temperature > 0
    filters = (rows.top_k, rows.top_p, rows.min_p)
    is_filtered = _is_filtered(*filters, logits.shape[-1])
    if may_be_greedy:
        tokens = _fill(tokens, ~is_drawn, _most_probable, rows)
    if may_filter:
        is_in_highest = (rows.top_k > 0) & (rows.top_k < NUM_HIGHEST)
        mask = is_drawn & is_filtered & is_in_highest
        tokens = _fill(tokens, mask, _draw_among_highest, rows)
    is_plain = (tokens == _NONE) & ~is_filtered
    if not in_stock_tensorflow():
        # Where all rows draw in rounds, plain ones have theirs in the first.
        is_plain = is_plain & ops.all((tokens != _NONE) | ~is_filtered)
    tokens = _fill(tokens, is_plain, _draw_among_all, rows)
    if may_filter:
        if in_stock_tensorflow():
            # Most rows keep their first draw: the others draw it again.
            tokens = _fill(tokens, tokens == _NONE, _first_draw, rows)
        tokens = _fill(tokens, tokens == _NONE, _draw_by_rejection, rows)
    return tokens


class _Rows(typing.NamedTuple):
    """Scores, shape (B, V), and settings, each of shape () or (B,)."""

    logits: typing.Any
    index: typing.Any
    seed: typing.Any
    top_k: typing.Any
    temperature: typing.Any
    top_p: typing.Any
    min_p: typing.Any


def _is_filtered(top_k, top_p, min_p, vocabulary_size):
    return (top_k > 0) & (top_k < vocabulary_size) | (top_p < 1) | (min_p > 0)


def _fill(tokens, mask, choose, rows):
    """Tokens with those that a function chooses in the rows of a mask."""
    mask = ops.broadcast_to(mask, ops.shape(tokens))
    if not in_stock_tensorflow():
        # The shapes of a program are fixed: all rows, or none.
        return ops.cond(
            ops.any(mask),
            lambda: ops.where(mask, choose(rows), tokens),
            lambda: tokens,
        )
    import tensorflow as tf

    def choose_in_rows():
        places = tf.where(mask)
        of_rows = (tf.gather_nd(x, places) if x.shape.rank else x for x in rows)
        chosen = choose(_Rows(*of_rows))
        return tf.tensor_scatter_nd_update(tokens, places, chosen)

    return tf.cond(tf.reduce_any(mask), choose_in_rows, lambda: tokens)


# === Kinds of rows ===


def _most_probable(rows):
    return ops.argmax(rows.logits, axis=-1)


def _draw_among_all(rows):
    weights = _weights(as_grid_rows(rows.logits), rows)

    def weights_of(cells):
        return ops.take_along_axis(weights, cells, axis=-1)

    return _draw(column_sums(weights), weights_of, rows)


def _draw_among_highest(rows):
    """Draw among the highest scores, for rows whose top-k are among them.

    Where a tie with the last of the highest may go on beyond them, the token
    is `_NONE`.
    """
    count = min(NUM_HIGHEST, rows.logits.shape[-1])
    scores, ids = highest_scores(rows.logits, count)  # (B, K)
    # A slice would keep XLA from seeing that a part of the sort will do.
    last = ops.min(scores, axis=-1, keepdims=True)
    logs = _logs(scores, rows)
    weights = ops.exp(logs)
    place = ops.clip(per_row(rows.top_k, "int32"), 1, count) - 1
    kth = ops.take_along_axis(scores, place, axis=-1)
    weights = ops.where(scores >= kth, weights, ops.zeros_like(weights))
    total = ops.sum(weights, axis=-1, keepdims=True)
    before = ops.cumsum(weights, axis=-1) - weights
    kept = before < _nucleus_limit(per_row(rows.top_p, "float32"), total)
    kept = kept & (weights > 0)
    kept = kept & (weights >= per_row(rows.min_p, "float32"))
    noise = gumbel_noise(rows.seed, rows.index, count)
    drawn = ops.argmax(ops.where(kept, logs, NEVER) + noise, axis=-1)
    tokens = ops.take_along_axis(ids, drawn[:, None], axis=-1)
    if count < rows.logits.shape[-1]:
        tokens = ops.where(kth > last, tokens, _NONE)
    return tokens[:, 0]


def _first_draw(rows):
    return _draw_by_rejection(rows, most_rounds=1)


def _draw_by_rejection(rows, most_rounds=_ROUND):
    """Draw among all tokens until one is kept, as FlashInfer's kernels do.

    What is drawn next ranks above a token that is not kept: of n tokens that a
    filter removes, about log(n) rounds are to be expected at most, and 1 /
    top_p on average. A sort of all is never needed.
    """
    logits = as_grid_rows(rows.logits)
    ids = ops.arange(logits.shape[-1], dtype="int32")
    weights = _weights(logits, rows)
    top_k, top_p = per_row(rows.top_k, "int32"), per_row(rows.top_p, "float32")
    # More than there are, for all.
    top_k = ops.where(top_k > 0, top_k, logits.shape[-1])
    sums = column_sums(weights)
    total = ops.sum(sums, axis=-1, keepdims=True)
    total = _total_of_top_k(total, logits, weights, top_k, top_p)
    nucleus = _nucleus_limit(top_p, total)
    min_p = per_row(rows.min_p, "float32")
    has_top_k = ops.any(top_k < rows.logits.shape[-1])

    def is_in_top_k(score):
        def compare():
            return grid_sum(ops.cast(logits > score, "int32")) < top_k

        return ops.cond(
            has_top_k, compare, lambda: ops.ones_like(score, "bool")
        )

    def weights_above(limit, limit_id, cells=None):
        """Weights of what ranks above a token, of all cells or of some."""
        parts = weights, logits, ids
        if cells is not None:
            parts = (ops.take_along_axis(x, cells, -1) for x in parts[:2])
            parts = (*parts, cells)
        kept, scores, places = parts
        above = (scores > limit) | (scores == limit) & (places < limit_id)
        return ops.where(above, kept, ops.zeros_like(kept))

    def is_unfinished(number, limit, limit_id, sums, tokens):
        return ops.any(tokens == _NONE) & (number < most_rounds)

    def draw_once(number, limit, limit_id, sums, tokens):
        def weights_of(cells):
            return weights_above(limit, limit_id, cells)

        drawn = _draw(sums, weights_of, rows, number)
        score = ops.take_along_axis(logits, drawn[:, None], axis=-1)

        # What is drawn later: in a row that is done, it does not matter.
        def sums_above():
            return column_sums(weights_above(score, drawn[:, None]))

        if most_rounds > 1:
            sums = sums_above()
        else:
            # Nothing is drawn later, and top-p alone needs what is before.
            sums = ops.cond(
                ops.any(top_p < 1), sums_above, lambda: ops.zeros_like(sums)
            )
        mass = ops.sum(sums, axis=-1, keepdims=True)
        weight = ops.take_along_axis(weights, drawn[:, None], axis=-1)
        # Written so that a row without numbers ends as well.
        is_kept = ~(mass >= nucleus) & ~(weight < min_p) & is_in_top_k(score)
        is_first = is_kept[:, 0] & (tokens == _NONE)
        tokens = ops.where(is_first, drawn, tokens)
        return number + 1, score, drawn[:, None], sums, tokens

    # All rank above the first limit.
    state = (
        ops.convert_to_tensor(0, "int32"),
        ops.full_like(logits[:, :1], -math.inf),
        ops.full_like(logits[:, :1], logits.shape[-1], dtype="int32"),
        sums,
        ops.full_like(logits[:, 0], _NONE, dtype="int32"),
    )
    return ops.while_loop(is_unfinished, draw_once, state)[-1]


def _total_of_top_k(total, logits, weights, top_k, top_p):
    """The weights of what top-k keeps, where top-p requires them, or of all."""
    needs_set = (top_k < logits.shape[-1]) & (top_p < 1)

    def total_of_sets():
        ones = ops.ones_like(logits, "int32")
        lowest = score_threshold(logits, ones, top_k)
        kept = ops.where(logits >= lowest, weights, ops.zeros_like(weights))
        return ops.where(needs_set, grid_sum(kept), total)

    return ops.cond(ops.any(needs_set), total_of_sets, lambda: total)


def _nucleus_limit(top_p, total):
    """The weight that those before a token of the nucleus do not reach."""
    # The first one, whose weight is 1, is always kept; at 1 all are, whatever
    # the sums have rounded to.
    return ops.where(top_p < 1, ops.maximum(top_p * total, 0.5), math.inf)


def _draw(sums, weights_of, rows, number=0):
    """A draw of a round; each has noise of its own."""
    num_rows, _ = grid_shape(rows.logits.shape[-1])
    index = rows.index + number * _ROUND
    return draw_from_grid(sums, num_rows, weights_of, rows.seed, index)


def _logs(logits, rows):
    """Logarithms of weights, at most 0."""
    # Within limits at which a removed score can never win.
    temperature = ops.clip(per_row(rows.temperature, "float32"), 1e-6, 1e20)
    return (logits - ops.max(logits, axis=-1, keepdims=True)) / temperature


def _weights(logits, rows):
    return ops.exp(_logs(logits, rows))
