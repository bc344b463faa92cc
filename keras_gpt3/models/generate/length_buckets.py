"""Lengths to pad to, few of them: each is compiled once."""

# Of the coarse ones; above the last, multiples of it.
_COARSE = (32, 64, 128, 256)
# Of the fine ones.
_SHORTEST = 16


def coarse_bucket(length, longest):
    """Return the length to pad to where padding is cheap: in `generate`."""
    largest = _COARSE[-1]
    for size in _COARSE:
        if length <= size:
            return min(size, longest)
    return min(-(-length // largest) * largest, longest)


def fine_bucket(length, longest):
    """Return the length to pad to where all of it is computed: in `score`.

    Powers of two and the middles between them: padding costs at most half of
    the work.
    """
    size = max(_SHORTEST, power_of_two(length))
    middle = size * 3 // 4
    if _SHORTEST < size and length <= middle:
        size = middle
    return min(size, longest)


def power_of_two(number):
    """Return the smallest one that is not below a number."""
    return 2 ** (number - 1).bit_length()
