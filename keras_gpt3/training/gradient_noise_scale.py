"""The gradient noise scale, from which a batch size follows."""

import math


class GradientNoiseScale:
    """A smoothed estimate of the simple noise scale, in tokens.

    The paper chose its batch sizes by it (section 2.3): a batch of as many
    tokens as the noise scale trades computation against steps evenly
    (McCandlish et al. 2018, "An Empirical Model of Large-Batch Training",
    appendix A.1). The mean gradient of `B` tokens has the expected squared norm
    `|G|^2 + trace / B`; a batch and its pieces, micro-batches or the parts of
    replicas, are two such sizes, and two equations give `|G|^2` and `trace`.
    Both are smoothed before they are divided, as their quotient is biased.
    Tokens of a context are not independent: it is the number of whole contexts
    that counts, times their length.

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
        squared_norm=1.0, tokens=4096, piece_squared_norm=2.0, piece_tokens=1024
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

    def update(self, squared_norm, tokens, piece_squared_norm, piece_tokens):
        """Takes in the gradients of one step.

        A step that had one piece only, or a norm that is not finite, is passed
        over: it says nothing.

        Args:
            squared_norm: float. That of the gradient of the whole batch.
            tokens: float. Tokens of the batch.
            piece_squared_norm: float. The mean over pieces.
            piece_tokens: float. Tokens of a piece, the harmonic mean.
        """
        # Two pieces have a harmonic mean of at most half. One piece may come
        # out a little short of the batch, by rounding.
        if not piece_tokens < 0.75 * tokens:
            return
        trace = (piece_squared_norm - squared_norm) / (
            1 / piece_tokens - 1 / tokens
        )
        signal = (tokens * squared_norm - piece_tokens * piece_squared_norm) / (
            tokens - piece_tokens
        )
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
        """The batch that the noise scale recommends.

        Args:
            sequence_length: int. Tokens of a context.

        Returns:
            An int, whole contexts in tokens, or `None` without an estimate.
        """
        if self.tokens is None:
            return None
        return sequence_length * max(1, round(self.tokens / sequence_length))

    def get_state(self):
        """The averages, to be saved with a run: a dict of floats."""
        return {"trace": self._trace, "signal": self._signal}

    def set_state(self, state):
        """Goes on from saved averages.

        Args:
            state: dict, from `get_state`.
        """
        self._trace, self._signal = state["trace"], state["signal"]
