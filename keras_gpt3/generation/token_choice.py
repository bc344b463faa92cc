"""The choice of the next token, a pure function of seed and position.

The draws are those of TensorFlow and of JAX.
"""

import numbers

import keras
from keras import ops

from keras_gpt3.generation.logit_filters import keep_min_p
from keras_gpt3.generation.logit_filters import keep_top_k
from keras_gpt3.generation.logit_filters import keep_top_p
from keras_gpt3.generation.logit_filters import per_row


def choose_token(logits, index, temperature, top_k, seed, top_p=1.0, min_p=0.0):
    """Choose the best token, or draw one as `(seed, index)` decides.

    Greedy at temperature 0. Biases and penalties on the scores come before
    this. Then, in Hugging Face's order: temperature, top-k, top-p among what
    top-k keeps, min-p, and the draw. (vLLM applies min-p before top-k and
    top-p.)

    All settings may be tensors, one value for all rows or one for each: one
    compiled graph serves every request. Filters that no row uses cost nothing.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        index: int or int tensor. Position of the token to choose.
        temperature: float, or float tensor of shape `()` or `(batch,)`.
            Divides the scores; 0 is greedy.
        top_k: int, or int tensor of shape `()` or `(batch,)`. Number of tokens
            to draw among; 0 is all.
        seed: int, or int tensor of shape `()` or `(batch,)`. A row's draw
            depends on its own seed and on `index` alone: rows of one seed
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
    if isinstance(temperature, numbers.Real) and temperature <= 0:
        return ops.argmax(logits, axis=-1)
    temperature = per_row(temperature, "float32")
    # Top-k is the same on both sides of the division, and before it no two
    # scores have been rounded into a tie.
    scores = keep_top_k(logits, top_k)
    # Within limits at which a removed score can never win.
    scores = scores / ops.clip(temperature, 1e-6, 1e20)
    scores = keep_min_p(keep_top_p(scores, top_p), min_p)
    # The maximum of scores with Gumbel noise is a draw from their softmax.
    drawn = scores + gumbel_noise(seed, index, logits.shape[-1])
    return ops.argmax(ops.where(temperature > 0, drawn, logits), axis=-1)


def gumbel_noise(seed, index, vocabulary_size):
    """Noise by which the highest score becomes a draw from the softmax."""

    def draw(seed):
        uniform = _uniform(SeedAtPosition(seed, index), vocabulary_size)
        return -ops.log(-ops.log(uniform))

    seed = ops.cast(seed, "int32")
    # One draw for all rows: a row of a batch draws as it would alone.
    if not len(seed.shape):
        return draw(seed)
    # TensorFlow draws other numbers where it draws for several at once.
    on_tensorflow = keras.config.backend() == "tensorflow"
    return (ops.map if on_tensorflow else ops.vectorized_map)(draw, seed)


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
