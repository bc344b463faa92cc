"""Records the steps and epochs of a fine-tuning run while it goes."""

import keras


class StepHistory(keras.callbacks.Callback):
    """Records each step and epoch of `fit`."""

    def __init__(self, history):
        super().__init__()
        self._history = history

    def on_epoch_begin(self, epoch, logs=None):
        self._total, self._weight = 0.0, 0.0

    def on_train_batch_end(self, batch, logs=None):
        # Keras logs the mean over the epoch so far.
        tracker = self.model.loss_tracker
        # Replicas that each counted all of it: the factor cancels.
        total, weight = (
            float(keras.ops.convert_to_numpy(keras.ops.add(x, 0.0)))
            for x in (tracker.total, tracker.count)
        )
        step = (total - self._total) / max(weight - self._weight, 1e-9)
        self._total, self._weight = total, weight
        self._history.loss.append(step)
        self._history.learning_rate.append(float(logs["learning_rate"]))

    def on_epoch_end(self, epoch, logs=None):
        record = {"step": len(self._history.loss)}
        record |= {name: float(value) for name, value in (logs or {}).items()}
        self._history.epochs.append(record)
