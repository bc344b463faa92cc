"""Embeddings of tokens and of positions."""

import keras
from keras import ops

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.layers.quantized_layers import dequantize
from keras_gpt3.layers.quantized_layers import quantized_as
from keras_gpt3.layers.quantized_layers import quantized_policy
from keras_gpt3.layers.quantized_layers import rounds_inputs
from keras_gpt3.ops.sequence_checks import check_sequence_length


@keras.saving.register_keras_serializable(package="keras_gpt3")
class PositionEmbedding(keras.layers.Layer):
    """A learned vector for each position (section 2.1 of the paper, as GPT-2).

    Args:
        max_sequence_length: int. Number of positions.
        hidden_dim: int. Width of a vector.
        initializer: string or `keras.initializers.Initializer`. Of the table.
            Defaults to `"uniform"`.
        offset: int. Rows of the table before that of position 0. Defaults to
            `0`.
        skip_padding: bool. Whether padding takes no position: a token's is then
            the number of tokens before it, and padding has the row before that
            of position 0. Needs an `offset` of at least 1. Defaults to
            `False`.
        **kwargs: Keyword arguments of `keras.layers.Layer`.

    Call arguments:
        token_ids: tensor of shape `(batch, length)`; only its shape matters.
        start_index: int, or int tensor of shape `()` or `(batch,)`. Position
            of the first token. Defaults to `0`.
        padding_mask: Optional. Bool tensor of the shape of `token_ids`, True
            where there is a token; looked at if `skip_padding`.
        segment_ids: Optional. Int tensor of the shape of `token_ids`. Positions
            start again where it changes.

    Returns:
        A tensor of shape `(length, hidden_dim)`, or with segments, a mask that
        is looked at, or a start for each row `(batch, length, hidden_dim)`.

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
            name="table",
            **quantized_as(self.dtype_policy, f"{self.name}/table"),
        )

    # Keras passes the shapes of several inputs by these names.
    def build(
        self,
        token_ids_shape,
        start_index_shape=None,
        padding_mask_shape=None,
        segment_ids_shape=None,
    ):
        self.table.build(token_ids_shape)
        self.built = True

    def call(
        self, token_ids, start_index=0, padding_mask=None, segment_ids=None
    ):
        check_sequence_length(token_ids.shape[1], self.max_sequence_length)
        if self.skip_padding and padding_mask is not None:
            # Any integer but 0 is a token, as in attention, and counts once.
            is_token = ops.cast(ops.cast(padding_mask, "bool"), "int32")
            numbers = ops.cumsum(is_token, axis=1)
            if segment_ids is not None:
                numbers = _within_segments(numbers, is_token, segment_ids)
            positions = numbers * is_token - 1  # (B, T)
        else:
            length = ops.shape(token_ids)[1]
            # Without a type, ints have as many bits as Keras' float type.
            start = ops.expand_dims(ops.cast(start_index, "int32"), -1)
            positions = start + ops.arange(length, dtype="int32")
            if len(positions.shape) == 2:
                # A row that is padded may reach beyond the table.
                last = self.max_sequence_length - 1
                positions = ops.minimum(positions, last)
            if segment_ids is not None:
                positions = ops.broadcast_to(positions, ops.shape(token_ids))
                positions = _within_segments(positions, 0, segment_ids)
        vectors = self.table(self.offset + positions)  # (T, M) or (B, T, M)
        # A quantized table of a mixed policy gives float32 within a layer.
        return ops.cast(vectors, self.compute_dtype)

    def compute_output_shape(
        self,
        token_ids_shape,
        start_index_shape=None,
        padding_mask_shape=None,
        segment_ids_shape=None,
    ):
        # Keras calls this only where a model is built from symbols.
        check_sequence_length(token_ids_shape[1], self.max_sequence_length)
        by_row = self.skip_padding and padding_mask_shape is not None
        by_row = by_row or segment_ids_shape is not None or start_index_shape
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
                "dtype": keras.dtype_policies.serialize(quantized_policy(self)),
            }
        )
        return config


def _within_segments(numbers, own, segment_ids):
    """Numbers that rise along rows (B, T), less those before their segment.

    `own` is what a position itself has added to its number.
    """
    rows, length = ops.shape(segment_ids)
    is_new = ops.cast(segment_ids[:, 1:] != segment_ids[:, :-1], "int32")
    is_first = ops.pad(is_new, [[0, 0], [1, 0]])  # But for that of a row.
    # (B, T): which of all segments of the batch a position is in.
    places = ops.cumsum(is_first, axis=1)
    places = places + length * ops.arange(rows, dtype="int32")[:, None]
    # Of each segment one position counts, the first; a row begins with none.
    before = ops.segment_sum(
        ops.ravel((numbers - own) * is_first),
        ops.ravel(places),
        num_segments=rows * length,
    )
    return numbers - ops.take(before, places)


# The class has its parent's name: weight files call the layer by it.
@keras.saving.register_keras_serializable(package="keras_gpt3")
class ReversibleEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` that adapters can learn below.

    The parent's quantized head rounds its inputs without a gradient: what
    reaches the layers below comes from the scale of the rounding alone. It
    leaves out an adapter of the table as well. Here the gradient goes through
    the table that the integers stand for, as in Keras' `Dense`. Arguments and
    results are the parent's.
    """

    def quantize(self, mode=None, type_check=True, config=None):
        # The parent refuses its subclasses.
        super().quantize(mode, type_check=False, config=config)

    def quantized_call(self, inputs, reverse=False):
        if not reverse:
            if self.quantization_mode == "int4" and not self.lora_enabled:
                # The parent unpacks the whole table for them.
                vectors = dequantize(self, "embeddings", rows=inputs)
            else:
                vectors = super().quantized_call(inputs)
            # In a mixed policy they are float32 within a model.
            return ops.cast(vectors, self.compute_dtype)
        logits = self._quantized_logits(inputs)
        if self.lora_enabled:
            part = ops.matmul(inputs, ops.transpose(self.lora_embeddings_b))
            part = ops.matmul(part, ops.transpose(self.lora_embeddings_a))
            logits += (self.lora_alpha / self.lora_rank) * part
        return ops.cast(logits, self.compute_dtype)

    def _quantized_logits(self, inputs):
        """The parent's logits, differentiable with respect to the inputs."""
        compute = super().quantized_call

        @ops.custom_gradient
        def logits_with_gradient(inputs):
            def gradient(*args, upstream=None):
                if upstream is None:
                    (upstream,) = args
                table = dequantize(self, "embeddings")
                table = ops.cast(table, upstream.dtype)
                return ops.cast(ops.matmul(upstream, table), inputs.dtype)

            return compute(inputs, reverse=True), gradient

        return logits_with_gradient(inputs)

    def float_weights(self):
        """The table that its numbers stand for, `(V, E)`.

        `None` where no product with one table gives the logits.
        """
        if rounds_inputs(self) or self.lora_enabled:
            return None
        if self.quantization_mode is None:
            return self.embeddings
        return dequantize(self, "embeddings")


