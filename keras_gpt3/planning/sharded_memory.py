"""Bytes of a training step on one device of a mesh."""

from keras_gpt3.planning.compiled_memory import compiled_memory
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import check_mesh
from keras_gpt3.planning.micro_batch_division import rows_at_once
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.stage_memory import stage_memory


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
