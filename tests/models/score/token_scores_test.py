import inspect
import re

import keras
import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from tests.gradients import gradients
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


@pytest.fixture(scope="module")
def model():
    return small_model()


@pytest.fixture(scope="module")
def batch():
    x, y = small_batch()
    x["padding_mask"][1, 5:] = False
    return x["token_ids"], x["padding_mask"], y


def unchanged(x, index):
    return x


def fails(message, function):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function()


def test_takes_what_keras_hub_s_gpt_2_takes_in_the_same_order():
    theirs = inspect.signature(keras_hub.models.GPT2CausalLM.score).parameters
    ours = inspect.signature(GPT3.score).parameters
    assert list(theirs)[3:] == list(ours)[3:6]
    assert set(theirs) < set(ours)
    for name in list(theirs)[2:]:
        assert theirs[name].default == ours[name].default


@pytest.mark.parametrize("intercept", [None, unchanged])
def test_logits_are_the_model_s_own(intercept, model, batch):
    token_ids, mask, _ = batch
    expected = model({"token_ids": token_ids, "padding_mask": mask})
    by_place = model.score(token_ids, mask, "logits", intercept)
    by_name = model.score(
        token_ids=token_ids, padding_mask=mask, layer_intercept_fn=intercept
    )
    for received in (by_place, by_name):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_without_a_mask_every_position_counts(model, batch):
    received = model.score(ops.convert_to_tensor(batch[0]))
    np.testing.assert_allclose(received, model(as_inputs(batch[0])), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_losses_are_those_of_keras(dtype, batch):
    model = small_model(num_layers=1, dtype=dtype)
    token_ids, mask, targets = batch
    received = model.score(
        token_ids, mask, scoring_mode="loss", target_ids=targets
    )
    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="none"
    )
    logits = model({"token_ids": token_ids, "padding_mask": mask})
    assert received.dtype == "float32"
    np.testing.assert_allclose(received, loss(targets, logits), atol=1e-6)


def test_an_intercepting_function_sees_and_changes_every_layer(model, batch):
    seen = {}

    def record(x, index):
        seen[index] = np.array(x)
        return x

    model.score(batch[0], layer_intercept_fn=record)
    assert list(seen) == [-1, 0, 1]
    backbone, inputs = model.backbone, as_inputs(batch[0])
    embeddings = backbone.token_embedding(batch[0])
    embeddings += backbone.position_embedding(batch[0])
    np.testing.assert_allclose(seen[-1], embeddings, atol=1e-6)
    np.testing.assert_allclose(
        backbone.final_norm(seen[1]), backbone(inputs), atol=1e-5
    )

    def replace(x, index):
        return seen[0] if index == 1 else x

    received = model.score(batch[0], layer_intercept_fn=replace)
    expected = backbone.logits(backbone.final_norm(seen[0]))
    np.testing.assert_allclose(received, expected, atol=1e-6)


def test_gradients_reach_the_embeddings_that_were_intercepted(model, batch):
    token_ids, mask, targets = batch
    seen = {}

    def record(x, index):
        return seen.setdefault(index, x)

    def losses(embeddings):
        def replace(x, index):
            return embeddings if index == -1 else x

        return model.score(token_ids, mask, "loss", replace, targets)

    model.score(token_ids, mask, layer_intercept_fn=record)
    gradient = np.asarray(gradients(losses, seen[-1])[0])
    # A small step along it does what it says, to first order.
    step = 1e-3 * np.sign(gradient)

    def shifted(sign):
        def move(x, index):
            return x + sign * step if index == -1 else x

        return model.score(token_ids, mask, "loss", move, targets)

    change = np.sum(shifted(1.0) - shifted(-1.0)) / 2
    assert change == pytest.approx(np.sum(step * gradient), rel=1e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"scoring_mode": "odds"},
            "scoring_mode must be 'logits' or 'loss'. Received: scoring_mode="
            "'odds'. Leave it out for logits.",
        ),
        (
            {"scoring_mode": "loss"},
            "target_ids must be given with scoring_mode='loss'. Received: "
            "target_ids=None. Pass the next token of each position.",
        ),
        (
            {"token_ids": np.ones(3, "int32")},
            "token_ids must have shape (batch, length). Received: shape=(3,). "
            "Add an axis for the batch, or pass a continuation.",
        ),
        (
            {"token_ids": "text"},
            "token_ids must have shape (batch, length). Received: type=str. "
            "Pass a continuation as well to score texts.",
        ),
        (
            {"top_n": 2},
            "top_n must be left out where token_ids are scored. Received: "
            "top_n of type int. See GPT3.score for the arguments of its two "
            "forms.",
        ),
    ],
)
def test_wrong_arguments_raise(arguments, message, model, batch):
    arguments = {"token_ids": batch[0]} | arguments
    fails(message, lambda: model.score(**arguments))


@pytest.mark.parametrize("intercept", [None, unchanged])
def test_ids_outside_the_vocabulary_raise(intercept, model):
    fails(
        "token_ids must be from 0 to below vocabulary_size=61. Received: id=61."
        " Use the tokenizer that the model was made for, or a larger "
        "vocabulary_size.",
        lambda: model.score(np.array([[1, 61]]), layer_intercept_fn=intercept),
    )
