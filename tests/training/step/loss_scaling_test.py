import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import AdamW
from keras_gpt3.training import PretrainingRecipe
from keras_gpt3.training.step.apply_gradients import apply_gradients
from keras_gpt3.training.step.loss_scaling import check_callbacks
from keras_gpt3.training.step.loss_scaling import check_optimizer
from keras_gpt3.training.step.loss_scaling import inner_optimizer
from keras_gpt3.training.step.loss_scaling import is_dynamic
from keras_gpt3.training.step.loss_scaling import scale_loss
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.training.small_updates import assert_same_by_norm
from tests.training.small_updates import make_gradients
from tests.training.small_updates import make_variables
from tests.training.small_updates import on_each_replica
from tests.training.small_updates import states
from tests.training.small_updates import two_replicas

# === Loss scaling ===


INNER = {
    "adamw": lambda: AdamW(0.1, global_clipnorm=0.5),
    "average": lambda: AdamW(0.1, use_ema=True, global_clipnorm=None),
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.5),
}
# Growth after two good steps, growth cut short, and both kinds of overflow.
SCRIPT = ["ok", "ok", "ok", "inf", "ok", "nan", "-inf", "ok", "ok", "ok", "ok"]


def make_optimizer(name="adamw", **arguments):
    arguments = {"initial_scale": 1024.0, "dynamic_growth_steps": 2} | arguments
    return keras.optimizers.LossScaleOptimizer(INNER[name](), **arguments)


def scaled_gradients(optimizer, step, kind="ok", share=0):
    """Gradients of a scaled loss, one element of which may have overflown."""
    scale = scale_loss(optimizer, tf.constant(1.0))
    kernel, bias = (g * scale for g in make_gradients(step, share))
    if kind != "ok":
        kernel = tf.tensor_scatter_nd_update(kernel, [[2, 1]], [float(kind)])
    return [kernel, bias]


# === The dynamic scale ===


@pytest.mark.parametrize("name", INNER)
def test_scripted_overflows_leave_what_they_leave_with_keras(name):
    ours, theirs = make_variables(), make_variables()
    optimizer, stock = make_optimizer(name), make_optimizer(name)
    for built, variables in ((optimizer, ours), (stock, theirs)):
        built.build(variables)
    scales = []
    for step, kind in enumerate(SCRIPT):
        gradients = scaled_gradients(optimizer, step, kind)
        apply_gradients(optimizer, gradients, ours)
        stock.apply(gradients, theirs)
        scales.append(float(optimizer.dynamic_scale) / 1024)
        # Ten float32 steps, in another order of operations.
        assert_same_by_norm(
            states(optimizer, ours), states(stock, theirs), 1e-6
        )
    assert scales == [1, 2, 2, 1, 1, 0.5, 0.25, 0.25, 0.5, 0.5, 1]
    assert int(optimizer.iterations) == SCRIPT.count("ok")


@pytest.mark.parametrize("name", INNER)
def test_two_replicas_do_as_one_device_with_the_scale(name):
    optimizer, variables, run = two_replicas(lambda: make_optimizer(name))
    single, expected = make_optimizer(name), make_variables()
    single.build(expected)
    for step, kind in enumerate(SCRIPT):
        shares = (
            scaled_gradients(optimizer, step, kind, 0),
            scaled_gradients(optimizer, step, "ok", 1),
        )
        run(*shares)
        sums = [a + b for a, b in zip(*shares, strict=True)]
        apply_gradients(single, sums, expected)
    assert_same_by_norm(
        states(optimizer, variables), states(single, expected), 1e-6
    )


@pytest.mark.parametrize("replica", [0, 1])
@pytest.mark.parametrize("name", ["average", "momentum"])
def test_an_overflow_on_one_replica_changes_no_bit_on_either(name, replica):
    optimizer, variables, run = two_replicas(lambda: make_optimizer(name))
    run(*(scaled_gradients(optimizer, 0, "ok", share) for share in range(2)))
    everything = [*variables, *inner_optimizer(optimizer).variables]
    before = [on_each_replica(v) for v in everything]
    kinds = ["inf" if share == replica else "ok" for share in range(2)]
    run(*(scaled_gradients(optimizer, 1, k, s) for s, k in enumerate(kinds)))
    for variable, values in zip(everything, before, strict=True):
        np.testing.assert_array_equal(on_each_replica(variable), values)
    assert on_each_replica(optimizer.dynamic_scale) == [512.0, 512.0]
    assert on_each_replica(optimizer.step_counter) == [0, 0]
    assert on_each_replica(optimizer.iterations) == [1, 1]


