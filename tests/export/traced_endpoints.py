"""The signatures of a model as they are exported, without an export."""

import numpy as np
import tensorflow as tf

from keras_gpt3.export.saved_model import Endpoints
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_text_model


def lively_text_model(**overrides):
    """A model of strings whose answers do not repeat themselves."""
    model = small_text_model(**overrides)
    generator = np.random.default_rng(1)
    for weight in model.weights:
        noise = generator.normal(size=weight.shape, scale=0.4)
        weight.assign(noise + ("gamma" in weight.path))
    return model


class TracedEndpoints:
    """Calls signatures by name, with Python values; each traced once.

    Args:
        model: `GPT3`.
    """

    def __init__(self, model):
        self._endpoints = Endpoints(model)  # Holds the tokenizer's tables.
        self._traced = {}

    def __call__(self, endpoint, **inputs):
        """A dict of numpy arrays."""
        function, specs = self._endpoints.functions()[endpoint]
        if endpoint not in self._traced:
            with op_compilation(False):
                traced = tf.function(function, specs, autograph=False)
                traced.get_concrete_function()
            self._traced[endpoint] = traced
        dtypes = {spec.name: spec.dtype for spec in specs}
        tensors = {
            name: tf.constant(value, dtypes[name])
            for name, value in inputs.items()
        }
        with one_line_errors():
            answer = self._traced[endpoint](**tensors)
        return {name: value.numpy() for name, value in answer.items()}
