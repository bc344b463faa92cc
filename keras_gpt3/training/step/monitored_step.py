"""One guarded step of a pretraining run on one replica. TensorFlow only.

The arithmetic is that of `train_step`. What differs: an update that is not
finite is not made; what monitors the health of a run comes out of the same
pass; and workers ask to save or to stop. All of it goes through the one
exchange of sums that there is anyway.
"""

import tensorflow as tf

from keras_gpt3.parallel.replicas import sum_over_replicas
from keras_gpt3.training.step.apply_gradients import apply_gradients
from keras_gpt3.training.step.gradient_noise_scale import NUM_NORM_SUMS
from keras_gpt3.training.step.gradient_noise_scale import with_micro_batch_norms
from keras_gpt3.training.step.loss_and_gradients import chunked_sums
from keras_gpt3.training.step.loss_scaling import scale_loss
from keras_gpt3.training.step.mean_loss import normalized_loss_weights
from keras_gpt3.training.step.mean_loss import unpack_batch
from keras_gpt3.training.step.replica_gradients import NUM_SUMS
from keras_gpt3.training.step.replica_gradients import replica_gradients


def monitored_step(model, data, requests):
    """Train a model on one batch, unless that would spoil it."""
    x, y, sample_weight = unpack_batch(data)
    weights, total_weight = normalized_loss_weights(y, sample_weight)
    num_sums = NUM_SUMS + NUM_NORM_SUMS
    compute = replica_gradients(model, with_micro_batch_norms, num_sums)
    scale = scale_loss(model.optimizer, tf.ones(()))
    sums, gradients, _ = compute(x, y, weights, scale)
    sums = sum_over_replicas(tf.concat([sums, requests], 0))
    loss, correct, squared, count, inverse_weights = tf.unstack(sums[:num_sums])
    learning_rate = tf.convert_to_tensor(model.optimizer.learning_rate)
    norm, applied = apply_gradients(
        model.optimizer,
        gradients,
        model.trainable_variables,
        only_if=tf.math.is_finite(loss),
    )
    divide = tf.math.divide_no_nan
    # The harmonic mean of the micro-batches' tokens.
    tokens = total_weight * divide(count, inverse_weights)
    return {
        "loss": loss,
        "accuracy": correct,
        "tokens": total_weight,
        "gradient_norm": norm,
        "applied": tf.cast(applied, "float32"),
        "learning_rate": tf.cast(learning_rate, "float32"),
        "micro_batch_squared_norm": divide(squared, count),
        "micro_batch_tokens": tokens,
        "requests": sums[num_sums:],
    }


def evaluation_sums(model, data):
    """Sums of loss and correct predictions over a batch, for validation."""
    x, y, sample_weight = unpack_batch(data)
    weights, total_weight = normalized_loss_weights(y, sample_weight)
    sums = sum_over_replicas(chunked_sums(model, x, y, weights))
    return tf.concat([sums * total_weight, [total_weight]], 0)
