"""The choice of the next token, a pure function of seed and position.

The draws are those of TensorFlow and of JAX. Outside of XLA, TensorFlow's own
operations pick the rows of each kind, so that a row pays for what it asks.

Letters: B batch, V vocabulary, K highest scores, R x C the vocabulary as a
grid, row after row, with padding.
"""

import math
import numbers
import typing

import keras
from keras import ops

from keras_gpt3.generation.logit_filters import NEVER
from keras_gpt3.generation.logit_filters import highest_scores
from keras_gpt3.generation.logit_filters import per_row
from keras_gpt3.generation.logit_filters import score_threshold
from keras_gpt3.ops.op_compilation import in_xla_program

# Scores that are sorted for a filtered row. Enough for the usual top-k, and
# the nucleus of most positions; 256 take twice as long to select.
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
    # Numbers are known as the graph is traced, and what they do not ask for
    # is not part of it.
    may_draw = may_be_greedy = may_filter = True
    if isinstance(temperature, numbers.Real):
        may_draw = temperature > 0
        may_be_greedy = not may_draw
    if isinstance(top_k, numbers.Real) and isinstance(top_p, numbers.Real):
        may_filter = _is_filtered(top_k, top_p, logits.shape[-1])
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
    is_filtered = _is_filtered(rows.top_k, rows.top_p, logits.shape[-1])
    if may_be_greedy:
        tokens = _fill(tokens, ~is_drawn, _most_probable, rows)
    tokens = _fill(tokens, is_drawn & ~is_filtered, _draw_among_all, rows)
    if may_filter:
        mask = is_drawn & is_filtered
        tokens = _fill(tokens, mask, _draw_among_highest, rows)
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


def _is_filtered(top_k, top_p, vocabulary_size):
    """Which rows need the ranks of tokens; min-p is not among them."""
    return (top_k > 0) & (top_k < vocabulary_size) | (top_p < 1)


def _fill(tokens, mask, choose, rows):
    """Tokens with those that a function chooses in the rows of a mask."""
    mask = ops.broadcast_to(mask, ops.shape(tokens))
    if in_xla_program():
        # Its shapes are fixed: all rows, or none.
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
    weights = _weights(_padded(rows.logits), rows)
    return _draw(_without_improbable(weights, rows), rows)


def _draw_among_highest(rows):
    """Draw among the highest scores where these have all that is kept.

    Elsewhere the token is `_NONE`. What top-k and top-p keep comes first in
    the order of scores; a row is covered if it ends before the last of the
    highest, which may have ties beyond them.
    """
    vocabulary_size = rows.logits.shape[-1]
    count = min(NUM_HIGHEST, vocabulary_size)
    scores, ids = highest_scores(rows.logits, count)  # (B, K)
    # A slice would keep XLA from seeing that a part of the sort will do.
    last = ops.min(scores, axis=-1, keepdims=True)
    logs = _logs(scores, rows)
    weights = ops.exp(logs)
    top_k, top_p = per_row(rows.top_k, "int32"), per_row(rows.top_p, "float32")
    has_top_k = (top_k > 0) & (top_k < vocabulary_size)
    place = ops.clip(top_k, 1, count) - 1
    kth = ops.take_along_axis(scores, place, axis=-1)
    kept = ~has_top_k | (scores >= kth)
    total = ops.sum(weights * ops.cast(kept, "float32"), -1, keepdims=True)
    needs_all = (top_p < 1) & ~has_top_k
    total = ops.cond(
        ops.any(needs_all),
        lambda: ops.where(
            needs_all, ops.sum(_weights(rows.logits, rows), -1, True), total
        ),
        lambda: total,
    )
    before = ops.cumsum(weights, axis=-1) - weights
    kept = kept & (before < _nucleus(top_p, total))
    num_kept = ops.sum(ops.cast(kept, "int32"), axis=-1, keepdims=True)
    lowest = ops.take_along_axis(scores, num_kept - 1, axis=-1)
    covered = (lowest > last) & (~has_top_k | (kth > last))
    kept = kept & (weights >= per_row(rows.min_p, "float32"))
    noise = gumbel_noise(rows.seed, rows.index, count)
    drawn = ops.argmax(ops.where(kept, logs, NEVER) + noise, axis=-1)
    tokens = ops.take_along_axis(ids, drawn[:, None], axis=-1)
    if count < vocabulary_size:
        tokens = ops.where(covered, tokens, _NONE)
    return tokens[:, 0]


