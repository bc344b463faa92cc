"""The paper's learning rate, as a function of the tokens seen."""

import math

import keras
from keras import ops


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

    Args:
        learning_rate: float. The peak.
        batch_tokens: int. Tokens in a batch.
        warmup_tokens: float. Length of the warm-up. Defaults to `375e6`.
        decay_tokens: float. Where the cosine ends. Defaults to `260e9`.
        final_fraction: float. Last learning rate over the peak. Defaults to
            `0.1`.

    Raises:
        ValueError: If a number is out of its range.

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
    ):
        super().__init__()
        _check_positive("learning_rate", learning_rate)
        _check_positive("batch_tokens", batch_tokens)
        _check_positive("decay_tokens", decay_tokens)
        if not 0 <= final_fraction <= 1:
            raise ValueError(
                "final_fraction must be from 0 to 1. Received: final_fraction="
                f"{final_fraction}. The paper ends at 0.1 of the peak."
            )
        if not 0 <= warmup_tokens < decay_tokens:
            raise ValueError(
                "warmup_tokens must be from 0 to below decay_tokens. Received: "
                f"warmup_tokens={warmup_tokens}, decay_tokens={decay_tokens}. "
                "Shorten the warm-up or lengthen the decay."
            )
        self.learning_rate = learning_rate
        self.batch_tokens = batch_tokens
        self.warmup_tokens = warmup_tokens
        self.decay_tokens = decay_tokens
        self.final_fraction = final_fraction

    def __call__(self, step):
        # Divide before multiplying: 260e9 tokens are beyond what float32
        # counts one by one, a step number is not.
        batches = ops.cast(step, "float32") + 1.0
        warmed = 1.0
        if self.warmup_tokens:
            warmed = ops.minimum(
                1.0, batches * (self.batch_tokens / self.warmup_tokens)
            )
        decayed = ops.minimum(
            1.0, batches * (self.batch_tokens / self.decay_tokens)
        )
        cosine = 0.5 * (1.0 + ops.cos(math.pi * decayed))
        fraction = self.final_fraction + (1.0 - self.final_fraction) * cosine
        return self.learning_rate * warmed * fraction

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "batch_tokens": self.batch_tokens,
            "warmup_tokens": self.warmup_tokens,
            "decay_tokens": self.decay_tokens,
            "final_fraction": self.final_fraction,
        }


def _check_positive(name, value):
    """Raises unless a number is above 0."""
    if not value > 0:
        raise ValueError(
            f"{name} must be above 0. Received: {name}={value}. Appendix B of "
            "the paper has values for every size."
        )
