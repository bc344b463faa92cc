"""Bytes of a step that TensorFlow runs operation by operation, on a CPU.

What is kept for the backward pass, what a block and the loss take beside it,
how much that is at the moments of a step that take most, and what a process
takes beyond the arrays. Stages of a pipeline follow the same numbers. A step
that XLA compiles as a whole for a GPU: `compiled_memory`.
"""

import itertools

from keras_gpt3.planning.pass_sizes import key_ranges
from keras_gpt3.planning.pass_sizes import largest_block

_BYTES_FLOAT32 = 4

# A block keeps, of `hidden_dim` numbers a token: its input, queries, keys and
# values, the output of attention, and the sum after attention; of
# `intermediate_dim` numbers the input of the activation; and a float32
# log-sum-exp for each head. Norms and activation are computed again, scores
# are never kept: dense and banded layers keep the same.
_ARRAYS_OF_WIDTH = 6
_ARRAYS_OF_INNER = 1
# Input and output of the final normalization, and the gradient of the latter,
# which comes out of the loss.
_ARRAYS_AFTER_BLOCKS = 3

# Temporary arrays of attention's backward pass. Of `hidden_dim` numbers a
# token: gradients of the sum after it, of its output in both orders, of query,
# key and value, and two that grow with the blocks. Of the scores of the
# largest block, as they come one after the other: the weights, their gradient
# and that of the scores.
_ATTENTION_ARRAYS = 8
_SCORE_ARRAYS = 3

# The logits of a chunk and their exponentials; in 16 bits XLA makes one of them
# in float32 on the way.
_BYTES_OF_LOGIT = 8
# While a chunk is added to the gradient of the head: the gradient of its
# logits, and what is left of the logits or of those of the next chunk.
_LOGIT_ARRAYS_AT_SUM = 2

# Of the size of a variable, its gradient included, while it is updated: one
# kernel does that in float32, a chain of operations in 16 bits.
_UPDATE_ARRAYS = 2
_UPDATE_ARRAYS_HALF = 4

# What a process takes beyond the arrays of a step, as measured: TensorFlow 2.20
# on a CPU, peak resident memory of processes that train, less that of one that
# has loaded TensorFlow and the package only. Models of width 8, whose arrays do
# not count, with 2 to 24 layers at lengths of 512 to 2048: the graph grows with
# the layers and their attention blocks, the compiled operations with the shapes
# of the blocks.
_PROGRAM = 63_000_000
_PROGRAM_OF_LAYER = 11_000_000
_PROGRAM_OF_BLOCK = 2_200_000
_PROGRAM_OF_SHAPE = 9_000_000

# GPT-3 Small at several batches, with vocabularies of 50257 and 1000, against
# the arrays alive at the peak as TensorFlow's profiler lists them. Its
# allocator serves a request with any free piece that is less than twice as
# large, and gives nothing back to the system.
_OF_LARGEST_ARRAY = 1.2
_OF_ALL_ARRAYS = 0.08


# === What is kept ===


def block_bytes(sizes):
    """Bytes that a block keeps if it is not rematerialized.

    Under a mixed policy these include a copy of the kernel behind attention in
    the dtype of the activations; the others are made again.
    """
    numbers = _ARRAYS_OF_WIDTH * sizes.width + _ARRAYS_OF_INNER * sizes.inner
    extras = _BYTES_FLOAT32 * sizes.heads
    masks = 2 * sizes.width if sizes.drops else 0  # Bools, of both branches.
    per_token = numbers * sizes.activation_bytes + extras + masks
    copy = sizes.width**2 * sizes.activation_bytes if sizes.is_mixed else 0
    return sizes.tokens * per_token + copy


def input_bytes(sizes):
    """Bytes of a block's input, all that a rematerialized block keeps."""
    return sizes.tokens * sizes.width * sizes.activation_bytes


def again_bytes(sizes):
    """Bytes that a rematerialized block computes again for its gradient."""
    return block_bytes(sizes) - input_bytes(sizes)


def kept_by_layer(sizes):
    """Bytes that each block keeps until its backward pass, a list."""
    kept = {False: block_bytes(sizes), True: input_bytes(sizes)}
    return [kept[recomputed] for recomputed in sizes.recomputed]


def bytes_after_blocks(sizes):
    """Bytes that the end of the model keeps, before its first gradient."""
    masks = sizes.tokens * sizes.width if sizes.drops else 0
    return _ARRAYS_AFTER_BLOCKS * input_bytes(sizes) + masks


# === What is temporary ===


def block_workspace_bytes(sizes, window):
    """The most bytes of temporary arrays in the backward pass of a block.

    The feed-forward layers come first. When attention's turn comes, what was
    kept for them is gone. `window` is the layer's, as in `sizes.windows`.
    """
    return max(_feed_forward(sizes), _attention(sizes, window))


