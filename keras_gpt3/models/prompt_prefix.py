"""The cache of what many prompts start with, computed once."""

import keras
import numpy as np
from keras import ops

from keras_gpt3.ops.key_value_cache import grow_ring
from keras_gpt3.ops.key_value_cache import ring_size


class PromptPrefix:
    """A beginning that prompts share, such as the examples of a few-shot task.

    `GPT3.prefix` makes it. Its keys and values are computed once; `generate`,
    `stream` and `score` go on from there with what each prompt adds. Prefix
    and prompt are encoded apart, so that no token spans the boundary: the
    space before a word belongs to the prompt. Weights that are trained, loaded
    or quantized later do not reach it.
    """

    def __init__(self, model, token_ids):
        self.model = model
        self.token_ids = tuple(int(i) for i in token_ids)
        length = self.num_tokens
        states, self._cache = model.decode_graphs().prefill(
            np.array([self.token_ids], "int32"), length, length
        )
        self._states = states[:, :length]

    @property
    def num_tokens(self):
        """Tokens of the prefix, an int."""
        return len(self.token_ids)

    def generate(self, inputs, *args, **kwargs):
        """Continues prompts that start with the prefix."""
        return self.model.generate(inputs, *args, prefix=self, **kwargs)

    def stream(self, inputs, *args, **kwargs):
        """Continues a prompt that starts with the prefix, piece by piece."""
        return self.model.stream(inputs, *args, prefix=self, **kwargs)

    def score(self, context, continuation, **kwargs):
        """Log-likelihoods of continuations of prefix and context."""
        return self.model.score(context, continuation, prefix=self, **kwargs)

    def repeated(self, rows, cache_length):
        """What the prefix leaves behind, for a batch and with room."""
        blocks = self.model.backbone.decoder_blocks
        grown = []
        for block, pair in zip(blocks, self._cache, strict=True):
            banded = block.attention == "banded"
            window = block.attention_window if banded else None
            size = ring_size(cache_length, window)
            grown.append(tuple(grow_ring(ring, size) for ring in pair))
        return keras.tree.map_structure(
            lambda x: ops.repeat(x, rows, axis=0), (self._states, grown)
        )

    def states_after(self, token_ids):
        """The hidden states of tokens that follow, and of the one before."""
        rows, length = token_ids.shape
        states, cache = self.repeated(rows, self.num_tokens + length)
        after, _ = self.model.decode_graphs().forward(
            token_ids, cache, self.num_tokens
        )
        return ops.concatenate([states[:, -1:], after], axis=1)
