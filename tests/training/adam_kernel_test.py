import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import AdamW
from keras_gpt3.training.step.apply_gradients import adam_arguments
from keras_gpt3.training.step.apply_gradients import adam_slots
from keras_gpt3.training.step.apply_gradients import apply_adam
from keras_gpt3.training.step.apply_gradients import has_adam_kernel
from tests.training.small_updates import assert_same_by_norm
from tests.training.small_updates import make_gradients
from tests.training.small_updates import make_variables
from tests.training.small_updates import states

optimizers = keras.optimizers


class OwnUpdate(optimizers.Adam):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, gradient)


def kernel_step(optimizer, gradients, variables):
    """What the package does with float32 variables, and nothing else."""
    optimizer.build(variables)
    arguments = adam_arguments(optimizer, optimizer.learning_rate)
    for variable, gradient in zip(variables, gradients, strict=True):
        slots = adam_slots(optimizer, variable)
        apply_adam(variable.value, slots, gradient, arguments)
    optimizer.iterations.assign_add(1)


def float64_adam(beta_1, beta_2, steps, epsilon=1e-7, rate=0.1):
    """The kernel variable of `make_variables` after Adam in float64."""
    value = make_variables()[0].numpy().astype("float64")
    first = second = 0.0
    for t in range(1, steps + 1):
        g = make_gradients(t)[0].numpy().astype("float64")
        first = beta_1 * first + (1 - beta_1) * g
        second = beta_2 * second + (1 - beta_2) * g**2
        alpha = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        value = value - alpha * first / (np.sqrt(second) + epsilon)
    return value


# At 1e-2 epsilon decides, so that its place in the formula shows.
@pytest.mark.parametrize("epsilon", [1e-2, 1e-8])
def test_ten_steps_give_the_weights_and_slots_of_keras_own_adam(epsilon):
    ours, theirs = make_variables(), make_variables()
    # Keras' constraints are no part of the kernel.
    ours[1].constraint = theirs[1].constraint = None
    optimizer, stock = (
        optimizers.Adam(0.1, beta_2=0.95, epsilon=epsilon) for _ in range(2)
    )
    for step in range(10):
        gradients = make_gradients(step)
        kernel_step(optimizer, gradients, ours)
        stock.apply(gradients, theirs)
    # Ten float32 steps.
    assert_same_by_norm(states(optimizer, ours), states(stock, theirs), 1e-6)


def test_at_the_default_beta_2_the_kernel_is_the_more_exact_one():
    # In float32, 1 - 0.999 is 1.3e-5 short of 0.001. Keras takes 0.001 for the
    # velocity and the other for its bias correction.
    expected = float64_adam(0.9, 0.999, steps=10)
    ours, theirs = make_variables(), make_variables()
    optimizer, stock = optimizers.Adam(0.1), optimizers.Adam(0.1)
    for step in range(1, 11):
        gradients = make_gradients(step)
        kernel_step(optimizer, gradients, ours)
        stock.apply(gradients, theirs)
    errors = [
        np.linalg.norm(variables[0].numpy() - expected)
        for variables in (ours, theirs)
    ]
    assert errors[0] < errors[1] < 1e-4


def test_it_is_taken_for_adam_and_what_inherits_its_update():
    taken = [optimizers.Adam(), optimizers.AdamW(), AdamW()]
    others = [
        optimizers.Adam(amsgrad=True),
        OwnUpdate(),
        optimizers.Nadam(),
        optimizers.SGD(),
    ]
    assert [has_adam_kernel(o) for o in taken] == [True] * len(taken)
    assert [has_adam_kernel(o) for o in others] == [False] * len(others)


def slots_of(optimizer, dtype="float32"):
    variables = make_variables(dtype)
    optimizer.build(variables)
    return adam_slots(optimizer, variables[0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_it_is_taken_for_float32_only(dtype):
    assert slots_of(AdamW()) is not None
    assert slots_of(AdamW(), dtype) is None
    assert slots_of(OwnUpdate()) is None


def test_it_is_not_taken_for_slots_of_another_dtype():
    class ShortSlots(AdamW):
        def build(self, variables):
            super().build(variables)
            self._momentums = [
                keras.Variable(m, dtype="bfloat16") for m in self._momentums
            ]

    assert slots_of(ShortSlots()) is None


def test_an_update_replaced_on_the_optimizer_itself_is_respected():
    optimizer = optimizers.Adam()
    optimizer.update_step = lambda *args: None
    assert not has_adam_kernel(optimizer)


def test_the_arguments_follow_the_step_and_the_schedule():
    schedule = optimizers.schedules.CosineDecay(0.5, 10)
    optimizer = optimizers.Adam(schedule, beta_1=0.5, beta_2=0.25, epsilon=1e-3)
    optimizer.iterations.assign(2)
    arguments = adam_arguments(optimizer, optimizer.learning_rate)
    assert {name: float(value) for name, value in arguments.items()} == {
        "beta1": 0.5,
        "beta2": 0.25,
        "beta1_power": 0.5**3,
        "beta2_power": 0.25**3,
        "epsilon": float(np.float32(1e-3)),
        "lr": float(schedule(2)),
    }
    assert {value.dtype for value in arguments.values()} == {tf.float32}
