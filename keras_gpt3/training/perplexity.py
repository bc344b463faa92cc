"""Perplexity: the exponential of the mean loss."""

import keras
from keras import ops

from keras_gpt3.ops.token_cross_entropy import token_cross_entropy


@keras.saving.register_keras_serializable(package="keras_gpt3")
class Perplexity(keras.metrics.Mean):
    """The exponential of a mean cross-entropy in nats over tokens.

    The measure of section 3.1 of the paper. Unlike the mean of the
    exponentials of batches, it does not depend on how tokens are batched.

    Args:
        name: string. Defaults to `"perplexity"`.
        **kwargs: See `keras.metrics.Mean`.

    Example:

    ```python
    import keras_gpt3

    metric = keras_gpt3.training.Perplexity()
    metric.update_state([0.0, 2.0])
    metric.result()  # 2.7183
    ```
    """

    def __init__(self, name="perplexity", **kwargs):
        super().__init__(name=name, **kwargs)
        self._direction = "down"  # Keras' callbacks ask which way is better.

    def result(self):
        return ops.exp(super().result())


class PerplexityOfLogits(keras.metrics.MeanMetricWrapper, Perplexity):
    """The same of labels and logits, as Keras calls the metrics of a model."""

    def __init__(self, name="perplexity", dtype=None):
        super().__init__(token_cross_entropy, name=name, dtype=dtype)
