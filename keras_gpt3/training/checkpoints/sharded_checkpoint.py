"""Saves a sharded model while `fit` trains it. JAX only."""

import keras

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.training.checkpoints.model_checkpointer import ModelCheckpointer
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.orbax_format import require_orbax


class ShardedCheckpoint(keras.callbacks.Callback):
    """A callback that saves a model, every device its own part.

    No device and no process ever holds a whole array that is sharded. Orbax
    copies the parts to the host, then writes while training continues; a
    checkpoint appears under its name once it is whole. Checkpoints are named
    by the steps, also across calls of `fit`, and saved at multiples of
    `save_freq` steps wherever a run was resumed. A batch whose gradients
    overflow in `mixed_float16` is a step as well, though the optimizer does
    not count it, nor does anything but this callback. An error while writing is
    logged; `fit` raises at its end if the last checkpoint is not there.
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
        RuntimeError: By `fit`, if the last checkpoint could not be written.

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
        require_orbax()  # Raises now, not after the data is read.
        if save_freq != "epoch":
            check_integer("save_freq", save_freq, minimum=1)
        if max_to_keep is not None:
            check_integer("max_to_keep", max_to_keep, minimum=1)
        self._directory = directory
        self._save_freq = save_freq
        self._max_to_keep = max_to_keep
        self._checkpointer = None
        # Steps at the start of the epoch, and now.
        self._steps_before = self._steps = 0

    def on_train_begin(self, logs=None):
        if self._checkpointer is not None:
            self._checkpointer.close()  # An error ended an earlier `fit`.
        self._checkpointer = ModelCheckpointer(
            self.model,
            self._directory,
            OrbaxFormat(),
            keep_last=self._max_to_keep,
            keep_best=False,
        )
        self._steps = self._steps_done()
        self._checkpointer.check_folder(self._steps)

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = self._steps_before = self._steps_done()

    def on_train_batch_end(self, batch, logs=None):
        before, self._steps = self._steps, self._steps_before + batch + 1
        if self._save_freq == "epoch":
            return
        # Not by the optimizer's own count: Keras lays the whole state back into
        # the model when `model` is read.
        if self._steps // self._save_freq > before // self._save_freq:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        self._count_skipped_steps()
        if self._save_freq == "epoch":
            self._save()

    def on_train_end(self, logs=None):
        checkpointer, self._checkpointer = self._checkpointer, None
        with checkpointer:
            if checkpointer.last_step is not None:
                checkpointer.finish(checkpointer.last_step)

    def _steps_done(self):
        return self.model.compiled_step.steps_done(self.model)

    def _count_skipped_steps(self):
        self.model.compiled_step.set_steps_done(self.model, self._steps)

    def _save(self):
        self._count_skipped_steps()
        if self._steps != self._checkpointer.last_step:
            mesh = getattr(self.model.weights[0].value.sharding, "mesh", None)
            mesh = {} if mesh is None else dict(mesh.shape)
            self._checkpointer.save(self._steps, {"mesh": mesh})


def restore_sharded_checkpoint(model, directory, step=None):
    """Restore what a `ShardedCheckpoint` saved: weights, optimizer, seeds.

    Every device reads its own part, on the mesh that the model has now: it
    may be another than that of the checkpoint, or none. A run that resumes
    with `packed_dataset(start_step=step)` on the same mesh gives the same
    numbers, bit by bit, as one that was never interrupted. On another mesh
    sums are rounded otherwise, and dropout drops other entries where batches
    are split in another number of parts.

    Args:
        model: a compiled `GPT3`, of the config and with the optimizer's class
            of the checkpoint.
        directory: path or address of the folder of all checkpoints.
        step: int. Which checkpoint. Defaults to `None`, the last one that is
            complete; later ones that are not are named in the log.

    Returns:
        An int, the steps that the run had done: the batches that it had seen,
        also those that the optimizer left out as a loss scale overflowed.

    Raises:
        FileNotFoundError: If the folder holds no checkpoint, or none of this
            step.
        ValueError: If it is one of another model or optimizer, or no
            checkpoint is complete.
        OSError: If the arrays cannot be read. Some of the model's may have
            been restored by then.
        NotImplementedError: If Keras' backend is not JAX.
        ImportError: If Orbax is not installed.

    Example:

    ```python
    import keras
    import keras_gpt3
    from keras_gpt3.training import restore_sharded_checkpoint

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=61, num_layers=1, num_heads=2, hidden_dim=8,
        intermediate_dim=16, max_sequence_length=12,
    )
    model = keras_gpt3.GPT3(backbone)
    model.compile(keras_gpt3.training.AdamW())
    try:
        step = restore_sharded_checkpoint(model, "run")
    except (FileNotFoundError, NotImplementedError):  # Nothing to resume.
        step = 0
    ```
    """
    require_orbax()
    with ModelCheckpointer(model, directory, OrbaxFormat()) as checkpointer:
        manifest = checkpointer.restore(step)
    if manifest is None:
        raise FileNotFoundError(
            "directory must hold a checkpoint. Received: directory="
            f"'{directory}', which holds none. Pass that of a "
            "ShardedCheckpoint that has saved; use model.load_weights for "
            "those of keras.callbacks.OrbaxCheckpoint."
        )
    model.compiled_step.set_steps_done(model, manifest.step)
    return manifest.step
