"""The few lengths that arrays of prompts are padded to."""

# A new one costs a trace or a compilation. Above the last, multiples of it.
_BUCKETS = (32, 64, 128, 256)


def bucket(length, longest):
    """The length that arrays are padded to."""
    largest = _BUCKETS[-1]
    for size in _BUCKETS:
        if length <= size:
            return min(size, longest)
    return min(-(-length // largest) * largest, longest)
