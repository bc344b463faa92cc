"""The activations of the feed-forward layer, by name."""

import functools

import keras

from keras_gpt3.ops.gelu_approximate import gelu_approximate

# Keras' own registry has no name for the tanh form of GELU.
_ACTIVATIONS = {
    "gelu_approximate": gelu_approximate,
    "gelu": functools.partial(keras.activations.gelu, approximate=False),
    "relu": keras.activations.relu,
}


def get_activation(name):
    """Looks an activation up by name.

    GPT-3 uses GPT-2's GELU in its tanh form, `"gelu_approximate"`.

    Args:
        name: string. One of `"gelu_approximate"`, `"gelu"`, `"relu"`.

    Returns:
        A function from a tensor to a tensor of the same shape and dtype.

    Raises:
        ValueError: If the name is unknown.

    Example:

    ```python
    import keras_gpt3

    keras_gpt3.ops.get_activation("gelu_approximate")(1.0)  # 0.8412
    ```
    """
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"activation must be one of {sorted(_ACTIVATIONS)}. Received: "
            f"activation={name!r}. GPT-2 and GPT-3 use 'gelu_approximate'."
        )
    return _ACTIVATIONS[name]
