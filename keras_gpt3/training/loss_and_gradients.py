"""The arithmetic of a step: loss and gradients on one replica. TensorFlow only.

All functions take weights that sum to 1 over the global batch, so that sums
are means and gradients are those of the mean loss, however the batch is split
over replicas and micro-batches.
"""

import tensorflow as tf

from keras_gpt3.ops.chunked_cross_entropy import loss_and_gradients
from keras_gpt3.ops.chunked_cross_entropy import loss_sums
from keras_gpt3.ops.token_cross_entropy import token_cross_entropy


def chunked_gradients(
    model, x, y, weights, gradient_scale, weighted_only=False
):
    """Loss and gradients without the logits of all tokens.

    Args:
        model: a `GPT3`.
        x: dict of `"token_ids"` and `"padding_mask"`.
        y: int tensor of shape `(batch, length)`, the labels.
        weights: float32 tensor of shape `(batch, length)`.
        gradient_scale: float32 scalar. Factor on the gradients.
        weighted_only: bool. Whether the head leaves out tokens of weight 0,
            such as prompts; not for XLA. Defaults to `False`.

    Returns:
        A tuple of the sums (a tensor of loss and weight of right guesses), the
        gradients of the trainable variables, and `None` for the logits.
    """
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
    """Loss and gradients of what makes the final hidden states, and the head.

    Args:
        model: a `GPT3`.
        make_states: callable. Takes the inputs; returns the final hidden
            states, of shape `(batch, length, width)`.
        inputs: list of float tensors.
        variables: list of `keras.Variable`.
        y: as in `chunked_gradients`, as are the arguments after it.
        weights: see `y`.
        gradient_scale: see `y`.
        weighted_only: see `y`.

    Returns:
        A tuple of the sums; the gradients of inputs and variables, in one
        list, `None` of what is not used; and the gradient of the table as
        output head, which the list lacks, `None` where the table is frozen or
        made by adapters.
    """
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


def whole_gradients(model, x, y, weights, gradient_scale):
    """The same through the logits of all tokens, where someone needs them.

    Args:
        model: a `GPT3`.
        x: as in `chunked_gradients`.
        y: as in `chunked_gradients`.
        weights: as in `chunked_gradients`.
        gradient_scale: as in `chunked_gradients`.

    Returns:
        A tuple as that of `chunked_gradients`, with the logits.
    """
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        sums = whole_sums(logits, y, weights)
        loss = sums[0] * gradient_scale
    gradients = tape.gradient(loss, model.trainable_variables)
    return sums, gradients, logits


def chunked_sums(model, x, y, weights, weighted_only=False):
    """Sums the loss and the right guesses, without gradients and logits.

    Args:
        model: a `GPT3`.
        x: dict of `token_ids` and `padding_mask`, `(batch, length)`.
        y: int tensor of shape `(batch, length)`. The labels.
        weights: float32 tensor of shape `(batch, length)`.
        weighted_only: bool. As in `chunked_gradients`. Defaults to `False`.

    Returns:
        A float32 tensor of shape `(2,)`: the weighted sums over tokens of the
        loss and of the right guesses.
    """
    hidden_states = model.backbone(x, training=False)
    table = output_table(model)
    return tf.stack(loss_sums(hidden_states, table, y, weights, weighted_only))


def whole_sums(logits, y, weights):
    """Sums the loss and the right guesses, given all logits.

    Args:
        logits: float tensor of shape `(batch, length, vocabulary_size)`.
        y: int tensor of shape `(batch, length)`. The labels.
        weights: float32 tensor of shape `(batch, length)`.

    Returns:
        As `chunked_sums`.
    """
    y = tf.cast(y, "int32")  # Of uint8 and others `argmax` knows nothing.
    loss = tf.reduce_sum(token_cross_entropy(y, logits) * weights)
    guesses = tf.argmax(logits, axis=-1, output_type="int32")
    correct = tf.reduce_sum(tf.cast(guesses == y, "float32") * weights)
    return tf.stack([loss, correct])


def output_table(model):
    """Reads the weights of the tied output head.

    Args:
        model: a `GPT3`.

    Returns:
        A tensor of shape `(vocabulary_size, hidden_dim)`.
    """
    return tf.convert_to_tensor(model.backbone.token_embedding.embeddings)


def place_of_table(model, variables):
    """The index of the head's weights among variables, if it is one.

    Args:
        model: a `GPT3`.
        variables: list of `keras.Variable`.

    Returns:
        An int or `None`.
    """
    embedding = model.backbone.token_embedding
    places = [
        index
        for index, variable in enumerate(variables)
        if variable is embedding.embeddings
    ]
    return places[0] if places else None


def add_gradient(total, gradient):
    """Adds a gradient to a dense one, in place where nobody else holds it.

    The tape would make the rows that were looked up into a table of their own
    and add the two: as large an array once more, and passes over both.

    Args:
        total: float tensor.
        gradient: tensor or `tf.IndexedSlices` of its shape.

    Returns:
        A tensor of the dtype of `total`.
    """
    if not isinstance(gradient, tf.IndexedSlices):
        return total + tf.cast(gradient, total.dtype)
    values = tf.cast(gradient.values, total.dtype)
    return tf.tensor_scatter_nd_add(
        total, gradient.indices[:, tf.newaxis], values
    )
