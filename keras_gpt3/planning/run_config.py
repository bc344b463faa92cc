"""What a plan is to a run: its config as a file, or its mesh alone."""

import math
import os
import pathlib
import shlex
import textwrap

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.config_file import config_text
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.memory import parse_bytes
from keras_gpt3.planning.parallelism_choice import best_choice
from keras_gpt3.planning.parallelism_choice import rows_of_tokens
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.plan_output import recipe_values
from keras_gpt3.planning.training_job import Links
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_memory import MARGIN
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset

# Of a comment's text. A command stays in its line.
_WIDTH, _COMMAND = 78, "    "


def write_run_config(plan, preset, path, shards=None):
    """Write the config of the run that was planned, for `pretrain`.

    What has its default is left out. Without `shards`, a dict from name to
    folder, a run is refused until its folder is filled in.
    """
    check_is_new(path)
    parts = [
        _commented(
            _summary(plan, path),
            {"folder": f"runs/{pathlib.PurePath(plan.name).name}"},
        ),
        config_text({"model": _model(plan, preset)}),
        _data(plan, preset, shards),
        _recipe(plan, preset),
        _devices(plan),
    ]
    with atomic_write(path) as file:
        file.write("".join(parts).encode())


def check_is_new(path):
    """Raise if there is a file: somebody may have filled it in."""
    if os.path.lexists(path):
        raise FileExistsError(
            "The file of a config must not exist yet. Received: "
            f"write='{path}'. Pass another path, or remove the file."
        )


def _commented(paragraphs, values):
    """A part of the file below its comment; nothing of nothing."""
    if not values:
        return ""
    lines = []
    for paragraph in paragraphs:
        wrapped = textwrap.wrap(paragraph, _WIDTH, break_long_words=False)
        is_command = paragraph.startswith(_COMMAND)
        lines += ["", *([paragraph] if is_command else wrapped)]
    lines = [f"# {line}".rstrip() + "\n" for line in lines[1:]]
    return "".join(lines) + config_text(values)


def _summary(plan, path):
    """What was planned, and how to start it: paragraphs and a command."""
    command = f"keras-gpt3 pretrain --config {shlex.quote(str(path))}"
    number = "1 device" if plan.devices == 1 else f"{plan.devices} devices"
    return [
        f"A run of {plan.name} on {number} of "
        f"{format_bytes(plan.device_memory)}, as keras-gpt3 plan proposes. At "
        f"its peak a device takes {format_bytes(plan.memory['total'])}; "
        f"{plan.total_tokens / 1e9:g}B tokens take {plan.days:.1f} days, if "
        f"each keeps up {plan.sustained_flops / 1e12:g} TFLOP/s. "
        f"{_start(plan)}",
        f"{_COMMAND}KERAS_BACKEND={plan.backend} {command}",
    ]


def _start(plan):
    hosts = _hosts(plan)
    if hosts == 1:
        return "Start it with:"
    names = {
        "jax": "the three variables KERAS_DISTRIBUTION_... name",
        "tensorflow": "TF_CONFIG names",
    }
    return (
        f"Start it on each of the {hosts} hosts, which {names[plan.backend]}:"
    )


