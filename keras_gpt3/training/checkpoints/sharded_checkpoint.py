"""Saves a sharded model while `fit` trains it. JAX only."""

import math

import keras

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.training.checkpoints.sharded_files import check_same_model
from keras_gpt3.training.checkpoints.sharded_files import check_same_variables
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_facts
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_path
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_root
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_steps
from keras_gpt3.training.checkpoints.sharded_files import checkpoint_variables
from keras_gpt3.training.checkpoints.sharded_files import import_orbax
from keras_gpt3.training.checkpoints.sharded_files import read_metadata
from keras_gpt3.training.checkpoints.sharded_files import steps_done


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


# A device holds the old and the new values of so many bytes at a time.
_BYTES_AT_A_TIME = 2**30


def restore_sharded_checkpoint(model, directory, step=None):
    """Restores what a `ShardedCheckpoint` saved: weights, optimizer, seeds.

    Every device reads its own part, on the mesh that the model has now: it
    may be another than that of the checkpoint, or none. A run that goes on
    with `packed_dataset(start_step=step)` on the same mesh gives the same
    numbers, bit by bit, as one that was never interrupted. On another mesh
    sums are rounded otherwise, and dropout drops other entries where batches
    are split in another number of parts.

    Args:
        model: a compiled `GPT3`, of the config and with the optimizer's class
            of the checkpoint.
        directory: path or address of the folder of all checkpoints.
        step: int. Which checkpoint. Defaults to `None`, the last.

    Returns:
        An int, the steps that the run had done: the batches that it had seen,
        also those that the optimizer left out as a loss scale overflowed.

    Raises:
        FileNotFoundError: If the folder holds no checkpoint.
        ValueError: If there is none of this step, or it is one of another
            model or optimizer.
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
    step, path = checkpoint_path(checkpoint_root(directory), step)
    facts, shapes = read_metadata(path)
    check_same_model(model, facts, path)
    if not model.optimizer.built:
        model._step.prepare_optimizer(model)
    variables = checkpoint_variables(model)
    size = model.backbone.vocabulary_size
    check_same_variables(variables, shapes, size, path)
    parts = list(_parts(variables))
    for number, part in enumerate(parts):
        try:
            _restore_part(path, part)
        except Exception as error:  # Orbax raises this very class.
            raise OSError(
                "A checkpoint must be readable to its end. Received: path="
                f"'{path}', {type(error).__name__} in part {number + 1} of "
                f"{len(parts)}. Restore another checkpoint before the model is "
                "used: it holds the parts before."
            ) from error
    model._step.skipped_steps = step - int(model.optimizer.iterations)
    return step


def _parts(variables):
    """Yield the variables by so many that a device can hold them twice."""
    part, part_bytes = {}, 0
    for group, named in variables.items():
        for name, variable in named.items():
            num_bytes = _bytes_on_a_device(variable.value)
            if part and part_bytes + num_bytes > _BYTES_AT_A_TIME:
                yield part
                part, part_bytes = {}, 0
            part.setdefault(group, {})[name] = variable
            part_bytes += num_bytes
    yield part


def _bytes_on_a_device(value):
    shape = value.sharding.shard_shape(value.shape)
    return math.prod(shape) * value.dtype.itemsize


def _restore_part(path, part):
    import jax

    ocp = import_orbax()
    context = ocp.Context()
    context.pytree.loading.partial_load = True
    # Only rows of padding come or go: the shapes have been compared.
    context.array.loading.enable_padding_and_truncation = True
    wanted = jax.tree.map(_as_it_lies, part)
    with context:
        values = ocp.load(path, wanted)
    for group, named in part.items():
        for name, variable in named.items():
            variable.assign(values[group][name])


def _as_it_lies(variable):
    import jax

    value = variable.value
    return jax.ShapeDtypeStruct(
        value.shape, value.dtype, sharding=value.sharding
    )
