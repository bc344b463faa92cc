"""`plan`: whether a model can be trained on given devices, and how."""

import dataclasses
import json
import os

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.byte_size import parse_bytes
from keras_gpt3.planning.cache_memory import cache_bytes
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.plan_reason import plan_reason
from keras_gpt3.planning.printed_tables import PrintedTables
from keras_gpt3.planning.recomputation import recomputation_share
from keras_gpt3.planning.training_choice import MARGIN
from keras_gpt3.planning.training_choice import choose_training


@dataclasses.dataclass(frozen=True, repr=False)
class Plan(PrintedTables):
    """How to train a model on some devices; what `plan` returns.

    Printing it shows a table of at most 80 columns and the code to use.

    Args:
        name: string. The name of the preset, folder or model.
        fits: bool. Whether the model can be trained so.
        reason: string. What takes how much, and if it does not fit what would.
        code: string. The lines that make and compile the model.
        devices: int. Number of devices, each with a replica of the model.
        device_memory: int. Bytes of one device.
        dtype: string. The Keras dtype policy.
        length: int. Tokens in a row.
        rows: int. Rows of the batch of one replica.
        micro_batch_size: int or None. The argument of `GPT3.compile`.
        rematerialization: string or int. The argument of `GPT3.compile`.
        memory: dict. From part to bytes; see `estimate_training_memory`.
        recomputation: float. FLOPs that rematerialization adds, over those of
            a step.
        cache: int. Bytes of keys and values to continue one sequence of
            `length` tokens; see `cache_bytes`.

    Example:

    ```python
    import keras_gpt3

    plan = keras_gpt3.plan("gpt3_small_en", memory="24GB")
    plan.fits  # True
    print(plan)
    ```
    """

    name: str
    fits: bool
    reason: str
    code: str
    devices: int
    device_memory: int
    dtype: str
    length: int
    rows: int
    micro_batch_size: int | None
    rematerialization: str | int
    memory: dict
    recomputation: float
    cache: int

    @property
    def batch_tokens(self):
        """Tokens of the batch of all devices, an int."""
        return self.devices * self.rows * self.length

    @property
    def headroom(self):
        """Bytes of a device that the step leaves, below 0 where it fails."""
        return self.device_memory - self.memory["total"]

    def __rich__(self):
        # Inside: rich is needed only to print.
        from keras_gpt3.planning.plan_table import plan_table

        return plan_table(self)


def plan(
    preset,
    memory=None,
    devices=1,
    dtype="mixed_bfloat16",
    batch_tokens=None,
    length=None,
):
    """Plans the training of a GPT-3: micro-batches and rematerialization.

    Each device holds the whole model and takes its share of the batch (data
    parallelism). Of what fits into 90% of a device it chooses what computes
    least: no rematerialization with the largest micro-batches, else every k-th
    block with the largest k, else all blocks. See `estimate_training_memory`
    for what is counted.

    Args:
        preset: string, `pathlib.Path`, dict or model. As in `describe`.
        memory: string or int. The memory of one device, such as `"80GB"` or
            bytes. Defaults to `None`, what is available here.
        devices: int. Number of devices. Defaults to `1`.
        dtype: string. A Keras dtype policy. Defaults to `"mixed_bfloat16"`.
        batch_tokens: int. Tokens of the batch of all devices. Defaults to
            `None`, the batch of the preset's recipe.
        length: int. Tokens in a row; beyond the preset's context, the context
            is enlarged. Defaults to `None`, the preset's context.

    Returns:
        A `Plan`.

    Raises:
        ValueError: If the preset is unknown, an argument is out of its range,
            or the devices do not divide the rows of the batch.

    Example:

    ```python
    import keras_gpt3

    plan = keras_gpt3.plan("gpt3_13b_en", memory="80GB", devices=8)
    plan.fits  # False: weights, gradients and AdamW's moments take 206 GB
    ```
    """
    description = describe(preset)
    context = description.config["max_sequence_length"]
    length = context if length is None else length
    check_integer("length", length, minimum=1)
    check_integer("devices", devices, minimum=1)
    config = description.config | {"max_sequence_length": max(length, context)}
    rows = _rows_of_replica(description, batch_tokens, length, devices)
    memory = available_memory() if memory is None else parse_bytes(memory)
    options = {"dtype": dtype, "length": length}
    budget = int((1 - MARGIN) * memory)
    choice, fits = choose_training(config, rows, budget, **options)
    policy = choice.rematerialization
    return Plan(
        name=description.name,
        fits=fits,
        reason=plan_reason(config, rows, choice, budget, **options),
        code=_code(preset, choice, dtype, length, context),
        devices=devices,
        device_memory=memory,
        dtype=dtype,
        length=length,
        rows=rows,
        micro_batch_size=choice.micro_batch_size,
        rematerialization=policy,
        memory=choice.memory,
        recomputation=recomputation_share(config, policy, length),
        cache=cache_bytes(config, dtype, length=length),
    )


def _rows_of_replica(description, batch_tokens, length, devices):
    """The rows of the batch of one replica."""
    if batch_tokens is None and description.recipe is None:
        raise ValueError(
            "batch_tokens must be given where the preset has no recipe. "
            f"Received: batch_tokens=None, preset={description.name!r}. Pass "
            "the tokens of the batch of all devices."
        )
    if batch_tokens is None:
        batch_tokens = description.recipe["batch_tokens"]
    check_integer("batch_tokens", batch_tokens, minimum=1)
    rows = batch_tokens // length
    if rows == 0 or batch_tokens % length:
        whole = max(1, round(batch_tokens / length)) * length
        raise ValueError(
            "batch_tokens must be a multiple of length. Received: "
            f"batch_tokens={batch_tokens}, length={length}. Use batch_tokens="
            f"{whole}."
        )
    if rows % devices:
        nearest = max(1, round(rows / devices)) * devices
        raise ValueError(
            "devices must divide the rows of the batch. Received: devices="
            f"{devices}, batch_tokens={batch_tokens}, which are {rows} rows "
            f"of {length} tokens. Use batch_tokens={nearest * length}, "
            f"{nearest} rows."
        )
    return rows // devices


def _code(preset, choice, dtype, length, context):
    """The lines that make the model, unless it is there, and compile it."""
    context = f", max_sequence_length={length}" if length > context else ""
    policy = json.dumps(choice.rematerialization)
    compiled = (
        f"model.compile(..., micro_batch_size={choice.micro_batch_size}, "
        f"rematerialization={policy})"
    )
    if not isinstance(preset, (str, os.PathLike)):
        return compiled
    return (
        "model = keras_gpt3.GPT3.from_preset(\n"
        f'    {json.dumps(str(preset))}, dtype="{dtype}"{context}\n'
        f")\n{compiled}"
    )
