"""Bytes of weights, gradients and optimizer state, by dtype and optimizer.

Activations depend on the step; they are not counted here.
"""

import math
import numbers
import re
from collections.abc import Mapping

from keras_gpt3.argument_checks import echoed

FLOAT32_BYTES = 4

# Slots are variables of the weight's own dtype: Adam's two moments.
SLOTS_PER_WEIGHT = {None: 0, "sgd": 0, "adam": 2, "adamw": 2}


def estimate_memory(num_parameters, dtype="float32", optimizer="adamw"):
    """Compute the bytes that a model's variables take, without activations.

    Args:
        num_parameters: int. The number of weights.
        dtype: string. A Keras dtype policy by name. Defaults to `"float32"`.
        optimizer: string or None. `"adamw"`, `"adam"`, `"sgd"` (without
            momentum), or `None` for inference, which needs no gradients.
            Defaults to `"adamw"`.

    Returns:
        A dict from kind to int bytes: `weights`, `gradients`, `optimizer`
        and their `total`.

    Raises:
        ValueError: If the dtype or the optimizer is not a known one.

    Example:

    ```python
    from keras_gpt3.planning import estimate_memory

    estimate_memory(1000, "bfloat16", "adamw")
    # {"weights": 2000, "gradients": 2000, "optimizer": 4000, "total": 8000}
    ```
    """
    width = _look_up("dtype", dtype, BYTES_PER_WEIGHT)
    slots = _look_up("optimizer", optimizer, SLOTS_PER_WEIGHT)
    weights = num_parameters * width
    gradients = 0 if optimizer is None else weights
    return {
        "weights": weights,
        "gradients": gradients,
        "optimizer": slots * weights,
        "total": weights + gradients + slots * weights,
    }


def training_slots(optimizer):
    """The numbers that an optimizer keeps for each weight that it trains."""
    if optimizer is None:
        raise ValueError(
            "optimizer must be one to train with. Received: optimizer=None. "
            "Use 'adamw', 'adam' or 'sgd'."
        )
    return _look_up("optimizer", optimizer, SLOTS_PER_WEIGHT)


def _look_up(argument, value, table):
    if value not in table:
        known = ", ".join(repr(key) for key in table)
        raise ValueError(
            f"{argument} must be a known one. Received: "
            f"{argument}={echoed(value)}. Use one of {known}."
        )
    return table[value]


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
    """Compute how many bytes a dtype policy stores for each weight.

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
    """Compute how many bytes a dtype policy takes for each activation.

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
    return _look_up("dtype", dtype, _BYTES_PER_ACTIVATION)


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


_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
# 80GB, 80 GB, 1.5TB, 80G; in powers of 1024: 74.5GiB, 74.5Gi.
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGTP])(I?))?B?")


def format_bytes(num_bytes):
    """Write a number of bytes with one decimal in a decimal unit.

    Args:
        num_bytes: int. A number of bytes, at least 0.

    Returns:
        A str such as `"698.4 GB"` (1 GB is 10**9 bytes); whole bytes below
        1 kB.

    Example:

    ```python
    from keras_gpt3.planning import format_bytes

    format_bytes(698_417_037_312)  # "698.4 GB"
    ```
    """
    size = float(num_bytes)
    for unit in _UNITS:
        # 999.95 would print as 1000.0: the next unit takes over there.
        if size < 999.95 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"


def parse_bytes(size):
    """Read a number of bytes, with a decimal or a binary unit or without.

    Args:
        size: string or number. `"80GB"` is 80 * 10**9 bytes, `"80GiB"` is
            80 * 2**30; upper and lower case, a space before the unit and
            leaving out the B make no difference. A number is bytes.

    Returns:
        An int, bytes.

    Raises:
        ValueError: If it is not a size above 0.

    Example:

    ```python
    from keras_gpt3.planning import parse_bytes

    parse_bytes("80GB")  # 80000000000
    parse_bytes("1.5 GiB")  # 1610612736
    ```
    """
    num_bytes = None
    if isinstance(size, str):
        num_bytes = _from_text(size)
    elif isinstance(size, numbers.Real) and math.isfinite(size):
        num_bytes = int(size)
    if isinstance(size, bool) or not num_bytes or num_bytes < 0:
        raise ValueError(
            "A size of memory must be a number of bytes above 0, with or "
            f"without a unit. Received: size={echoed(size)}. Write it as "
            "'80GB' or '74.5GiB'."
        )
    return num_bytes


def _from_text(text):
    """Bytes, or `None` where the text is not a size."""
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        return None
    number, prefix, binary = match.groups()
    power = "KMGTP".index(prefix) + 1 if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)
