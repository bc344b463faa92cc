"""How many weights of a model this process has to hold."""

import math

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import SWITCHES


def process_weights(config):
    """Counts the weights that a new model puts on this process' devices.

    Under a `keras.distribution` that splits weights, each device holds a part
    of them; what is not split, each holds whole.

    Args:
        config: dict. The arguments of `GPT3Backbone`.

    Returns:
        An int, that of all weights where nothing is distributed.

    Raises:
        ValueError: If a size is missing or is not a positive integer.

    Example:

    ```python
    from keras_gpt3.planning.process_weights import process_weights
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    process_weights(config)  # 125226240 without a distribution
    ```
    """
    count = sum(count_parameters(config).values())
    layouts = _layout_map()
    if layouts is None:
        return count
    import jax

    # Layers are alike, but each has its own layouts in a map.
    shapes = weight_shapes(SWITCHES | config)
    of_device = sum(
        -(-math.prod(shape) // _number_of_parts(layouts, path))
        for path, shape in shapes.items()
    )
    return of_device * min(
        jax.local_device_count(), math.prod(layouts.device_mesh.shape)
    )


def _layout_map():
    """The layouts of weights that are set, or `None`."""
    import keras

    if keras.config.backend() != "jax":
        return None
    distribution = keras.distribution.distribution()
    return getattr(distribution, "_layout_map", None)


def _number_of_parts(layouts, path):
    """Into how many parts a weight is split."""
    layout, mesh = layouts[path], layouts.device_mesh
    if layout is None:
        return 1
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return math.prod(sizes.get(axis, 1) for axis in layout.axes)
