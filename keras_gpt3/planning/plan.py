"""`plan`: whether a model can be trained on given devices, and how."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.available_memory import device_memory
from keras_gpt3.planning.describe import PrintedTables
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.memory import parse_bytes
from keras_gpt3.planning.mesh import check_mesh
from keras_gpt3.planning.parallelism_choice import MeshChoice
from keras_gpt3.planning.parallelism_choice import best_choice
from keras_gpt3.planning.parallelism_choice import choose_parallelism
from keras_gpt3.planning.parallelism_choice import fewest_devices
from keras_gpt3.planning.parallelism_choice import rows_of_batch
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.pass_sizes import cache_bytes
from keras_gpt3.planning.plan_output import plan_code
from keras_gpt3.planning.plan_output import plan_table
from keras_gpt3.planning.training_job import SUSTAINED_FLOPS
from keras_gpt3.planning.training_job import Links
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_job import petaflop_days
from keras_gpt3.planning.training_job import training_days
from keras_gpt3.planning.training_memory import MARGIN

_PAPER_TOKENS = 300_000_000_000


@dataclasses.dataclass(frozen=True, repr=False, kw_only=True)
class Plan(PrintedTables, MeshChoice):
    """A way to train a model on some devices; what `plan` returns.

    Printing it shows a table of at most 80 columns and the code to use.

    Args:
        name: string. The name of the preset, folder or model.
        fits: bool. Whether the model can be trained so.
        reason: string. What takes how much, and if it does not fit what would.
        code: string. The lines that make and compile the model.
        devices: int. Number of devices.
        device_memory: int. Bytes of one device.
        dtype: string. The Keras dtype policy.
        length: int. Tokens in a row.
        rows: int. Rows of the batch of one replica.
        micro_batch_size: int or None. The argument of `GPT3.compile`.
        rematerialization: string or int. The argument of `GPT3.compile`.
        memory: dict. Of a device, from part to bytes; see
            `estimate_training_memory` and `estimate_sharded_memory`.
        recomputation: float. FLOPs that rematerialization adds, over those of
            a step.
        cache: int. Bytes of keys and values to continue one sequence of
            `length` tokens; see `cache_bytes`.
        mesh: `Mesh`. Replicas, devices that share each layer, stages.
        backend: string. The Keras backend that runs it. Defaults to `None`,
            the one that has what the mesh needs.
        shard_optimizer: bool. The argument of `GPT3Backbone.get_layout_map`.
        shard_weights: bool. The argument of `GPT3Backbone.get_layout_map`.
        bubble: float. The share of a step in which a stage waits.
        communication: dict. What a device sends in a step, in bytes; see
            `communication_bytes`.
        step_seconds: float. What a step takes.
        total_tokens: int. Tokens of the run: those of the preset's recipe, or
            300 billion.
        days: float. What the run takes.
        petaflop_days: float. The FLOPs that the model needs for the run, in
            petaflop/s-days.
        table_d1: float or None. `petaflop_days` as Table D.1 prints it: 6
            FLOPs for each parameter and token, attention left out.
        sustained_flops: float. FLOP/s that a device is taken to keep up.
        links: `Links`. What is assumed of the links.

    Example:

    ```python
    import keras_gpt3

    plan = keras_gpt3.plan("gpt3_175b_en", memory="80GB", devices=1024)
    plan.mesh  # Mesh(data=128, model=8, stages=1)
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
    cache: int
    total_tokens: int
    days: float
    petaflop_days: float
    table_d1: float | None
    sustained_flops: float
    links: Links

    @property
    def batch_tokens(self):
        """Tokens of the batch of all devices, an int."""
        return self.mesh.data * self.rows * self.length

    @property
    def headroom(self):
        """Bytes of a device that the step leaves, below 0 where it fails."""
        return self.device_memory - self.memory["total"]

    def __rich__(self):
        return plan_table(self)


def plan(
    preset,
    memory=None,
    devices=1,
    dtype="mixed_bfloat16",
    batch_tokens=None,
    length=None,
    mesh=None,
    sustained_flops=None,
    links=None,
    backend=None,
):
    """Plan the training of a GPT-3: mesh, micro-batches, rematerialization.

    Where the whole model fits into 90% of each device, each takes its share of
    the batch (data parallelism). Of the ways to do that it chooses what
    computes least: no rematerialization with the largest micro-batches, else
    every k-th block with the largest k, else all blocks.

    Else the model is split, by the mesh with the shortest step of those that
    fit: `data` replicas, in each of which `model` devices share every layer,
    on the JAX backend, or `stages` of blocks follow each other, on TensorFlow;
    never both, as no backend does both. On JAX the data axis may share the
    optimizer's state, or all weights. See `estimate_sharded_memory`,
    `communication_bytes` and `step_seconds` for what is counted.

    Args:
        preset: string, `pathlib.Path`, dict or model. A shipped preset, a
            folder written by `save_to_preset` or in Hugging Face's layout, the
            arguments of `GPT3Backbone`, or a `GPT3` or `GPT3Backbone`.
        memory: string or int. The memory of one device, such as `"80GB"` or
            bytes, which is then an accelerator. Defaults to `None`, what is
            available here, on a GPU or else a CPU.
        devices: int. Number of devices. Defaults to `1`.
        dtype: string. A Keras dtype policy. Defaults to `"mixed_bfloat16"`.
        batch_tokens: int. Tokens of the batch of all devices. Defaults to
            `None`, the batch of the preset's recipe.
        length: int. Tokens in a row; beyond the preset's context, the context
            is enlarged. Defaults to `None`, the preset's context.
        mesh: sequence of three ints: data, model and stages. Defaults to
            `None`, the best one.
        sustained_flops: float. FLOP/s that a device keeps up. Defaults to
            `None`, 125e12: 40% of what an A100 does at most.
        links: `keras_gpt3.planning.Links`. How fast devices reach each other.
            Defaults to `None`, as in machines of eight A100.
        backend: string. `"jax"` or `"tensorflow"`, to consider only what that
            Keras backend can do. Defaults to `None`, either.

    Returns:
        A `Plan`.

    Raises:
        ValueError: If the preset is unknown, an argument is out of its range,
            the model cannot run on the mesh, or the devices do not divide the
            rows of the batch where that would do.

    Example:

    ```python
    import keras_gpt3

    plan = keras_gpt3.plan("gpt3_13b_en", memory="80GB", devices=8)
    plan.fits, plan.shard_weights  # (True, True)
    ```
    """
    description = describe(preset)
    context = description.config["max_sequence_length"]
    length = context if length is None else length
    check_integer("length", length, minimum=1)
    check_integer("devices", devices, minimum=1)
    config = complete_config(description.config)
    config |= {"max_sequence_length": max(length, context)}
    rows = rows_of_batch(description, batch_tokens, length)
    # Devices of a given memory are accelerators; this machine may be a CPU.
    on_cpu = memory is None and device_memory() is None
    if sustained_flops is None:
        sustained_flops = SUSTAINED_FLOPS
    links = links or Links()
    job = TrainingJob(
        config,
        rows,
        length,
        dtype,
        sustained_flops,
        links,
        _accelerator(backend, on_cpu),
        backend,
    )
    if mesh is not None:
        mesh = check_mesh(
            mesh, config, devices, job.links.node_devices, backend
        )
    memory = available_memory() if memory is None else parse_bytes(memory)
    budget = int((1 - MARGIN) * memory)
    choice, fits = choose_parallelism(job, devices, budget, mesh)
    return Plan(
        name=description.name,
        fits=fits,
        reason=plan_reason(job, choice, budget, mesh),
        code=plan_code(preset, choice, job, context),
        devices=devices,
        device_memory=memory,
        dtype=dtype,
        length=length,
        rows=rows // choice.mesh.data,
        cache=cache_bytes(config, dtype, length=length),
        sustained_flops=job.sustained_flops,
        links=job.links,
        **vars(choice),
        **_run(description, job, choice),
    )


def _accelerator(backend, on_cpu):
    """What `estimate_training_memory` is to know of a device."""
    # Of JAX it knows one estimate, as XLA compiles the whole step anywhere.
    if backend == "jax":
        return backend
    return None if on_cpu else "tensorflow"


def _run(description, job, choice):
    """What a whole run takes."""
    recipe = description.recipe or {"total_tokens": _PAPER_TOKENS}
    tokens = recipe["total_tokens"]
    table = description.table_d1
    return {
        "total_tokens": tokens,
        "days": training_days(tokens, job.tokens, choice.step_seconds),
        "petaflop_days": petaflop_days(job.flops_per_token * tokens),
        "table_d1": table and table["petaflop_s_days"],
    }


def plan_reason(job, choice, budget, mesh=None):
    """Say how the memory of a choice compares with what may be used."""
    total = choice.memory["total"]
    usable = (
        f"the {format_bytes(budget)} that may be used ({MARGIN:.0%} of a "
        "device stays free)"
    )
    if total <= budget:
        fits = f"The step takes {format_bytes(total)} at its peak, of {usable}."
        return fits + _why_split(job, choice, mesh)
    place = "" if choice.mesh.devices == 1 else f"on a mesh {choice.mesh} and "
    ways = _remedies(job, choice, budget, mesh)
    return (
        f"Even {place}with {choice.arguments} the step takes "
        f"{format_bytes(total)} at its peak, {format_bytes(total - budget)} "
        f"more than {usable}. Use {', or '.join(ways)}."
    )


def _why_split(job, choice, mesh):
    """Why it is not every device that has the whole model."""
    devices = choice.mesh.devices
    if choice.is_plain or mesh is not None:
        return ""
    if job.rows % devices:
        return (
            f" The {job.rows} rows cannot be shared equally by {devices} "
            "replicas."
        )
    # In no memory, the choice that takes least.
    least, _ = job.choose(job.rows // devices, 0)
    return (
        " The whole model would take at least "
        f"{format_bytes(least.memory['total'])} on each device."
    )


def _remedies(job, choice, budget, mesh):
    """What would fit: other devices, more of them, fewer bytes, a mesh."""
    devices = choice.mesh.devices
    total = choice.memory["total"]
    ways = [f"devices of {format_bytes(total / (1 - MARGIN))}"]
    more = fewest_devices(job, devices, budget)
    if more is not None:
        ways.append(f"devices={more}")
    if mesh is not None:
        other, fits = best_choice(job, devices, budget)
        if fits:
            ways.append(f"mesh={tuple(other.mesh)}")
    if bytes_per_weight(job.dtype)[1] > 2:
        half = dataclasses.replace(job, dtype="bfloat16")
        other, fits = best_choice(half, devices, budget, mesh)
        if fits:
            ways.append(f"dtype='bfloat16' with {other.arguments}")
    return ways
