"""Dropout that a rematerialized block can repeat."""

import keras


@keras.saving.register_keras_serializable(package="keras_gpt3")
class RepeatableDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` whose seed can be drawn before its mask.

    A rematerialized block runs twice. Keras' layer would draw a new mask the
    second time, so that the gradients belonged to another network.
    """

    def draw_seed(self):
        """Draw the seed of one mask; `None` where nothing is dropped."""
        return self.seed_generator.next() if self.rate > 0 else None

    def call(self, inputs, seed=None, training=False):
        if seed is None or not training:
            return super().call(inputs, training=training)
        return keras.random.dropout(
            inputs, self.rate, noise_shape=self.noise_shape, seed=_Drawn(seed)
        )


class _Drawn(keras.random.SeedGenerator):
    """A generator of one seed, always the same: Keras takes no tensor."""

    def __init__(self, seed):
        self._drawn = seed

    def next(self, ordered=True):
        return self._drawn
