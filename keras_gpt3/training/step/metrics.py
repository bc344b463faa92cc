"""What `fit` shows beside the loss: perplexity, and tokens a second."""

import time

import keras
from keras import ops

from keras_gpt3.ops.log_probabilities import token_cross_entropy


class TrainingProgress(keras.callbacks.Callback):
    """A callback that logs `tokens_per_second`; `GPT3.fit` installs it.

    Tokens are counted as the loss counts them: padding, with weight 0, does
    not count. The first batch, which compiles, is left out of the rate as
    soon as there is a second one.

    Example:

    ```python
    import keras_gpt3

    callbacks = [keras_gpt3.training.TrainingProgress()]
    ```
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        self._tokens_at_start = 0.0
        self._compiled = False

    def on_train_batch_end(self, batch, logs=None):
        now, tokens = time.perf_counter(), self._tokens()
        elapsed = now - self._started
        self._rate = (tokens - self._tokens_at_start) / max(elapsed, 1e-9)
        if not self._compiled:
            self._started, self._tokens_at_start = now, tokens
            self._compiled = True
        if logs is not None:
            logs["tokens_per_second"] = self._rate

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None and hasattr(self, "_rate"):
            logs["tokens_per_second"] = self._rate

    def _tokens(self):
        """Weighted tokens of this epoch; every replica counted all of them."""
        if keras.config.backend() == "jax":
            from keras_gpt3.training.jax.train_step import tokens_seen

            return tokens_seen(self.model)
        replicas = self.model.distribute_strategy.num_replicas_in_sync
        return float(keras.ops.divide(self.model.loss_tracker.count, replicas))


@keras.saving.register_keras_serializable(package="keras_gpt3")
class Perplexity(keras.metrics.Mean):
    """The exponential of a mean cross-entropy in nats over tokens.

    The measure of section 3.1 of the paper. Unlike the mean of the
    exponentials of batches, it does not depend on how tokens are batched.

    Args:
        name: string. Defaults to `"perplexity"`.
        **kwargs: Keyword arguments of `keras.metrics.Mean`.

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
