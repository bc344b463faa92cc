"""Keeps the weights of the best epoch of a fine-tuning run."""

import numpy as np


class BestWeights:
    """Keeps the trainable weights of the epoch with the lowest loss."""

    def __init__(self, model):
        self._variables = model.trainable_variables
        self._epoch, self._loss, self._values = None, None, None

    def consider(self, epoch, loss):
        """Keeps the weights of now, if there is no better loss."""
        if loss is None or self._loss is None or loss < self._loss:
            self._epoch, self._loss = epoch, loss
            if loss is not None:
                # In the memory of the host.
                self._values = [np.array(v) for v in self._variables]

    def restore(self):
        """Brings back what was kept."""
        for variable, value in zip(
            self._variables, self._values or (), strict=self._values is not None
        ):
            variable.assign(value)
        return self._epoch
