"""Decay, update and average variables, one after another. TensorFlow only."""

import keras
import tensorflow as tf

from keras_gpt3.training.adam_kernel import adam_arguments
from keras_gpt3.training.adam_kernel import adam_slots
from keras_gpt3.training.adam_kernel import apply_adam
from keras_gpt3.training.adam_kernel import has_adam_kernel
from keras_gpt3.training.gradient_clipping import clip_gradient


def step_scalars(optimizer):
    """What the updates of all variables share; for each replica its own."""
    learning_rate = tf.convert_to_tensor(optimizer.learning_rate)
    scalars = {"learning_rate": learning_rate}
    if has_adam_kernel(optimizer):
        scalars["adam"] = adam_arguments(optimizer, learning_rate)
    if optimizer.use_ema:
        is_first = tf.convert_to_tensor(optimizer.iterations) == 0
        share = 1.0 - optimizer.ema_momentum
        scalars["new_share"] = tf.where(is_first, 1.0, share)
    return scalars


def update_variables(
    optimizer, strategy, variables, gradients, factors, scalars
):
    """Updates all variables on all devices; in cross-replica context."""
    _update_shared_state(optimizer, strategy, variables, scalars)
    updates = list(zip(variables, gradients, factors, strict=True))
    last_reads = {}
    # Backwards, as the gradients come: the last layer's first.
    for variable, gradient, factor in reversed(updates):
        update = _Update(optimizer, variable, last_reads)
        strategy.extended.update(
            variable.value,
            update,
            args=(gradient, factor, scalars, update.slots, update.average),
            group=False,
        )


def _update_shared_state(optimizer, strategy, variables, scalars):
    """What optimizers with methods of their own do once for all variables."""
    kind, stock = type(optimizer), keras.optimizers.Optimizer
    if kind._apply_weight_decay is not stock._apply_weight_decay:
        optimizer._apply_weight_decay(variables)
    if kind._backend_update_step is not stock._backend_update_step:
        # Nadam's running product. Without gradients nothing else happens.
        strategy.extended.call_for_each_replica(
            optimizer._backend_update_step,
            args=([], [], scalars["learning_rate"]),
        )


class _Update:
    """The update of one variable, to be called for each device."""

    def __init__(self, optimizer, variable, last_reads):
        self.optimizer = optimizer
        self.constraint = variable.constraint
        self.decays = _decays(optimizer, variable)
        self.last_reads = last_reads
        self.slots = adam_slots(optimizer, variable)
        self.average = _average(optimizer, variable)

    def __call__(self, variable, gradient, factor, scalars, slots, average):
        # The decay needs no gradient. Left to itself it would run early, while
        # the backward pass still needs the old weights, and copy them. Nor may
        # all variables have their temporaries at the same time.
        last_read = self.last_reads.get(variable.device, [])
        waits_for = tf.control_dependencies([gradient, *last_read])
        # Without a strategy nobody else says where.
        with tf.device(variable.device), waits_for:
            gradient = clip_gradient(self.optimizer, gradient, factor)
            self._decay(variable, scalars)
            self._step(variable, gradient, scalars, slots)
            if average is not None:
                share = tf.cast(scalars["new_share"], average.dtype)
                average.assign_add((variable - average) * share)
            if self.constraint is not None:
                variable.assign(self.constraint(tf.convert_to_tensor(variable)))
            self.last_reads[variable.device] = [tf.convert_to_tensor(variable)]

    def _decay(self, variable, scalars):
        if self.decays:
            share = scalars["learning_rate"] * self.optimizer.weight_decay
            variable.assign_sub(variable * tf.cast(share, variable.dtype))

    def _step(self, variable, gradient, scalars, slots):
        if slots is not None:
            apply_adam(variable, slots, gradient, scalars["adam"])
        else:
            self.optimizer.update_step(
                gradient, variable, scalars["learning_rate"]
            )


def _average(optimizer, variable):
    """The moving average of a variable, a `tf.Variable`, or `None`."""
    if not optimizer.use_ema:
        return None
    index = optimizer._get_variable_index(variable)
    return optimizer._model_variables_moving_average[index].value


def _decays(optimizer, variable):
    """Whether an optimizer decays a variable, in the way of most."""
    is_stock = (
        type(optimizer)._apply_weight_decay
        is keras.optimizers.Optimizer._apply_weight_decay
    )
    # Keras asks with the TensorFlow variable, whose name is longer.
    return bool(
        is_stock
        and optimizer.weight_decay
        and optimizer._use_weight_decay(variable.value)
    )
