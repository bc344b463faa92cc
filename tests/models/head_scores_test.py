import numpy as np
import pytest
from keras import ops

from keras_gpt3.models.generate.compiled_functions import CompiledFunctions
from keras_gpt3.models.score.continuation_scoring import head_scores
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model

STATES = np.random.default_rng(0).normal(size=(2, 30, 16)).astype("float32")


def slow_scores(backbone, places, token_ids):
    """From the logits of all states."""
    states = ops.convert_to_tensor(STATES.reshape(1, -1, 16)[:, places])
    logits = np.asarray(backbone.logits(states), "float64")[0]
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    chosen = np.take_along_axis(probabilities, token_ids[:, None], axis=-1)
    return np.log(chosen[:, 0]), logits.argmax(-1) == token_ids


def check(graphs, backbone, count):
    generator = np.random.default_rng(count)
    places = generator.integers(0, 60, count).astype("int32")
    token_ids = generator.integers(0, 61, count)
    received = head_scores(graphs, backbone, STATES, places, token_ids, 0)
    expected, is_highest = slow_scores(backbone, places, token_ids)
    # float32 products of 16 terms.
    np.testing.assert_allclose(received[0], expected, atol=1e-5)
    np.testing.assert_array_equal(received[1], is_highest)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 60, 70])
def test_equals_the_softmax_of_the_logits_whatever_the_number(count):
    check(CompiledFunctions(), small_backbone(num_layers=1), count)


def test_weights_changed_later_and_other_ones_are_read():
    graphs, model = CompiledFunctions(), small_model(num_layers=1)
    check(graphs, model.backbone, 3)
    table = model.backbone.token_embedding.embeddings
    table.assign(np.array(table.value)[::-1])
    check(graphs, model.backbone, 3)
    quantize(model, mode="int8")
    check(graphs, model.backbone, 3)


@pytest.mark.parametrize("top_n", [1, 4])
def test_alternatives_come_with_their_probabilities(top_n):
    backbone = small_backbone(num_layers=1)
    places = np.array([0, 59], "int32")
    _, _, ids, found = head_scores(
        CompiledFunctions(), backbone, STATES, places, [3, 4], top_n
    )
    assert ids.shape == (2, top_n)
    for column in range(top_n):
        expected, _ = slow_scores(backbone, places, ids[:, column])
        np.testing.assert_allclose(found[:, column], expected, atol=1e-5)
