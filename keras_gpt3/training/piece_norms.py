"""Norms of the gradients of single pieces of a batch. TensorFlow only.

What the gradient noise scale (section 2.3) is computed from: a piece is a
micro-batch, or the part of a replica where there are none. Its gradient is
there anyway.
"""

import tensorflow as tf

from keras_gpt3.training.gradient_clipping import squared_norm

# Added to the sums of `chunked_gradients`, summed over pieces: the squared
# norm of the piece's mean gradient, 1, and the inverse of its share of the
# weights.
NUM_PIECE_SUMS = 3


def with_piece_norms(function):
    """Makes a function of a piece add its gradient's norm to its sums."""

    def observed(x, y, weights, gradient_scale):
        sums, gradients, logits = function(x, y, weights, gradient_scale)
        share = tf.reduce_sum(weights)
        # The share of a piece in the gradient of the mean loss, made the
        # gradient of the piece's own mean loss.
        squared = squared_norm([tf.convert_to_tensor(g) for g in gradients])
        squared /= tf.square(gradient_scale)
        more = [
            tf.math.divide_no_nan(squared, tf.square(share)),
            tf.cast(share > 0, "float32"),
            tf.math.divide_no_nan(1.0, share),
        ]
        return tf.concat([sums, tf.stack(more)], 0), gradients, logits

    return observed
