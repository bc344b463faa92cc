"""A weight of a backbone by its path."""

from keras_gpt3.converters.weight_shapes import SHAPE_KEYS
from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.preset_loader import VARIANT_DEFAULTS


def weight_of_path(backbone, path):
    """Find a weight where its path says."""
    layer, attribute = _owner(backbone, path)
    return getattr(layer, attribute)


def variable_of_path(backbone, path):
    """Find the variable that a weight is stored in, to fill it."""
    layer, attribute = _owner(backbone, path)
    if isinstance(layer, PaddedEmbedding):
        return layer.all_rows
    return getattr(layer, attribute)


def _owner(backbone, path):
    """The layer that has a weight, and its name there."""
    name, *inner, attribute = path.split("/")
    layer = backbone.get_layer(name)
    for name in inner:
        layer = getattr(layer, name)
    # Quantized, it would be given back as floats that it never was.
    if getattr(layer, "quantization_mode", None):
        raise ValueError(
            "The weights of a checkpoint must not be quantized. Received: "
            f"{path} in {layer.quantization_mode}. Use the model as it was "
            "before quantize."
        )
    return layer, attribute


def check_stored_shapes(saved, overrides):
    """Raise if an override changes the shape of a stored weight."""
    saved = VARIANT_DEFAULTS | saved  # An older preset does not name them.
    changed = [
        name
        for name in SHAPE_KEYS
        if name in overrides and overrides[name] != saved[name]
    ]
    if changed:
        received = ", ".join(f"{name}={overrides[name]}" for name in changed)
        stored = ", ".join(f"{name}={saved[name]}" for name in changed)
        raise ValueError(
            "Overrides must not change the shape of stored weights. Received: "
            f"{received} where the preset has {stored}. Pass "
            "load_weights=False to start from new weights."
        )
