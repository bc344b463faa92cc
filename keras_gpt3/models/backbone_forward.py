"""GPT-3's forward pass: token ids in, final hidden states out.

It is this file, `layers/decoder_block.py` and `ops/blocked_attention.py`, which
both attention operations use. Letters in shape comments, there too:

B batch, T length (positions), M hidden_dim, H num_heads, D head_dim,
I intermediate_dim, V vocabulary_size, E width of the token embedding, M unless
it differs, S slots of a layer's cache.
"""


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
    with it for decoding.

    Args:
        layers: what `make_layers` gives, or a `GPT3Backbone`, which has them
            under the same names.
        token_ids: int tensor of shape `(B, T)`.
        padding_mask: Optional. Bool tensor of shape `(B, T)`, True where the
            position is visible. With a cache, blocks do not heed it. Defaults
            to `None`, all visible.
        cache: Optional. A pair of rings `(B, H, S, D)` for each block: keys
            and values of the positions before `start_index`. Defaults to
            `None`.
        start_index: int or int tensor. The first position. Defaults to `0`.
        cache_length: int or int tensor. Without `cache`, makes one for so many
            positions. Defaults to `None`, none.
        cache_end: int or int tensor. With `cache_length`, how many of the ids
            are taken into it. Defaults to `None`.

    Returns:
        A pair of the hidden states `(B, T, E)`, and the cache after them,
        `None` if there is neither `cache` nor `cache_length`.
    """
    x = embed(layers, token_ids, padding_mask, start_index)
    if cache is None and cache_length is None:
        for block in layers.decoder_blocks:
            x = block(x, padding_mask=padding_mask)
        return finish(layers, x), None

    new_cache = []
    for i, block in enumerate(layers.decoder_blocks):
        x, block_cache = block(
            x,
            cache=None if cache is None else cache[i],
            cache_index=cache_end if cache is None else start_index,
            cache_length=cache_length,
        )
        new_cache.append(block_cache)
    return finish(layers, x), new_cache


def embed(layers, token_ids, padding_mask=None, start_index=0, training=None):
    """Before the first block, (B, T) to (B, T, M).

    Args:
        layers: as for `forward`, as are the arguments after it.
        token_ids: see `layers`.
        padding_mask: see `layers`.
        start_index: see `layers`.
        training: bool. Whether dropout drops. Defaults to `None`, what Keras
            finds in the call around it.

    Returns:
        A tensor of shape `(B, T, M)`.
    """
    x = layers.token_embedding(token_ids)  # (B, T, E)
    if layers.embedding_projection is not None:
        x = layers.embedding_projection(x)  # (B, T, M)
    x = x + layers.position_embedding(
        token_ids, start_index=start_index, padding_mask=padding_mask
    )
    return layers.embedding_dropout(x, training=training)


def finish(layers, x):
    """Behind the last block, (B, T, M) to (B, T, E).

    Args:
        layers: as for `forward`.
        x: tensor of shape `(B, T, M)`.

    Returns:
        A tensor of shape `(B, T, E)`.
    """
    if layers.final_norm is not None:
        x = layers.final_norm(x)
    if layers.output_projection is not None:
        x = layers.output_projection(x)
    return x
