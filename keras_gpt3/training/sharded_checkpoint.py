"""Saves a sharded model while `fit` trains it. JAX only."""

import keras

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.training.sharded_checkpoint_folder import checkpoint_path
from keras_gpt3.training.sharded_checkpoint_folder import checkpoint_root
from keras_gpt3.training.sharded_checkpoint_folder import checkpoint_steps
from keras_gpt3.training.sharded_checkpoint_folder import import_orbax
from keras_gpt3.training.sharded_checkpoint_folder import read_metadata
from keras_gpt3.training.sharded_checkpoint_state import check_same_model
from keras_gpt3.training.sharded_checkpoint_state import checkpoint_facts
from keras_gpt3.training.sharded_checkpoint_state import checkpoint_variables
from keras_gpt3.training.sharded_checkpoint_state import steps_done


class ShardedCheckpoint(keras.callbacks.Callback):
    """Saves weights, optimizer and seeds, every device its own part.

    No device and no process ever holds a whole array that is sharded. Orbax
    copies the parts to the host, then writes while training goes on; a
    checkpoint appears under its name once it is whole. Checkpoints are named
    by the steps, also across calls of `fit`, and saved at multiples of
    `save_freq` steps wherever a run was resumed. A batch whose gradients
    overflow in `mixed_float16` is a step, too, though the optimizer does not
    count it; without this callback nobody does.
    `restore_sharded_checkpoint` reads them, on any mesh.

    It differs from `keras.callbacks.OrbaxCheckpoint`, which names checkpoints
    of epochs by the epoch, leaves out steps below one that is there, hides
    errors of the last save, and whose checkpoints lose without a word what has
    another path when they are restored (keras#23251), such as numbered seeds.

    Args:
        directory: path or address of the folder of all checkpoints. It may
            hold checkpoints of this model up to its present step, none of
            another.
        save_freq: `"epoch"` or int, a number of steps. Defaults to `"epoch"`.
        max_to_keep: int. The number of checkpoints that are kept, the last
            ones; `None` keeps all. Defaults to `3`.

    Raises:
        NotImplementedError: If Keras' backend is not JAX.
        ImportError: If Orbax is not installed.
        ValueError: If a number is below 1; by `fit`, if the folder holds
            checkpoints of another model or of later steps.

    Example:

    ```python
    import keras
    import keras_gpt3

    if keras.config.backend() == "jax":
        callback = keras_gpt3.training.ShardedCheckpoint("run", save_freq=100)
        # model.fit(dataset, steps_per_epoch=1000, callbacks=[callback])
    ```
    """

    def __init__(self, directory, save_freq="epoch", max_to_keep=3):
        super().__init__()
        import_orbax()  # Raises now, not after the data is read.
        if save_freq != "epoch":
            check_integer("save_freq", save_freq, minimum=1)
        if max_to_keep is not None:
            check_integer("max_to_keep", max_to_keep, minimum=1)
        self._directory = checkpoint_root(directory)
        self._save_freq = save_freq
        self._max_to_keep = max_to_keep
        self._checkpointer = None
        self._last_saved = None
        # Steps at the start of the epoch, and now.
        self._steps_before = self._steps = 0

    def on_train_begin(self, logs=None):
        self._close()  # An error ended an earlier `fit`.
        self._last_saved = self._check_folder()
        self._steps = steps_done(self.model)
        self._checkpointer = self._open()

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = self._steps_before = steps_done(self.model)

    def on_train_batch_end(self, batch, logs=None):
        before, self._steps = self._steps, self._steps_before + batch + 1
        if self._save_freq == "epoch":
            return
        # Not by the optimizer's own count: Keras lays the whole state back into
        # the model where one asks for `model`.
        if self._steps // self._save_freq > before // self._save_freq:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        self._count_skipped_steps()
        if self._save_freq == "epoch":
            self._save()

    def on_train_end(self, logs=None):
        self._close()

    def _count_skipped_steps(self):
        done = int(self.model.optimizer.iterations)
        self.model._step.skipped_steps = self._steps - done

    def _save(self):
        self._count_skipped_steps()
        facts = checkpoint_facts(self.model)
        step = facts["step"]
        if step == self._last_saved:
            return
        values = {
            group: {name: variable.value for name, variable in named.items()}
            for group, named in checkpoint_variables(self.model).items()
        }
        # It returns when the values are on the host: the next step of training
        # may take their place on the devices.
        self._checkpointer.save_async(
            step, values, force=True, custom_metadata=facts
        )
        self._last_saved = step

    def _check_folder(self):
        """Return the last step saved; raise if it is not one of this run."""
        steps = checkpoint_steps(self._directory)
        if not steps:
            return None
        _, path = checkpoint_path(self._directory)
        check_same_model(self.model, read_metadata(path)[0], path)
        now = steps_done(self.model)
        if steps[-1] > now:
            raise ValueError(
                "directory must hold no checkpoint of a later step than the "
                f"model's. Received: directory='{self._directory}', steps="
                f"{steps}, model at step={now}. Call "
                "restore_sharded_checkpoint first, delete the later ones, or "
                "use another directory."
            )
        return steps[-1]

    def _open(self):
        training = import_orbax().training
        policy = None
        if self._max_to_keep is not None:
            policy = training.preservation_policies.LatestN(self._max_to_keep)
        return training.Checkpointer(
            self._directory,
            preservation_policy=policy,
            cleanup_tmp_directories=True,  # Of saves that were killed.
        )

    def _close(self):
        """Wait for the last save, and raise if it failed."""
        checkpointer, self._checkpointer = self._checkpointer, None
        if checkpointer is not None:
            checkpointer.close()
