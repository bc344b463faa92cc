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
