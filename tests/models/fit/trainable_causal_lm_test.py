import re

import keras
import keras_hub
import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3.training import AdamW
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

if keras.config.backend() == "jax":
    import jax
else:
    import tensorflow as tf


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
@pytest.mark.quick_cases(1)
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
        "shifted by one, as packed_dataset returns them."
    )
    for route in (model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match=re.escape(message)):
            route(x)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32", "int64"])
@pytest.mark.parametrize("metrics", [None, ["accuracy"]])
@pytest.mark.quick_cases(2)
def test_labels_may_be_integers_of_any_kind(metrics, dtype):
    model = small_model(num_layers=1)
    model.compile("sgd", metrics=metrics)
    x, y = small_batch()
    expected = model.test_on_batch(x, y)
    assert model.test_on_batch(x, y.astype(dtype)) == pytest.approx(expected)
    trained = model.train_on_batch(x, y.astype(dtype))
    assert trained[:2] == pytest.approx(expected[:2], rel=1e-5)


def test_validation_data_may_be_a_list_as_for_keras():
    model, (x, y) = small_model(num_layers=1), small_batch()
    history = model.fit(x, y, validation_data=[x, y], verbose=0).history
    expected = model.evaluate(x, y, verbose=0)[0]
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.slow
@pytest.mark.parametrize("texts", [["hello"], ["the", "hello world"] * 2])
def test_a_list_of_strings_to_validate_on_is_not_taken_apart(texts):
    model = small_text_model(num_layers=1)
    history = model.fit(["the"], validation_data=texts, verbose=0).history
    expected = model.evaluate(texts, verbose=0)[0]
    assert history["val_loss"] == [pytest.approx(expected, rel=1e-5)]


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


# === What Keras asks of a model ===


@pytest.mark.parametrize(
    "route", ["fit", "evaluate", "train_on_batch", "test_on_batch"]
)
def test_a_model_that_is_not_compiled_says_so_in_keras_words(route):
    model = GPT3(small_backbone(num_layers=1), compile=False)
    assert model.metrics == []
    with pytest.raises(ValueError, match=r"^You must call `compile\(\)` bef"):
        getattr(model, route)(*small_batch())
    assert model.predict(small_batch()[0], verbose=0).shape[0] == 4


@pytest.mark.parametrize("compiled", [True, False])
def test_a_clone_would_lose_the_tied_head(compiled):
    model = GPT3(small_backbone(num_layers=1), compile=compiled)
    message = (
        "keras.models.clone_model must be given a model that shares no layer; "
        "this one's head is its token embedding. Received: model=GPT3. Use "
        "GPT3.from_config(model.get_config())."
    )
    fails(message, lambda: keras.models.clone_model(model))
    copy = GPT3.from_config(model.get_config())
    assert copy.count_params() == model.count_params()


class GuideModel(GPT3):
    """Has the `train_step` of Keras' guides, word by word."""

    if keras.config.backend() == "tensorflow":

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                y_pred = self(x, training=True)
                loss = self.compute_loss(y=y, y_pred=y_pred)
            trainable_vars = self.trainable_variables
            gradients = tape.gradient(loss, trainable_vars)
            self.optimizer.apply(gradients, trainable_vars)
            for metric in self.metrics:
                if metric.name == "loss":
                    metric.update_state(loss)
                else:
                    metric.update_state(y, y_pred)
            return {m.name: m.result() for m in self.metrics}

    else:

        def compute_loss_and_updates(
            self, trainable_variables, non_trainable_variables, x, y
        ):
            y_pred, non_trainable_variables = self.stateless_call(
                trainable_variables, non_trainable_variables, x, training=True
            )
            loss = self.compute_loss(x, y, y_pred)
            return loss, (y_pred, non_trainable_variables)

        def train_step(self, state, data):
            trainable, non_trainable, optimizer, metrics_variables = state
            x, y = data
            grad_fn = jax.value_and_grad(
                self.compute_loss_and_updates, has_aux=True
            )
            (loss, (y_pred, non_trainable)), grads = grad_fn(
                trainable, non_trainable, x, y
            )
            trainable, optimizer = self.optimizer.stateless_apply(
                optimizer, grads, trainable
            )
            new_metrics_vars, logs = [], {}
            for metric in self.metrics:
                start = len(new_metrics_vars)
                end = start + len(metric.variables)
                these = metrics_variables[start:end]
                if metric.name == "loss":
                    these = metric.stateless_update_state(these, loss)
                else:
                    these = metric.stateless_update_state(these, y, y_pred)
                logs[metric.name] = metric.stateless_result(these)
                new_metrics_vars += these
            state = (trainable, non_trainable, optimizer, new_metrics_vars)
            return logs, state


def test_a_train_step_of_keras_guides_is_the_package_s_step():
    histories, weights = [], []
    for cls in (GPT3, GuideModel):
        keras.utils.set_random_seed(0)
        model = cls(small_backbone(num_layers=1))
        model.compile(keras.optimizers.SGD(0.5))
        history = model.fit(*small_batch(), epochs=2, verbose=0).history
        histories.append(
            [history[name] for name in ("loss", "accuracy", "perplexity")]
        )
        weights.append(model.get_weights())
    np.testing.assert_allclose(*histories, rtol=1e-5)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", ["rows", "tokens"])
def test_the_loss_of_logits_is_the_weighted_mean_over_tokens(kind):
    model = small_model(num_layers=1)
    x, y = small_batch()
    weights = np.random.default_rng(0).uniform(size=y.shape).astype("float32")
    if kind == "rows":
        weights = weights[:, 0]
    expected = model.evaluate(x, y, sample_weight=weights, verbose=0)[0]
    loss = model.compute_loss(x, y, model(x), weights)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "direction"), [("accuracy", "up"), ("perplexity", "down")]
)
def test_callbacks_know_which_way_a_metric_of_the_step_is_better(
    name, direction
):
    (metric,) = (m for m in small_model().metrics if m.name == name)
    assert metric._direction == direction


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
