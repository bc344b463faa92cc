"""Restores a sharded model, on whatever mesh it has. JAX only."""

import math

from keras_gpt3.training.sharded_checkpoint_folder import checkpoint_path
from keras_gpt3.training.sharded_checkpoint_folder import checkpoint_root
from keras_gpt3.training.sharded_checkpoint_folder import import_orbax
from keras_gpt3.training.sharded_checkpoint_folder import read_metadata
from keras_gpt3.training.sharded_checkpoint_state import check_same_model
from keras_gpt3.training.sharded_checkpoint_state import check_same_variables
from keras_gpt3.training.sharded_checkpoint_state import checkpoint_variables

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
