"""The backbone's pass in graphs, one for each shape."""

from keras import ops

from keras_gpt3.models.traced_variables import TracedVariables
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import compiles_ops


class ForwardGraphs:
    """Runs a backbone in graphs that last as long as its variables do.

    Each shape is traced once, and anew for a model that was quantized or given
    adapters since.
    """

    def __init__(self):
        self._graphs = {}
        self._traced = TracedVariables()

    def __call__(self, backbone, inputs):
        if self._traced.have_changed(backbone.variables):
            self._graphs = {}
        key = (compiles_ops(), *inputs["token_ids"].shape)
        if key not in self._graphs:
            self._graphs[key] = _graph(backbone)
        # As tensors: a graph would be traced for each array.
        return self._graphs[key](
            ops.convert_to_tensor(inputs["token_ids"], "int32"),
            ops.convert_to_tensor(inputs["padding_mask"], "bool"),
        )


def _graph(backbone):
    """A graph of its own, which is meant for one shape."""

    def forward(token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return backbone(inputs, training=False)

    return as_graph(forward, backbone.variables)
