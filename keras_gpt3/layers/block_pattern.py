"""What each block of a backbone does: which keys it sees, what it keeps."""

import numbers

from keras_gpt3.argument_checks import echoed

ATTENTION_KINDS = ("dense", "banded")


def attention_kinds(config):
    """The kind of attention of each block of a backbone, a list."""
    pattern = config["attention_pattern"]
    return [pattern[i % len(pattern)] for i in range(config["num_layers"])]


def check_heads(hidden_dim, num_heads):
    """Raise unless the heads share the width equally."""
    if hidden_dim % num_heads:
        raise ValueError(
            "num_heads must divide hidden_dim. Received: num_heads="
            f"{num_heads}, hidden_dim={hidden_dim}. Choose a width that is a "
            "multiple of the number of heads."
        )


def visible_window(attention, attention_window):
    """The keys that a query sees, itself included; `None` sees all before."""
    return attention_window if attention == "banded" else None


def attention_windows(config):
    """The window of each block of a backbone, a tuple."""
    window = config["attention_window"]
    return tuple(visible_window(k, window) for k in attention_kinds(config))


_NEVER = 0
_STEPS = {"none": _NEVER, "block": 1}


def rematerialized_layers(rematerialization, num_layers):
    """Compute for each block whether it is rematerialized.

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
    from keras_gpt3.planning import rematerialized_layers

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
