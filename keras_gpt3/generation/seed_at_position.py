"""A seed without state."""

import keras
from keras import ops


class SeedAtPosition(keras.random.SeedGenerator):
    """The seed of one position.

    `keras.random` draws from a generator with state or from a Python int; this
    generator has no state and takes tensors.
    """

    def __init__(self, seed, index):
        # The parent would create a variable.
        self._pair = (seed, index)

    def next(self, ordered=True):
        """The seed as Keras' backends take it: two integers."""
        pair = ops.stack([ops.cast(x, "int32") for x in self._pair])
        # TensorFlow's stateless draws take int32. JAX's keys are uint32, which
        # no negative number of Python's becomes by itself.
        on_tensorflow = keras.config.backend() == "tensorflow"
        return pair if on_tensorflow else ops.cast(pair, "uint32")
