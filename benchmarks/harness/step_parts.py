"""Which part of a training step an operation belongs to.

By the operation's name, which carries the names of Keras' layers; where that
says nothing, by the Python calls it was made in, which TensorFlow remembers
for every operation of a graph.
"""

import pathlib
import re

from harness import matrix_products as products
from harness.step_graphs import StepGraphs
from harness.traced_names import plain_name

EMBEDDINGS = "embeddings"
NORMS = "layer norms"
ACTIVATION = "activation"
GRADIENTS = "gradient sum and clip"
OPTIMIZER = "optimizer update"
OTHER = "other"
PARTS = (
    EMBEDDINGS,
    NORMS,
    products.DENSE_PROJECTIONS,
    products.DENSE_ATTENTION,
    products.BANDED_ATTENTION,
    ACTIVATION,
    products.HEAD,
    GRADIENTS,
    OPTIMIZER,
    OTHER,
)
# One piece of code for both kinds: the layer shows which.
_ATTENTION = "attention"
_ATTENTION_KINDS = {
    "dense": products.DENSE_ATTENTION,
    "banded": products.BANDED_ATTENTION,
}

# Patterns of "name:type"; the first that is found decides.
_BY_NAME = (
    (r"_norm(_\d+)?/", NORMS),
    (
        r"query_key_value|attention_output|feed_forward_",
        products.DENSE_PROJECTIONS,
    ),
    (r"[Gg]elu|activation", ACTIVATION),
    (r"backbone.*embedding|UnsortedSegmentSum", EMBEDDINGS),
    (r"token_embedding|[Cc]ross_?[Ee]ntropy|ArgMax", products.HEAD),
)
# Patterns of "folder/file:function"; the first that any of the calls has
# decides, since an outer call may say more than an inner one.
_BY_CALL = (
    (r"attention\.py", _ATTENTION),
    (r"activations\.py|gelu", ACTIVATION),
    (r"layer_norm", NORMS),
    (r"core/(dense|einsum_dense)\.py", products.DENSE_PROJECTIONS),
    (r"cross_entropy|_loss_sums|compute_loss", products.HEAD),
    (r"embeddings\.py", EMBEDDINGS),
    (
        r"clip|gradient_factors|_norm\b|loss_scaling|all_reduce|_aggregate_grads",
        GRADIENTS,
    ),
    (r"optimizers/|adam|apply_gradients\.py", OPTIMIZER),
    (r"micro_batches\.py:step", GRADIENTS),
)


class StepParts:
    """Assigns the operations of a training step to its parts.

    Args:
        graphs: dict from function name to graph: those of the step and of the
            functions that it calls, the step's own first.
        attention_pattern: sequence of `"dense"` and `"banded"`, repeated over
            the layers.
    """

    def __init__(self, graphs, attention_pattern):
        self._graphs = StepGraphs(graphs)
        self._pattern = attention_pattern
        self._known = {}

    def part(self, name, kind):
        """The part of an operation that the profiler saw.

        Args:
            name: string. Its name, or the name of an XLA module.
            kind: string. Its type; `"XLA"` for a module.

        Returns:
            A string, one of `PARTS`.
        """
        if (name, kind) not in self._known:
            find = self._of_module if kind == "XLA" else self._of_operation
            self._known[name, kind] = find(name, kind) or OTHER
        return self._known[name, kind]

    def _of_operation(self, name, kind):
        name = plain_name(name)
        part = _first_match(_BY_NAME, [f"{name}:{kind}"])
        return part or self._by_calls(self._graphs.origins(name))

    def _of_module(self, name, _):
        """The part whose code made the function that XLA compiled."""
        return self._by_calls(self._graphs.callers(name))

    def _by_calls(self, operations):
        """The part whose code made the first operation that is known."""
        for operation in operations:
            part = _first_match(_BY_CALL, _calls(operation))
            if part == _ATTENTION:
                layer = self._graphs.layer(operation)
                return self._attention_of(layer)
            if part:
                return part
        return None

    def _attention_of(self, layer):
        """The kind of attention of a layer; `None` where it is not known."""
        if layer is None:
            return None
        kind = self._pattern[layer % len(self._pattern)]
        return _ATTENTION_KINDS[kind]


def _calls(operation):
    """The Python calls that an operation was made in, as patterns see them."""
    return [
        "/".join(pathlib.Path(frame.filename).parts[-2:]) + ":" + frame.name
        for frame in operation.traceback
    ]


def _first_match(patterns, texts):
    for pattern, part in patterns:
        if any(re.search(pattern, text) for text in texts):
            return part
    return None
