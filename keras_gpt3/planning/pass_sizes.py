"""The sizes of one pass through a model, from which its memory follows."""

import dataclasses
import functools

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.layers.block_pattern import attention_windows
from keras_gpt3.layers.block_pattern import rematerialized_layers
from keras_gpt3.ops.attention.attention_shapes import block_bounds
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.token_chunks import equal_chunks
from keras_gpt3.planning.memory import FLOAT32_BYTES
from keras_gpt3.planning.memory import bytes_per_activation
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.parameter_count import complete_config


@dataclasses.dataclass(frozen=True)
class PassSizes:
    """What goes through the model at once, and in which numbers."""

    rows: int
    length: int
    hidden_dim: int
    intermediate_dim: int
    num_heads: int
    vocabulary_size: int
    windows: tuple
    recomputed: tuple
    has_dropout: bool
    activation_bytes: int
    weight_bytes: int

    @classmethod
    def of(cls, config, dtype, rows, length=None, rematerialization="none"):
        """Take the sizes from the arguments of a backbone and of `compile`."""
        config = complete_config(config)
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
            hidden_dim=config["hidden_dim"],
            intermediate_dim=config["intermediate_dim"],
            num_heads=config["num_heads"],
            vocabulary_size=config["vocabulary_size"],
            windows=attention_windows(config),
            recomputed=rematerialized_layers(
                rematerialization, config["num_layers"]
            ),
            has_dropout=bool(config["dropout"]),
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
        return equal_chunks(self.tokens, self.vocabulary_size)[1]

    def activations(self, kept, other):
        """What is kept for the backward pass, by the kind of layer.

        `kept` are the bytes of each layer, `other` those outside of them.
        """
        parts = {"dense_activations": 0, "banded_activations": 0}
        for window, num_bytes in zip(self.windows, kept, strict=True):
            kind = "dense" if window is None else "banded"
            parts[f"{kind}_activations"] += num_bytes
        return parts | {"other_activations": other}

    @property
    def sum_bytes(self):
        """Of a number in sums of micro-batches: in float32 at least."""
        return max(self.weight_bytes, FLOAT32_BYTES)

    @property
    def is_mixed(self):
        """Whether the layers compute in another dtype than they store."""
        return self.activation_bytes != self.weight_bytes

    @property
    def table_weights(self):
        """Weights of the token embedding, which is the output head too."""
        return self.vocabulary_size * self.hidden_dim

    @property
    def kernel_weights(self):
        """Weights of the kernels of one block."""
        attention, feed_forward = 4 * self.hidden_dim, 2 * self.intermediate_dim
        return self.hidden_dim * (attention + feed_forward)


# The scores of a layer that is run by blocks: time and memory follow them.


@functools.cache
def key_ranges(length, window=None):
    """The queries and keys of each block."""
    # The operation leaves a window of the whole length to dense attention.
    window = None if window is None or window >= length else window
    bounds = block_bounds(length, window)
    return tuple((end - start, end - first) for first, start, end in bounds)


def largest_block(length, window=None):
    """The most scores that a block has, for one head of one sequence."""
    return max(queries * keys for queries, keys in key_ranges(length, window))


def num_scores(length, window=None):
    """All scores that are computed, for one head of one sequence."""
    return sum(queries * keys for queries, keys in key_ranges(length, window))


def cache_bytes(config, dtype="float32", batch_size=1, length=None):
    """Compute the bytes of the cache of keys and values for generation.

    Dense layers keep all positions, banded ones those of their window; see
    `GPT3Backbone.make_cache`.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        dtype: string. A Keras dtype policy. Defaults to `"float32"`.
        batch_size: int. Sequences that are continued at a time. Defaults to
            `1`.
        length: int. Positions, prompt and continuation. Defaults to `None`,
            the config's `max_sequence_length`.

    Returns:
        An int, bytes.

    Raises:
        ValueError: If a size is missing or wrong, or the dtype is not a known
            one.

    Example:

    ```python
    from keras_gpt3.planning import cache_bytes
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_175b_en")["backbone"]
    cache_bytes(config, "bfloat16")  # 5435817984
    ```
    """
    config = complete_config(config)
    length = config["max_sequence_length"] if length is None else length
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("length", length, minimum=1)
    slots = sum(ring_size(int(length), w) for w in attention_windows(config))
    size = 2 * batch_size * slots * config["hidden_dim"]
    return int(size) * bytes_per_activation(dtype)
