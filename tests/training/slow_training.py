"""The training step once more, slow and obvious: one device, no compiler."""

import numpy as np
import tensorflow as tf

from keras_gpt3.ops import op_compilation


def slow_training(model, optimizer, batches):
    """Trains a model, and returns what was seen at each step.

    Args:
        model: `GPT3`. It is changed.
        optimizer: `keras.optimizers.Optimizer`, which clips, on one device, as
            it should.
        batches: list of `(x, y, weights)`, weights of the shape of `y`.

    Returns:
        A dict of arrays, one number a step: the mean `"loss"` and `"accuracy"`
        over tokens, the `"weight"` of all tokens, and the global `"norm"` of
        the gradient of the mean loss.
    """
    seen = []
    for x, y, weights in batches:
        weights = tf.cast(weights, "float32")
        with op_compilation(False), tf.GradientTape() as tape:
            logits = tf.cast(model(x, training=True), "float32")
            chosen = tf.one_hot(y, logits.shape[-1])
            losses = -tf.reduce_sum(tf.nn.log_softmax(logits) * chosen, -1)
            loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
        gradients = tape.gradient(loss, model.trainable_variables)
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        norm = sum((g.numpy().astype("float64") ** 2).sum() for g in gradients)
        right = (logits.numpy().argmax(-1) == y) * weights.numpy()
        accuracy = right.sum() / weights.numpy().sum()
        seen.append((loss, accuracy, weights.numpy().sum(), norm**0.5))
        optimizer.apply(gradients, model.trainable_variables)
    return dict(
        zip(
            ("loss", "accuracy", "weight", "norm"),
            np.transpose(seen).astype("float64"),
            strict=True,
        )
    )
