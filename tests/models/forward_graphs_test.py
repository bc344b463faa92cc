import keras
import numpy as np
import pytest

from keras_gpt3.models.generate.compiled_functions import CompiledFunctions
from keras_gpt3.models.score.continuation_scoring import hidden_states
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch


class CountedBackbone:
    """Doubles ids, and counts how often Python is asked to."""

    def __init__(self):
        self.variables = [keras.Variable(np.int32(x)) for x in (2, 0)]
        self.calls = 0

    def __call__(self, inputs, training):
        assert training is False
        self.calls += 1
        return inputs["token_ids"] * self.variables[0].value


def ids(rows, length):
    return {
        "token_ids": np.full((rows, length), 3, "int32"),
        "padding_mask": np.ones((rows, length), "bool"),
    }


@pytest.mark.parametrize("training", [None, True])
def test_gives_the_hidden_states_without_dropout(training):
    backbone = small_backbone(num_layers=1, dropout=0.5)
    x, _ = small_batch()
    received = hidden_states(CompiledFunctions(), backbone, x)
    np.testing.assert_allclose(received, backbone(x), atol=1e-5)
    changed = np.asarray(backbone(x, training=training))
    assert np.allclose(received, changed, atol=1e-5) is (training is None)


def test_traces_once_for_each_shape():
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    for _ in range(2):
        for shape in [(1, 4), (2, 4), (1, 8)]:
            received = hidden_states(graphs, backbone, ids(*shape))
            np.testing.assert_array_equal(received, np.full(shape, 6))
    assert backbone.calls == 3


def test_an_assigned_weight_is_read_without_another_trace():
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    hidden_states(graphs, backbone, ids(1, 4))
    backbone.variables[0].assign(5)
    np.testing.assert_array_equal(
        hidden_states(graphs, backbone, ids(1, 4)), [[15] * 4]
    )
    assert backbone.calls == 1


@pytest.mark.parametrize("place", [0, 1])
def test_another_variable_is_traced_anew(place):
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    hidden_states(graphs, backbone, ids(1, 4))
    backbone.variables[place] = keras.Variable(np.int32(4))
    received = hidden_states(graphs, backbone, ids(1, 4))
    expected = 12 if place == 0 else 6
    np.testing.assert_array_equal(received, [[expected] * 4])
    assert backbone.calls == 2
