"""When a compiled function serves again: with the same variables and shapes."""

from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import compiles_ops

# Kept at a time, so that ever new lengths do not pile them up.
_MOST_TRACES = 64


class CompiledFunctions:
    """The compiled functions of a model, each for one shape.

    They last as long as the variables do. A model that was quantized or given
    adapters has other ones: an old graph would keep the weights that it
    was traced with.
    """

    def __init__(self):
        self._variables = None
        self.traces = {}

    def compiled(self, key, function, variables, changed=(), compiler=as_graph):
        """A function's compiled form for what the key names."""
        # One for each shape: a single one would warn about retracing as soon
        # as it meets its fifth.
        self._forget_other_variables(variables)
        key = (*key, compiles_ops())
        if key not in self.traces:
            if len(self.traces) == _MOST_TRACES:
                self.traces.pop(next(iter(self.traces)))  # The oldest.
            self.traces[key] = compiler(function, variables, changed)
        return self.traces[key]

    def _forget_other_variables(self, variables):
        # By identity: values that were assigned are read by old graphs too.
        ids = [id(v) for v in variables]
        if self._variables is None or ids != [id(v) for v in self._variables]:
            self._variables, self.traces = list(variables), {}


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
