"""The parts of the forward pass, and its cache, as methods."""

from keras import ops

from keras_gpt3.generation.decode_loop import token_before
from keras_gpt3.layers.quantized_layers import floats_made_once
from keras_gpt3.models.backbone import backbone_forward
from keras_gpt3.models.lora.adapted_backbone import AdaptedBackbone
from keras_gpt3.ops.attention.cached_attention import ring_size


class CachedBackbone(AdaptedBackbone):
    """A backbone with the forward passes that `generate` and `score` make."""

    def prefill(self, token_ids, cache_length, end=None):
        """Compute prompts' hidden states, and a cache of keys and values.

        Args:
            token_ids: int tensor of shape `(batch, length)`, padded on the
                right.
            cache_length: int or int tensor. Positions that the cache is to
                hold, prompt and continuation.
            end: int, or int tensor of shape `()` or `(batch,)`. Positions
                that count; later ones can be given again to
                `call_with_cache`. Defaults to `None`, all.

        Returns:
            A pair of the hidden states, shape `(batch, length, hidden_dim)`,
            and the cache.
        """
        end = ops.shape(token_ids)[1] if end is None else end
        return backbone_forward.forward(
            self, token_ids, cache_length=cache_length, cache_end=end
        )

    def call_with_cache(self, token_ids, cache, cache_index, cache_end=None):
        """Compute hidden states of positions, given a cache of the earlier.

        Args:
            token_ids: int tensor of shape `(batch, length)`, the tokens at
                positions `cache_index` and following.
            cache: list with a pair of keys and values for each block, as
                `make_cache` gives. With a third entry, the row of theirs at
                which the batch begins, they may have more rows than it; the
                updated cache then adds the new keys and values to each pair.
            cache_index: int, or int tensor of shape `()` or `(batch,)`.
                Position of the first token.
            cache_end: int tensor of shape `(batch,)`. Where each row ends; what
                follows is padding. Defaults to `None`, all at the last token.

        Returns:
            A pair of the hidden states, shape `(batch, length, hidden_dim)`,
            and the updated cache.
        """
        return backbone_forward.forward(
            self,
            token_ids,
            cache=cache,
            start_index=cache_index,
            cache_end=cache_end,
        )

    def embed(self, inputs, training=None):
        """Embed token ids, as the first stage of a pipeline does.

        Args:
            inputs: dict of `"token_ids"` and `"padding_mask"`, and perhaps
                `"segment_ids"`.
            training: bool. Whether dropout is applied. Defaults to `None`.

        Returns:
            A tensor of shape `(batch, length, hidden_dim)`, the input of the
            first block.
        """
        return backbone_forward.embed(self, **inputs, training=training)

    def finish(self, hidden_states):
        """Apply what stands between the last block and the output head.

        Args:
            hidden_states: tensor of shape `(batch, length, hidden_dim)`, the
                output of the last block.

        Returns:
            A tensor of shape `(batch, length, hidden_dim)`; of width
            `embedding_dim` where that is given.
        """
        return backbone_forward.finish(self, hidden_states)

    def logits(self, hidden_states):
        """Compute the scores of every token id, by the tied output head.

        Args:
            hidden_states: tensor of shape `(batch, length, hidden_dim)`.

        Returns:
            A tensor of shape `(batch, length, vocabulary_size)`.
        """
        return backbone_forward.logits(self, hidden_states)

    def floats_made_once(self):
        """Make floats of quantized weights before a loop, not in each step.

        Returns:
            A context manager for the code that runs, or traces, the loop. The
            floats take memory for as long as the loop runs.
        """
        layers = self._flatten_layers(include_self=False)
        return floats_made_once(
            [layer for layer in layers if hasattr(layer, "float_weights")]
        )

    def decode_position(self, token_ids, cache, index):
        """Compute the hidden state that predicts the token at `index`.

        Args:
            token_ids: int tensor of shape `(batch, length)`, of which the one
                token before `index` is read.
            cache: list with a pair of keys and values for each block.
            index: int tensor of shape `()` or `(batch,)`. The position to
                predict.

        Returns:
            A pair of the hidden state, shape `(batch, hidden_dim)`, and the
            updated cache.
        """
        index = ops.cast(index, "int32")
        previous = token_before(token_ids, index)[:, None]  # (B, 1)
        states, cache = self.call_with_cache(previous, cache, index - 1)
        return states[:, 0], cache

    def make_cache(self, batch_size, length):
        """Make an empty cache of keys and values.

        Args:
            batch_size: int or int tensor. Number of rows.
            length: int or int tensor. Number of positions it can hold.

        Returns:
            A list with a pair of zero tensors for each block, each of shape
            `(batch_size, num_heads, slots, head_dim)`: a dense block has
            `length` slots, a banded one at most its window.
        """
        head_dim = self.hidden_dim // self.num_heads
        cache = []
        for block in self.decoder_blocks:
            slots = ring_size(length, block.window)
            shape = (batch_size, self.num_heads, slots, head_dim)
            zeros = ops.zeros(shape, dtype=self.compute_dtype)
            cache.append((zeros, zeros))
        return cache
