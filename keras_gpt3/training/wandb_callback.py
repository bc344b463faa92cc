"""Sends what `fit` logs to Weights & Biases."""

import keras

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.parallel.pretraining_strategy import is_chief
from keras_gpt3.training.wandb_sink import WandbSink
from keras_gpt3.training.wandb_sink import import_wandb


class WandbCallback(keras.callbacks.Callback):
    """Logs the numbers of batches and epochs of `fit` to Weights & Biases.

    wandb's own callback does not support Keras 3 (wandb#7186). The charts are
    named `batch/loss`, `epoch/loss`, `epoch/val_loss`, over the batches that
    the optimizer has seen. Of several workers, the chief alone logs.

    Args:
        project: string. The project's name.
        folder: path. Where wandb keeps its files. A later `fit` with the same
            folder goes on in the same chart. Defaults to `None`: a new chart
            for each `fit`.
        config: dict. What to show as the run's configuration. Defaults to
            `None`.
        log_every: int. Batches between two that are logged. Defaults to `100`.

    Raises:
        ImportError: If wandb is not installed.
        ValueError: If `log_every` is below 1.

    Example:

    ```python
    from keras_gpt3.training.wandb_callback import WandbCallback

    try:
        callbacks = [WandbCallback("small-gpt3")]
    except ImportError:  # wandb is not installed.
        callbacks = []
    ```
    """

    def __init__(self, project, folder=None, config=None, log_every=100):
        super().__init__()
        check_integer("log_every", log_every, minimum=1)
        import_wandb(project)  # Raises now, not after the data is read.
        self._run = (project, folder, config)
        self._log_every = log_every
        self._sink = None

    def on_train_begin(self, logs=None):
        if is_chief(self.model.distribute_strategy):
            self._sink = WandbSink(*self._run)

    def on_train_batch_end(self, batch, logs=None):
        self._log("batch", (batch + 1) % self._log_every == 0, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._log("epoch", True, {"epoch": epoch} | (logs or {}))

    def on_train_end(self, logs=None):
        if self._sink is not None:
            self._sink.close()
            self._sink = None

    def _log(self, kind, is_due, logs):
        if self._sink is not None and is_due:
            step = int(self.model.optimizer.iterations)
            self._sink({"kind": kind, "step": step} | (logs or {}), is_due)
