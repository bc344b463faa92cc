import re

import keras
import pytest

from keras_gpt3.training import AdamW
from keras_gpt3.training import PretrainingRecipe
from keras_gpt3.training.step.loss_scaling import check_callbacks
from keras_gpt3.training.step.loss_scaling import check_optimizer
from keras_gpt3.training.step.loss_scaling import inner_optimizer
from keras_gpt3.training.step.loss_scaling import is_dynamic
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


def scaled(optimizer):
    return keras.optimizers.LossScaleOptimizer(optimizer)


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
def test_accumulation_by_the_optimizer_raises(wrap):
    message = (
        "gradient_accumulation_steps must be None: under a distribution "
        "strategy the optimizer cannot accumulate. Received: "
        "gradient_accumulation_steps=4. Leave it out, and use "
        "micro_batch_size of GPT3.compile."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(wrap(AdamW(gradient_accumulation_steps=4)))


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
def test_overwriting_weights_with_averages_raises(wrap):
    message = (
        "ema_overwrite_frequency must be None: weights cannot be overwritten "
        "inside a distributed step. Received: ema_overwrite_frequency=3. "
        "Leave it out: fit writes the averages at its end."
    )
    optimizer = AdamW(use_ema=True, ema_overwrite_frequency=3)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(wrap(optimizer))


def test_an_apply_of_its_own_raises():
    message = (
        "The optimizer must not override apply, which clips before the "
        "replicas' gradients are summed. Received: optimizer=MultiOptimizer. "
        "Use one that overrides update_step alone."
    )
    each = keras.optimizers.OptimizerMap(AdamW())
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_optimizer(keras.optimizers.MultiOptimizer(each))


@pytest.mark.parametrize(
    "kind", [AdamW, keras.optimizers.SGD, keras.optimizers.Muon]
)
def test_other_optimizers_pass(kind):
    check_optimizer(kind())
    check_optimizer(scaled(kind()))


SETTERS = {
    "LearningRateScheduler": lambda: keras.callbacks.LearningRateScheduler(
        lambda epoch: 1e-3
    ),
    "ReduceLROnPlateau": lambda: keras.callbacks.ReduceLROnPlateau("loss"),
}


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, scaled])
@pytest.mark.parametrize("name", SETTERS)
def test_a_callback_that_sets_the_rate_of_a_schedule_is_refused(name, wrap):
    recipe = PretrainingRecipe.for_preset("gpt3_small_en", total_tokens=1e9)
    model = small_model(num_layers=1)
    model.compile(wrap(recipe.optimizer()))
    message = (
        "learning_rate must be a number where a callback sets it. Received: "
        f"learning_rate=TokenClock, callbacks with {name}. Use an optimizer "
        "such as keras_gpt3.training.AdamW(6e-4), or leave the callback out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(*small_batch(), callbacks=[SETTERS[name]()])


@pytest.mark.parametrize("name", SETTERS)
def test_callbacks_set_a_rate_that_is_a_number(name):
    one = SETTERS[name]()
    for given in (one, [one], keras.callbacks.CallbackList([one])):
        check_callbacks(scaled(AdamW(6e-4)), given)
        with pytest.raises(ValueError, match="^learning_rate must be a number"):
            check_callbacks(AdamW(lambda: 6e-4), given)
    check_callbacks(AdamW(lambda: 6e-4), None)


def test_finds_the_optimizer_that_updates_the_weights():
    optimizer = AdamW()
    assert not is_dynamic(optimizer)
    assert inner_optimizer(optimizer) is optimizer
    assert is_dynamic(scaled(optimizer))
    assert inner_optimizer(scaled(optimizer)) is optimizer
