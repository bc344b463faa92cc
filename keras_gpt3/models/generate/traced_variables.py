"""When a compiled function serves again: its variables and its lengths."""


class TracedVariables:
    """Remembers the variables that graphs were traced with.

    A model that was quantized or given adapters has other ones: an old graph
    would go on with the weights that it was traced with.
    """

    def __init__(self):
        self._variables = None

    def have_changed(self, variables):
        """Compares variables with those of the last call, and remembers
        them.
        """
        before = self._variables
        self._variables = list(variables)
        return (
            before is None
            or len(before) != len(variables)
            or any(a is not b for a, b in zip(before, variables, strict=True))
        )


# A new one costs a trace or a compilation. Above the last, multiples of it.
_BUCKETS = (32, 64, 128, 256)


def bucket(length, longest):
    """The length that arrays are padded to."""
    largest = _BUCKETS[-1]
    for size in _BUCKETS:
        if length <= size:
            return min(size, longest)
    return min(-(-length // largest) * largest, longest)
