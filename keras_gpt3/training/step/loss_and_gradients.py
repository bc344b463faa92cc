"""The arithmetic of a step: loss and gradients on one replica. TensorFlow only.

All functions take weights that sum to 1 over the global batch, so that sums
are means and gradients are those of the mean loss, however the batch is split
over replicas and micro-batches.
"""

import tensorflow as tf

from keras_gpt3.ops.chunked_cross_entropy import loss_and_gradients
from keras_gpt3.ops.chunked_cross_entropy import loss_sums
from keras_gpt3.training.step.mean_loss import sums_from_logits


def chunked_gradients(
    model, x, y, weights, gradient_scale, weighted_only=False
):
    """Loss and gradients without the logits of all tokens."""
    variables = model.trainable_variables
    sums, gradients, d_table = head_gradients(
        model,
        lambda: model.backbone(x, training=True),
        [],
        variables,
        y,
        weights,
        gradient_scale,
        weighted_only,
    )
    if d_table is not None:
        place = place_of_table(model, variables)
        gradients[place] = add_gradient(d_table, gradients[place])
    return sums, gradients, None


def head_gradients(
    model,
    make_states,
    inputs,
    variables,
    y,
    weights,
    gradient_scale,
    weighted_only=False,
):
    """Loss and gradients of the head, and of what makes its hidden states."""
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        hidden_states = make_states(*inputs)
        table = output_table(model)
    frozen = not model.backbone.token_embedding.trainable_variables
    loss, correct, d_states, d_table = loss_and_gradients(
        hidden_states,
        table,
        y,
        weights,
        gradient_scale,
        frozen,
        weighted_only,
    )
    outputs, upstream = [hidden_states], [d_states]
    if place_of_table(model, variables) is None:
        if not frozen:  # Adapters make the table.
            outputs, upstream = [*outputs, table], [*upstream, d_table]
        d_table = None
    gradients = tape.gradient(
        outputs, [*inputs, *variables], output_gradients=upstream
    )
    return tf.stack([loss, correct]), gradients, d_table


def gradients_from_logits(model, x, y, weights, gradient_scale):
    """The same through the logits of all tokens, where someone needs them."""
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        sums = sums_from_logits(logits, y, weights)
        loss = sums[0] * gradient_scale
    gradients = tape.gradient(loss, model.trainable_variables)
    return sums, gradients, logits


def chunked_sums(model, x, y, weights, weighted_only=False):
    """Sum loss and correct predictions, without gradients and logits."""
    hidden_states = model.backbone(x, training=False)
    table = output_table(model)
    return tf.stack(loss_sums(hidden_states, table, y, weights, weighted_only))


def output_table(model):
    """Read the weights of the tied output head."""
    return tf.convert_to_tensor(model.backbone.token_embedding.embeddings)


def place_of_table(model, variables):
    """The index of the head's weights among variables, if it is one."""
    embedding = model.backbone.token_embedding
    places = [
        index
        for index, variable in enumerate(variables)
        if variable is embedding.embeddings
    ]
    return places[0] if places else None


def add_gradient(total, gradient):
    """Add a gradient to a dense one, in place where nothing else holds it.

    The tape would make the rows that were looked up into a table of their own
    and add the two: as large an array once more, and passes over both.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return total + tf.cast(gradient, total.dtype)
    values = tf.cast(gradient.values, total.dtype)
    return tf.tensor_scatter_nd_add(
        total, gradient.indices[:, tf.newaxis], values
    )