def test_the_scale_doubles_after_as_many_good_steps_as_asked_for():
    optimizer = make_optimizer(dynamic_growth_steps=3)
    variables = make_variables()
    scales = []
    for step in range(7):
        apply_gradients(optimizer, scaled_gradients(optimizer, step), variables)
        scales.append(float(optimizer.dynamic_scale) / 1024)
    assert scales == [1, 1, 2, 2, 2, 4, 4]


def test_the_scale_and_its_count_are_saved_with_the_optimizer():
    optimizer, variables = make_optimizer(), make_variables()
    for step, kind in enumerate(("ok", "inf", "ok")):
        gradients = scaled_gradients(optimizer, step, kind)
        apply_gradients(optimizer, gradients, variables)
    store = {}
    optimizer.save_own_variables(store)
    copy = make_optimizer()
    copy.build(variables)
    copy.load_own_variables(store)
    assert float(copy.dynamic_scale) == 512.0
    assert int(copy.step_counter) == 1
    assert int(copy.iterations) == 2


def test_the_learning_rate_and_the_count_are_those_of_the_inner_optimizer():
    inner = keras.optimizers.SGD(0.1)
    optimizer = keras.optimizers.LossScaleOptimizer(inner)
    optimizer.learning_rate = 0.25
    variables = make_variables()
    before = variables[0].numpy()
    apply_gradients(optimizer, scaled_gradients(optimizer, 0), variables)
    expected = before - 0.25 * make_gradients(0)[0]
    np.testing.assert_allclose(variables[0].numpy(), expected, rtol=1e-6)
    assert inner_optimizer(optimizer) is inner
    assert inner_optimizer(inner) is inner
    assert optimizer.learning_rate is inner.learning_rate
    assert int(optimizer.iterations) == int(inner.iterations) == 1


# === A constant scale ===


@pytest.mark.parametrize("factor", [3000.0, 0.1])
def test_a_constant_scale_is_as_good_as_none(factor):
    ours, theirs = make_variables(), make_variables()
    optimizer = AdamW(0.1, global_clipnorm=0.5, loss_scale_factor=factor)
    plain = INNER["adamw"]()
    for step in range(5):
        gradients = scaled_gradients(optimizer, step)
        apply_gradients(optimizer, gradients, ours)
        apply_gradients(plain, make_gradients(step), theirs)
    # The factor is no power of two, so that it rounds.
    assert_same_by_norm(states(optimizer, ours), states(plain, theirs), 1e-6)


def test_a_constant_scale_does_not_skip():
    optimizer, variables = AdamW(loss_scale_factor=8.0), make_variables()
    gradients = scaled_gradients(optimizer, 0, "nan")
    apply_gradients(optimizer, gradients, variables)
    assert np.isnan(variables[0].numpy()).any()


# === The loss ===


def test_a_loss_is_multiplied_by_the_scale_of_the_moment():
    loss, variables = tf.constant(3.0), make_variables()
    optimizer = make_optimizer()
    assert float(scale_loss(optimizer, loss)) == 3 * 1024.0
    optimizer.build(variables)
    optimizer.dynamic_scale.assign(2.0)
    assert float(scale_loss(optimizer, loss)) == 6.0
    assert float(scale_loss(AdamW(loss_scale_factor=0.5), loss)) == 1.5
    assert scale_loss(AdamW(), loss) is loss


@pytest.mark.parametrize(
    "optimizer", [make_optimizer(), AdamW(loss_scale_factor=2.0**15)]
)
def test_a_float16_loss_does_not_overflow(optimizer):
    scaled = scale_loss(optimizer, tf.constant(100.0, "float16"))
    assert scaled.dtype == "float32"
    assert np.isfinite(scaled)


# === Optimizer check ===


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
