"""Functions of token ids without a loop or a check. TensorFlow only.

For runtimes that know few operations: the caller chooses each next token, and
hands the cache from call to call.
"""

import math

import tensorflow as tf

from keras_gpt3.ops.attention.cached_attention import ring_size

# What an output of a cache is called, before the name of the input that it is
# at the next call: a graph of ONNX knows each name once.
NEXT = "next_"


class StepSignatures:
    """Functions of token ids, and their specs; see `export_model_file`.

    No runtime here can raise an error of the graph's own. So logits are NaN
    where there are more tokens than positions, rather than wrong.
    """

    def __init__(self, backbone, cache_length=None):
        self._backbone = backbone
        self._cache_length = cache_length

    def forward(self):
        """Ids and mask to the logits of all positions."""
        mask = tf.TensorSpec((None, None), tf.bool, name="padding_mask")
        return self._forward, [_TOKEN_IDS, mask]

    def prefill(self):
        """Prompts to the logits of the next token, and a cache."""
        return self._prefill, [_TOKEN_IDS]

    def extend(self):
        """Some more tokens to the same; after an empty cache, a prompt."""
        index = tf.TensorSpec((), tf.int32, name="index")
        return self._extend, [_TOKEN_IDS, index, *self._cache_specs()]

    def _forward(self, token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        logits = self._backbone.logits(self._backbone(inputs, training=False))
        room = self._backbone.max_sequence_length
        return {"logits": _nan_unless(tf.shape(token_ids)[1] <= room, logits)}

    def _prefill(self, token_ids):
        states, cache = self._backbone.prefill(token_ids, self._cache_length)
        return self._outputs(states, cache, tf.shape(token_ids)[1])

    def _extend(self, token_ids, index, *rings):
        pairs = list(zip(rings[::2], rings[1::2], strict=True))
        states, cache = self._backbone.call_with_cache(token_ids, pairs, index)
        return self._outputs(states, cache, index + tf.shape(token_ids)[1])

    def _outputs(self, states, cache, end):
        logits = self._backbone.logits(states[:, -1])  # (B, V)
        rings = [ring for pair in cache for ring in pair]
        names = [NEXT + spec.name for spec in self._cache_specs()]
        return {
            "logits": _nan_unless(end <= self._cache_length, logits),
            **dict(zip(names, rings, strict=True)),
        }

    def _cache_specs(self):
        """Keys and values of each layer, (B, H, S, D)."""
        heads = self._backbone.num_heads
        width = self._backbone.hidden_dim // heads
        return [
            tf.TensorSpec(
                (None, heads, ring_size(self._cache_length, x.window), width),
                self._backbone.compute_dtype,
                name=f"{part}_{i}",
            )
            for i, x in enumerate(self._backbone.decoder_blocks)
            for part in ("keys", "values")
        ]


_TOKEN_IDS = tf.TensorSpec((None, None), tf.int32, name="token_ids")


def _nan_unless(condition, logits):
    return tf.where(condition, logits, tf.constant(math.nan, logits.dtype))
