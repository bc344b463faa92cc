"""Functions to the files of ONNX, LiteRT and OpenVINO. TensorFlow only."""

import contextlib
import logging
import re
import tempfile

import keras
import numpy as np
import tensorflow as tf

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.ops.op_compilation import op_compilation

# Both are one buffer whose offsets have 31 bits.
_MOST_BYTES = {"onnx": 2**31, "litert": 2**31}
LABELS = {"onnx": "ONNX", "litert": "LiteRT", "openvino": "OpenVINO"}


def check_size(format, variables):
    """Raise if weights cannot fit what the format holds."""
    size = sum(v.value.shape.num_elements() * 4 for v in variables)
    most = _MOST_BYTES.get(format)
    if most is not None and size >= most:
        raise ValueError(
            f"The weights in a file of {LABELS[format]} must have less than "
            f"{most} bytes. Received: {size} bytes. Export to "
            "format='openvino' or 'tf_saved_model'."
        )


def convert_to_onnx(functions, variables):
    """The bytes of a function as an ONNX model."""
    with _converter_packages("onnx"):
        import onnx
        import tf2onnx
    ((function, specs),) = functions.values()
    # Weights are inputs at first: with them as constants, the conversion of
    # 270 MB took over 10 GB and minutes, and so 0.5 GB and 6 s.
    weights = {f"weight_{i}": v for i, v in enumerate(variables)}
    all_specs = specs + [
        tf.TensorSpec(v.shape, v.dtype, name) for name, v in weights.items()
    ]

    def with_weights(*tensors):
        values = zip(variables, tensors[len(specs) :], strict=True)
        with keras.StatelessScope(list(values)):
            return function(*tensors[: len(specs)])

    with op_compilation(False), _log_of("tf2onnx", logging.CRITICAL):
        model, _ = tf2onnx.convert.from_function(
            tf.function(
                with_weights, input_signature=all_specs, autograph=False
            ),
            input_signature=all_specs,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )
    # It writes what it does not know as it is, and only logs that.
    unknown = [
        node.op_type
        for node in model.graph.node
        if not node.domain and not onnx.defs.has(node.op_type)
    ]
    if unknown:
        raise _unknown_operation("onnx", unknown[0])
    inputs = {value.name: value for value in model.graph.input}
    del model.graph.input[:]
    for spec in specs:
        _name_dimensions(inputs[spec.name], spec)
        model.graph.input.append(inputs[spec.name])
    # Not the states of dropout's seeds.
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(weight.value), name)
        for name, weight in weights.items()
        if name in used
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _erfc(graph, node, name, args):
    """`1 - erf(x)`, in exact GELUs: ONNX has no operation for the whole."""
    dtype, shape = (
        find(node.output[0]) for find in (graph.get_dtype, graph.get_shape)
    )
    graph.remove_node(name)
    one = graph.make_const(f"{name}_one", np.ones((), "float32")).output[0]
    erf = graph.make_node("Erf", node.input, dtypes=[dtype], shapes=[shape])
    graph.make_node(
        "Sub",
        [one, erf.output[0]],
        name=name,
        outputs=node.output,
        dtypes=[dtype],
        shapes=[shape],
    )


def _name_dimensions(value, spec):
    """Name what is free in an input's shape, for who reads the file."""
    dimensions = value.type.tensor_type.shape.dim
    names = ("batch", "length")
    for dimension, size, name in zip(
        dimensions, spec.shape, names, strict=False
    ):
        if size is None:
            dimension.dim_param = name


def convert_to_litert(functions, variables):
    """The bytes of a file with signatures, which share weights."""
    root = tf.Module()
    root.weights = [v.value for v in variables]
    signatures = {
        name: tf.function(function, input_signature=specs, autograph=False)
        for name, (function, specs) in functions.items()
    }
    # From a SavedModel: of several functions at once, the converter finds the
    # weights that they share in nothing else.
    with tempfile.TemporaryDirectory() as folder:
        with op_compilation(False):
            tf.saved_model.save(root, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        try:
            return converter.convert()
        except Exception as error:
            found = re.search(r"'tf\.(\w+)' op is neither", str(error))
            if found is None:
                raise
            raise _unknown_operation("litert", found[1]) from error


def convert_to_openvino(functions, variables):
    """Make OpenVINO's model of a function."""
    with _converter_packages("openvino"):
        import openvino
    ((function, specs),) = functions.values()
    # Where it fails, it leaves the level of all logs at that of errors.
    everyone = _log_of(None, logging.getLogger().level)
    with op_compilation(False), everyone:
        traced = tf.function(function, input_signature=specs, autograph=False)
        try:
            return openvino.convert_model(traced.get_concrete_function())
        except openvino.frontend.OpConversionFailure as error:
            found = re.search(
                r"No conversion rule found for operations: (\w+)", str(error)
            )
            if found is None:
                raise
            raise _unknown_operation("openvino", found[1]) from error


def write_openvino(model, path):
    """Write the graph, and the weights beside it, as they are."""
    import openvino

    openvino.save_model(model, path, compress_to_fp16=False)


@contextlib.contextmanager
def _converter_packages(format):
    label = LABELS[format]
    with needed_packages(
        f"An export to {label} must find its packages", format
    ):
        yield


@contextlib.contextmanager
def _log_of(name, level):
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


def _unknown_operation(format, operation):
    return ValueError(
        f"Each operation of the model must be one that {LABELS[format]} has. "
        f"Received: {operation}. Export to format='tf_saved_model', which "
        "holds any."
    )
