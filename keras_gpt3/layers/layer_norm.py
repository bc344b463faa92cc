"""Keras' layer normalization on the package's own operation."""

import keras
from keras import ops

from keras_gpt3.ops.layer_normalization import layer_normalization


@keras.saving.register_keras_serializable(package="keras_gpt3")
class LayerNorm(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` of the last axis, in one operation.

    Keras' own takes eight operations and keeps their results for the backward
    pass; see `keras_gpt3.ops.layer_normalization`. The weights are the same.

    Args:
        epsilon: float. Added to the variance. Defaults to `1e-5`.
        scale: bool. Whether to scale and shift by learned vectors; `center`
            must be the same. Defaults to `True`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: tensor of shape `(batch, length, hidden_dim)`.

    Returns:
        A tensor of the shape of `inputs`.

    Raises:
        ValueError: If an argument requires another normalization.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    layer = keras_gpt3.layers.LayerNorm()
    y = layer(np.ones((1, 3, 4), "float32"))  # (1, 3, 4), zeros
    ```
    """

    def __init__(self, epsilon=1e-5, **kwargs):
        super().__init__(epsilon=epsilon, **kwargs)
        plain = self.axis in (-1, [-1]) and self.scale == self.center
        if not plain or self.rms_scaling:
            raise ValueError(
                "LayerNorm must normalize the last axis, with both a scale and "
                f"an offset or neither. Received: axis={self.axis}, "
                f"scale={self.scale}, center={self.center}, "
                f"rms_scaling={self.rms_scaling}. Use "
                "keras.layers.LayerNormalization for others."
            )

    def call(self, inputs):
        # Keras does not cast for this layer, so that its weights stay float32.
        inputs = ops.cast(inputs, self.compute_dtype)
        gamma, beta = self.gamma, self.beta
        if not self.scale:
            width = inputs.shape[-1:]
            gamma, beta = ops.ones(width), ops.zeros(width)
        return layer_normalization(inputs, gamma, beta, self.epsilon)

    def compute_output_shape(self, inputs_shape):
        # Spares Keras a trace, which the operation's own gradient forbids.
        return inputs_shape
