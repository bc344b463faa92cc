"""Refusal of a training step that cannot fit, before it starts."""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.training_choice import choose_training
from keras_gpt3.planning.training_memory import estimate_training_memory

# The estimate may be this much too high, and what might fit is not refused.
_ERROR = 0.15


def check_training_fits(
    config,
    name,
    *,
    dtype="float32",
    optimizer="adamw",
    batch_size=1,
    length=None,
    micro_batch_size=None,
    rematerialization="none",
    accelerator=None,
    allocated=0,
    available=None,
):
    """Raises if a training step needs more memory than there is.

    A model that is about to be trained is in memory already, and what is
    available has shrunk by it. So the step's peak is compared with what is
    available and what is `allocated` together. The estimate counts as 15% too
    high: a step that might fit is not refused, one that `plan` finds too large
    may pass.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        name: string. What to call the model: its preset's name or folder.
        dtype: string. As in `estimate_training_memory`, as are `optimizer`,
            `batch_size` (rows of one replica), `length`, `micro_batch_size`,
            `rematerialization` and `accelerator`, with the same defaults.
        optimizer: string. See `dtype`.
        batch_size: int. See `dtype`.
        length: int. See `dtype`.
        micro_batch_size: int. See `dtype`.
        rematerialization: string or int. See `dtype`.
        accelerator: string or `None`. See `dtype`.
        allocated: int. Bytes of the model's variables (weights, and optimizer
            slots if they exist) that `available` no longer includes. It stays
            0 on a GPU, whose memory counts as a whole. Defaults to `0`.
        available: int. Bytes available beside them, to one replica. Defaults
            to `None`, `available_memory()`.

    Raises:
        MemoryError: If the step does not fit. The message says how much is
            needed, how much there is, and which arguments of `compile` would
            fit.

    Example:

    ```python
    from keras_gpt3.planning import check_training_fits
    from keras_gpt3.preset_loader import load_shipped_preset

    config = load_shipped_preset("gpt3_small_en")["backbone"]
    check_training_fits(config, "gpt3_small_en", available=24 * 10**9)
    ```
    """
    options = {
        "dtype": dtype,
        "optimizer": optimizer,
        "length": length,
        "accelerator": accelerator,
    }
    needed = estimate_training_memory(
        config,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        rematerialization=rematerialization,
        **options,
    )["total"]
    available = available_memory() if available is None else available
    if (1 - _ERROR) * needed <= available + allocated:
        return
    length = config["max_sequence_length"] if length is None else length
    raise MemoryError(
        f"A training step of {name} must fit into memory: "
        f"{format_bytes(needed)} in {dtype} for {batch_size} rows of {length} "
        f"tokens, {format_bytes(allocated)} of them taken already. Received: "
        f"available={format_bytes(available)}, micro_batch_size="
        f"{micro_batch_size}, rematerialization={echoed(rematerialization)}. "
        f"{_remedy(config, batch_size, available + allocated, options)}"
    )


def _remedy(config, batch_size, budget, options):
    choice, fits = choose_training(config, batch_size, budget, **options)
    if fits:
        return f"Compile with {choice.arguments}."
    least = format_bytes(choice.memory["total"])
    return (
        f"Even {choice.arguments} takes {least}: use a smaller model, shorter "
        "rows or a device with more memory."
    )
