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
    """Before the first block, (B, T) to (B, T, M)."""
    x = layers.token_embedding(token_ids)  # (B, T, E)
    if layers.embedding_projection is not None:
        x = layers.embedding_projection(x)  # (B, T, M)
    x = x + layers.position_embedding(
        token_ids, start_index=start_index, padding_mask=padding_mask
    )
    return layers.embedding_dropout(x, training=training)


def finish(layers, x):
    """Behind the last block, (B, T, M) to (B, T, E)."""
    if layers.final_norm is not None:
        x = layers.final_norm(x)
    if layers.output_projection is not None:
        x = layers.output_projection(x)
    return x
