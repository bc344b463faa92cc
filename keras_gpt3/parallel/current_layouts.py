"""The layouts of weights that `keras.distribution` is told to use."""

import math


def layout_map():
    """Finds the layout map of the distribution that is set."""
    # Inside: the planner needs no Keras.
    import keras

    distribution = keras.distribution.distribution()
    # keras.distribution.ModelParallel shows it to nobody.
    return getattr(distribution, "_layout_map", None)


def axis_parts(layouts, path):
    """Into how many parts each axis of a variable is split."""
    layout, mesh = layouts[path], layouts.device_mesh
    if layout is None:
        return (1, 1)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return tuple(1 if axis is None else sizes[axis] for axis in layout.axes)


def number_of_parts(layouts, path):
    """Into how many parts a variable is split."""
    return 1 if layouts is None else math.prod(axis_parts(layouts, path))
