"""Documents packed with `segment_ids`, against each of them alone."""

import functools
import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.ops import op_compilation
from keras_gpt3.ops.log_probabilities import token_cross_entropy
from tests.gradients import value_and_gradients
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_model
from tests.training.small_training import assert_same_weights
from tests.training.small_training import new_model

CONTEXT = SMALL["max_sequence_length"]
# Documents of a row, whose last one has padding after it.
ROWS = ((3, 1, 6, 2), (4, 5))
PATTERNS = (("dense", "banded"), ("dense",), ("banded",))
WITHOUT_PADDING = {"skip_padding_positions": True, "position_offset": 2}


@pytest.fixture(autouse=True)
def not_compiled():
    """A small model's steps take less time than XLA to compile them."""
    with op_compilation(False):
        yield


@functools.cache
def documents():
    """Ids of each row's documents, one more than a model reads of each."""
    generator = np.random.default_rng(3)
    return [
        [generator.integers(1, 61, length + 1) for length in row]
        for row in ROWS
    ]


def laid_out(rows):
    """Inputs, labels and weights of rows of documents, one after the other."""
    ids, labels, segments = np.zeros((3, len(rows), CONTEXT), "int32")
    for row, texts in enumerate(rows):
        start = 0
        for number, text in enumerate(texts):
            end = start + len(text) - 1
            ids[row, start:end], labels[row, start:end] = text[:-1], text[1:]
            segments[row, start:end] = 7 + number
            start = end
    mask = segments > 0
    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": segments}
    return inputs, labels, mask.astype("float32")


def packed():
    return laid_out(documents())


def alone():
    """A document a row; the segment ids say nothing, and are left out."""
    inputs, labels, weights = laid_out([[x] for x in sum(documents(), [])])
    return (
        {k: inputs[k] for k in ("token_ids", "padding_mask")},
        labels,
        weights,
    )


def lively_model(**overrides):
    """A model whose logits are of the order of 1."""
    model = small_model(**overrides)
    generator = np.random.default_rng(0)
    for weight in model.weights:
        noise = generator.normal(size=weight.shape, scale=0.2)
        weight.assign(noise + ("gamma" in weight.path))
    return model


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("overrides", [{}, WITHOUT_PADDING])
@pytest.mark.quick_cases(2)
def test_logits_of_packed_documents_are_those_of_each_alone(pattern, overrides):
    model = lively_model(attention_pattern=pattern, **overrides)
    inputs, _, _ = packed()
    received = ops.convert_to_numpy(model(inputs))
    for row, texts in enumerate(documents()):
        start = 0
        for text in texts:
            end = start + len(text) - 1
            expected = model(as_inputs(text[None, :-1].astype("int32")))[0]
            np.testing.assert_allclose(
                received[row, start:end], expected, rtol=0, atol=1e-6
            )
            start = end
    del inputs["segment_ids"]
    # All but the first documents: they see and count what is before them.
    others = np.abs(model(inputs) - received).max(-1)
    assert others[0, :3].max() < 1e-6
    assert others[0, 3:].min() > 1e-3


def loss_gradients(model, batch):
    """Of the sum of the losses of all tokens that count."""
    inputs, labels, weights = batch
    variables = model.trainable_variables

    def loss(*values):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            logits = model(inputs, training=True)
        return ops.sum(token_cross_entropy(labels, logits) * weights)

    return value_and_gradients(loss, *[v.value for v in variables])


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.quick_cases(1)
def test_gradients_of_packed_documents_are_the_sums_of_each_alone(pattern):
    model = lively_model(attention_pattern=pattern)
    loss, gradients = loss_gradients(model, packed())
    expected_loss, expected = loss_gradients(model, alone())
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-6)
    norms = [np.linalg.norm(x) for x in expected]
    for received, gradient in zip(gradients, expected, strict=True):
        error = np.linalg.norm(received - gradient)
        assert error <= 1e-6 * max(norms)


COMPILED = {
    "plain": {},
    "rematerialized": {"rematerialization": "block"},
    "micro-batches": {"micro_batch_size": 1},
    "full logits": {"weighted_metrics": ["sparse_categorical_accuracy"]},
    "own loss": {"loss": "sparse_categorical_crossentropy"},
    "whole": {"jit_compile": True},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPILED)
def test_a_step_on_packed_documents_is_one_on_each_alone(name):
    models = [
        new_model(optimizer="momentum", arguments=lambda: COMPILED[name])
        for _ in range(2)
    ]
    (x, y, weights), separate = packed(), alone()
    if name == "own loss":  # Its mean is over rows, weighed or not.
        weights = weights * len(y) / len(separate[1])
    for model, batch in zip(models, [(x, y, weights), separate], strict=True):
        model.train_on_batch(*batch)
    assert_same_weights(*models)


@pytest.mark.slow
def test_fit_evaluate_and_predict_take_them():
    model = new_model(optimizer="momentum")
    x, y, weights = packed()
    logits = ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(model.predict(x, verbose=0), logits, atol=1e-6)
    losses = ops.convert_to_numpy(token_cross_entropy(y, logits))
    expected = np.average(losses, weights=weights)
    before = model.evaluate(
        x, y, sample_weight=weights, verbose=0, return_dict=True
    )
    assert before["loss"] == pytest.approx(expected, rel=1e-5)
    history = model.fit(x, y, sample_weight=weights, epochs=2, verbose=0)
    assert history.history["loss"][0] == pytest.approx(expected, rel=1e-5)


def test_dropout_is_applied_as_without_them():
    model = lively_model(dropout=0.5)
    inputs, _, _ = packed()
    for network in (model, model.backbone):
        first, second = (network(inputs, training=True) for _ in range(2))
        assert np.abs(first - second).max() > 0.1
        first, second = (network(inputs, training=False) for _ in range(2))
        np.testing.assert_array_equal(first, second)


def test_the_functional_model_does_not_know_them():
    """What is saved and exported is what it was."""
    model = small_model()
    names = {"token_ids", "padding_mask"}
    assert set(model.input) == set(model.backbone.input) == names
    inputs = {
        name: keras.Input((CONTEXT,), dtype="int32", name=name)
        for name in (*names, "segment_ids")
    }
    assert model(inputs).shape == (None, CONTEXT, SMALL["vocabulary_size"])


def test_segments_of_another_shape_raise():
    inputs, _, _ = packed()
    inputs["segment_ids"] = inputs["segment_ids"][:, 1:]
    message = (
        "segment_ids must have the shape of token_ids. Received: "
        "segment_ids.shape=(2, 11), token_ids.shape=(2, 12). Pass the number "
        "of its document for each token."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        small_model()(inputs)
