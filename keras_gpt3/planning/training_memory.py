"""Bytes of a training step: its parts, and the most there is at a time."""

from keras_gpt3.planning.block_workspace import largest_workspace
from keras_gpt3.planning.kept_activations import bytes_after_blocks
from keras_gpt3.planning.kept_activations import kept_by_layer
from keras_gpt3.planning.loss_chunk import loss_chunk_bytes
from keras_gpt3.planning.measured_overhead import fragmentation_bytes
from keras_gpt3.planning.measured_overhead import program_bytes
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import training_slots
from keras_gpt3.planning.micro_batch_division import rows_at_once
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.step_moments import step_moments

# Micro-batches are summed in float32 at least.
_BYTES_OF_SUM = 4


def estimate_training_memory(
    config,
    *,
    dtype="float32",
    optimizer="adamw",
    batch_size=1,
    length=None,
    micro_batch_size=None,
    rematerialization="none",
):
    """Computes the memory that a training step of a GPT-3 takes.

    It knows what the step keeps and when it lets go of it: `total` is the most
    that is in memory at any moment of the step, less than the sum of the
    parts. It counts all weights as trainable, the package's own loss, and the
    memory of one replica. Of measured peaks on a CPU it is within 15%; on a
    GPU the arrays are the same, but nothing was measured there, and the
    `program` lies in the memory of the host.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        dtype: string. A Keras dtype policy. Defaults to `"float32"`.
        optimizer: string. `"adamw"`, `"adam"` or `"sgd"` (without momentum).
            Defaults to `"adamw"`.
        batch_size: int. Rows of one replica. Defaults to `1`.
        length: int. Tokens in a row. Defaults to `None`, the config's
            `max_sequence_length`.
        micro_batch_size: int. As in `GPT3.compile`. Defaults to `None`, all
            rows at once.
        rematerialization: string or int. As in `GPT3.compile`. Defaults to
            `"none"`.

    Returns:
        A dict from part to int bytes: `weights`, `optimizer`, `gradients`;
        what is kept for the backward pass in `dense_activations`,
        `banded_activations` and `other_activations`; `loss_chunk`;
        `workspace`, the temporary arrays of the block that takes most;
        `program`, the graph and its compiled operations; `fragmentation`, what
        the allocator cannot use; and `total`.

    Raises:
        ValueError: If a size is missing or wrong, `micro_batch_size` does not
            divide `batch_size`, or another argument is unknown.

    Example:

    ```python
    from keras_gpt3.planning import estimate_training_memory
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    memory = estimate_training_memory(config, rematerialization="block")
    memory["dense_activations"]  # 37748736, 6 inputs of 2048 x 768 floats
    ```
    """
    training_slots(optimizer)  # Raises if it is none.
    rows = rows_at_once(batch_size, micro_batch_size)
    sizes = PassSizes.of(config, dtype, rows, length, rematerialization)
    num_parameters = sum(count_parameters(config).values())
    variables = estimate_memory(num_parameters, dtype, optimizer)
    gradients, summed = variables["gradients"], 0
    if micro_batch_size is not None:
        summed = num_parameters * max(sizes.weight_bytes, _BYTES_OF_SUM)
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
        **_activations(sizes),
        "loss_chunk": loss_chunk_bytes(sizes),
        "workspace": largest_workspace(sizes),
        **overhead,
        "total": lasting + arrays + sum(overhead.values()),
    }


def _activations(sizes):
    """What is kept for the backward pass, by kind of layer."""
    kept = {"dense_activations": 0, "banded_activations": 0}
    for window, num_bytes in zip(
        sizes.windows, kept_by_layer(sizes), strict=True
    ):
        kind = "dense" if window is None else "banded"
        kept[f"{kind}_activations"] += num_bytes
    return kept | {"other_activations": bytes_after_blocks(sizes)}
