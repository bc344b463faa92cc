"""Checks that the arguments of a backbone make sense together."""

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.layers.decoder_block import ATTENTION_KINDS

_SIZES = (
    "vocabulary_size",
    "num_layers",
    "num_heads",
    "hidden_dim",
    "intermediate_dim",
    "max_sequence_length",
)


def check_backbone_arguments(config):
    """Raises unless the arguments of a backbone make sense together.

    Args:
        config: dict. The arguments of `GPT3Backbone`.

    Raises:
        ValueError: If one is out of its range, or two contradict each other.
    """
    for name in _SIZES:
        check_integer(name, config[name], minimum=1)
    if config["embedding_dim"] is not None:
        check_integer("embedding_dim", config["embedding_dim"], minimum=1)
    _check_heads(config["hidden_dim"], config["num_heads"])
    _check_pattern(config["attention_pattern"])
    scale = config["attention_scale"]
    if scale is not None and not scale > 0:
        raise ValueError(
            "attention_scale must be above 0. Received: attention_scale="
            f"{scale}. Use None for 1 / sqrt(head_dim)."
        )
    offset = config["position_offset"]
    # A row is needed for padding.
    least = int(config["skip_padding_positions"])
    check_integer("position_offset", offset, minimum=least)


def _check_heads(hidden_dim, num_heads):
    if hidden_dim % num_heads:
        raise ValueError(
            "num_heads must divide hidden_dim. Received: num_heads="
            f"{num_heads}, hidden_dim={hidden_dim}. Choose a width that is a "
            "multiple of the number of heads."
        )


def _check_pattern(pattern):
    if not pattern or set(pattern) - set(ATTENTION_KINDS):
        raise ValueError(
            "attention_pattern must be a sequence of "
            f"{ATTENTION_KINDS}. Received: attention_pattern={pattern!r}. Use "
            "('dense', 'banded') as the paper, or ('dense',) for GPT-2."
        )