def _hosts(plan):
    return -(-plan.devices // plan.links.node_devices)


def _model(plan, preset):
    """The section `model`."""
    longer = {"max_sequence_length": plan.length}
    values = {
        "preset": (os.fspath(preset), None),
        "overrides": (longer if plan.length > _context(preset) else {}, {}),
        "dtype": (plan.dtype, "float32"),
        "micro_batch_size": (plan.micro_batch_size, None),
        "rematerialization": (plan.rematerialization, "none"),
    }
    return {
        name: value for name, (value, usual) in values.items() if value != usual
    }


def _context(preset):
    return describe(preset).config["max_sequence_length"]


def _data(plan, preset, shards):
    """The section `data`, or the place for it."""
    comment = []
    if not shards:
        comment = [
            "Fill in: names of corpora and, instead of null, the folder of "
            "each, which keras-gpt3 prepare wrote."
        ]
        shards = {"corpus": None}
    values = {"shards": dict(shards)}
    if plan.length != _context(preset):
        values["sequence_length"] = plan.length
    return _commented(comment, {"data": values})


def _recipe(plan, preset):
    """The section `recipe`, as far as it is not the preset's."""
    if not is_shipped(preset):
        values = {"batch_tokens": plan.batch_tokens, "learning_rate": None}
        comment = "Fill in: the peak, as the preset has no recipe."
        return _commented([comment], {"recipe": values})
    rows = _multiple_of_batches(plan, preset)
    values = recipe_values(preset, rows, plan.batch_tokens, plan.length)
    values.pop("sequence_length", None)
    comment = []
    if rows > 1:
        comment = [
            f"Every batch, also the first, is a multiple of {rows} rows, "
            "which replicas x micro_batch_size divides."
        ]
    return _commented(comment, {"recipe": values} if values else {})


def _multiple_of_batches(plan, preset):
    """Rows that the first batch, rounded up, and the largest are multiples of.

    Without micro-batches as many as possible: JAX computes so many at a time.
    """
    replicas = plan.mesh.data
    if replicas == 1 or plan.micro_batch_size is not None:
        return replicas * (plan.micro_batch_size or 1)
    start = load_shipped_preset(preset)["recipe"]["start_batch_tokens"]
    first = -(-start // plan.length // replicas) * replicas
    return math.gcd(first, plan.batch_tokens // plan.length)


def _devices(plan):
    """The section `devices`; TensorFlow's workers take what each has."""
    is_alone = plan.devices == 1
    if is_alone or (plan.backend == "tensorflow" and _hosts(plan) > 1):
        return ""
    section = devices_section(plan)
    # Flags that are off have their default.
    section = {name: value for name, value in section.items() if value}
    return config_text({"devices": section})


# === The mesh alone ===


def proposed_devices(
    config,
    devices,
    memory=None,
    *,
    backend,
    batch_tokens,
    length=None,
    dtype="float32",
    micro_batch_size=None,
    rematerialization="none",
    batch_multiple=None,
    links=None,
):
    """Choose the mesh of a run whose step is given.

    As `plan` does, it takes replicas where the whole model fits into 90% of
    each device, else the mesh with the shortest step. Micro-batches and
    rematerialization are not chosen: they are those of the run.

    Args:
        config: dict. The arguments of `GPT3Backbone`.
        devices: int. Number of devices.
        memory: string or int. The memory of one device; virtual devices of a
            CPU share that of the machine. Defaults to `None`, what is
            available here.
        backend: string. `"jax"` or `"tensorflow"`, which runs it.
        batch_tokens: int. Tokens of the largest batch of all devices.
        length: int. Tokens in a row. Defaults to `None`, the config's
            `max_sequence_length`.
        dtype: string. A Keras dtype policy. Defaults to `"float32"`.
        micro_batch_size: int. Rows that a replica computes at a time. Defaults
            to `None`, all of its rows.
        rematerialization: string or int. Which blocks run forward again in the
            backward pass. Defaults to `"none"`.
        batch_multiple: int. Rows that every batch is a multiple of, and that
            replicas times micro-batch must divide. Defaults to `None`, those
            of the largest batch.
        links: `keras_gpt3.planning.Links`. How fast devices reach each other.
            Defaults to `None`, as in machines of eight A100.

    Returns:
        A dict of the fields of `keras_gpt3.training.DevicesSection`: `mesh`,
        `shard_weights` and `shard_optimizer`.

    Raises:
        ValueError: If an argument is out of its range, or no mesh of the
            devices divides the batches.
        MemoryError: If the step fits on no mesh of the devices.

    Example:

    ```python
    from keras_gpt3.planning import proposed_devices
    from keras_gpt3.preset_loader import load_shipped_preset

    proposed_devices(
        load_shipped_preset("gpt3_13b_en")["backbone"],
        devices=64,
        memory="80GB",
        backend="jax",
        batch_tokens=2**21,
        dtype="mixed_bfloat16",
        micro_batch_size=8,
        rematerialization="block",
    )
    ```
    """
    config = complete_config(config)
    check_integer("devices", devices, minimum=1)
    length = config["max_sequence_length"] if length is None else length
    check_integer("length", length, minimum=1)
    rows = rows_of_tokens(batch_tokens, length)
    job = TrainingJob(
        config,
        rows,
        length,
        dtype,
        links=links or Links(),
        accelerator=backend,
        backend=backend,
        step=(micro_batch_size, rematerialization),
        multiple=_multiple(batch_multiple, rows),
    )
    memory = available_memory() if memory is None else parse_bytes(memory)
    choice, fits = best_choice(job, devices, int((1 - MARGIN) * memory))
    if choice is None:
        raise ValueError(
            "A mesh must have replicas that divide the batches. Received: "
            f"devices={devices}, micro_batch_size={micro_batch_size}, "
            f"batch_multiple={job.multiple}. Use smaller micro-batches, "
            "another batch_multiple, or other devices."
        )
    if not fits:
        raise MemoryError(
            "A training step must fit on a mesh of the devices. Received: "
            f"devices={devices} of {format_bytes(memory)}, of which "
            f"{MARGIN:.0%} stay free; the mesh {choice.mesh} takes least, "
            f"{format_bytes(choice.memory['total'])} with {choice.arguments}. "
            "Use smaller micro-batches, rematerialization, or more devices."
        )
    return devices_section(choice)


def _multiple(batch_multiple, rows):
    if batch_multiple is None:
        return rows
    check_integer("batch_multiple", batch_multiple, minimum=1)
    if rows % batch_multiple:
        raise ValueError(
            "batch_multiple must divide the rows of the batch. Received: "
            f"batch_multiple={batch_multiple}, rows={rows}. Use a divisor."
        )
    return batch_multiple


def devices_section(choice):
    """A choice as the section `devices` of a run's config, a dict."""
    second = {"jax": "model", "tensorflow": "stages"}[choice.backend]
    size = getattr(choice.mesh, second)
    return {
        "mesh": {"batch": choice.mesh.data, second: size},
        "shard_weights": choice.shard_weights,
        "shard_optimizer": choice.shard_optimizer,
    }
