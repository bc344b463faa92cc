"""Bytes of a step that XLA compiles, on one device of a mesh (JAX).

Weights and optimizer state are exact. The rest is a model of what the compiler
makes of the step where memory is short; each constant says what it stands for.
Letters: T tokens that are in a replica at once, M `hidden_dim`, I
`intermediate_dim`, n devices along the model axis.
"""

import itertools

from keras_gpt3.planning.attention_blocks import largest_block
from keras_gpt3.planning.loss_chunk import chunk_tokens
from keras_gpt3.planning.memory import training_slots

_BYTES_FLOAT32 = 4

# Kept of a block for its backward pass. Of T x M numbers, on every device: its
# input, and the sum after attention. Of T x M / n: queries, keys, values and
# the output of attention. Of T x I / n: the input of the activation. And, in
# the dtype of the activations, the kernel behind attention; the others are made
# again with what uses them.
_KEPT_WHOLE = 2
_KEPT_OF_WIDTH = 4
_KEPT_OF_INNER = 1
# Of T x M: in and out of the final norm, and the gradient of the latter.
_KEPT_AFTER_BLOCKS = 3

# Temporary arrays in the backward pass of a block. Feed-forward: of T x M, and
# of T x I / n. Attention: of T x M / n, and of the scores of one of its blocks.
_FEED_FORWARD_WHOLE = 1
_FEED_FORWARD_INNER = 3
_ATTENTION_WIDTH = 8
_ATTENTION_SCORES = 3

# Blocks whose weights are on the device in the dtype of the activations, where
# that is not how it stores them: the one at work and the next.
_FETCHED_BLOCKS = 2

# Bytes of a logit of a chunk, as in `loss_chunk`; and arrays of logits while a
# chunk is added to the gradient of the head.
_BYTES_OF_LOGIT = 8
_LOGIT_ARRAYS_AT_SUM = 2

# Of the size of the largest weight, while it is updated, beside its gradient:
# the sum of that over the replicas, and the new weight.
_UPDATE_ARRAYS = 2


def xla_memory(share, sizes, micro_batches, optimizer="adamw"):
    """Computes the memory that a step takes on a device without stages.

    Args:
        share: `DeviceShare`.
        sizes: `PassSizes`. Of one micro-batch of a replica.
        micro_batches: int.
        optimizer: string. As in `estimate_memory`. Defaults to `"adamw"`.

    Returns:
        A dict from part to int bytes, and the `total` at the peak; see
        `estimate_sharded_memory`.
    """
    weights = share.held.total * sizes.weight_bytes
    slots = share.slots.total * sizes.weight_bytes
    gradients, summed = weights, 0
    if micro_batches > 1:
        # In float32 at least.
        summed = share.held.total * max(sizes.weight_bytes, _BYTES_FLOAT32)
    state = training_slots(optimizer) * slots
    peak = max(
        *_moments(share, sizes, gradients, summed),
        _bytes_of_update(share, max(gradients, summed), weights),
    )
    return {
        "weights": weights,
        "optimizer": state,
        "gradients": max(gradients, summed),
        **_activations(share, sizes),
        "loss_chunk": _loss_chunk(share, sizes),
        "workspace": max(_workspaces(share, sizes).values()),
        "fetched_weights": _fetched(share, sizes),
        "total": weights + state + peak,
    }


def _moments(share, sizes, gradients, summed):
    """Bytes beside weights and optimizer state, when they might be most."""
    kept = _kept_by_layer(share, sizes)
    head = share.held.table * sizes.weight_bytes
    yield (
        sum(kept)
        + _kept_after_blocks(sizes)
        + _loss_chunk(share, sizes)
        + max(head, summed)
    )
    again = _kept_of_block(share, sizes) - _input_of_block(sizes)
    workspaces = _workspaces(share, sizes)
    of_block = share.held.block * sizes.weight_bytes
    last, fetched = len(kept) - 1, _fetched(share, sizes)
    for layer, so_far in enumerate(itertools.accumulate(kept)):
        behind = head + (1 + last - layer) * of_block
        yield (
            so_far
            + again * sizes.recomputed[layer]
            + workspaces[sizes.windows[layer]]
            + fetched
            + (summed + of_block if summed else behind)
        )
    largest = max(share.held.largest, share.held.table) * sizes.weight_bytes
    yield max(gradients, summed) + _UPDATE_ARRAYS * largest


