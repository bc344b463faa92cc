"""The few lengths that arrays of prompts are padded to."""

# A new one costs a trace or a compilation. Above the last, multiples of it.
_BUCKETS = (32, 64, 128, 256)


def bucket(length, longest):
    """The length that arrays are padded to.

    Args:
        length: int. Tokens that there are.
        longest: int. Tokens that there can be, at least `length`.

    Returns:
        An int from `length` to `longest`.

    Example:

    ```python
    from keras_gpt3.models.length_buckets import bucket

    bucket(40, longest=2048)  # 64
    ```
    """
    largest = _BUCKETS[-1]
    for size in _BUCKETS:
        if length <= size:
            return min(size, longest)
    return min(-(-length // largest) * largest, longest)