@keras.saving.register_keras_serializable(package="keras_gpt3")
class PaddedEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding` whose rows divide among devices.

    Several devices can share a table only if their number divides its rows,
    and 50257 is a prime times 29. The variable has more rows, of zeros, which
    ids, logits, counts and files do not show. They stay zero: the logits of
    those rows count nowhere.
    """

    # The parent's other arguments would count for nothing here.
    def __init__(
        self,
        input_dim,
        output_dim,
        num_rows,
        embeddings_initializer="uniform",
        *,
        name=None,
        dtype=None,
        trainable=True,
    ):
        super().__init__(
            input_dim,
            output_dim,
            embeddings_initializer=embeddings_initializer,
            name=name,
            dtype=dtype,
            trainable=trainable,
        )
        if num_rows < input_dim:
            raise ValueError(
                "num_rows must be at least input_dim. Received: num_rows="
                f"{num_rows}, input_dim={input_dim}. Use a larger multiple of "
                "the number of devices."
            )
        self.num_rows = num_rows

    def build(self, input_shape=None):
        if self.built:
            return
        if self.quantization_mode:
            self.quantize(self.quantization_mode)  # Raises.
        self._embeddings = self.add_weight(
            shape=(self.num_rows, self.output_dim),
            initializer=_WithZeroRows(
                self.embeddings_initializer, self.input_dim
            ),
            name="embeddings",
            trainable=True,
        )
        self.built = True

    @property
    def embeddings(self):
        """The vectors of all ids, a tensor `(input_dim, output_dim)`."""
        return self._embeddings[: self.input_dim]

    @property
    def all_rows(self):
        """The variable, of shape `(num_rows, output_dim)`."""
        return self._embeddings

    def call(self, inputs, reverse=False):
        # By the whole variable: its part would have to be shared out anew.
        if not reverse:
            vectors = ops.take(self._embeddings, inputs, axis=0)
            return ops.cast(vectors, self.compute_dtype)
        table = ops.cast(self._embeddings, inputs.dtype)
        logits = ops.matmul(inputs, ops.transpose(table))
        return logits[..., : self.input_dim]

    def count_params(self):
        return self.input_dim * self.output_dim

    def save_own_variables(self, store):
        if self.built:
            store["0"] = self.embeddings

    def load_own_variables(self, store):
        self._embeddings.assign(self.with_zero_rows(store["0"]))

    def with_zero_rows(self, rows):
        """Add the rows of the variable that no id has."""
        return ops.pad(rows, [[0, self.num_rows - self.input_dim], [0, 0]])

    def quantize(self, mode=None, type_check=True, config=None):
        raise NotImplementedError(
            "mode must be None for a token embedding that is padded for "
            f"several devices. Received: mode={echoed(mode)}. Quantize the "
            "model without a distribution."
        )

    def enable_lora(self, rank, *args, **kwargs):
        raise NotImplementedError(
            "rank must be None for a token embedding that is padded for "
            f"several devices. Received: rank={rank}. Adapt the layers of the "
            "blocks."
        )

    def get_config(self):
        config = super().get_config()
        names = ("name", "trainable", "dtype", "input_dim", "output_dim")
        kept = (*names, "embeddings_initializer")
        return {key: config[key] for key in kept} | {"num_rows": self.num_rows}

    @classmethod
    def from_config(cls, config):
        # The parent's own adds an argument that this layer does not take.
        return super(keras.layers.Embedding, cls).from_config(config)


# Keras names what it stores of a layer by its class: the files of a model are
# then the same whatever it is spread over.
PaddedEmbedding.__name__ = ReversibleEmbedding.__name__


class _WithZeroRows(keras.initializers.Initializer):
    """What another initializer gives for fewer rows, then zeros."""

    def __init__(self, initializer, num_rows):
        self._initializer, self._num_rows = initializer, num_rows

    def __call__(self, shape, dtype=None):
        more = shape[0] - self._num_rows
        rows = self._initializer((self._num_rows, *shape[1:]), dtype=dtype)
        return ops.pad(rows, [[0, more]] + [[0, 0]] * (len(shape) - 1))