def _bytes_of_update(share, gradients, weights):
    """Bytes where each device updates its share of the weights only.

    All weights are brought together at the end, and XLA copies them over the
    old ones last; the sums of the gradients are there, too.
    """
    if share.slots.total == share.held.total:
        return 0
    return gradients + weights


def _kept_of_block(share, sizes):
    of_width = _KEPT_OF_WIDTH * sizes.width + _KEPT_OF_INNER * sizes.inner
    numbers = _KEPT_WHOLE * sizes.width + of_width // share.model
    extras = _BYTES_FLOAT32 * sizes.heads // share.model  # Log-sum-exps.
    masks = 2 * sizes.width if sizes.drops else 0  # Bools, of both branches.
    copy = sizes.width**2 // share.model if _copies(share, sizes) else 0
    per_token = numbers * sizes.activation_bytes + extras + masks
    return sizes.tokens * per_token + copy * sizes.activation_bytes


def _input_of_block(sizes):
    return sizes.tokens * sizes.width * sizes.activation_bytes


def _kept_after_blocks(sizes):
    return _KEPT_AFTER_BLOCKS * _input_of_block(sizes)


def _kept_by_layer(share, sizes):
    kept = (_kept_of_block(share, sizes), _input_of_block(sizes))
    return [kept[recomputed] for recomputed in sizes.recomputed]


def _activations(share, sizes):
    """What is kept for the backward pass, by kind of layer."""
    kept = {"dense_activations": 0, "banded_activations": 0}
    layers = zip(sizes.windows, _kept_by_layer(share, sizes), strict=True)
    for window, num_bytes in layers:
        kind = "dense" if window is None else "banded"
        kept[f"{kind}_activations"] += num_bytes
    return kept | {"other_activations": _kept_after_blocks(sizes)}


def _workspaces(share, sizes):
    """The temporary arrays of a block, by the window of its layer."""
    width, inner = sizes.width, sizes.inner // share.model
    fed = _FEED_FORWARD_WHOLE * width + _FEED_FORWARD_INNER * inner
    attended = _ATTENTION_WIDTH * width // share.model
    heads = sizes.rows * sizes.heads // share.model
    return {
        window: sizes.activation_bytes
        * max(
            sizes.tokens * fed,
            sizes.tokens * attended
            + _ATTENTION_SCORES * heads * largest_block(sizes.length, window),
        )
        for window in set(sizes.windows)
    }


def _copies(share, sizes):
    """Whether a device computes with other weights than it holds."""
    return share.is_fetched or sizes.is_mixed


def _fetched(share, sizes):
    """Weights in the dtype of the activations, if they are not stored so."""
    if not _copies(share, sizes):
        return 0
    return _FETCHED_BLOCKS * share.used.block * sizes.activation_bytes


def _loss_chunk(share, sizes):
    """The arrays of a chunk of tokens, and the head that it goes through."""
    chunks = -(-sizes.tokens // chunk_tokens(sizes.vocabulary))
    rows = share.used.table // sizes.width
    logits = -(-sizes.tokens // chunks) * rows
    table = share.used.table * sizes.activation_bytes
    # The head, and at first its gradient, in the dtype of the activations.
    head = table * _copies(share, sizes)
    gradient = table * sizes.is_mixed
    at_sum = _LOGIT_ARRAYS_AT_SUM * logits * sizes.activation_bytes + gradient
    if chunks > 1:
        at_sum += share.used.table * sizes.weight_bytes + gradient
    return head + max(_BYTES_OF_LOGIT * logits, at_sum)
