"""How the variables of a model are spread over a mesh. JAX only."""

import contextlib

import keras

from keras_gpt3.parallel.layout_rules import layout_map


def data_axis():
    """The name of the mesh's axis over which batches are spread, or `None`."""
    distribution = keras.distribution.distribution()
    return None if distribution is None else distribution.batch_dim_name


def is_spread_over_data(variable):
    """Whether a variable is spread over the devices of a part of the batch."""
    return data_axis() is not None and data_axis() in _axes(variable)


def lay_out_like(arrays, variables, by_parts=False):
    """Lay arrays out as variables are, in a function that JAX compiles."""
    parts = (data_axis(),) if by_parts else ()
    return [
        _constrain(array, (*parts, *_axes(variable)))
        for array, variable in zip(arrays, variables, strict=True)
    ]


def lay_out_like_slots(arrays, variables):
    """Lay arrays out as an optimizer's slots, in a function of JAX.

    Where the replicas share the slots, each needs its share of a gradient
    alone. So the compiler is free to scatter the sum of the replicas'
    gradients, and need not give all of it to every device.
    """
    with optimizer_layouts(variables):
        return lay_out_like(arrays, variables)


def bring_together(array, variable):
    """Give the devices of each part of the batch a whole array to work with.

    In a function that JAX compiles. Where its partitioner is free to choose,
    it leaves a weight spread, and brings the batch to all devices instead. The
    gradient is spread as the variable is, as soon as it is there. What a layer
    would cast is cast before, so that devices exchange half of the bytes.
    """
    if not is_spread_over_data(variable):
        return array
    import jax

    spread = _axes(variable)
    whole = tuple(None if axis == data_axis() else axis for axis in spread)
    array = _cast(array, variable, variable._maybe_autocast(array).dtype)
    bring = jax.custom_vjp(lambda x: _constrain(x, whole))
    bring.defvjp(
        lambda x: (_constrain(x, whole), None),
        lambda _, upstream: (_constrain(upstream, spread),),
    )
    return bring(array)


def in_turn(x, arrays, block):
    """Make the weights of a block, spread over devices, and its input wait.

    In a function that JAX compiles; `arrays` are values of the block's
    `trainable_variables`. No weight is brought together before the input is
    there, and the gradient of the input, which the block before needs, waits
    until those of the weights are spread. Left to itself, XLA puts off the
    gradients of many blocks, and keeps what they are made of.
    """
    import jax

    dtypes = {
        id(variable): layer.compute_dtype if layer.autocast else variable.dtype
        for layer in block._flatten_layers()
        for variable in layer._trainable_variables
    }
    variables = block.trainable_variables
    arrays = [
        _cast(array, variable, dtypes[id(variable)])
        for array, variable in zip(arrays, variables, strict=True)
    ]
    x, arrays = jax.lax.optimization_barrier((x, arrays))
    # Else what is to be whole behind the barrier is made so before it.
    return x, lay_out_like(arrays, variables)


def _cast(array, variable, dtype):
    """Cast what is spread, and keep it so: XLA may cast the whole instead."""
    if array.dtype == dtype or not is_spread_over_data(variable):
        return array
    return _constrain(keras.ops.cast(array, dtype), _axes(variable))


def _axes(variable):
    """The axis of the mesh, or `None`, for each axis of a variable."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return (None,) * len(variable.shape)
    return distribution.get_variable_layout(variable).axes


def _constrain(array, axes):
    """Lay an array out over the axes of the mesh, if there is one."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return array
    layout = keras.distribution.TensorLayout(axes, distribution.device_mesh)
    return keras.distribution.distribute_tensor(array, layout)


@contextlib.contextmanager
def optimizer_layouts(variables):
    """Let an optimizer that is built inside lay its slots out on their own.

    Keras gives a slot the layout of its variable. Where the layout map has
    another one for the optimizer (the first stage of ZeRO, Rajbhandari et al.
    2020), the variables pretend to have that one.
    """
    layouts = getattr(layout_map(), "optimizer_layouts", None)
    own = [variable._layout for variable in variables]
    try:
        for variable in variables if layouts else ():
            variable._layout = layouts[variable.path] or variable._layout
        yield
    finally:
        for variable, layout in zip(variables, own, strict=True):
            variable._layout = layout


def num_data_shards():
    """Count the parts of a batch, each of which has devices of its own."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


def check_shards_divide(num_shards, rows):
    """Raise unless the rows of a batch divide among the parts."""
    if rows % num_shards:
        raise ValueError(
            "The batch axis of the mesh must divide the rows of a batch. "
            f"Received: rows={rows}, batch_axis={num_shards}. Use a batch "
            f"size of {num_shards * (rows // num_shards + 1)}, or drop the "
            "batch that is not full."
        )
