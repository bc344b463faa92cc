"""Runs exported models in a process that imports TensorFlow alone.

Called with a JSON of what to do, it prints a JSON of what it found:

- `scan`: folders, each answered by what stock TensorFlow Serving refuses.

And where they are given:

- `folder`, `inputs`, `outputs`, `calls`: each call, a signature and its
  scalars, is run on the arrays in `inputs`; the results go to `outputs`.
"""

import json
import pathlib
import sys

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

PYTHON_OPS = {"PyFunc", "EagerPyFunc", "PyFuncStateless"}


def refused(folder):
    """What a graph holds that stock TensorFlow Serving does not run."""
    saved_model = saved_model_pb2.SavedModel()
    path = pathlib.Path(folder) / "saved_model.pb"
    saved_model.ParseFromString(path.read_bytes())
    found = set()
    for meta_graph in saved_model.meta_graphs:
        graph = meta_graph.graph_def
        functions = graph.library.function
        nodes = list(graph.node)
        nodes += [node for f in functions for node in f.node_def]
        found |= {node.op for node in nodes if not is_stock(node.op)}
        for holder in [*nodes, *functions]:
            if holder.attr["_XlaMustCompile"].b:
                found.add("_XlaMustCompile")
    return sorted(found)


def is_stock(op):
    if op.startswith("Xla") or op in PYTHON_OPS:
        return False
    # Only what this process registered: TensorFlow's own.
    return op_def_registry.get(op) is not None


def run(folder, inputs, outputs, calls):
    model = tf.saved_model.load(folder)
    arrays = dict(np.load(inputs))
    results = {}
    for i, (signature, scalars) in enumerate(calls):
        function = model.signatures[signature]
        specs = function.structured_input_signature[1]
        values = arrays | scalars
        answer = function(
            **{k: tf.constant(values[k], s.dtype) for k, s in specs.items()}
        )
        results |= {f"{i}/{k}": v.numpy() for k, v in answer.items()}
    np.savez(outputs, **results)


def main():
    request = json.loads(sys.argv[1])
    found = {folder: refused(folder) for folder in request.pop("scan")}
    if request:
        run(**request)
    packages = {name.partition(".")[0] for name in sys.modules}
    json.dump({"refused": found, "packages": sorted(packages)}, sys.stdout)


if __name__ == "__main__":
    main()
