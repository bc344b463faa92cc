"""The training step as it is compiled, from shapes alone."""

import keras

from keras_gpt3.backend_check import require_backend
from keras_gpt3.layers.initializers import initialized_by
from keras_gpt3.parallel.variable_layouts import optimizer_layouts
from keras_gpt3.training.step.loss_scaling import check_optimizer


def without_weights():
    """A scope in which backbones are made that have shapes, but no weights.

    To compile steps alone: they can neither train nor answer. One of 175
    billion parameters takes no memory; on TensorFlow one takes the address
    space of its weights, which nobody writes.

    Returns:
        A context manager.

    Example:

    ```python
    import keras_gpt3

    with keras_gpt3.training.without_weights():
        backbone = keras_gpt3.GPT3Backbone(num_layers=1)
    backbone.count_params()  # 47259648, of which none is in memory
    ```
    """
    if keras.config.backend() == "jax":
        return keras.StatelessScope(initialize_variables=False)
    return initialized_by(_unwritten)


def _unwritten(shape, dtype):
    """A tensor of whatever its memory holds."""
    import tensorflow as tf

    return tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False)


def lower_train_step(model, batch_size, length, device=None):
    """Lowers the step that `fit` runs, for the distribution that is set.

    What the compiled step takes of each device, and how its devices exchange,
    can then be read without running it: `.compile().memory_analysis()`,
    `.compile().as_text()`.

    Args:
        model: a compiled `GPT3`, its backbone made with or without weights.
        batch_size: int. Rows of the global batch.
        length: int. Tokens in a row.
        device: `jax.Device`, which need not exist. What to lower for where no
            distribution is set. Defaults to `None`, JAX' own.

    Returns:
        A `jax.stages.Lowered`.

    Raises:
        NotImplementedError: If Keras runs on another backend than JAX.

    Example:

    ```python
    import keras
    import keras_gpt3

    if keras.config.backend() == "jax":
        with keras_gpt3.training.without_weights():
            backbone = keras_gpt3.GPT3Backbone(num_layers=1)
        model = keras_gpt3.GPT3(backbone)
        model.compile(optimizer=keras_gpt3.training.AdamW())
        lowered = keras_gpt3.training.lower_train_step(
            model, batch_size=1, length=128
        )
        memory = lowered.compile().memory_analysis()
    ```
    """
    require_backend("jax", "lower_train_step", "Set KERAS_BACKEND=jax.")
    import jax

    if not model.optimizer.built:
        _build_optimizer(model)
    state = tuple(
        [_shape_of(variable, device) for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )
    shardings = jax.tree.map(lambda x: x.sharding, state)
    distributed = keras.distribution.distribution() is not None
    step = jax.jit(
        model.train_step,
        donate_argnums=0,
        out_shardings=(None, shardings) if distributed else None,
    )
    return step.lower(state, _batch(batch_size, length, device))


def _build_optimizer(model):
    """Gives an optimizer its slots, with values where the weights have some."""
    check_optimizer(model.optimizer)
    if all(variable._value is not None for variable in model.variables):
        model._step.prepare_optimizer(model)
        return
    for variable in model.variables:
        # Without a value it has no layout yet, which its slots take over.
        variable._initialize_layout()
    with without_weights(), optimizer_layouts(model.trainable_variables):
        model.optimizer.build(model.trainable_variables)


def _shape_of(variable, device):
    """A variable's shape, type and layout, which an array would have."""
    import jax

    distribution = keras.distribution.distribution()
    sharding = device and jax.sharding.SingleDeviceSharding(device)
    if distribution is not None:
        layout = distribution.get_variable_layout(variable)
        sharding = layout.backend_layout
    return jax.ShapeDtypeStruct(
        tuple(variable.shape), variable.dtype, sharding=sharding
    )


def _batch(rows, length, device):
    import jax

    def array(dtype):
        distribution = keras.distribution.distribution()
        sharding = device and jax.sharding.SingleDeviceSharding(device)
        if distribution is not None:
            layout = distribution.get_data_layout((rows, length))
            sharding = layout.backend_layout
        return jax.ShapeDtypeStruct((rows, length), dtype, sharding=sharding)

    x = {"token_ids": array("int32"), "padding_mask": array("bool")}
    return x, array("int32")
