"""How much is in memory at the moments of a step that take most.

Beside weights and optimizer slots, which are there all the time. Gradients
appear as the activations go: the loss has that of the output head, the
backward pass adds those of one block after the other. With micro-batches the
sums are there all the time, and take up each gradient as it comes.
"""

import itertools

from keras_gpt3.planning.block_workspace import block_workspace_bytes
from keras_gpt3.planning.kept_activations import again_bytes
from keras_gpt3.planning.kept_activations import bytes_after_blocks
from keras_gpt3.planning.kept_activations import kept_by_layer
from keras_gpt3.planning.loss_chunk import loss_chunk_bytes

# Of the size of a variable, its gradient included, while it is updated: one
# kernel does that in float32, a chain of operations in 16 bits.
_UPDATE_ARRAYS = 2
_UPDATE_ARRAYS_HALF = 4


def step_moments(sizes, gradients, summed=0):
    """Bytes at each moment.

    Args:
        sizes: `PassSizes`.
        gradients: int. Bytes of the gradients of all weights.
        summed: int. Bytes of the sums of micro-batches. Defaults to `0`, there
            are none.

    Returns:
        A dict: `loss`, `backward` (of the block that takes most) and `update`.

    Example:

    ```python
    from keras_gpt3.planning.pass_sizes import PassSizes
    from keras_gpt3.planning.step_moments import step_moments
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    sizes = PassSizes.of(config, "float32", rows=1)
    step_moments(sizes, gradients=500904960)["loss"]
    ```
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
