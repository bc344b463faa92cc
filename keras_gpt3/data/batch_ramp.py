"""The growing batch of Appendix B, as a closed form of the step."""

import bisect
import dataclasses
import decimal
import functools
import math

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed

# Decimals round alike on every machine; the last bit of a float64 exponential
# depends on the processor, and all workers must cut the same batches. Of these
# digits, 19 may stand before the point and 19 may cancel in `e**x - 1`.
_DIGITS = 60


@dataclasses.dataclass(frozen=True)
class BatchRamp:
    """Number of sequences in each batch of a run (Appendix B of the paper).

    The paper grows the batch "linearly from a small value (32k tokens) to the
    full value over the first 4-12 billion tokens". The batch is thus linear in
    the sequences seen, `t`, and these grow exponentially with the step `n`,
    as each batch is a step along its own line:

        B(t) = start_batch_size + k t,  k = growth / ramp_sequences
        t(n) = start_batch_size (e^(k n) - 1) / k

    until `t` is `ramp_sequences`, and by `batch_size` a step from there on.

    `sequences_before(n)` is `t(n)` cut down to a multiple of `multiple`, so a
    run is never as much as `multiple` sequences behind the line. The size of a
    batch is the difference of two neighbours: within the ramp it goes up and
    down by `multiple` about the line. That is on purpose, since a stair that
    only rises would drift away from it.

    Args:
        batch_size: int. Sequences in a full batch.
        start_batch_size: int. Sequences in a batch where the ramp starts.
        ramp_sequences: float. Sequences over which the batch grows. With `0`
            every batch is full.
        multiple: int. Every size is a multiple of this, such as replicas
            times rows that a replica takes at once. Defaults to `1`.

    Raises:
        ValueError: If a number is out of its range, or a batch is not a
            multiple of `multiple`.

    Example:

    ```python
    import keras_gpt3

    # GPT-3 Small: 32k to 0.5M tokens over 4 billion, in contexts of 2048.
    ramp = keras_gpt3.data.BatchRamp(256, 16, 4e9 / 2048)
    ramp.size_at(0)  # 16
    ramp.sequences_before(1000)  # 17024
    ramp.steps_within(17024)  # 1000
    ```
    """

    batch_size: int
    start_batch_size: int
    ramp_sequences: float
    multiple: int = 1

    def __post_init__(self):
        for name in ("batch_size", "start_batch_size", "multiple"):
            check_integer(name, getattr(self, name), minimum=1)
            object.__setattr__(self, name, int(getattr(self, name)))
        if not self.multiple <= self.start_batch_size <= self.batch_size:
            raise ValueError(
                "start_batch_size must be from multiple to batch_size. "
                f"Received: start_batch_size={self.start_batch_size}, "
                f"multiple={self.multiple}, batch_size={self.batch_size}. "
                "Start with batch_size itself for a constant batch."
            )
        self._check_divisible("batch_size")
        self._check_divisible("start_batch_size")
        if not 0 <= self.ramp_sequences < 2**63:
            raise ValueError(
                "ramp_sequences must be from 0 to below 2**63. Received: "
                f"ramp_sequences={self.ramp_sequences}. Use 0 for a constant "
                "batch."
            )
        object.__setattr__(self, "ramp_sequences", float(self.ramp_sequences))

    def sequences_before(self, step):
        """Count the sequences in all batches before a step.

        Args:
            step: int or numpy array of ints. Number of the batch, from 0.

        Returns:
            An int, or an int64 array of the shape of `step`.

        Raises:
            ValueError: If a step is not an integer of at least 0.
        """
        step = _checked_steps(step)
        if isinstance(step, int):
            return self._before(step)
        ramp_steps, ramp_end = self._end_of_ramp
        before = ramp_end + (step - ramp_steps) * self.batch_size
        before = np.asarray(before, "int64")
        growing = step < ramp_steps
        before[growing] = [self._before(int(n)) for n in step[growing]]
        return before

    def size_at(self, step):
        """Count the sequences in the batch of a step.

        Args:
            step: int or numpy array of ints. Number of the batch, from 0.

        Returns:
            An int, or an int64 array of the shape of `step`: a multiple of
            `multiple`, from `start_batch_size` to `batch_size`.

        Raises:
            ValueError: If a step is not an integer of at least 0.
        """
        step = _checked_steps(step)
        return self.sequences_before(step + 1) - self.sequences_before(step)

    def steps_within(self, num_sequences):
        """Count the whole batches that a number of sequences fills.

        Args:
            num_sequences: int. Sequences of a run.

        Returns:
            An int.

        Raises:
            ValueError: If `num_sequences` is not an integer of at least 0.
        """
        check_integer("num_sequences", num_sequences, minimum=0)
        ramp_steps, ramp_end = self._end_of_ramp
        past_ramp = int(num_sequences) - ramp_end
        if past_ramp >= 0:
            return ramp_steps + past_ramp // self.batch_size
        steps = range(ramp_steps)
        return bisect.bisect_right(steps, num_sequences, key=self._before) - 1

    @property
    def _is_constant(self):
        return (
            self.ramp_sequences == 0 or self.start_batch_size == self.batch_size
        )

    @functools.cached_property
    def _growth(self):
        """The line's slope `k`, a Decimal."""
        with decimal.localcontext(prec=_DIGITS):
            growth = decimal.Decimal(self.batch_size - self.start_batch_size)
            return growth / decimal.Decimal(self.ramp_sequences)

    @functools.cached_property
    def _end_of_ramp(self):
        """The first step past the ramp, and the sequences before it."""
        if self._is_constant:
            return 0, 0
        with decimal.localcontext(prec=_DIGITS):
            ratio = decimal.Decimal(self.batch_size) / self.start_batch_size
            exact = ratio.ln() / self._growth
            steps = math.ceil(exact)
            past_ramp = (steps - exact) * self.batch_size
            line = decimal.Decimal(self.ramp_sequences) + past_ramp
        return steps, self._cut(line)

    def _before(self, step):
        """`sequences_before` of one int."""
        ramp_steps, ramp_end = self._end_of_ramp
        if step >= ramp_steps:
            # A full batch is a multiple, so the cut stays what it was.
            return ramp_end + (step - ramp_steps) * self.batch_size
        with decimal.localcontext(prec=_DIGITS):
            grown = (self._growth * step).exp() - 1
            return self._cut(self.start_batch_size * grown / self._growth)

    def _cut(self, line):
        """The largest multiple of `multiple` up to a point of the line."""
        return int(line) // self.multiple * self.multiple

    def _check_divisible(self, name):
        size = getattr(self, name)
        if size % self.multiple:
            below = size // self.multiple * self.multiple
            raise ValueError(
                f"{name} must be divisible by multiple. Received: {name}="
                f"{size}, multiple={self.multiple}. Use {below} or "
                f"{below + self.multiple}."
            )


def _checked_steps(step):
    """An int, or an int64 array, of steps that were checked."""
    if not isinstance(step, np.ndarray):
        check_integer("step", step, minimum=0)
        return int(step)
    if step.dtype.kind not in "iu" or (step < 0).any():
        raise ValueError(
            "step must hold integers of at least 0. Received: step="
            f"{echoed(step)}. Count batches from 0."
        )
    return step.astype("int64")
