"""Bytes of a training step on one device of a mesh."""

import dataclasses

from keras_gpt3.parallel.stage_layers import stage_layers
from keras_gpt3.planning.compiled_memory import compiled_memory
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.memory import training_slots
from keras_gpt3.planning.mesh import check_mesh
from keras_gpt3.planning.micro_batch_division import micro_batch_groups
from keras_gpt3.planning.micro_batch_division import rows_at_once
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.stepwise_memory import again_bytes
from keras_gpt3.planning.stepwise_memory import bytes_after_blocks
from keras_gpt3.planning.stepwise_memory import fragmentation_bytes
from keras_gpt3.planning.stepwise_memory import input_bytes
from keras_gpt3.planning.stepwise_memory import kept_by_layer
from keras_gpt3.planning.stepwise_memory import largest_workspace
from keras_gpt3.planning.stepwise_memory import loss_chunk_bytes


def estimate_sharded_memory(
    config,
    mesh,
    *,
    dtype="float32",
    optimizer="adamw",
    batch_size=1,
    length=None,
    micro_batch_size=None,
    rematerialization="none",
    shard_optimizer=False,
    shard_weights=False,
):
    """Computes the memory that a training step takes on a device of a mesh.

    With a model axis, or weights or optimizer state that the data axis shares,
    a step runs on the JAX backend, which compiles it for accelerators; with
    stages, on TensorFlow, operation by operation, and the stage that takes
    most counts. Where every device has the whole model, see
    `estimate_training_memory`.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        mesh: sequence of three ints: data, model and stages.
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
        shard_optimizer: bool. As in `GPT3Backbone.get_layout_map`. Defaults to
            `False`.
        shard_weights: bool. The same. Defaults to `False`.

    Returns:
        A dict from part to int bytes: `weights` and `optimizer`, which are
        exact; `gradients`, when all are there; what is kept for the backward
        pass in `dense_activations`, `banded_activations` and
        `other_activations`; `loss_chunk`; `workspace`, the temporary arrays of
        the block that takes most; `fetched_weights`, those of other devices
        that a block uses, where they are shared; `fragmentation`, what the
        allocator cannot use (TensorFlow); and `total`, the most that is there
        at a time.

    Raises:
        ValueError: If a size is missing or wrong, the model cannot run on the
            mesh, or `micro_batch_size` does not divide `batch_size`.

    Example:

    ```python
    from keras_gpt3.planning import estimate_sharded_memory
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_175b_en")["backbone"]
    memory = estimate_sharded_memory(
        config, (1, 8, 1), dtype="mixed_bfloat16", rematerialization="block"
    )
    memory["weights"]  # 87323934720
    ```
    """
    mesh = check_mesh(mesh, config)
    rows = rows_at_once(batch_size, micro_batch_size)
    sizes = PassSizes.of(config, dtype, rows, length, rematerialization)
    share = DeviceShare.of(config, mesh, shard_optimizer, shard_weights)
    return step_memory(mesh, share, sizes, batch_size // rows, optimizer)


def step_memory(mesh, share, sizes, micro_batches, optimizer="adamw"):
    """Computes the memory that a training step takes on one device."""
    if mesh.stages > 1:
        return stage_memory(share, sizes, mesh.stages, micro_batches, optimizer)
    return compiled_memory(share, sizes, micro_batches, "jax", optimizer)


# Bytes of a training step on one stage of a pipeline (TensorFlow).
#
# All micro-batches of a group go forward before the first goes backward
# (GPipe), so a stage keeps what its blocks need of each of them. The first
# stage has the embeddings, the final norm and the head, and keeps the gradients
# that come out of that.


_BYTES_FLOAT32 = 4


def stage_memory(share, sizes, stages, micro_batches, optimizer="adamw"):
    """Computes the memory of the stage that takes most."""
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
    # Sums of micro-batches are in float32 at least.
    gradients = num_weights * max(sizes.weight_bytes, _BYTES_FLOAT32)
    kept = _activations(own, under_way, is_first)
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


def _activations(sizes, under_way, is_first):
    """What the stage keeps of the micro-batches of a group, by kind."""
    kept = {"dense_activations": 0, "banded_activations": 0}
    for window, num_bytes in zip(
        sizes.windows, kept_by_layer(sizes), strict=True
    ):
        kind = "dense" if window is None else "banded"
        kept[f"{kind}_activations"] += under_way * num_bytes
    gradients = under_way * input_bytes(sizes)
    after = bytes_after_blocks(sizes) + gradients if is_first else 0
    return kept | {"other_activations": after}
