"""The sizes of one pass through a model, from which its memory follows."""

import dataclasses
import functools
import numbers

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning.memory import bytes_per_activation
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.parameter_count import count_parameters

# Numbers in the logits of a chunk: as in `keras_gpt3.ops.log_probabilities`,
# which this folder cannot import without Keras; a test compares them.
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


# How blocked attention cuts the scores: sizes that memory and time follow.
#
# The same numbers as in `keras_gpt3.ops.blocked_attention`, which this folder
# cannot import without Keras; a test compares them.


DENSE_BLOCK = 256
BANDED_BLOCK = 128


def attention_windows(config):
    """The window of each layer of a backbone."""
    # `GPT3Backbone`'s defaults.
    pattern = config.get("attention_pattern", ("dense", "banded"))
    window = config.get("attention_window", 256)
    return tuple(
        None if pattern[layer % len(pattern)] == "dense" else window
        for layer in range(config["num_layers"])
    )


@functools.cache
def key_ranges(length, window=None):
    """The queries and keys of each block."""
    dense = window is None or window >= length
    size = DENSE_BLOCK if dense else BANDED_BLOCK
    ranges = []
    for start in range(0, length, size):
        end = min(start + size, length)
        first = 0 if dense else max(0, start - window + 1)
        ranges.append((end - start, end - first))
    return tuple(ranges)


def largest_block(length, window=None):
    """The most scores that a block has, for one head of one sequence."""
    return max(queries * keys for queries, keys in key_ranges(length, window))


def num_scores(length, window=None):
    """All scores that are computed, for one head of one sequence."""
    return sum(queries * keys for queries, keys in key_ranges(length, window))


_NEVER = 0
_STEPS = {"none": _NEVER, "block": 1}


def rematerialized_layers(rematerialization, num_layers):
    """Tells for each block whether it is rematerialized.

    A rematerialized block keeps nothing but its input for the backward pass,
    and runs forward once more there.

    Args:
        rematerialization: string or int. `"none"`; `"block"` for every block;
            or `k`, for every `k`-th block, the first one included.
        num_layers: int. Number of blocks.

    Returns:
        A tuple of bools, one a block.

    Raises:
        ValueError: If the policy is unknown.

    Example:

    ```python
    from keras_gpt3.planning.pass_sizes import rematerialized_layers

    rematerialized_layers(2, num_layers=4)  # (True, False, True, False)
    ```
    """
    step = rematerialization
    if isinstance(step, str):
        step = _STEPS.get(step)
    whole = isinstance(step, numbers.Integral) and step is not True
    if not whole or step < (rematerialization != "none"):
        raise ValueError(
            "rematerialization must be 'none', 'block' or an integer of at "
            "least 1. Received: "
            f"rematerialization={echoed(rematerialization)}. Use 2 to "
            "recompute every second block, 'block' to recompute all."
        )
    return tuple(
        step != _NEVER and index % step == 0 for index in range(num_layers)
    )


def cache_bytes(config, dtype="float32", batch_size=1, length=None):
    """Computes the bytes of the cache of keys and values for generation.

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
    count_parameters(config)  # Checks the sizes.
    length = config["max_sequence_length"] if length is None else length
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("length", length, minimum=1)
    slots = sum(
        length if window is None else min(window, length)
        for window in attention_windows(config)
    )
    numbers = 2 * batch_size * slots * config["hidden_dim"]
    return int(numbers) * bytes_per_activation(dtype)
