"""The sizes of one pass through a model, from which its memory follows."""

import dataclasses

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.planning.attention_blocks import attention_windows
from keras_gpt3.planning.dtype_bytes import bytes_per_activation
from keras_gpt3.planning.dtype_bytes import bytes_per_weight
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.rematerialization import rematerialized_layers

# Numbers in the logits of a chunk: as in `keras_gpt3.ops.token_chunks`, which
# this folder cannot import without Keras; a test compares them.
_CHUNK_LOGITS = 2**25


@dataclasses.dataclass(frozen=True)
class PassSizes:
    """What goes through the model at once, and in which numbers."""

    rows: int
    length: int
    width: int
    inner: int
    heads: int
    vocabulary: int
    windows: tuple
    recomputed: tuple
    drops: bool
    activation_bytes: int
    weight_bytes: int

    @classmethod
    def of(cls, config, dtype, rows, length=None, rematerialization="none"):
        """Takes the sizes from the arguments of a backbone and of `compile`."""
        count_parameters(config)  # Checks the sizes.
        context = config["max_sequence_length"]
        length = context if length is None else length
        check_integer("length", length, minimum=1)
        if length > context:
            raise ValueError(
                f"length must be at most max_sequence_length={context}. "
                f"Received: length={length}. Override max_sequence_length to "
                "train on longer sequences."
            )
        return cls(
            rows=rows,
            length=length,
            width=config["hidden_dim"],
            inner=config["intermediate_dim"],
            heads=config.get("num_heads", 12),
            vocabulary=config["vocabulary_size"],
            windows=attention_windows(config),
            recomputed=rematerialized_layers(
                rematerialization, config["num_layers"]
            ),
            drops=bool(config.get("dropout")),
            activation_bytes=bytes_per_activation(dtype),
            weight_bytes=bytes_per_weight(dtype)[1],
        )

    @property
    def tokens(self):
        """Tokens that are in the model at once."""
        return self.rows * self.length

    @property
    def chunk_tokens(self):
        """Tokens whose logits are in memory at once."""
        most = 2 ** max(0, (_CHUNK_LOGITS // self.vocabulary).bit_length() - 1)
        return -(-self.tokens // -(-self.tokens // most))

    @property
    def is_mixed(self):
        """Whether the layers compute in another dtype than they store."""
        return self.activation_bytes != self.weight_bytes

    @property
    def table_weights(self):
        """Weights of the token embedding, which is the output head too."""
        return self.vocabulary * self.width

    @property
    def kernel_weights(self):
        """Weights of the kernels of one block."""
        return 4 * self.width**2 + 2 * self.width * self.inner
