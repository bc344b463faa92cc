"""Cross-entropy of each token."""

from keras import ops


def token_cross_entropy(labels, logits):
    """Negative log-likelihood of each label, in float32 and in nats.

    Args:
        labels: int tensor of shape `(batch, length)`.
        logits: tensor of shape `(batch, length, vocabulary_size)`, any float
            dtype.

    Returns:
        A float32 tensor of shape `(batch, length)`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    labels = np.array([[2]])
    logits = np.zeros((1, 1, 4), "float32")
    keras_gpt3.ops.token_cross_entropy(labels, logits)  # [[1.3863]], log 4
    ```
    """
    logits = ops.cast(logits, "float32")
    # `sparse_categorical_crossentropy` lowers to TensorFlow's fused kernel.
    return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
