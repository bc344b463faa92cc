"""Recognizes a loss that jumps."""

import collections
import math
import statistics

from keras_gpt3.integer_argument import check_integer


class LossSpikes:
    """Compares each loss with those of the steps before."""

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
        """Takes in the loss of a step."""
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
        """Gives the losses, to be saved with a run."""
        return list(self._losses)

    def set_state(self, losses):
        """Goes on from saved losses."""
        self._losses.clear()
        self._losses.extend(losses)
