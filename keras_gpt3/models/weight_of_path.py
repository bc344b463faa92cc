"""A weight of a backbone by its path."""

from keras_gpt3.layers.padded_embedding import PaddedEmbedding


def weight_of_path(backbone, path):
    """Finds a weight where its path says.

    Args:
        backbone: `GPT3Backbone`.
        path: string, such as `"decoder_block_0/query_key_value/kernel"`.

    Returns:
        The `keras.Variable`; with a low-rank adapter the tensor of the kernel
        and its adapter, merged; of a table that is padded for several devices
        the tensor of the rows that ids have.

    Raises:
        ValueError: If the layer is quantized.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.models.weight_of_path import weight_of_path

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=2, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    weight_of_path(backbone, "token_embedding/embeddings").shape  # (100, 16)
    ```
    """
    layer, attribute = _owner(backbone, path)
    return getattr(layer, attribute)


def variable_of_path(backbone, path):
    """Finds the variable that a weight is stored in, to fill it.

    Args:
        backbone: `GPT3Backbone` without adapters.
        path: string. As in `weight_of_path`.

    Returns:
        A `keras.Variable`. That of a table that is padded for several devices
        has more rows than the weight, which are zeros.

    Raises:
        ValueError: If the layer is quantized.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.models.weight_of_path import variable_of_path

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=2, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    variable_of_path(backbone, "final_norm/beta").assign([0.5] * 16)
    ```
    """
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
