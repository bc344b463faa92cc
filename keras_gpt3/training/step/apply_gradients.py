"""Sum, clip, update: the last part of a step. TensorFlow only."""

import keras
import tensorflow as tf

from keras_gpt3.parallel.replicas import sum_over_replicas
from keras_gpt3.training.step.loss_scaling import are_finite
from keras_gpt3.training.step.loss_scaling import inner_optimizer
from keras_gpt3.training.step.loss_scaling import is_dynamic
from keras_gpt3.training.step.loss_scaling import unscaling_factor
from keras_gpt3.training.step.loss_scaling import update_dynamic_scale


def apply_gradients(optimizer, gradients, variables, only_if=None):
    """Update the variables with the sum of all replicas' gradients.

    Keras' own `apply_gradients` clips on each replica and sums after, so that
    two replicas differ from one device on the same batch as soon as clipping
    is active (keras defect, also tensorflow#33929). Here the gradients are
    summed, freed of the loss scale, clipped, then applied. With a dynamic loss
    scale, a sum that is not finite changes nothing but the scale; with
    `only_if` it changes nothing in any case.
    """
    if not optimizer.built:
        optimizer.build(variables)
    inner = inner_optimizer(optimizer)
    gradients = sum_over_replicas([tf.convert_to_tensor(g) for g in gradients])
    unscaling = unscaling_factor(optimizer)
    norm, is_finite = None, None
    if is_dynamic(optimizer):
        is_finite = are_finite(gradients)
    if only_if is not None:
        norm = global_norm(gradients, unscaling)
        is_finite = only_if & tf.math.is_finite(norm)
    factors = gradient_factors(inner, gradients, unscaling, norm)

    def update(strategy, gradients, factors, scalars):
        update_variables(
            inner, strategy, variables, gradients, factors, scalars
        )
        # Last: the moving average asks whether this is the first step.
        inner._iterations.assign_add(1)

    def update_if_finite(strategy, is_finite, *args):
        if is_finite is None:
            return update(strategy, *args)
        # Equal on all replicas, as the sums are.
        is_finite = strategy.experimental_local_results(is_finite)[0]
        tf.cond(is_finite, lambda: update(strategy, *args), lambda: None)
        if is_dynamic(optimizer):
            update_dynamic_scale(optimizer, is_finite)

    # The condition must stand inside the merged function: TensorFlow cannot
    # merge inside a condition.
    tf.distribute.get_replica_context().merge_call(
        update_if_finite,
        args=(is_finite, gradients, factors, step_scalars(inner)),
    )
    return norm, is_finite


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
    """Update all variables on all devices; in cross-replica context."""
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
        # Without a strategy nothing else says where.
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
    # Keras passes the TensorFlow variable, whose name is longer.
    return bool(
        is_stock
        and optimizer.weight_decay
        and optimizer._use_weight_decay(variable.value)
    )


# Adam as one TensorFlow kernel a variable, in place. TensorFlow only.
#
# Keras' `Adam.update_step` is a chain of operations with several temporaries of
# the size of the variable. TensorFlow's `ResourceApplyAdam` is the same
# formula, epsilon outside the bias correction included, in one pass over the
# memory.


def has_adam_kernel(optimizer):
    """Whether an optimizer's update is the kernel's formula."""
    update_step = getattr(optimizer.update_step, "__func__", None)
    is_adam = update_step is keras.optimizers.Adam.update_step
    return is_adam and not optimizer.amsgrad


def adam_arguments(optimizer, learning_rate):
    """The kernel's arguments that all variables of a step share."""
    beta_1, beta_2, epsilon = (
        tf.constant(value, "float32")
        for value in (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon)
    )
    step = tf.cast(tf.convert_to_tensor(optimizer.iterations) + 1, "float32")
    return {
        "beta1_power": tf.pow(beta_1, step),
        "beta2_power": tf.pow(beta_2, step),
        "lr": tf.cast(learning_rate, "float32"),
        "beta1": beta_1,
        "beta2": beta_2,
        "epsilon": epsilon,
    }


def adam_slots(optimizer, variable):
    """The slots of a variable, if the kernel updates it.

    The kernel takes float32 alone, and aborts the process where it finds
    another dtype. With 16 bits the rounding of `1 - beta_2` decides, so that
    Keras' own update stays.
    """
    if not has_adam_kernel(optimizer):
        return None
    index = optimizer._get_variable_index(variable)
    slots = optimizer._momentums[index], optimizer._velocities[index]
    if {v.dtype for v in (variable, *slots)} != {"float32"}:
        return None
    return tuple(slot.value for slot in slots)


def apply_adam(variable, slots, gradient, arguments):
    """Update a variable and its slots in place."""
    momentum, velocity = slots
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        grad=tf.cast(gradient, "float32"),
        **arguments,
    )


# Clipping as Keras does it, folded into one factor. TensorFlow only.
#
# Keras squares a gradient into a temporary of its size, and makes all clipped
# gradients before it applies the first. Here each gradient gets one factor,
# made from sums of squares that are never stored, and is multiplied by it just
# before its use, in place where nothing else holds it.


def gradient_factors(optimizer, gradients, unscaling=None, norm=None):
    """What each gradient must be multiplied by, for its scale and its norm."""
    if optimizer.clipnorm and optimizer.clipnorm > 0:
        return [
            _times(
                _factor(global_norm([g], unscaling), optimizer.clipnorm),
                unscaling,
            )
            for g in gradients
        ]
    factor = unscaling
    if optimizer.global_clipnorm and optimizer.global_clipnorm > 0:
        if norm is None:
            norm = global_norm(gradients, unscaling)
        factor = _times(_factor(norm, optimizer.global_clipnorm), unscaling)
    return [factor] * len(gradients)


def clip_gradient(optimizer, gradient, factor):
    """A gradient times its factor, within the bounds of `clipvalue`."""
    if factor is not None:
        gradient = _at_least_32_bits(gradient)
        gradient *= tf.cast(factor, gradient.dtype)
    if optimizer.clipvalue and optimizer.clipvalue > 0:
        bound = tf.cast(optimizer.clipvalue, gradient.dtype)
        gradient = tf.clip_by_value(gradient, -bound, bound)
    return gradient


def global_norm(gradients, unscaling=None):
    """The common norm of gradients, free of the loss scale."""
    return _times(tf.sqrt(squared_norm(gradients)), unscaling)


def squared_norm(gradients):
    """The sum of all squares, without a temporary of the gradients' size."""
    halves = []
    for gradient in gradients:
        # Where it is: the gradients of stages are on other devices.
        with tf.device(gradient.device):
            # l2_loss is half the sum of squares.
            half = tf.nn.l2_loss(_at_least_32_bits(gradient))
            halves.append(tf.cast(half, "float32"))
    # Not add_n: TensorFlow orders its terms anew in each process, and a
    # resumed run would differ in the last bit.
    return 2.0 * tf.reduce_sum(tf.stack(halves))


def _factor(norm, bound):
    """What brings gradients of a norm down to a bound."""
    factor = bound * tf.minimum(1.0 / norm, 1.0 / bound)
    # A norm that is not finite makes everything NaN, as in Keras: better than
    # an update with half of the gradients.
    return factor + (norm - norm)


def _at_least_32_bits(x):
    """Squares and inverse scales do not fit into float16."""
    return tf.cast(x, "float32") if x.dtype.size < 4 else x


def _times(x, factor):
    return x if factor is None else x * factor
