"""A weight of a backbone by its path."""

from keras_gpt3.layers.padded_embedding import PaddedEmbedding


def weight_of_path(backbone, path):
    """Finds a weight where its path says."""
    layer, attribute = _owner(backbone, path)
    return getattr(layer, attribute)


def variable_of_path(backbone, path):
    """Finds the variable that a weight is stored in, to fill it."""
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
