"""How many weights of a model have to fit into one memory."""

import math

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.current_layouts import layout_map
from keras_gpt3.parallel.current_layouts import number_of_parts
from keras_gpt3.planning.accelerator_memory import accelerator_memory
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import SWITCHES


def process_weights(config):
    """Counts the weights that a new model puts into the available memory.

    That is the memory that `available_memory` finds: of one accelerator, or,
    where devices are CPUs, of the host that those of this process share. Under
    a `keras.distribution` that splits weights, each device holds a part of
    them; what is not split, each holds whole.
    """
    count = sum(count_parameters(config).values())
    distribution = _distribution()
    if distribution is None:
        return count
    layouts = layout_map()
    # Layers are alike, but each has its own layouts in a map.
    shapes = weight_shapes(SWITCHES | config)
    of_device = sum(
        -(-math.prod(shape) // number_of_parts(layouts, path))
        for path, shape in shapes.items()
    )
    return of_device * _devices_of_a_memory(distribution)


def _distribution():
    """The distribution that is set, if the backend heeds it."""
    import keras

    if keras.config.backend() != "jax":
        return None
    return keras.distribution.distribution()


def _devices_of_a_memory(distribution):
    """How many devices of a distribution share the available memory."""
    import jax

    if accelerator_memory() is not None:
        return 1
    devices = math.prod(distribution.device_mesh.shape)
    return min(jax.local_device_count(), devices)
