"""Sum, clip, update: the last part of a step. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.training.gradient_clipping import global_norm
from keras_gpt3.training.gradient_clipping import gradient_factors
from keras_gpt3.training.loss_scaling import are_finite
from keras_gpt3.training.loss_scaling import is_dynamic
from keras_gpt3.training.loss_scaling import unscaling_factor
from keras_gpt3.training.loss_scaling import update_dynamic_scale
from keras_gpt3.training.optimizer_check import inner_optimizer
from keras_gpt3.training.replica_sum import sum_over_replicas
from keras_gpt3.training.variable_update import step_scalars
from keras_gpt3.training.variable_update import update_variables


def apply_gradients(optimizer, gradients, variables, only_if=None):
    """Updates the variables with the sum of all replicas' gradients.

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
