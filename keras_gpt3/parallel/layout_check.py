"""Whether a backbone can be split as `keras.distribution` is told to."""

import math

import keras

from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_map import check_backend_distributes
from keras_gpt3.parallel.layout_rules import padded_rows

_TABLE = "token_embedding/embeddings"
_KERNEL = "decoder_block_0/query_key_value/kernel"


def distributed_rows(config):
    """Checks the distribution that is set; the rows of the token embedding.

    Args:
        config: dict. The arguments of `GPT3Backbone`, all but `dtype`.

    Returns:
        An int: `vocabulary_size`, or more where devices share the rows and
        their number does not divide it.

    Raises:
        ValueError: If Keras runs on another backend than JAX, or an axis of
            the mesh does not divide what it is to split.

    Example:

    ```python
    from keras_gpt3.parallel.layout_check import distributed_rows

    distributed_rows({"vocabulary_size": 50257})  # without a distribution
    ```
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return config["vocabulary_size"]
    check_backend_distributes()
    layouts = getattr(distribution, "_layout_map", None)
    if layouts is None:  # Data parallelism alone.
        return config["vocabulary_size"]
    _check_heads(config, _parts(layouts, _KERNEL)[1])
    rows = padded_rows(config["vocabulary_size"], _parts(layouts, _TABLE)[0])
    shapes = weight_shapes(config) | {_TABLE: (rows, _table_width(config))}
    more = getattr(layouts, "optimizer_layouts", None)
    for path, shape in shapes.items():
        for layout_map in filter(None, (layouts, more)):
            _check_shape(path, shape, _parts(layout_map, path))
    return rows


def _table_width(config):
    return config["embedding_dim"] or config["hidden_dim"]


def _parts(layout_map, path):
    """Into how many parts each axis of a variable is split."""
    layout, mesh = layout_map[path], layout_map.device_mesh
    if layout is None:
        return (1, 1)
    sizes = dict(zip(mesh.axis_names, mesh.shape, strict=True))
    return tuple(
        math.prod(sizes[name] for name in _names(axis)) for axis in layout.axes
    )


def _names(axis):
    if axis is None:
        return ()
    return (axis,) if isinstance(axis, str) else tuple(axis)


def _check_heads(config, size):
    heads, inner = config["num_heads"], config["intermediate_dim"]
    if heads % size or inner % size:
        common = math.gcd(heads, inner)
        works = [n for n in range(1, common + 1) if common % n == 0]
        raise ValueError(
            "The model axis of the mesh must divide num_heads and "
            f"intermediate_dim. Received: model axis of {size}, num_heads="
            f"{heads}, intermediate_dim={inner}. Use one of {works}."
        )


def _check_shape(path, shape, parts):
    for size, number in zip(shape, parts, strict=False):
        if size % number:
            raise ValueError(
                "An axis of the mesh must divide the weights that it splits. "
                f"Received: {path} of shape {tuple(shape)} into {parts} "
                "parts. Use another mesh, or leave out shard_weights and "
                "shard_optimizer."
            )
