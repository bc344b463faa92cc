"""GPT-3's forward pass: token ids in, final hidden states out.

It is this file, `layers/decoder_block.py` and `ops/attention/`. The legend of
all shape comments:

B batch, T positions, M hidden_dim, H heads, D head_dim, I intermediate_dim, V
vocabulary, E width of the token embedding (M unless it differs), S cache slots,
W window, Q query positions of a block, K key positions of a block.
"""

from keras import ops

from keras_gpt3.layers.decoder_block import run_blocks
from keras_gpt3.models.lora.adapted_backbone import AdaptedBackbone
from keras_gpt3.ops.attention.cached_attention import ring_size


def forward(
    layers,
    token_ids,
    padding_mask=None,
    cache=None,
    start_index=0,
    cache_length=None,
    cache_end=None,
):
    """Token ids (B, T) to hidden states (B, T, E): the only forward pass.

    It builds the functional model, makes a cache of prompts, and runs again
    with it for decoding. A pipeline runs its three parts on their own devices.
    """
    x = embed(layers, token_ids, padding_mask, start_index)
    x, cache = run_blocks(
        layers.decoder_blocks,
        x,
        padding_mask,
        cache,
        cache_end if cache is None else start_index,
        cache_length,
    )
    return finish(layers, x), cache


def embed(layers, token_ids, padding_mask=None, start_index=0, training=None):
    """Before the first block, (B, T) to (B, T, M)."""
    x = layers.token_embedding(token_ids)  # (B, T, E)
    if layers.embedding_projection is not None:
        x = layers.embedding_projection(x)  # (B, T, M)
    x = x + layers.position_embedding(
        token_ids, start_index=start_index, padding_mask=padding_mask
    )
    return layers.embedding_dropout(x, training=training)


def finish(layers, x):
    """After the last block, (B, T, M) to (B, T, E)."""
    if layers.final_norm is not None:
        x = layers.final_norm(x)
    if layers.output_projection is not None:
        x = layers.output_projection(x)
    return x


class CachedBackbone(AdaptedBackbone):
    """A backbone with the forward passes that `generate` and `score` make."""

    def prefill(self, token_ids, cache_length, end=None):
        """Compute prompts' hidden states, and a cache of keys and values.

        Args:
            token_ids: int tensor of shape `(batch, length)`, padded on the
                right.
            cache_length: int or int tensor. Positions that the cache is to
                hold, prompt and continuation.
            end: int or int tensor. Positions that count, for all rows; later
                ones can be given again to `call_with_cache`. Defaults to
                `None`, all.

        Returns:
            A pair of the hidden states, shape `(batch, length, hidden_dim)`,
            and the cache.
        """
        end = ops.shape(token_ids)[1] if end is None else end
        return forward(
            self, token_ids, cache_length=cache_length, cache_end=end
        )

    def call_with_cache(self, token_ids, cache, cache_index):
        """Compute hidden states of positions, given a cache of the earlier.

        Args:
            token_ids: int tensor of shape `(batch, length)`, the tokens at
                positions `cache_index` and following.
            cache: list with a pair of keys and values for each block, as
                `make_cache` gives.
            cache_index: int or int tensor. Position of the first token.

        Returns:
            A pair of the hidden states, shape `(batch, length, hidden_dim)`,
            and the updated cache.
        """
        return forward(self, token_ids, cache=cache, start_index=cache_index)

    def embed(self, inputs, training=None):
        """Embed token ids, as the first stage of a pipeline does.

        Args:
            inputs: dict of `"token_ids"` and `"padding_mask"`.
            training: bool. Whether dropout is applied. Defaults to `None`.

        Returns:
            A tensor of shape `(batch, length, hidden_dim)`, the input of the
            first block.
        """
        return embed(self, **inputs, training=training)

    def finish(self, hidden_states):
        """Apply what stands between the last block and the output head.

        Args:
            hidden_states: tensor of shape `(batch, length, hidden_dim)`, the
                output of the last block.

        Returns:
            A tensor of shape `(batch, length, hidden_dim)`; of width
            `embedding_dim` where that is given.
        """
        return finish(self, hidden_states)

    def decode_position(self, token_ids, cache, index):
        """Compute the hidden state that predicts the token at `index`.

        Args:
            token_ids: int tensor of shape `(batch, length)`, of which the one
                token before `index` is read.
            cache: list with a pair of keys and values for each block.
            index: int tensor of shape `()`. The position to predict.

        Returns:
            A pair of the hidden state, shape `(batch, hidden_dim)`, and the
            updated cache.
        """
        place = ops.cast(index - 1, "int32")
        previous = ops.take(token_ids, place[None], axis=1)  # (B, 1)
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
