"""The gradient noise scale, by which the paper chose batches (section 2.3)."""

import math

import tensorflow as tf

from keras_gpt3.training.step.apply_gradients import squared_norm

# Summed over micro-batches, or over the parts of replicas where there are none:
# the squared norm of the mean gradient of each, 1, and the inverse of its loss
# weight.
NUM_NORM_SUMS = 3


def with_micro_batch_norms(function):
    """Make a function of a micro-batch add its gradient's norm to its sums."""

    def observed(x, y, weights, gradient_scale):
        sums, gradients, logits = function(x, y, weights, gradient_scale)
        weight = tf.reduce_sum(weights)
        # The part of a micro-batch in the gradient of the mean loss, made the
        # gradient of its own mean loss.
        squared = squared_norm([tf.convert_to_tensor(g) for g in gradients])
        squared /= tf.square(gradient_scale)
        more = [
            tf.math.divide_no_nan(squared, tf.square(weight)),
            tf.cast(weight > 0, "float32"),
            tf.math.divide_no_nan(1.0, weight),
        ]
        return tf.concat([sums, tf.stack(more)], 0), gradients, logits

    return observed


class GradientNoiseScale:
    """A smoothed estimate of the simple noise scale, in tokens.

    The paper chose its batch sizes by it (section 2.3): a batch of as many
    tokens as the noise scale trades computation against steps evenly
    (McCandlish et al. 2018, "An Empirical Model of Large-Batch Training",
    appendix A.1). The mean gradient of `B` tokens has the expected squared norm
    `|G|^2 + trace / B`; a batch and its micro-batches, or the parts of replicas
    where there are none, are two such sizes, and two equations give `|G|^2` and
    `trace`. Both are smoothed before they are divided, as their quotient is
    biased. Tokens of a context are not independent: it is the number of whole
    contexts that counts, times their length.

    Args:
        decay: float. Weight of the past in the moving averages, from 0 to
            below 1. Defaults to `0.95`.

    Raises:
        ValueError: If `decay` is out of its range.

    Example:

    ```python
    import keras_gpt3

    noise = keras_gpt3.training.GradientNoiseScale()
    noise.update(
        squared_norm=1.0,
        tokens=4096,
        micro_batch_squared_norm=2.0,
        micro_batch_tokens=1024,
    )
    noise.tokens  # 2048.0
    ```
    """

    def __init__(self, decay=0.95):
        if not 0 <= decay < 1:
            raise ValueError(
                "decay must be from 0 to below 1. Received: "
                f"decay={decay}. Use 0.95 to average over about 20 steps."
            )
        self.decay = decay
        self._trace, self._signal = 0.0, 0.0

    def update(
        self, squared_norm, tokens, micro_batch_squared_norm, micro_batch_tokens
    ):
        """Add the gradients of one step to the averages.

        A step of a single micro-batch, or a norm that is not finite, is
        ignored: it says nothing.

        Args:
            squared_norm: float. That of the gradient of the whole batch.
            tokens: float. Tokens of the batch.
            micro_batch_squared_norm: float. The mean over micro-batches.
            micro_batch_tokens: float. Tokens of a micro-batch, the harmonic
                mean.
        """
        norm, size = micro_batch_squared_norm, micro_batch_tokens
        # Two micro-batches have a harmonic mean of at most half. A single one
        # may come out a little short of the batch, by rounding.
        if not size < 0.75 * tokens:
            return
        trace = (norm - squared_norm) / (1 / size - 1 / tokens)
        signal = (tokens * squared_norm - size * norm) / (tokens - size)
        if not (math.isfinite(trace) and math.isfinite(signal)):
            return
        # Both start at 0: a common factor, which cancels in the quotient.
        self._trace += (1 - self.decay) * (trace - self._trace)
        self._signal += (1 - self.decay) * (signal - self._signal)

    @property
    def tokens(self):
        """The noise scale in tokens, or `None` while there is no estimate."""
        if self._signal <= 0 or self._trace <= 0:
            return None
        return self._trace / self._signal

    def recommended_batch_tokens(self, sequence_length):
        """Compute the batch that the noise scale recommends.

        Args:
            sequence_length: int. Tokens of a context.

        Returns:
            An int, whole contexts in tokens, or `None` without an estimate.
        """
        if self.tokens is None:
            return None
        return sequence_length * max(1, round(self.tokens / sequence_length))

    def get_state(self):
        """Return the averages, to be saved with a run.

        Returns:
            A dict of floats.
        """
        return {"trace": self._trace, "signal": self._signal}

    def set_state(self, state):
        """Restore saved averages.

        Args:
            state: dict. What `get_state` returned.
        """
        self._trace, self._signal = state["trace"], state["signal"]
