"""One guarded step of a pretraining run on one replica. TensorFlow only.

The arithmetic is that of `train_step`. What differs: an update that is not
finite is not made; what tells about the health of a run comes out of the same
pass; and workers vote. All of it goes through the one exchange of sums that
there is anyway.
"""

import tensorflow as tf

from keras_gpt3.training.apply_gradients import apply_gradients
from keras_gpt3.training.labelled_batch import unpack_batch
from keras_gpt3.training.loss_and_gradients import chunked_sums
from keras_gpt3.training.loss_scaling import scale_loss
from keras_gpt3.training.piece_norms import NUM_PIECE_SUMS
from keras_gpt3.training.piece_norms import with_piece_norms
from keras_gpt3.training.replica_gradients import NUM_SUMS
from keras_gpt3.training.replica_gradients import replica_gradients
from keras_gpt3.training.replica_sum import sum_over_replicas
from keras_gpt3.training.token_shares import token_shares


def monitored_step(model, data, votes):
    """Trains a model on one batch, unless that would spoil it."""
    x, y, sample_weight = unpack_batch(data)
    shares, total_weight = token_shares(y, sample_weight)
    compute = replica_gradients(
        model, with_piece_norms, NUM_SUMS + NUM_PIECE_SUMS
    )
    scale = scale_loss(model.optimizer, tf.ones(()))
    sums, gradients, _ = compute(x, y, shares, scale)
    sums = sum_over_replicas(tf.concat([sums, votes], 0))
    loss, correct, squared, pieces, inverse_shares = tf.unstack(
        sums[: NUM_SUMS + NUM_PIECE_SUMS]
    )
    learning_rate = tf.convert_to_tensor(model.optimizer.learning_rate)
    norm, applied = apply_gradients(
        model.optimizer,
        gradients,
        model.trainable_variables,
        only_if=tf.math.is_finite(loss),
    )
    divide = tf.math.divide_no_nan
    return {
        "loss": loss,
        "accuracy": correct,
        "tokens": total_weight,
        "gradient_norm": norm,
        "applied": tf.cast(applied, "float32"),
        "learning_rate": tf.cast(learning_rate, "float32"),
        "piece_squared_norm": divide(squared, pieces),
        # The harmonic mean of the pieces' tokens.
        "piece_tokens": total_weight * divide(pieces, inverse_shares),
        "votes": sums[NUM_SUMS + NUM_PIECE_SUMS :],
    }


def evaluation_sums(model, data):
    """Sums of loss and right guesses over one batch, for a run's validation."""
    x, y, sample_weight = unpack_batch(data)
    shares, total_weight = token_shares(y, sample_weight)
    sums = sum_over_replicas(chunked_sums(model, x, y, shares))
    return tf.concat([sums * total_weight, [total_weight]], 0)
