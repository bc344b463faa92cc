"""A backbone as the dict of its constructor's arguments."""

import numpy as np

from keras_gpt3.layers.block_pattern import attention_kinds
from keras_gpt3.preset_loader import SWITCHES

# Not seen where no layer is banded; that of GPT-3.
UNUSED_WINDOW = 256
_NOT_ARITHMETIC = ("name", "trainable", "dtype")


def complete_arguments(arguments):
    """Fill in the switches that a dict of arguments leaves out."""
    given = {k: v for k, v in arguments.items() if k not in _NOT_ARITHMETIC}
    return given | {k: given.get(k, v) for k, v in SWITCHES.items()}


def comparable_arguments(arguments):
    """Give two backbones that compute the same the same arguments."""
    head_dim = arguments["hidden_dim"] // arguments["num_heads"]
    scale = arguments["attention_scale"]
    scale = head_dim**-0.5 if scale is None else scale
    pattern = _shortest_pattern(arguments)
    banded = "banded" in pattern
    has_projections = arguments["embedding_dim"] != arguments["hidden_dim"]
    return arguments | {
        "attention_pattern": pattern,
        "attention_window": arguments["attention_window"] if banded else None,
        "embedding_dim": (
            arguments["embedding_dim"] if has_projections else None
        ),
        # In float32 another way to take the root makes no difference.
        "attention_scale": float(np.float32(scale)),
        "query_key_value_bias": (
            arguments["use_bias"] and arguments["query_key_value_bias"]
        ),
    }


def _shortest_pattern(arguments):
    sees_all = arguments["attention_window"] >= arguments["max_sequence_length"]
    kinds = attention_kinds(arguments)
    return shortest_pattern(["dense"] * len(kinds) if sees_all else kinds)


def shortest_pattern(kinds):
    """The shortest pattern that gives these layers when it is repeated."""
    return next(
        list(kinds[:n])
        for n in range(1, len(kinds) + 1)
        if all(kind == kinds[i % n] for i, kind in enumerate(kinds))
    )
