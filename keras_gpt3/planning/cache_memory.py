"""Bytes of the keys and values that decoding keeps."""

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.planning.dtype_bytes import bytes_per_activation
from keras_gpt3.planning.parameter_count import count_parameters


def cache_bytes(config, dtype="float32", batch_size=1, length=None):
    """Computes the bytes of the cache of keys and values for generation.

    Every layer keeps all positions, banded ones too; see
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
    cache_bytes(config, "bfloat16")  # 9663676416
    ```
    """
    count_parameters(config)  # Checks the sizes.
    length = config["max_sequence_length"] if length is None else length
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("length", length, minimum=1)
    numbers = 2 * batch_size * length * config["hidden_dim"]
    return int(config["num_layers"]) * numbers * bytes_per_activation(dtype)
