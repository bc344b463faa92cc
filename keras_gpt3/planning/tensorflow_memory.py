"""Bytes of a step that TensorFlow runs operation by operation, on a CPU.

What is kept for the backward pass, what a block and the loss take beside it,
how much that is at the moments of a step that take most, and what a process
takes beyond the arrays. Stages of a pipeline follow the same numbers. A step
that XLA compiles as a whole for a GPU: `xla_memory`.
"""

import dataclasses
import itertools

from keras_gpt3.parallel.step_division import micro_batch_groups
from keras_gpt3.parallel.step_division import stage_layers
from keras_gpt3.planning.memory import FLOAT32_BYTES
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import training_slots
from keras_gpt3.planning.pass_sizes import key_ranges
from keras_gpt3.planning.pass_sizes import largest_block

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

    Under a mixed policy these include a copy of the kernel after attention in
    the dtype of the activations; the others are made again.
    """
    width, inner = sizes.hidden_dim, sizes.intermediate_dim
    numbers = _ARRAYS_OF_WIDTH * width + _ARRAYS_OF_INNER * inner
    extras = FLOAT32_BYTES * sizes.num_heads
    masks = 2 * width if sizes.has_dropout else 0  # Bools, of both branches.
    per_token = numbers * sizes.activation_bytes + extras + masks
    copy = width**2 * sizes.activation_bytes if sizes.is_mixed else 0
    return sizes.tokens * per_token + copy


def input_bytes(sizes):
    """Bytes of a block's input, all that a rematerialized block keeps."""
    return sizes.tokens * sizes.hidden_dim * sizes.activation_bytes


def again_bytes(sizes):
    """Bytes that a rematerialized block computes again for its gradient."""
    return block_bytes(sizes) - input_bytes(sizes)


def kept_by_layer(sizes):
    """Bytes that each block keeps until its backward pass, a list."""
    kept = {False: block_bytes(sizes), True: input_bytes(sizes)}
    return [kept[recomputed] for recomputed in sizes.recomputed]


def bytes_after_blocks(sizes):
    """Bytes that the end of the model keeps, before its first gradient."""
    masks = sizes.tokens * sizes.hidden_dim if sizes.has_dropout else 0
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
    numbers = sizes.tokens * (sizes.hidden_dim + 3 * sizes.intermediate_dim)
    # Under a mixed policy the kernel and its gradient before a cast.
    kernel = sizes.hidden_dim * sizes.intermediate_dim * sizes.is_mixed
    return sizes.activation_bytes * (numbers + 2 * kernel)


def _attention(sizes, window):
    scores = sizes.rows * sizes.num_heads * largest_block(sizes.length, window)
    arrays = sizes.tokens * _ATTENTION_ARRAYS * sizes.hidden_dim
    gone = sizes.tokens * (sizes.hidden_dim + sizes.intermediate_dim)
    numbers = _SCORE_ARRAYS * scores + arrays - gone
    return sizes.activation_bytes * numbers


def loss_chunk_bytes(sizes):
    """Bytes of the arrays of one chunk, and of the output head's copy.

    The gradient of the head, which lasts longer, is not among them.
    """
    logits = sizes.chunk_tokens * sizes.vocabulary_size
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
    kernel = sizes.weight_bytes * sizes.hidden_dim * sizes.intermediate_dim
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
        sizes.tokens * sizes.intermediate_dim * sizes.activation_bytes,
    )
    return int(_OF_LARGEST_ARRAY * largest + _OF_ALL_ARRAYS * arrays)


# === A whole step ===


def tensorflow_memory(num_parameters, dtype, optimizer, sizes, accumulates):
    """Compute the parts of a step, and their total at its peak."""
    variables = estimate_memory(num_parameters, dtype, optimizer)
    gradients = variables["gradients"]
    summed = accumulates * num_parameters * sizes.sum_bytes
    arrays = max(step_moments(sizes, gradients, summed).values())
    overhead = {
        "program": program_bytes(sizes.length, sizes.windows),
        "fragmentation": fragmentation_bytes(sizes, arrays),
    }
    lasting = variables["weights"] + variables["optimizer"]
    return {
        "weights": variables["weights"],
        "optimizer": variables["optimizer"],
        "gradients": max(gradients, summed),
        **sizes.activations(kept_by_layer(sizes), bytes_after_blocks(sizes)),
        "loss_chunk": loss_chunk_bytes(sizes),
        "workspace": largest_workspace(sizes),
        **overhead,
        "total": lasting + arrays + sum(overhead.values()),
    }


# One stage of a pipeline. All micro-batches of a group go forward before the
# first goes backward (GPipe), so a stage keeps what its blocks need of each of
# them. The first stage has the embeddings, the final norm and the head, and
# keeps the gradients that come out of that.


def stage_memory(share, sizes, stages, micro_batches, optimizer="adamw"):
    """Compute the memory of the stage that takes most."""
    layers = stage_layers(len(sizes.windows), stages)
    _, under_way = micro_batch_groups(stages, micro_batches)
    # Between the first and the last no stage has more than the last.
    of_stages = [
        _memory_of_stage(share, sizes, layers[stage], under_way, optimizer)
        for stage in {0, stages - 1}
    ]
    most = max(of_stages, key=lambda memory: memory["total"])
    # The model is made on the first device, before its blocks are moved.
    whole = share.held.total * sizes.weight_bytes
    return most | {"total": max(most["total"], whole)}


def stage_weights(share, stages):
    """The weights of the stage that has most."""
    layers = stage_layers(share.held.num_layers, stages)
    return max(
        _weights_of(share.held, layers[0]), _weights_of(share.held, layers[-1])
    )


def _weights_of(held, layers):
    outer = held.table + held.rest if layers.start == 0 else 0
    return len(layers) * held.block + outer


def _memory_of_stage(share, sizes, layers, under_way, optimizer):
    is_first = layers.start == 0
    own = dataclasses.replace(
        sizes,
        windows=sizes.windows[layers.start : layers.stop],
        recomputed=sizes.recomputed[layers.start : layers.stop],
    )
    num_weights = _weights_of(share.held, layers)
    weights = num_weights * sizes.weight_bytes
    state = training_slots(optimizer) * weights
    gradients = num_weights * sizes.sum_bytes
    after = bytes_after_blocks(sizes) + under_way * input_bytes(sizes)
    kept = own.activations(
        [under_way * num_bytes for num_bytes in kept_by_layer(own)],
        after if is_first else 0,
    )
    loss_chunk = loss_chunk_bytes(sizes) if is_first else 0
    workspace = largest_workspace(own)
    backward = workspace + again_bytes(own) * any(own.recomputed)
    backward += share.held.block * sizes.weight_bytes
    arrays = gradients + sum(kept.values()) + max(loss_chunk, backward)
    fragmentation = fragmentation_bytes(sizes, arrays)
    return {
        "weights": weights,
        "optimizer": state,
        "gradients": gradients,
        **kept,
        "loss_chunk": loss_chunk,
        "workspace": workspace,
        "fragmentation": fragmentation,
        "total": weights + state + arrays + fragmentation,
    }
