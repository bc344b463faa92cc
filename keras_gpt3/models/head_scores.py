"""How likely tokens are under a model's own output head."""

import functools

import keras
import numpy as np
from keras import ops

from keras_gpt3.models.length_buckets import bucket
from keras_gpt3.models.traced_variables import TracedVariables
from keras_gpt3.ops.op_compilation import as_graph
from keras_gpt3.ops.op_compilation import compiles_ops
from keras_gpt3.ops.token_log_probabilities import log_probabilities_under_head
from keras_gpt3.ops.token_log_probabilities import token_log_probabilities


class HeadScores:
    """Runs the head where tokens are predicted, and nowhere else.

    TensorFlow runs its operations as they come. JAX would compile each of them
    for each number of tokens: there the whole is compiled, for a few numbers.
    """

    def __init__(self):
        self._graphs = {}
        self._traced = TracedVariables()

    def __call__(self, backbone, states, places, token_ids, top_n):
        count, score = len(token_ids), self._function(backbone, top_n)
        if keras.config.backend() != "tensorflow":
            longest = states.shape[0] * states.shape[1]
            room = bucket(count, max(count, longest)) - count
            places, token_ids = (
                np.pad(x, (0, room)) for x in (places, token_ids)
            )
        results = score(
            states,
            ops.convert_to_tensor(places, "int32"),
            ops.convert_to_tensor(token_ids, "int32"),
        )
        return [ops.convert_to_numpy(x)[0, :count] for x in results]

    def _function(self, backbone, top_n):
        """`_head_scores` for a model; compiled on JAX."""
        function = functools.partial(_head_scores, backbone, top_n)
        if keras.config.backend() == "tensorflow":
            return function
        if self._traced.have_changed(backbone.variables):
            self._graphs = {}
        key = (compiles_ops(), top_n)
        if key not in self._graphs:
            self._graphs[key] = as_graph(function, backbone.variables)
        return self._graphs[key]


def _head_scores(backbone, top_n, states, places, token_ids):
    """Results for states (B, T, E) at some places (N,)."""
    states = ops.reshape(states, (-1, states.shape[-1]))
    states = ops.take(states, places, axis=0)[None]  # (1, N, E)
    head, token_ids = backbone.token_embedding, token_ids[None]
    if head.quantization_mode is None:
        return token_log_probabilities(
            states, head.embeddings, token_ids, top_n
        )
    # A quantized head has no table to multiply with.
    return log_probabilities_under_head(
        states, backbone.logits, backbone.vocabulary_size, token_ids, top_n
    )
