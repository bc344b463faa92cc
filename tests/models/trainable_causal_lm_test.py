import re

import keras
import keras_hub
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model


def fails(message, function):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function()


@pytest.mark.parametrize("sampler", [3, "greedy", None])
def test_a_sampler_is_an_object_or_a_name(sampler):
    model = small_model(num_layers=1)
    if sampler == "greedy":
        model.compile(sampler=sampler)
        assert type(model.sampler) is keras_hub.samplers.GreedySampler
        model.compile(sampler=model.sampler)
        return
    with pytest.raises(ValueError, match="ampler"):
        model.compile(sampler=sampler)


@pytest.mark.parametrize("route", ["fit", "evaluate", "test_on_batch"])
def test_a_metric_of_one_s_own_takes_the_name_from_that_of_the_step(route):
    model = small_model(num_layers=1)
    model.compile(AdamW(), metrics=["accuracy"])
    x, y = small_batch()
    y = model.predict(x, verbose=0).argmax(-1).astype("int32")
    y[1:] = (y[1:] + 1) % SMALL["vocabulary_size"]
    options = {"sample_weight": np.array([1, 0, 0, 0], "float32")}
    if route == "fit":
        logs = model.fit(x, y, verbose=0, **options).history
        assert logs.pop("tokens_per_second") and logs.pop("learning_rate")
    else:
        logs = getattr(model, route)(x, y, return_dict=True, **options)
        assert len(getattr(model, route)(x, y, **options)) == len(logs)
    assert set(logs) == {"loss", "accuracy", "perplexity"}
    assert np.ravel(logs["accuracy"]) == [0.25]  # 1.0 where weighted.


def test_a_loss_of_one_s_own_reports_the_learning_rate():
    model = small_model(num_layers=1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.25), loss=loss)
    history = model.fit(*small_batch(), verbose=0).history
    assert history.pop("learning_rate") == [0.25]
    assert set(history) == {"loss", "sparse_categorical_accuracy"}


def test_token_ids_without_labels_raise():
    model = small_model(num_layers=1)
    x, _ = small_batch()
    message = (
        "y must be given with token ids. Received: y=None. Pass the ids "
        "shifted by one, as packed_dataset gives them."
    )
    for route in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=re.escape(message)):
            route(x)


def test_samples_of_strings_and_of_ids_become_the_same_triple():
    model = small_text_model(num_layers=1)
    texts = ["hello world", "the"]
    x, y, weights = model.preprocess_samples(texts)
    assert x["token_ids"].shape == y.shape == weights.shape == (2, LENGTH)
    again = model.preprocess_samples(x, y, weights)
    for one, other in zip(again[1:], (y, weights), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(again[0]["token_ids"], x["token_ids"])


def test_a_model_whose_weights_are_all_frozen_can_be_fitted():
    model = small_model(num_layers=1)
    model.trainable = False
    model.compile(AdamW())
    before = model.get_weights()
    logs = model.train_on_batch(*small_batch(), return_dict=True)
    assert logs["loss"] > 0
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.backend("jax", reason="keras.distribution is JAX'")
def test_a_loaded_model_spreads_its_optimizer_as_the_saved_one(tmp_path):
    with distributed((2, 1), shard_optimizer=True):
        model = new_model(num_layers=1)
        model.fit(*small_batch(), verbose=0)
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
    layouts = [
        [variable.value.sharding for variable in m.optimizer.variables]
        for m in (model, loaded)
    ]
    assert layouts[0] == layouts[1]
    assert any(not layout.is_fully_replicated for layout in layouts[1])
