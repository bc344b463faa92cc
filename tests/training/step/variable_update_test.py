import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.training import AdamW
from keras_gpt3.training.step.apply_gradients import apply_gradients
from tests.training.small_updates import make_gradients
from tests.training.small_updates import make_variables

SHAPE = (3, 2)


def traced_update(optimizer, variables):
    """The graph of an update, and the graphs within it."""
    optimizer.build(variables)

    @tf.function(autograph=False)
    def update(*gradients):
        apply_gradients(optimizer, gradients, variables)

    spec = [tf.TensorSpec(SHAPE)] * len(variables)
    return update.get_concrete_function(*spec).graph


def large_operations(graph):
    """How often each type of operation makes an array like the variables."""
    return collections.Counter(
        op.type
        for op in graph.get_operations()
        if op.outputs and op.outputs[0].shape == SHAPE
    )


def ancestors(operation):
    """All operations that must run before one."""
    seen, waiting = set(), [operation]
    while waiting:
        op = waiting.pop()
        before = [*op.control_inputs, *(x.op for x in op.inputs)]
        waiting += [o for o in before if o.name not in seen]
        seen |= {o.name for o in before}
    return seen


def variables_without_constraint():
    variables = make_variables()
    variables[1].constraint = None
    return variables


@pytest.mark.parametrize("clip", [None, 0.5])
def test_adam_is_one_kernel_a_variable_and_nothing_large_beside_it(clip):
    graph = traced_update(
        AdamW(0.1, global_clipnorm=clip), variables_without_constraint()
    )
    kinds = collections.Counter(op.type for op in graph.get_operations())
    assert kinds["ResourceApplyAdam"] == 2
    assert kinds["AssignSubVariableOp"] == 1  # The kernel's decay.
    assert kinds["AssignVariableOp"] == 1  # The count of steps.
    assert large_operations(graph) == {
        "Placeholder": 2,  # The gradients.
        # For the decay, and one for the order of each variable.
        "ReadVariableOp": 3,
        # The decay's; times the factor, in place.
        "Mul": 3 if clip else 1,
    }


def test_other_optimizers_keep_keras_update():
    graph = traced_update(
        keras.optimizers.Adam(0.1, amsgrad=True), variables_without_constraint()
    )
    kinds = collections.Counter(op.type for op in graph.get_operations())
    assert kinds["ResourceApplyAdam"] == 0
    assert kinds["Maximum"] == 2


def test_a_decay_waits_for_the_gradient_and_for_the_variable_before():
    graph = traced_update(
        AdamW(0.1, global_clipnorm=None), variables_without_constraint()
    )
    gradients = [op.name for op in graph.inputs][:2]
    (decay,) = (
        op for op in graph.get_operations() if op.type == "AssignSubVariableOp"
    )
    # The product is what takes memory.
    product = decay.inputs[1].op
    before = ancestors(product)
    kernels = [
        op.name
        for op in graph.get_operations()
        if op.type == "ResourceApplyAdam"
    ]
    assert {name.split(":")[0] for name in gradients} <= before
    assert len(before.intersection(kernels)) == 1


def test_only_what_decays_is_decayed():
    optimizer = keras.optimizers.AdamW(0.5, weight_decay=0.2)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    variables = variables_without_constraint()
    variables[1].assign(np.ones(SHAPE))
    before = [v.numpy() for v in variables]
    zeros = [tf.zeros(SHAPE)] * 2
    apply_gradients(optimizer, zeros, variables)
    np.testing.assert_allclose(variables[0].numpy(), 0.9 * before[0], rtol=1e-6)
    np.testing.assert_array_equal(variables[1].numpy(), before[1])


def test_the_average_starts_at_the_first_weights_and_follows():
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75)
    variables = make_variables()
    expected = None
    for step in range(3):
        apply_gradients(optimizer, make_gradients(step), variables)
        value = variables[0].numpy()
        if expected is None:
            expected = value
        expected = 0.75 * expected + 0.25 * value
    average = optimizer._model_variables_moving_average[0].numpy()
    np.testing.assert_allclose(average, expected, rtol=1e-6)