def _draw_by_rejection(rows):
    """Draw among all tokens until one is kept, as FlashInfer's kernels do.

    The rank of a token that is not kept limits the next round: of n tokens
    that a filter removes, about log(n) rounds are to be expected at most, and
    1 / top_p on average. A sort of all is never needed.
    """
    logits = _padded(rows.logits)
    ids = ops.arange(logits.shape[-1], dtype="int32")
    weights = _weights(logits, rows)
    top_k, top_p = per_row(rows.top_k, "int32"), per_row(rows.top_p, "float32")
    # More than there are, for all.
    top_k = ops.where(top_k > 0, top_k, logits.shape[-1])
    nucleus = _nucleus(top_p, _total(logits, weights, top_k, top_p))

    def is_unfinished(number, weights, tokens):
        return ops.any(tokens == _NONE)

    def draw_once(number, weights, tokens):
        drawn = _draw(weights, rows, number)
        score = ops.take_along_axis(logits, drawn[:, None], axis=-1)
        above = logits > score
        rank = ops.sum(ops.cast(above, "int32"), axis=-1, keepdims=True)
        in_top_k = rank < top_k
        ties = (logits == score) & (ids < drawn[:, None])
        before = above | (ties & in_top_k)
        # What is drawn later: in a row that is done, it does not matter.
        weights = ops.where(before, weights, ops.zeros_like(weights))
        mass = ops.sum(weights, axis=-1, keepdims=True)
        # A row without numbers ends as well.
        is_kept = (in_top_k & ~(mass >= nucleus))[:, 0]
        is_first = is_kept & (tokens == _NONE)
        return number + 1, weights, ops.where(is_first, drawn, tokens)

    # With a token all tokens before it are probable enough: in the sums of
    # those before one that is drawn, min-p removes nothing.
    state = (
        ops.convert_to_tensor(0, "int32"),
        _without_improbable(weights, rows),
        ops.full_like(logits[:, 0], _NONE, dtype="int32"),
    )
    _, _, tokens = ops.while_loop(is_unfinished, draw_once, state)
    return tokens


def _total(logits, weights, top_k, top_p):
    """The weights of what top-k keeps, where top-p asks for them."""
    total = ops.sum(weights, axis=-1, keepdims=True)
    needs_set = (top_k < logits.shape[-1]) & (top_p < 1)

    def total_of_sets():
        ones = ops.ones_like(logits, "int32")
        lowest = score_threshold(logits, ones, top_k)
        kept = ops.where(logits >= lowest, weights, ops.zeros_like(weights))
        return ops.where(needs_set, ops.sum(kept, -1, keepdims=True), total)

    return ops.cond(ops.any(needs_set), total_of_sets, lambda: total)


def _nucleus(top_p, total):
    """The weight that those before a token of the nucleus do not reach."""
    # The first one, whose weight is 1, is always kept; at 1 all are, whatever
    # the sums have rounded to.
    return ops.where(top_p < 1, ops.maximum(top_p * total, 0.5), math.inf)


# === Draws ===


def _logs(logits, rows):
    """Logarithms of weights, at most 0."""
    # Within limits at which a removed score can never win.
    temperature = ops.clip(per_row(rows.temperature, "float32"), 1e-6, 1e20)
    return (logits - ops.max(logits, axis=-1, keepdims=True)) / temperature


def _weights(logits, rows):
    return ops.exp(_logs(logits, rows))


