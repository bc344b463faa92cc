import re

import keras
import keras_hub
import pytest

from keras_gpt3.argument_checks import log_once
from keras_gpt3.models.fit.compile_check import check_loss_weights
from keras_gpt3.models.fit.compile_check import checked_optimizer
from keras_gpt3.models.fit.compile_check import checked_sampler
from keras_gpt3.models.fit.compile_check import of_logits
from keras_gpt3.training import AdamW
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


def fails(message, function, *args, **kwargs):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*args, **kwargs)


@pytest.mark.parametrize("optimizer", ["auto", None, "sgd", AdamW()])
def test_optimizers_that_the_step_can_drive_pass(optimizer):
    checked = checked_optimizer(optimizer)
    if optimizer == "sgd":
        assert type(checked) is keras.optimizers.SGD
    else:
        assert checked is optimizer


@pytest.mark.parametrize("form", ["object", "config"])
def test_compile_refuses_an_optimizer_that_accumulates(form):
    optimizer = keras.optimizers.SGD(gradient_accumulation_steps=2)
    if form == "config":
        optimizer = keras.optimizers.serialize(optimizer)
    model = small_model(num_layers=1)
    before = model.optimizer
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        model.compile(optimizer)
    assert model.optimizer is before


@pytest.mark.parametrize("loss", ["auto", None])
def test_weights_of_a_loss_that_is_not_there_are_refused(loss):
    message = (
        "loss_weights must be None without a loss of your own. Received: "
        "loss_weights=[2.0]. Leave them out, or pass a loss."
    )
    fails(message, check_loss_weights, loss, [2.0])
    model = small_model(num_layers=1)
    fails(message, model.compile, loss=loss, loss_weights=[2.0])


@pytest.mark.parametrize("loss", ["mse", keras.losses.MeanSquaredError()])
def test_weights_of_a_loss_pass(loss):
    check_loss_weights(loss, [2.0])
    check_loss_weights(loss, None)


NAMES = [
    "sparse_categorical_crossentropy",
    "SparseCategoricalCrossentropy",
    "crossentropy",
    keras.losses.sparse_categorical_crossentropy,
    keras.losses.SparseCategoricalCrossentropy,
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.quick_cases(1)
def test_a_cross_entropy_by_name_is_that_of_logits(name):
    model, batch = small_model(num_layers=1), small_batch()
    expected = model.test_on_batch(*batch)[0]
    model.compile("sgd", loss=name, weighted_metrics=["accuracy"])
    assert model.test_on_batch(*batch)[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_metric_by_name_is_that_of_logits_and_keeps_its_name(name):
    model = small_model(num_layers=1)
    model.compile("sgd", metrics=[name])
    logs = model.test_on_batch(*small_batch(), return_dict=True)
    assert logs[name] == pytest.approx(logs["loss"], rel=1e-5)


def test_other_names_and_objects_stay_what_they_are():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    for one in ("auto", "mse", None, loss, keras.losses.mean_squared_error):
        assert of_logits(one, keras.losses) is one
    metrics = ["accuracy", "acc", keras.metrics.Mean()]
    assert of_logits(metrics, keras.metrics) == metrics


def test_an_object_that_takes_probabilities_is_told_of(caplog):
    loss = keras.losses.SparseCategoricalCrossentropy()
    log_once.cache_clear()
    assert of_logits(loss, keras.losses) is loss
    (record,) = caplog.records
    assert record.getMessage() == (
        "A loss or metric takes the model's logits for probabilities. Give "
        "from_logits=True to SparseCategoricalCrossentropy."
    )


def test_a_sampler_may_be_a_name():
    assert type(checked_sampler("greedy")) is keras_hub.samplers.GreedySampler
