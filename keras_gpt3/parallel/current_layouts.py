"""The layouts of weights that `keras.distribution` is told to use."""

import math


def layout_map():
    """Finds the layout map of the distribution that is set.

    Returns:
        A `keras.distribution.LayoutMap`; `None` without a distribution, and
        where there is data parallelism alone.

    Example:

    ```python
    from keras_gpt3.parallel.current_layouts import layout_map

    layout_map()  # None without a distribution
    ```
    """
    # Inside: the planner needs no Keras.
    import keras

    distribution = keras.distribution.distribution()
    # keras.distribution.ModelParallel shows it to nobody.
    return getattr(distribution, "_layout_map", None)


def axis_parts(layouts, path):
    """Into how many parts each axis of a variable is split.

    Args:
        layouts: `keras.distribution.LayoutMap`.
        path: string. The variable.

    Returns:
        A tuple of ints, one for each axis; two of 1 where the map has no
        layout for it.

    Example:

    ```python
    import keras
    from keras_gpt3.parallel.current_layouts import axis_parts

    if keras.config.backend() == "jax":
        mesh = keras.distribution.DeviceMesh(
            (1, 1), ("batch", "model"), keras.distribution.list_devices()[:1]
        )
        layouts = keras.distribution.LayoutMap(mesh)
        layouts["dense/kernel"] = (None, "model")
        axis_parts(layouts, "dense/kernel")  # (1, 1)
    ```
    """
    layout, mesh = layouts[path], layouts.device_mesh
    if layout is None:
        return (1, 1)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return tuple(1 if axis is None else sizes[axis] for axis in layout.axes)


def number_of_parts(layouts, path):
    """Into how many parts a variable is split.

    Args:
        layouts: `keras.distribution.LayoutMap`, or `None`.
        path: string. The variable.

    Returns:
        An int.

    Example:

    ```python
    from keras_gpt3.parallel.current_layouts import number_of_parts

    number_of_parts(None, "final_norm/gamma")  # 1
    ```
    """
    return 1 if layouts is None else math.prod(axis_parts(layouts, path))
