"""The type of one layer of a model that has several."""

from keras import dtype_policies


def layer_policy(dtype, path):
    """Looks up a layer's own policy.

    A quantized model that is loaded has a map of policies, which Keras gives
    to each layer as a whole. Such a layer neither saves its weights again nor
    computes with them as they are stored: both look at the map's default.

    Args:
        dtype: string, `keras.DTypePolicy` or `None`, as for a layer.
        path: string. The layer's path inside the model.

    Returns:
        `dtype`, or what it holds for the layer if it is a map.

    Example:

    ```python
    import keras
    from keras_gpt3.layers.layer_policy import layer_policy

    policies = keras.dtype_policies.DTypePolicyMap("float32")
    policies["token_embedding"] = "int8_from_float32"
    layer_policy(policies, "token_embedding").name  # "int8_from_float32"
    ```
    """
    if isinstance(dtype, dtype_policies.DTypePolicyMap):
        return dtype[path]
    return dtype
