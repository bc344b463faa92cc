"""Draws that a seed and a position decide.

They are those of TensorFlow, of JAX or of PyTorch. Letters: B batch, V
vocabulary, R x C the vocabulary as a grid, row after row, with padding.
"""

import math

import keras
from keras import ops

# Between the sums of two seeds: a prime, longer than any context.
_SPREAD = 1_000_003


def grid_shape(vocabulary_size):
    """The numbers of rows and of columns, a multiple that vectors hold."""
    columns = 32 * math.ceil(math.sqrt(vocabulary_size) / 32)
    return math.ceil(vocabulary_size / columns), columns


def as_grid_rows(logits):
    """Scores with those of nothing at their end, (B, R * C)."""
    num_rows, num_columns = grid_shape(logits.shape[-1])
    padding = num_rows * num_columns - logits.shape[-1]
    return ops.pad(logits, ((0, 0), (0, padding)), constant_values=-math.inf)


def column_sums(x):
    """Sums of a grid's columns, (B, C): vectors add them, unlike a row's."""
    return ops.sum(ops.reshape(x, (-1, *grid_shape(x.shape[-1]))), axis=1)


def grid_sum(x):
    """Sums of all, (B, 1)."""
    return ops.sum(column_sums(x), axis=-1, keepdims=True)


def draw_from_grid(sums, num_rows, weights_of, seed, index):
    """Draw a column of the grid, then a row; with the weights of its cells.

    The highest logarithm with Gumbel noise is a draw by weight. Noise for
    every token takes longer than all else: here R + C numbers do. The sum of a
    cumulative distribution up to one random number would do with less, but at
    its V borders a change in the last digit of any score changes the token.
    """
    num_columns = sums.shape[-1]
    noise = gumbel_noise(seed, index, num_rows + num_columns)
    logs = ops.log(sums) + noise[..., num_rows:]
    column = ops.argmax(logs, axis=-1)
    cells = ops.arange(num_rows, dtype="int32") * num_columns
    cells = column[:, None] + cells
    logs = ops.log(weights_of(cells)) + noise[..., :num_rows]
    return ops.argmax(logs, axis=-1) * num_columns + column


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
    # TensorFlow draws other numbers where it draws for several at once, and
    # PyTorch's generators are seeded one by one.
    on_jax = keras.config.backend() == "jax"
    return (ops.vectorized_map if on_jax else ops.map)(draw, pairs)


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
        # which it converts no negative number of Python's. PyTorch's generator
        # gets the sum of both, by which the next seed would draw the same, one
        # position earlier.
        if keras.config.backend() == "torch":
            return ops.cast(pair, "int64") * ops.array([_SPREAD, 1], "int64")
        on_tensorflow = keras.config.backend() == "tensorflow"
        return pair if on_tensorflow else ops.cast(pair, "uint32")
