"""Recognizes a loss that jumps."""

import collections
import math
import statistics

from keras_gpt3.integer_argument import check_integer


class LossSpikes:
    """Compares each loss with those of the steps before.

    Args:
        deviations: float. How many standard deviations above the mean a loss
            must lie to be a spike; `None` for never.
        window: int. How many losses to compare with; nothing is a spike until
            half of them are there. Defaults to `100`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.training.loss_spikes import LossSpikes

    spikes = LossSpikes(deviations=4.0, window=4)
    [spikes.add(loss) for loss in (3.0, 3.1, 2.9, 9.0)]  # The last is True.
    ```
    """

    def __init__(self, deviations, window=100):
        if deviations is not None and not deviations > 0:
            raise ValueError(
                "spike_deviations must be above 0. Received: spike_deviations="
                f"{deviations}. Use None to look for no spikes."
            )
        check_integer("spike_window", window, minimum=4)
        self._deviations = deviations
        self._losses = collections.deque(maxlen=window)

    def add(self, loss):
        """Takes in the loss of a step.

        Args:
            loss: float. One that is not finite is passed over: no update came
                of it, and nothing could be compared with it.

        Returns:
            Whether it is a spike, which is then not compared with.
        """
        if self._deviations is None or not math.isfinite(loss):
            return False
        losses = self._losses
        if len(losses) >= losses.maxlen // 2:
            bound = statistics.fmean(losses)
            bound += self._deviations * statistics.pstdev(losses)
            if loss > bound:
                return True
        losses.append(loss)
        return False

    def forget(self):
        """Starts anew, after a rollback."""
        self._losses.clear()

    def get_state(self):
        """Gives the losses, to be saved with a run.

        Returns:
            A list of floats, the oldest first.
        """
        return list(self._losses)

    def set_state(self, losses):
        """Goes on from saved losses.

        Args:
            losses: list of floats, from `get_state`.
        """
        self._losses.clear()
        self._losses.extend(losses)
