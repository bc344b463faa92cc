"""Which decoder blocks compute their activations again in the backward pass."""

import numbers

from keras_gpt3.echoed_value import echoed

_NEVER = 0
_STEPS = {"none": _NEVER, "block": 1}


def rematerialized_layers(rematerialization, num_layers):
    """Tells for each block whether it is rematerialized.

    A rematerialized block keeps nothing but its input for the backward pass,
    and runs forward once more there.

    Args:
        rematerialization: string or int. `"none"`; `"block"` for every block;
            or `k`, for every `k`-th block, the first one included.
        num_layers: int. Number of blocks.

    Returns:
        A tuple of bools, one a block.

    Raises:
        ValueError: If the policy is unknown.

    Example:

    ```python
    from keras_gpt3.planning.rematerialization import rematerialized_layers

    rematerialized_layers(2, num_layers=4)  # (True, False, True, False)
    ```
    """
    step = rematerialization
    if isinstance(step, str):
        step = _STEPS.get(step)
    whole = isinstance(step, numbers.Integral) and step is not True
    if not whole or step < (rematerialization != "none"):
        raise ValueError(
            "rematerialization must be 'none', 'block' or an integer of at "
            "least 1. Received: "
            f"rematerialization={echoed(rematerialization)}. Use 2 to "
            "recompute every second block, 'block' to recompute all."
        )
    return tuple(
        step != _NEVER and index % step == 0 for index in range(num_layers)
    )