def largest_workspace(sizes):
    """`block_workspace_bytes` of the layer that takes most."""
    windows = set(sizes.windows)
    return max(block_workspace_bytes(sizes, window) for window in windows)


def _feed_forward(sizes):
    """The activation, its gradient and that of its input, and the output's."""
    numbers = sizes.tokens * (sizes.width + 3 * sizes.inner)
    # Under a mixed policy the kernel and its gradient before a cast.
    kernel = sizes.width * sizes.inner * sizes.is_mixed
    return sizes.activation_bytes * (numbers + 2 * kernel)


def _attention(sizes, window):
    scores = sizes.rows * sizes.heads * largest_block(sizes.length, window)
    arrays = sizes.tokens * _ATTENTION_ARRAYS * sizes.width
    gone = sizes.tokens * (sizes.width + sizes.inner)
    numbers = _SCORE_ARRAYS * scores + arrays - gone
    return sizes.activation_bytes * numbers


def loss_chunk_bytes(sizes):
    """Bytes of the arrays of one chunk, and of the output head's copy.

    The gradient of the head, which lasts longer, is not among them.
    """
    logits = sizes.chunk_tokens * sizes.vocabulary
    # The head in the dtype of the activations, as its gradient is at first.
    copy = sizes.table_weights * sizes.activation_bytes * sizes.is_mixed
    at_sum = _LOGIT_ARRAYS_AT_SUM * logits * sizes.activation_bytes + copy
    if sizes.chunk_tokens < sizes.tokens:
        at_sum += sizes.table_weights * sizes.weight_bytes + copy
    return copy + max(_BYTES_OF_LOGIT * logits, at_sum)


# === Moments of a step ===


def step_moments(sizes, gradients, summed=0):
    """Bytes beside weights and optimizer slots, at each moment.

    Gradients appear as the activations go: the loss has that of the output
    head, the backward pass adds those of one block after the other. With
    micro-batches the sums are there all the time, and take up each gradient as
    it comes.
    """
    head = sizes.weight_bytes * sizes.table_weights
    return {
        "loss": _at_loss(sizes) + head + summed,
        "backward": max(_at_blocks(sizes, summed > 0)) + head + summed,
        "update": _at_update(sizes, max(gradients, summed)),
    }


def _at_loss(sizes):
    """Everything is kept, and a chunk of logits is there."""
    return (
        sum(kept_by_layer(sizes))
        + bytes_after_blocks(sizes)
        + loss_chunk_bytes(sizes)
    )


def _at_blocks(sizes, accumulates):
    """For each block, when its backward pass comes."""
    workspace = {
        window: block_workspace_bytes(sizes, window)
        for window in set(sizes.windows)
    }
    again = again_bytes(sizes)
    block_gradients = sizes.weight_bytes * sizes.kernel_weights
    kept_so_far = itertools.accumulate(kept_by_layer(sizes))
    layers = zip(sizes.windows, sizes.recomputed, kept_so_far, strict=True)
    last = len(sizes.windows) - 1
    return [
        kept
        + again * recomputed
        + workspace[window]
        + (1 if accumulates else 1 + last - layer) * block_gradients
        for layer, (window, recomputed, kept) in enumerate(layers)
    ]


def _at_update(sizes, gradients):
    """All gradients and a kernel's update; at last the token embedding's."""
    kernel = sizes.weight_bytes * sizes.width * sizes.inner
    table = sizes.weight_bytes * sizes.table_weights
    arrays = _UPDATE_ARRAYS if sizes.weight_bytes == 4 else _UPDATE_ARRAYS_HALF
    return max(gradients + (arrays - 1) * kernel, arrays * table)


# === Beyond the arrays ===


def program_bytes(length, windows):
    """Bytes of the traced step and its compiled operations.

    `windows` has the window of each layer, `None` if it is dense.
    """
    blocks = [key_ranges(length, window) for window in windows]
    return (
        _PROGRAM
        + _PROGRAM_OF_LAYER * len(windows)
        + _PROGRAM_OF_BLOCK * sum(map(len, blocks))
        + _PROGRAM_OF_SHAPE * len(set().union(*blocks))
    )


def fragmentation_bytes(sizes, arrays):
    """Bytes that the allocator holds but cannot use.

    `arrays` are the bytes of the arrays that a step makes, at its peak.
    """
    largest = max(
        sizes.table_weights * sizes.weight_bytes,
        sizes.tokens * sizes.inner * sizes.activation_bytes,
    )
    return int(_OF_LARGEST_ARRAY * largest + _OF_ALL_ARRAYS * arrays)
