"""Bytes that one weight takes under a Keras dtype policy."""

from collections.abc import Mapping

from keras_gpt3.echoed_value import echoed

# Mixed policies compute in half precision but keep their variables, hence
# gradients and optimizer slots too, in float32.
BYTES_PER_WEIGHT = {
    "float32": 4,
    "mixed_bfloat16": 4,
    "mixed_float16": 4,
    "bfloat16": 2,
    "float16": 2,
    "float64": 8,
}

# What layers compute in, and activations are kept in.
_BYTES_PER_ACTIVATION = {
    "float32": 4,
    "mixed_bfloat16": 2,
    "mixed_float16": 2,
    "bfloat16": 2,
    "float16": 2,
    "float64": 8,
}

# Kernels and embeddings, nearly all of the weights; float8 stores its source.
_BYTES_QUANTIZED = {"int8": 1, "int4": 0.5}


def bytes_per_weight(dtype=None):
    """Computes how many bytes a dtype policy stores for each weight.

    Args:
        dtype: string, `keras.DTypePolicy` or its config. Defaults to Keras'
            global policy. In a map of policies the smallest one counts.

    Returns:
        A tuple of a str, the policy's name, and a number, the bytes.

    Raises:
        ValueError: If Keras knows no such policy.

    Example:

    ```python
    from keras_gpt3.planning import bytes_per_weight

    bytes_per_weight("mixed_bfloat16")  # ("mixed_bfloat16", 4)
    bytes_per_weight("int8_from_float32")  # ("int8_from_float32", 1)
    ```
    """
    if isinstance(dtype, str) and dtype in BYTES_PER_WEIGHT:
        return dtype, BYTES_PER_WEIGHT[dtype]
    policy = _get_policy(dtype)
    policies = [policy]
    if isinstance(policy, Mapping):
        policies += policy.values()
    return policy.name, min(_bytes_of_policy(p) for p in policies)


def bytes_per_activation(dtype):
    """Computes how many bytes a dtype policy takes for each activation.

    Args:
        dtype: string. A Keras dtype policy, by name.

    Returns:
        An int, bytes.

    Raises:
        ValueError: If it is none that models are trained in.

    Example:

    ```python
    from keras_gpt3.planning import bytes_per_activation

    bytes_per_activation("mixed_bfloat16")  # 2
    ```
    """
    if dtype not in _BYTES_PER_ACTIVATION:
        raise ValueError(
            f"dtype must be a known one. Received: dtype={echoed(dtype)}. "
            f"Use one of {', '.join(map(repr, _BYTES_PER_ACTIVATION))}."
        )
    return _BYTES_PER_ACTIVATION[dtype]


def _get_policy(dtype):
    import keras

    try:
        return keras.dtype_policies.get(dtype)
    except ValueError as error:
        raise ValueError(
            "dtype must be a Keras dtype policy. Received: "
            f"dtype={echoed(dtype)}. Use one of {', '.join(BYTES_PER_WEIGHT)}."
        ) from error


def _bytes_of_policy(policy):
    stored = BYTES_PER_WEIGHT.get(policy.variable_dtype, 1)
    return _BYTES_QUANTIZED.get(policy.quantization_mode, stored)