def _without_improbable(weights, rows):
    """Weights without those that min-p removes."""
    min_p = per_row(rows.min_p, "float32")
    return ops.where(weights >= min_p, weights, ops.zeros_like(weights))


def _grid(vocabulary_size):
    """The numbers of rows and columns, a multiple that vectors hold."""
    columns = 32 * math.ceil(math.sqrt(vocabulary_size) / 32)
    return math.ceil(vocabulary_size / columns), columns


def _padded(logits):
    num_rows, num_columns = _grid(logits.shape[-1])
    padding = num_rows * num_columns - logits.shape[-1]
    return ops.pad(logits, ((0, 0), (0, padding)), constant_values=-math.inf)


def _draw(weights, rows, number=0):
    """Draw a column, then a row of the grid; weights of shape (B, R * C).

    The highest logarithm with Gumbel noise is a draw by weight. Noise for
    every token takes longer than all else: here R + C numbers do. The sum of a
    cumulative distribution up to one random number would do with less, but at
    its V borders a change in the last digit of any score changes the token.
    """
    num_rows, num_columns = _grid(weights.shape[-1])
    index = rows.index + number * _ROUND
    noise = gumbel_noise(rows.seed, index, num_rows + num_columns)
    sums = ops.sum(ops.reshape(weights, (-1, num_rows, num_columns)), axis=1)
    column = ops.argmax(ops.log(sums) + noise[..., num_rows:], axis=-1)
    cells = ops.arange(num_rows, dtype="int32") * num_columns
    cells = column[:, None] + cells
    logs = ops.log(ops.take_along_axis(weights, cells, axis=-1))
    row = ops.argmax(logs + noise[..., :num_rows], axis=-1)
    return row * num_columns + column


def gumbel_noise(seed, index, size):
    """Noise by which the highest score becomes a draw from the softmax."""

    def draw(pair):
        uniform = _uniform(SeedAtPosition(pair[0], pair[1]), size)
        return -ops.log(-ops.log(uniform))

    seed, index = ops.cast(seed, "int32"), ops.cast(index, "int32")
    # One draw for all rows: a row of a batch draws as it would alone.
    if not len(seed.shape) and not len(index.shape):
        return draw((seed, index))
    # Both as long as the longer one.
    pairs = ops.stack([seed + 0 * index, index + 0 * seed], axis=-1)
    # TensorFlow draws other numbers where it draws for several at once.
    on_tensorflow = keras.config.backend() == "tensorflow"
    return (ops.map if on_tensorflow else ops.vectorized_map)(draw, pairs)


def _uniform(seed, size):
    """Numbers above 0 and below 1."""
    if keras.config.backend() != "tensorflow":
        return keras.random.uniform((size,), 1e-20, 1.0, "float32", seed)
    import tensorflow as tf

    # Philox yields the same bits on every device and under XLA, but XLA turns
    # them into other fractions: hence integers, and the fraction that the plain
    # kernel computes, from the last 23 bits.
    bits = tf.random.stateless_uniform(
        (size,), seed.next(), None, None, tf.int32, alg="philox"
    )
    mantissa = ops.bitwise_and(bits, 2**23 - 1)
    return ops.cast(mantissa, "float32") * 2**-23 + 1e-20


class SeedAtPosition(keras.random.SeedGenerator):
    """The seed of one position.

    `keras.random` draws from a generator with state or from a Python int; this
    generator has no state and accepts tensors.
    """

    def __init__(self, seed, index):
        # The parent would create a variable.
        self._pair = (seed, index)

    def next(self, ordered=True):
        """The seed as Keras' backends expect it: two integers."""
        pair = ops.stack([ops.cast(x, "int32") for x in self._pair])
        # TensorFlow's stateless draws expect int32. JAX's keys are uint32, to
        # which it converts no negative number of Python's.
        on_tensorflow = keras.config.backend() == "tensorflow"
        return pair if on_tensorflow else ops.cast(pair, "uint32")
