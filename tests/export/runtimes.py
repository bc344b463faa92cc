"""Files of other formats in their own runtimes, none of them TensorFlow."""

import importlib.util

import numpy as np
import pytest

from keras_gpt3.export.step_signatures import NEXT

# What converts, and what runs.
PACKAGES = {
    "onnx": ("tf2onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "openvino": ("openvino",),
}
FORMATS = tuple(PACKAGES)


def need(format):
    """Skips the test where a package of a format is not installed."""
    for name in PACKAGES[format]:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}, of the extra {format}")


def load(path, signature="serving_default"):
    """A function from a dict of arrays to one, of a file."""
    return {".onnx": _onnx, ".tflite": _litert, ".xml": _openvino}[path.suffix](
        str(path), signature
    )


def _onnx(path, signature):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]

    def run(inputs):
        return dict(zip(names, session.run(None, inputs), strict=True))

    run.inputs = {x.name: tuple(x.shape) for x in session.get_inputs()}
    return run


def _openvino(path, signature):
    import openvino

    # Elsewhere it may compute in fewer bits.
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(path, "CPU", settings)

    def run(inputs):
        found = model(inputs)
        return {output.get_any_name(): found[output] for output in found}

    run.inputs = {
        x.get_any_name(): tuple(
            d.get_length() if d.is_static else None
            for d in x.get_partial_shape()
        )
        for x in model.inputs
    }
    return run


def _litert(path, signature):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    runner = interpreter.get_signature_runner(signature)

    def run(inputs):
        return runner(**inputs)

    details = runner.get_input_details()
    run.inputs = {
        name: tuple(x["shape_signature"]) for name, x in details.items()
    }
    return run


def empty_cache(inputs, batch_size):
    """Zeros for the inputs that are a cache."""
    return {
        name: np.zeros((batch_size, *shape[1:]), "float32")
        for name, shape in inputs.items()
        if name.startswith(("keys_", "values_"))
    }


def split(outputs):
    """Logits, and the cache under the names of the next call's inputs."""
    logits = outputs.pop("logits")
    return logits, {k.removeprefix(NEXT): x for k, x in outputs.items()}


def generate(extend, prompts, end, prefill=None):
    """Prompts continued by the likeliest tokens, as a user's loop does."""
    index = prompts.shape[1]
    if prefill is None:
        cache = empty_cache(extend.inputs, len(prompts))
        inputs = {"token_ids": prompts, "index": np.array(0, "int32"), **cache}
        logits, cache = split(extend(inputs))
    else:
        logits, cache = split(prefill({"token_ids": prompts}))
    rows = [prompts]
    while True:
        rows.append(logits.argmax(axis=-1)[:, None].astype("int32"))
        if index + 1 == end:
            return np.concatenate(rows, axis=1)
        inputs = {
            "token_ids": rows[-1],
            "index": np.array(index, "int32"),
            **cache,
        }
        logits, cache = split(extend(inputs))
        index += 1
