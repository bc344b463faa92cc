"""Dropout that can be repeated with the same mask."""

import keras


@keras.saving.register_keras_serializable(package="keras_gpt3")
class RepeatableDropout(keras.layers.Dropout):
    """`keras.layers.Dropout` whose seed can be drawn before its mask.

    A rematerialized block runs twice. Keras' layer would draw a new mask the
    second time, so that the gradients belonged to another network.

    Args:
        rate: float. The share of inputs that are set to zero.
        **kwargs: See `keras.layers.Dropout`.

    Call arguments:
        inputs: tensor of any shape.
        seed: Optional. What `draw_seed` gave. Defaults to `None`, a new one.
        training: bool. Without it, nothing is dropped.

    Returns:
        A tensor of the shape of `inputs`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.layers.repeatable_dropout import RepeatableDropout

    dropout = RepeatableDropout(0.5)
    seed = dropout.draw_seed()
    x = np.ones((2, 3), "float32")
    y = dropout(x, seed=seed, training=True)
    same = dropout(x, seed=seed, training=True)
    ```
    """

    def draw_seed(self):
        """Draws the seed of one mask; `None` where nothing is dropped."""
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
