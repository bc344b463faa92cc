"""Learned absolute positions."""

import keras
from keras import ops

from keras_gpt3.ops.sequence_length_check import check_sequence_length


@keras.saving.register_keras_serializable(package="keras_gpt3")
class PositionEmbedding(keras.layers.Layer):
    """A learned vector for each position (section 2.1 of the paper, as GPT-2).

    Args:
        max_sequence_length: int. Number of positions.
        hidden_dim: int. Width of a vector.
        initializer: Initializer of the table. Defaults to `"uniform"`.
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        token_ids: tensor of shape `(batch, length)`; only its shape matters.
        start_index: int or int tensor. Position of the first token. Defaults
            to `0`.

    Returns:
        A tensor of shape `(length, hidden_dim)`.

    Raises:
        ValueError: If `length` exceeds `max_sequence_length`.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    layer = keras_gpt3.layers.PositionEmbedding(8, hidden_dim=4)
    y = layer(np.zeros((2, 3), "int32"))  # (3, 4)
    ```
    """

    def __init__(
        self, max_sequence_length, hidden_dim, initializer="uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.max_sequence_length = max_sequence_length
        self.hidden_dim = hidden_dim
        self.table = keras.layers.Embedding(
            max_sequence_length,
            hidden_dim,
            embeddings_initializer=initializer,
            dtype=self.dtype_policy,
            name="table",
        )

    def build(self, token_ids_shape):
        self.table.build(token_ids_shape)
        self.built = True

    def call(self, token_ids, start_index=0):
        check_sequence_length(token_ids.shape[1], self.max_sequence_length)
        length = ops.shape(token_ids)[1]
        return self.table(start_index + ops.arange(length))  # (T, M)

    def compute_output_shape(self, token_ids_shape):
        # Keras asks for the shape only where a model is built from symbols.
        check_sequence_length(token_ids_shape[1], self.max_sequence_length)
        return (token_ids_shape[1], self.hidden_dim)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "max_sequence_length": self.max_sequence_length,
                "hidden_dim": self.hidden_dim,
                "initializer": keras.initializers.serialize(
                    self.table.embeddings_initializer
                ),
            }
        )
        return config
