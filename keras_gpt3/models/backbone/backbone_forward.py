"""GPT-3's forward pass: token ids in, hidden states and their logits out.

It is this file, `layers/decoder_block.py` and `ops/attention/`. The legend of
all shape comments:

B batch, T positions, M hidden_dim, H heads, D head_dim, I intermediate_dim, V
vocabulary, E width of the token embedding (M unless it differs), S cache slots,
W window, Q query positions of a block, K key positions of a block.
"""

from keras import ops

from keras_gpt3.layers.decoder_block import run_blocks
from keras_gpt3.layers.quantized_layers import floats_made
from keras_gpt3.ops.row_product import is_few_rows
from keras_gpt3.ops.row_product import table_product


def forward(
    layers,
    token_ids,
    padding_mask=None,
    segment_ids=None,
    cache=None,
    start_index=0,
    cache_length=None,
    cache_end=None,
    training=None,
):
    """Token ids (B, T) to hidden states (B, T, E): the only forward pass.

    It builds the functional model, makes a cache of prompts, and runs again
    with it for decoding. A pipeline runs its three parts on their own devices.
    """
    x = embed(
        layers, token_ids, padding_mask, segment_ids, start_index, training
    )
    x, cache = run_blocks(
        layers.decoder_blocks,
        x,
        padding_mask,
        segment_ids,
        cache,
        start_index,
        cache_end,
        cache_length,
        training,
    )
    return finish(layers, x), cache


def embed(
    layers,
    token_ids,
    padding_mask=None,
    segment_ids=None,
    start_index=0,
    training=None,
):
    """Before the first block, (B, T) to (B, T, M)."""
    x = layers.token_embedding(token_ids)  # (B, T, E)
    if layers.embedding_projection is not None:
        x = layers.embedding_projection(x)  # (B, T, M)
    x = x + layers.position_embedding(
        token_ids,
        start_index=start_index,
        padding_mask=padding_mask,
        segment_ids=segment_ids,
    )
    return layers.embedding_dropout(x, training=training)


def finish(layers, x):
    """After the last block, (B, T, M) to (B, T, E)."""
    if layers.final_norm is not None:
        x = layers.final_norm(x)
    if layers.output_projection is not None:
        x = layers.output_projection(x)
    return x


def logits(layers, states):
    """Hidden states (..., E) to scores (..., V), by the tied output head."""
    head = layers.token_embedding
    changed = head.quantization_mode or head.lora_enabled
    if is_few_rows(states) and not changed:
        return table_product(states, head.embeddings)
    table = floats_made(head)
    if table is None:
        return head(states, reverse=True)
    return ops.matmul(states, ops.transpose(ops.cast(table, states.dtype)))
