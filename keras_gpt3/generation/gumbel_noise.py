"""Random numbers that seed and position decide. Philox on TensorFlow."""

import keras
from keras import ops

from keras_gpt3.generation.seed_at_position import SeedAtPosition


def gumbel_noise(seed, index, vocabulary_size):
    """Noise by which the highest score becomes a draw from the softmax."""

    def draw(seed):
        uniform = _uniform(SeedAtPosition(seed, index), vocabulary_size)
        return -ops.log(-ops.log(uniform))

    seed = ops.cast(seed, "int32")
    # One draw for all rows: a row of a batch gets what it would get alone.
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

    # Philox gives the same bits on every device and under XLA, but XLA makes
    # other fractions of them: hence integers, and the fraction that the plain
    # kernel makes, of the last 23 bits.
    bits = tf.random.stateless_uniform(
        (size,), seed.next(), None, None, tf.int32, alg="philox"
    )
    mantissa = ops.bitwise_and(bits, 2**23 - 1)
    return ops.cast(mantissa, "float32") * 2**-23 + 1e-20
