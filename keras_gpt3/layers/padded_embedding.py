"""A token embedding with rows that nobody sees."""

import keras
from keras import ops

from keras_gpt3.echoed_value import echoed


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
        """Adds the rows of the variable that no id has."""
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


class _WithZeroRows(keras.initializers.Initializer):
    """What another initializer gives for fewer rows, then zeros."""

    def __init__(self, initializer, num_rows):
        self._initializer, self._num_rows = initializer, num_rows

    def __call__(self, shape, dtype=None):
        more = shape[0] - self._num_rows
        rows = self._initializer((self._num_rows, *shape[1:]), dtype=dtype)
        return ops.pad(rows, [[0, more]] + [[0, 0]] * (len(shape) - 1))
