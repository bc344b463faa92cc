"""A cache as four tensors that a client can carry. TensorFlow only.

Letters: L layers of a kind, B batch, H heads, S slots, D width of a head.
"""

import tensorflow as tf

from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.key_value_cache import ring_size

CACHE_NAMES = ("dense_keys", "dense_values", "banded_keys", "banded_values")


def cache_specs(backbone):
    """What a signature takes for a cache."""
    heads = backbone.num_heads
    width = backbone.hidden_dim // heads
    kinds = [block.attention for block in backbone.decoder_blocks]
    return [
        tf.TensorSpec(
            (kinds.count(_kind(name)), None, heads, None, width),
            backbone.compute_dtype,
            name=name,
        )
        for name in CACHE_NAMES
    ]


def stack_cache(backbone, cache, batch_size, length):
    """Brings a backbone's cache to four tensors."""
    tensors = {}
    for spec in cache_specs(backbone):
        name = spec.name
        window = None if _kind(name) == "dense" else backbone.attention_window
        # A pattern may have no layer of a kind.
        none = (0, batch_size, spec.shape[2], ring_size(length, window))
        rings = [
            ring[tf.newaxis]
            for block, pair in zip(backbone.decoder_blocks, cache, strict=True)
            for part, ring in zip(("keys", "values"), pair, strict=True)
            if name == f"{block.attention}_{part}"
        ]
        empty = tf.zeros((*none, spec.shape[4]), spec.dtype)
        tensors[name] = tf.concat(rings, axis=0) if rings else empty
    return tensors


def unstack_cache(backbone, tensors, batch_size):
    """Brings four tensors back to a backbone's cache."""
    rings = {}
    for name, tensor in tensors.items():
        rows = tf.shape(tensor)[1]
        tensor = assert_in_graph(
            tensor,
            rows == batch_size,
            f"{name} must have the rows of token_ids. Received: rows=",
            rows,
            ". Pass the cache that prefill or extend gave for these rows.",
        )
        rings[name] = iter(tf.unstack(tensor))
    return [
        tuple(next(rings[f"{block.attention}_{x}"]) for x in ("keys", "values"))
        for block in backbone.decoder_blocks
    ]


def _kind(name):
    return name.split("_")[0]
