"""Learned absolute positions."""

import keras
from keras import ops

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.layers.layer_policy import layer_policy
from keras_gpt3.ops.sequence_length_check import check_sequence_length


@keras.saving.register_keras_serializable(package="keras_gpt3")
class PositionEmbedding(keras.layers.Layer):
    """A learned vector for each position (section 2.1 of the paper, as GPT-2).

    Args:
        max_sequence_length: int. Number of positions.
        hidden_dim: int. Width of a vector.
        initializer: Initializer of the table. Defaults to `"uniform"`.
        offset: int. Rows of the table before that of position 0. Defaults to
            `0`.
        skip_padding: bool. Whether padding takes no position: a token's is then
            the number of tokens before it, and padding has the row before that
            of position 0. Needs an `offset` of at least 1. Defaults to
            `False`.
        **kwargs: See `keras.layers.Layer`.

    Call arguments:
        token_ids: tensor of shape `(batch, length)`; only its shape matters.
        start_index: int or int tensor. Position of the first token. Defaults
            to `0`.
        padding_mask: Optional. Bool tensor of the shape of `token_ids`, True
            where there is a token; looked at if `skip_padding`.

    Returns:
        A tensor of shape `(length, hidden_dim)`, or with a mask that is looked
        at `(batch, length, hidden_dim)`.

    Raises:
        ValueError: If `length` exceeds `max_sequence_length`, or `offset` is
            no integer that is large enough.

    Example:

    ```python
    import numpy as np
    import keras_gpt3

    layer = keras_gpt3.layers.PositionEmbedding(8, hidden_dim=4)
    y = layer(np.zeros((2, 3), "int32"))  # (3, 4)
    ```
    """

    def __init__(
        self,
        max_sequence_length,
        hidden_dim,
        initializer="uniform",
        offset=0,
        skip_padding=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("offset", offset, minimum=int(skip_padding))
        self.offset = offset
        self.skip_padding = skip_padding
        self.max_sequence_length = max_sequence_length
        self.hidden_dim = hidden_dim
        self.table = keras.layers.Embedding(
            max_sequence_length + offset,
            hidden_dim,
            embeddings_initializer=initializer,
            dtype=layer_policy(self.dtype_policy, f"{self.name}/table"),
            name="table",
        )

    def build(self, token_ids_shape):
        self.table.build(token_ids_shape)
        self.built = True

    def call(self, token_ids, start_index=0, padding_mask=None):
        check_sequence_length(token_ids.shape[1], self.max_sequence_length)
        if self.skip_padding and padding_mask is not None:
            is_token = ops.cast(padding_mask, "int32")
            positions = ops.cumsum(is_token, axis=1) * is_token - 1  # (B, T)
        else:
            length = ops.shape(token_ids)[1]
            positions = start_index + ops.arange(length, dtype="int32")
        return self.table(self.offset + positions)  # (T, M) or (B, T, M)

    def compute_output_shape(self, token_ids_shape, padding_mask_shape=None):
        # Keras asks for the shape only where a model is built from symbols.
        check_sequence_length(token_ids_shape[1], self.max_sequence_length)
        by_row = self.skip_padding and padding_mask_shape is not None
        return (*token_ids_shape[0 if by_row else 1 : 2], self.hidden_dim)

    def get_config(self):
        config = super().get_config()
        config.update(
            {
                "max_sequence_length": self.max_sequence_length,
                "hidden_dim": self.hidden_dim,
                "initializer": keras.initializers.serialize(
                    self.table.embeddings_initializer
                ),
                "offset": self.offset,
                "skip_padding": self.skip_padding,
            }
        )
        return config
