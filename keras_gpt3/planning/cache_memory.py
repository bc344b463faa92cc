"""Bytes of the keys and values that decoding keeps."""

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.planning.attention_blocks import attention_windows
from keras_gpt3.planning.dtype_bytes import bytes_per_activation
from keras_gpt3.planning.parameter_count import count_parameters


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
