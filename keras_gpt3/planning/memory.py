"""Bytes of weights, gradients and optimizer state, by dtype and optimizer.

Activations depend on batch, length and rematerialization; they are not
counted here.
"""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning.dtype_bytes import BYTES_PER_WEIGHT

# Slots are variables of the weight's own dtype: Adam's two moments.
SLOTS_PER_WEIGHT = {None: 0, "sgd": 0, "adam": 2, "adamw": 2}


def estimate_memory(num_parameters, dtype="float32", optimizer="adamw"):
    """Computes the bytes that a model's variables take, without activations.

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
