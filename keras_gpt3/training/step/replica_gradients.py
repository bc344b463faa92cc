"""The function of a step that computes one replica's gradients. TensorFlow."""

import functools

import tensorflow as tf

from keras_gpt3.training.step.loss_and_gradients import chunked_gradients
from keras_gpt3.training.step.loss_and_gradients import gradients_from_logits
from keras_gpt3.training.step.micro_batches import in_micro_batches
from keras_gpt3.training.step.pipelined_gradients import pipelined_gradients

# The loss and the weighted number of correct predictions.
NUM_SUMS = 2


def replica_gradients(
    model, observe=None, num_sums=NUM_SUMS, weighted_only=False
):
    """Make the function that computes sums and gradients of a part of a batch.

    All of a step but the exchange between replicas, which XLA cannot compile.
    Where XLA compiles the whole step it compiles that of one micro-batch: a
    batch that grows only adds runs of it. On several devices the micro-batches
    flow through a pipeline of stages.
    """
    step = model.compiled_step
    step.check_head(model)  # It may have been quantized after `compile`.
    whole = step.needs_logits(model)
    if step.pipeline_stages > 1:
        return pipelined_gradients(model, observe, num_sums, weighted_only)
    gradients = gradients_from_logits if whole else chunked_gradients
    micro_batch = functools.partial(gradients, model)
    if weighted_only and not whole and not step.jit_compile_step:
        micro_batch = functools.partial(micro_batch, weighted_only=True)
    if observe is not None:
        micro_batch = observe(micro_batch)
    if step.jit_compile_step:
        micro_batch = tf.function(
            micro_batch, jit_compile=True, autograph=False
        )
    if step.micro_batch_size is None:
        return micro_batch
    return in_micro_batches(
        micro_batch, model.trainable_variables, step.micro_batch_size, num_sums
    )


def replica_graph(model, rows, length):
    """The same for one part of a batch, as XLA would see it on a GPU."""
    compute = replica_gradients(model)

    @tf.function(jit_compile=True, autograph=False)
    def graph(token_ids, padding_mask, labels, weights, gradient_scale):
        x = {"token_ids": token_ids, "padding_mask": padding_mask}
        sums, gradients, _ = compute(x, labels, weights, gradient_scale)
        return [sums, *map(tf.convert_to_tensor, gradients)]

    shape = (rows, length)
    ids, weights = tf.zeros(shape, "int32"), tf.ones(shape)
    return graph, (ids, tf.ones(shape, "bool"), ids, weights, tf.ones(()))
