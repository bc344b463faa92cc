"""Finds what the profiler saw in the graphs it came from."""

import collections
import re

from harness.traced_names import function_of_module

_LAYER = re.compile(r"decoder_block_(\d+)")
_MOST_OPERATIONS = 2000


class StepGraphs:
    """The operations of a training step's graphs, by name.

    Args:
        graphs: dict from function name to graph, the step's own first.
    """

    def __init__(self, graphs):
        self._outer, self._inner = {}, {}
        self._callers = collections.defaultdict(list)
        for number, graph in enumerate(graphs.values()):
            names = self._inner if number else self._outer
            for operation in graph.get_operations():
                names.setdefault(operation.name, operation)
                for function in _called_functions(operation):
                    self._callers[function].append(operation)

    def origins(self, name):
        """The operation of a name, and those it may derive from.

        The gradient of an operation `x` is named `gradient_tape/x/...`, and
        TensorFlow adds to the names of operations that it rewrites.

        Args:
            name: string. What `plain_name` returns.

        Yields:
            Operations, the most likely first.
        """
        inside = name.startswith("body/")
        tables = (self._inner, self._outer)[:: 1 if inside else -1]
        name = name.removeprefix("body/")
        pieces = name.removeprefix("gradient_tape/").split("/")
        names = ["/".join(pieces[:n]) for n in range(len(pieces), 0, -1)]
        for candidate in [name, *names]:
            for table in tables:
                if candidate in table:
                    yield table[candidate]

    def callers(self, module):
        """The operations that call a function that XLA compiled.

        Args:
            module: string. The name of the module.

        Returns:
            A list of operations.
        """
        return self._callers[function_of_module(module)]

    def layer(self, operation):
        """The number of the decoder block that an operation works for.

        Its own name says it, or that of the nearest operation whose result it
        comes from.

        Args:
            operation: `tf.Operation`.

        Returns:
            An int, or `None` where it comes from no block.
        """
        queue, seen = collections.deque([operation]), {operation.name}
        while queue and len(seen) < _MOST_OPERATIONS:
            operation = queue.popleft()
            if match := _LAYER.search(operation.name):
                return int(match[1])
            for tensor in operation.inputs:
                if tensor.op.name not in seen:
                    seen.add(tensor.op.name)
                    queue.append(tensor.op)
        return None


def _called_functions(operation):
    """Names of the functions that an operation calls."""
    if "Call" not in operation.type:
        return []
    return [operation.get_attr("f").name]
