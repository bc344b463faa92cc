"""What every layer of the package promises."""

import inspect
import pathlib
import tempfile

import keras
import numpy as np
from keras import ops

from tests.gradients import gradients
from tests.tracing import at_once

DTYPES = ("float32", "mixed_bfloat16", "bfloat16")


def check_layer_contract(layer_factory, inputs, has_weights=True):
    """Asserts what users of Keras expect of a layer.

    Its config makes an equal layer, it computes and stores in the dtypes of
    its policy, it gives the shape and dtype that it announces, one training
    step changes every trainable weight, and its weights survive saving then.

    Args:
        layer_factory: callable. `layer_factory(dtype=...)` returns a new
            layer, best with no argument at its default.
        inputs: array, its first axis the batch, the second the length.
        has_weights: bool. Whether there are any to train. Defaults to `True`.
    """
    for dtype in DTYPES:
        layer = layer_factory(dtype=dtype)
        outputs = layer(inputs)
        check_dtypes(layer, outputs, dtype)
        check_symbolic_shapes(layer, inputs, outputs)
        check_config(layer)
        assert bool(layer.weights) == has_weights
        if has_weights:
            check_training_step(layer, inputs)
            assert ops.any(layer(inputs) != outputs)
        check_saving(layer, inputs)


def check_dtypes(layer, outputs, dtype):
    policy = keras.DTypePolicy(dtype)
    assert outputs.dtype == policy.compute_dtype
    for weight in layer.weights:
        assert weight.dtype == policy.variable_dtype, weight.path


def check_symbolic_shapes(layer, inputs, outputs):
    for known in (inputs.shape[1:], (None, *inputs.shape[2:])):
        symbol = layer(keras.Input(known, dtype=str(inputs.dtype)))
        assert symbol.dtype == outputs.dtype
        assert len(symbol.shape) == len(outputs.shape)
        for announced, given in zip(symbol.shape, outputs.shape, strict=True):
            assert announced in (None, given)


def check_config(layer):
    config = layer.get_config()
    arguments = inspect.signature(type(layer).__init__).parameters
    missing = set(arguments) - {"self", "kwargs"} - set(config)
    assert not missing
    again = type(layer).from_config(config)
    assert again.get_config() == config


def check_training_step(layer, inputs):
    before = [np.array(weight) for weight in layer.trainable_weights]
    shape = layer(inputs).shape
    upstream = np.random.default_rng(0).normal(size=shape)

    def call(*values):
        weights = zip(layer.trainable_weights, values, strict=True)
        with keras.StatelessScope(weights):
            return ops.cast(layer(inputs, training=True), "float32")

    step = at_once(lambda *x: gradients(call, *x, upstream=upstream))
    found = step(*[v.value for v in layer.trainable_weights])
    # A long step, which bfloat16's eight bits show.
    keras.optimizers.SGD(10.0).apply(found, layer.trainable_weights)
    for weight, old in zip(layer.trainable_weights, before, strict=True):
        assert (np.array(weight) != old).any(), weight.path


def check_saving(layer, inputs):
    # Training gave the others values that a new layer does not have.
    for weight in layer.non_trainable_weights:
        weight.assign(weight + 0.25)
    symbol = keras.Input(inputs.shape[1:], dtype=str(inputs.dtype))
    model = keras.Model(symbol, layer(symbol))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
    pairs = zip(loaded.weights, model.weights, strict=True)
    assert all(ops.all(new == old) for new, old in pairs)
    assert ops.all(loaded(inputs) == layer(inputs))
