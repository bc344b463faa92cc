"""The paper's learning rate, as a function of the tokens seen."""

import math
import numbers

import keras
from keras import ops

from keras_gpt3.argument_checks import echoed


@keras.saving.register_keras_serializable(package="keras_gpt3")
class TokenClock(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then cosine decay, on a clock of tokens (Appendix B).

    "We use a linear LR warmup over the first 375 million tokens" and "cosine
    decay for learning rate down to 10% of its value, over 260 billion tokens
    (after 260 billion tokens, training continues at 10% of the original
    learning rate)". A closed form of the step, so that a resumed run needs no
    state. The tokens of a step include the batch it trains on: the first
    update already has a learning rate above 0. The cosine runs over the whole
    of `decay_tokens`; where the two overlap, the warm-up scales it.

    Where the batch grows, tokens are counted along the line of
    `keras_gpt3.data.BatchRamp`, not cut to whole contexts.

    Args:
        learning_rate: float. The peak.
        batch_tokens: int. Tokens in a batch, in a full one where it grows.
        warmup_tokens: float. Length of the warm-up. Defaults to `375e6`.
        decay_tokens: float. Where the cosine ends. Defaults to `260e9`.
        final_fraction: float. Last learning rate over the peak. Defaults to
            `0.1`.
        start_batch_tokens: int. Tokens in a batch where the ramp starts.
            Defaults to `None`, a constant batch.
        ramp_tokens: float. Tokens over which the batch grows, `0.0` for a
            constant batch. Defaults to `0.0`.

    Raises:
        ValueError: If a number is out of its range, or one of
            `start_batch_tokens` and `ramp_tokens` is given alone.

    Example:

    ```python
    import keras_gpt3

    clock = keras_gpt3.training.TokenClock(6e-4, batch_tokens=524_288)
    learning_rate = clock(100)  # In the warm-up: 8.47e-05.
    ```
    """

    def __init__(
        self,
        learning_rate,
        batch_tokens,
        warmup_tokens=375e6,
        decay_tokens=260e9,
        final_fraction=0.1,
        start_batch_tokens=None,
        ramp_tokens=0.0,
    ):
        super().__init__()
        _check_numbers(
            learning_rate=learning_rate,
            batch_tokens=batch_tokens,
            warmup_tokens=warmup_tokens,
            decay_tokens=decay_tokens,
            final_fraction=final_fraction,
            start_batch_tokens=start_batch_tokens or 0,
            ramp_tokens=ramp_tokens,
        )
        _check_positive("learning_rate", learning_rate)
        _check_positive("batch_tokens", batch_tokens)
        _check_positive("decay_tokens", decay_tokens)
        if not 0 <= final_fraction <= 1:
            raise ValueError(
                "final_fraction must be from 0 to 1. Received: final_fraction="
                f"{final_fraction}. Use 0.1, as the paper."
            )
        if not 0 <= warmup_tokens < decay_tokens:
            raise ValueError(
                "warmup_tokens must be from 0 to below decay_tokens. Received: "
                f"warmup_tokens={warmup_tokens}, decay_tokens={decay_tokens}. "
                "Shorten the warm-up or lengthen the decay."
            )
        _check_ramp(start_batch_tokens, ramp_tokens, batch_tokens)
        self.learning_rate = learning_rate
        self.batch_tokens = batch_tokens
        self.warmup_tokens = warmup_tokens
        self.decay_tokens = decay_tokens
        self.final_fraction = final_fraction
        self.start_batch_tokens = start_batch_tokens
        self.ramp_tokens = ramp_tokens

    def __call__(self, step):
        batches = ops.cast(step, "float32") + 1.0
        warmed = 1.0
        if self.warmup_tokens:
            warmed = ops.minimum(1.0, self._seen(batches, self.warmup_tokens))
        decayed = ops.minimum(1.0, self._seen(batches, self.decay_tokens))
        cosine = 0.5 * (1.0 + ops.cos(math.pi * decayed))
        fraction = self.final_fraction + (1.0 - self.final_fraction) * cosine
        return self.learning_rate * warmed * fraction

    def _seen(self, batches, length):
        """Tokens of a number of batches, as a fraction of a length in tokens.

        Divides before it multiplies: 260e9 tokens are beyond what float32
        counts one by one, a step number is not.
        """
        full = self.batch_tokens / length
        start = self.start_batch_tokens
        if start is None or start == self.batch_tokens:
            return batches * full
        growth = (self.batch_tokens - start) / self.ramp_tokens
        ramp_steps = math.log(self.batch_tokens / start) / growth
        # Both ends are clipped, so neither the exponential nor the rounding
        # of `ramp_steps` reaches past the ramp.
        on_ramp = ops.expm1(growth * ops.minimum(batches, ramp_steps))
        past_ramp = ops.maximum(batches - ramp_steps, 0.0)
        return on_ramp * (start / growth / length) + past_ramp * full

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "batch_tokens": self.batch_tokens,
            "warmup_tokens": self.warmup_tokens,
            "decay_tokens": self.decay_tokens,
            "final_fraction": self.final_fraction,
            "start_batch_tokens": self.start_batch_tokens,
            "ramp_tokens": self.ramp_tokens,
        }


def _check_numbers(**values):
    """Raise if one is not a number, such as a string of an environment."""
    for name, value in values.items():
        if not isinstance(value, numbers.Real):
            raise ValueError(
                f"{name} must be a number. Received: {name}={echoed(value)}. "
                "Pass an int or a float."
            )


def _check_positive(name, value):
    """Raise unless a number is above 0."""
    if not value > 0:
        raise ValueError(
            f"{name} must be above 0. Received: {name}={value}. Use the "
            "paper's, in Table 2.1 and Appendix B."
        )


def _check_ramp(start_batch_tokens, ramp_tokens, batch_tokens):
    """Raise unless both ends of a ramp are given, in order, or neither."""
    received = (
        f"Received: start_batch_tokens={start_batch_tokens}, "
        f"ramp_tokens={ramp_tokens}, batch_tokens={batch_tokens}."
    )
    if not 0 <= ramp_tokens < math.inf:
        raise ValueError(
            f"ramp_tokens must be from 0 on and finite. {received} Use 4e9 to "
            "12e9, as Appendix B, or 0 for a constant batch."
        )
    if (start_batch_tokens is None) != (ramp_tokens == 0):
        raise ValueError(
            "start_batch_tokens and ramp_tokens must be given together. "
            f"{received} Leave out both for a constant batch."
        )
    if start_batch_tokens is not None and not (
        0 < start_batch_tokens <= batch_tokens
    ):
        raise ValueError(
            "start_batch_tokens must be above 0 and at most batch_tokens. "
            f"{received} Use a part of a full batch, such as Appendix B's 32k "
            "tokens."
        )
