"""Bytes of a training step: its parts, and the most there is at a time."""

import dataclasses
import functools

from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning import stepwise_memory
from keras_gpt3.planning.compiled_memory import compiled_memory
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import training_slots
from keras_gpt3.planning.micro_batch_division import divisors
from keras_gpt3.planning.micro_batch_division import rows_at_once
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.pass_sizes import PassSizes

# Micro-batches are summed in float32 at least.
_BYTES_OF_SUM = 4
_ACCELERATORS = (None, "jax", "tensorflow")


def estimate_training_memory(
    config,
    *,
    dtype="float32",
    optimizer="adamw",
    batch_size=1,
    length=None,
    micro_batch_size=None,
    rematerialization="none",
    accelerator=None,
):
    """Computes the memory that a training step of a GPT-3 takes.

    It knows what the step keeps and when it lets go of it: `total` is the most
    that is in memory at any moment of the step, less than the sum of the
    parts. It counts all weights as trainable, the package's own loss, and the
    memory of one replica. Of measured peaks on a CPU it is within 15%; of what
    XLA's compiler for an H100 says of a step, within 10%.

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
        accelerator: string. `"jax"` or `"tensorflow"`, the Keras backend that
            runs the step on a GPU, where XLA compiles it as a whole. Defaults
            to `None`, TensorFlow operation by operation on a CPU.

    Returns:
        A dict from part to int bytes: `weights`, `optimizer`, `gradients`;
        what is kept for the backward pass in `dense_activations`,
        `banded_activations` and `other_activations`; `loss_chunk`;
        `workspace`, the temporary arrays of the block that takes most; on a
        CPU `program`, the graph and its compiled operations, and
        `fragmentation`, what the allocator cannot use; and `total`.

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
    _check_accelerator(accelerator)
    rows = rows_at_once(batch_size, micro_batch_size)
    sizes = PassSizes.of(config, dtype, rows, length, rematerialization)
    if accelerator is not None:
        share = DeviceShare.whole(config)
        micro_batches = batch_size // rows
        return compiled_memory(
            share, sizes, micro_batches, accelerator, optimizer
        )
    return _stepwise_memory(config, dtype, optimizer, sizes, micro_batch_size)


def _check_accelerator(accelerator):
    if accelerator not in _ACCELERATORS:
        raise ValueError(
            "accelerator must be the Keras backend that runs a GPU, or None. "
            f"Received: accelerator={echoed(accelerator)}. Use 'jax', "
            "'tensorflow' or None for a CPU."
        )


def _stepwise_memory(config, dtype, optimizer, sizes, micro_batch_size):
    """That of TensorFlow on a CPU, which runs operation by operation."""
    num_parameters = sum(count_parameters(config).values())
    variables = estimate_memory(num_parameters, dtype, optimizer)
    gradients, summed = variables["gradients"], 0
    if micro_batch_size is not None:
        summed = num_parameters * max(sizes.weight_bytes, _BYTES_OF_SUM)
    moments = stepwise_memory.step_moments(sizes, gradients, summed)
    arrays = max(moments.values())
    overhead = {
        "program": stepwise_memory.program_bytes(sizes.length, sizes.windows),
        "fragmentation": stepwise_memory.fragmentation_bytes(sizes, arrays),
    }
    lasting = variables["weights"] + variables["optimizer"]
    return {
        "weights": variables["weights"],
        "optimizer": variables["optimizer"],
        "gradients": max(gradients, summed),
        **_activations(sizes),
        "loss_chunk": stepwise_memory.loss_chunk_bytes(sizes),
        "workspace": stepwise_memory.largest_workspace(sizes),
        **overhead,
        "total": lasting + arrays + sum(overhead.values()),
    }


def _activations(sizes):
    """What is kept for the backward pass, by kind of layer."""
    kept = {"dense_activations": 0, "banded_activations": 0}
    for window, num_bytes in zip(
        sizes.windows, stepwise_memory.kept_by_layer(sizes), strict=True
    ):
        kind = "dense" if window is None else "banded"
        kept[f"{kind}_activations"] += num_bytes
    return kept | {
        "other_activations": stepwise_memory.bytes_after_blocks(sizes)
    }


# Of the memory that is there, left free: the estimate is within 15% of what
# was measured, most of it within 10%.
MARGIN = 0.1


@dataclasses.dataclass(frozen=True)
class TrainingChoice:
    """Arguments of `GPT3.compile`, and what they take."""

    micro_batch_size: int | None
    rematerialization: str | int
    memory: dict

    @property
    def arguments(self):
        """The arguments as they are written."""
        return (
            f"micro_batch_size={self.micro_batch_size}, "
            f"rematerialization={self.rematerialization!r}"
        )


def training_choices(config, batch_size, policies=None, **options):
    """All choices, the one that computes least first.

    Without rematerialization, then every k-th block by falling k, then all
    blocks; each with micro-batches by falling size, which are the divisors of
    the rows.
    """
    estimate = functools.partial(
        estimate_training_memory, config, batch_size=batch_size, **options
    )
    if policies is None:
        policies = ("none", *range(config["num_layers"], 1, -1), "block")
    for policy in policies:
        for size in divisors(batch_size):
            micro = None if size == batch_size else size
            memory = estimate(micro_batch_size=micro, rematerialization=policy)
            yield TrainingChoice(micro, policy, memory)


def choose_training(config, batch_size, budget, **options):
    """The first of `training_choices` that takes no more than the budget."""
    smallest, policies = None, None
    estimate = estimate_training_memory(config, **options)
    if estimate["weights"] + estimate["optimizer"] > budget:
        policies = ["block"]  # Nothing fits; it takes least.
    for choice in training_choices(config, batch_size, policies, **options):
        if choice.memory["total"] <= budget:
            return choice, True
        if smallest is None or _total(choice) < _total(smallest):
            smallest = choice
    return smallest, False


def _total(choice):
    return choice.memory["total"]
