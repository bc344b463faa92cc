"""How fast a quantity grows with the length."""

import numpy as np


def slope(lengths, values):
    """The exponent `a` of the best fit `value = c * length ** a`.

    Least squares on logarithms.

    Args:
        lengths: list of ints.
        values: list of positive numbers, one for each length; `None` where
            there is none.

    Returns:
        A float, or `None` with fewer than two values.

    Example:

    ```python
    slope([1, 2, 4], [3, 12, 48])  # 2.0
    ```
    """
    points = [
        (length, value)
        for length, value in zip(lengths, values, strict=True)
        if value
    ]
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points, "float64")).T
    return round(float(np.polyfit(x, y, 1)[0]), 3)
