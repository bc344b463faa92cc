"""Byte counts as people write them."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


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
