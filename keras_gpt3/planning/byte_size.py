"""Byte counts as people write them."""

import math
import numbers
import re

from keras_gpt3.echoed_value import echoed

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
# 80GB, 80 GB, 1.5TB, 80G; in powers of 1024: 74.5GiB, 74.5Gi.
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(?:([KMGTP])(I?))?B?")


def format_bytes(num_bytes):
    """Writes a number of bytes with one decimal in a decimal unit.

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
    """Reads a number of bytes, with a decimal or a binary unit or without.

    Args:
        size: string or number. `"80GB"` is 80 * 10**9 bytes, `"80GiB"` is
            80 * 2**30; upper and lower case, a space before the unit and
            leaving out the B make no difference. A number is bytes.

    Returns:
        An int, bytes.

    Raises:
        ValueError: If it is no size above 0.

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
    """Bytes, or `None` where the text is no size."""
    match = _SIZE.fullmatch(text.strip().upper())
    if match is None:
        return None
    number, prefix, binary = match.groups()
    power = "KMGTP".index(prefix) + 1 if prefix else 0
    return int(float(number) * (1024 if binary else 1000) ** power)
