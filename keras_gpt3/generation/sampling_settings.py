"""What a sampler's settings may be."""

import math
import numbers

from keras_gpt3.integer_argument import check_integer

# Name to: whether a number is allowed, which ones are, what turns it off.
_RANGES = {
    "temperature": (
        lambda x: x >= 0,
        "of at least 0",
        "Use 0 for greedy decoding.",
    ),
    "top_p": (
        lambda x: 0 < x <= 1,
        "above 0 and at most 1",
        "Use 1.0 to draw among all tokens.",
    ),
    "min_p": (
        lambda x: 0 <= x < 1,
        "of at least 0 and below 1",
        "Use 0.0 to draw among all tokens.",
    ),
    "repetition_penalty": (
        lambda x: x > 0,
        "above 0",
        "Use 1.0 for no penalty.",
    ),
    "presence_penalty": (
        lambda x: -2 <= x <= 2,
        "from -2 to 2",
        "Use 0.0 for no penalty.",
    ),
    "frequency_penalty": (
        lambda x: -2 <= x <= 2,
        "from -2 to 2",
        "Use 0.0 for no penalty.",
    ),
}


def check_sampling_number(name, value):
    """Raises unless a setting is a number in its range.

    Args:
        name: string. `"temperature"`, `"top_p"`, `"min_p"`,
            `"repetition_penalty"`, `"presence_penalty"` or
            `"frequency_penalty"`; the last two in OpenAI's range.
        value: The setting.

    Returns:
        The setting as a Python float.

    Raises:
        ValueError: If it is no finite number, or out of its range.

    Example:

    ```python
    from keras_gpt3.generation.sampling_settings import check_sampling_number

    check_sampling_number("top_p", 0.9)  # 0.9
    ```
    """
    is_allowed, allowed, remedy = _RANGES[name]
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not is_allowed(value):
        raise ValueError(
            f"{name} must be a finite number {allowed}. Received: "
            f"{name}={value!r}. {remedy}"
        )
    return float(value)


def check_seed(seed):
    """Raises unless a seed is an integer that TensorFlow's draws take.

    Args:
        seed: The setting.

    Returns:
        The seed as a Python int.

    Raises:
        ValueError: If it is no integer from `-2 ** 31` to below `2 ** 31`.

    Example:

    ```python
    from keras_gpt3.generation.sampling_settings import check_seed

    check_seed(7)  # 7
    ```
    """
    check_integer("seed", seed, minimum=-(2**31))
    if seed >= 2**31:
        raise ValueError(
            f"seed must be below 2147483648. Received: seed={seed}. Take it "
            "modulo 2147483648."
        )
    return int(seed)
