"""The tables that show a plan, and its code."""

import json
import os
import textwrap

from rich.console import Group
from rich.text import Text

from keras_gpt3.planning.describe import titled_table
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset


def plan_table(plan):
    """Lay out a plan as tables of at most 80 columns."""
    verdict = "fits" if plan.fits else "does not fit"
    parts = [
        Text(f"{plan.name} {verdict}", style="bold"),
        Text(plan.reason),
        _settings(plan),
        _memory(plan),
    ]
    if plan.fits:
        if plan.devices > 1:
            parts.append(_communication(plan))
        parts.append(_time(plan))
        parts.append(Text(f"\n{plan.code}", no_wrap=True, overflow="fold"))
    return Group(*parts)


def _table(title, rows):
    table = titled_table(title, "", "", show_header=False)
    for label, value in rows.items():
        table.add_row(label, value)
    return table


def _settings(plan):
    rows = {
        "devices": str(plan.devices),
        "memory of a device": format_bytes(plan.device_memory),
        "mesh, data x model x stages": str(plan.mesh),
        "backend": plan.backend,
        "dtype": plan.dtype,
        "batch, tokens": f"{plan.batch_tokens:,}",
        "batch of a replica, rows x tokens": f"{plan.rows} x {plan.length}",
        "micro_batch_size": str(plan.micro_batch_size),
        "rematerialization": str(plan.rematerialization),
        "computed again, of a step's FLOPs": f"{plan.recomputation:.1%}",
    }
    if plan.backend == "jax":
        rows["shard_optimizer"] = str(plan.shard_optimizer)
        rows["shard_weights"] = str(plan.shard_weights)
    if plan.mesh.stages > 1:
        rows["bubble, of a step"] = f"{plan.bubble:.1%}"
    return _table("Training", rows)


def _memory(plan):
    rows = {
        part.replace("_", " "): format_bytes(num_bytes)
        for part, num_bytes in plan.memory.items()
        if part != "total"
    }
    table = _table("Memory of a device, AdamW", rows)
    table.add_section()
    table.add_row("most at a time", format_bytes(plan.memory["total"]))
    left = "free" if plan.headroom >= 0 else "missing"
    table.add_row(left, format_bytes(abs(plan.headroom)))
    table.add_section()
    table.add_row("to generate: cache of a sequence", format_bytes(plan.cache))
    return table


def _communication(plan):
    labels = {
        "activations": "activations, over the model axis",
        "gradients": "gradients, over the data axis",
        "weights": "weights, over the data axis",
        "stages": "activations, from stage to stage",
    }
    rows = {
        labels[kind]: format_bytes(num_bytes)
        for kind, num_bytes in plan.communication.items()
        if num_bytes
    }
    table = _table("What a device sends in a step", rows)
    links = plan.links
    table.add_section()
    table.add_row("devices of a machine, assumed", str(links.node_devices))
    for label, bandwidth in (
        ("within a machine, assumed", links.node_bandwidth),
        ("between machines, assumed", links.network_bandwidth),
    ):
        table.add_row(label, f"{format_bytes(bandwidth)}/s")
    return table


def _time(plan):
    rows = {
        "FLOP/s of a device, assumed": f"{plan.sustained_flops / 1e12:g}e12",
        "a step": f"{plan.step_seconds:.3g} s",
        "tokens": f"{plan.total_tokens / 1e9:g}B",
        "days": f"{plan.days:.1f}",
        "petaflop/s-days, with attention": f"{plan.petaflop_days:,.2f}",
    }
    if plan.table_d1 is not None:
        rows["petaflop/s-days of Table D.1, without it"] = f"{plan.table_d1:,}"
    return _table("Time", rows)


_BACKEND = """\
import os

os.environ["KERAS_BACKEND"] = "{backend}"  # Before Keras is imported.

"""
_CLUSTER = """\
# On each of the {hosts} hosts, with the addresses in the environment.
keras.distribution.initialize()
"""
_MESH = """\
mesh = keras.distribution.DeviceMesh(
    ({mesh.data}, {mesh.model}),
    ("batch", "model"),
    keras.distribution.list_devices(),
)
layout_map = keras_gpt3.GPT3Backbone.get_layout_map(mesh{arguments})
keras.distribution.set_distribution(
    keras.distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    )
)
"""


def plan_code(preset, choice, job, context):
    """Write the lines that make the model and compile it.

    They have at most 80 columns where the preset's name is short. A model or
    config that was given is not part of them: make it before the last line, and
    in the strategy's scope if there is one.
    """
    made = _optimizer(preset, choice, job)
    lines = _model(preset, job, context) + _compile(choice)
    if choice.mesh.devices == 1:
        # TensorFlow is Keras' own default.
        is_jax = choice.backend == "jax"
        head = _BACKEND.format(backend="jax") if is_jax else ""
        return f"{head}import keras_gpt3\n\n{made}{lines}"
    if choice.backend == "tensorflow":
        return _replicas(choice, job, made, lines)
    return _distribution(choice, job) + made + lines


def _distribution(choice, job):
    """What splits the model, on the JAX backend."""
    arguments = "".join(f", {each}" for each in choice.shard_arguments)
    hosts = -(-choice.mesh.devices // job.links.node_devices)
    cluster = _CLUSTER.format(hosts=hosts) if hosts > 1 else ""
    return (
        _BACKEND.format(backend=choice.backend)
        + "import keras\nimport keras_gpt3\n\n"
        + cluster
        + _MESH.format(mesh=choice.mesh, arguments=arguments)
    )


def _replicas(choice, job, made, lines):
    """The model in what replicates it, on the TensorFlow backend."""
    head = _BACKEND.format(backend=choice.backend) + "import keras_gpt3\n\n"
    if choice.mesh.data == 1:
        return head + made + lines
    strategy = f"mirrored_strategy({choice.mesh.data})"
    if choice.mesh.devices > job.links.node_devices:
        head += "# On each of the hosts, which TF_CONFIG names.\n"
        strategy = "pretraining_strategy()"
    return (
        head
        + f"strategy = keras_gpt3.parallel.{strategy}\n"
        + made
        + "with strategy.scope():\n"
        + textwrap.indent(lines, "    ")
    )


def _optimizer(preset, choice, job):
    """The recipe's, or one to be set."""
    if not is_shipped(preset):
        return "optimizer = keras_gpt3.training.AdamW()\n"
    rows = choice.mesh.data * (choice.micro_batch_size or 1)
    values = recipe_values(preset, rows, job.tokens, job.length)
    arguments = [json.dumps(preset), *(f"{k}={v}" for k, v in values.items())]
    listed = ", ".join(arguments)
    if len(arguments) > 1:
        listed = "\n" + "".join(f"    {each},\n" for each in arguments)
    return (
        f"recipe = keras_gpt3.training.PretrainingRecipe.for_preset({listed})\n"
        "optimizer = recipe.optimizer()\n"
    )


def recipe_values(preset, rows, batch_tokens, length):
    """Where the batches differ from the preset's: multiples of some rows.

    The batch grows by as many rows as go through the mesh at once.
    """
    shipped = load_shipped_preset(preset)
    tokens = rows * length
    start = shipped["recipe"]["start_batch_tokens"]
    values = {
        "batch_tokens": (batch_tokens, shipped["recipe"]["batch_tokens"]),
        "sequence_length": (length, shipped["backbone"]["max_sequence_length"]),
        "start_batch_tokens": (
            min(-(-start // tokens) * tokens, batch_tokens),
            start,
        ),
        "batch_multiple": (rows, 1),
    }
    return {
        name: value for name, (value, usual) in values.items() if value != usual
    }


def _model(preset, job, context):
    if not isinstance(preset, (str, os.PathLike)):
        return ""
    longer = job.length > context
    longer = f", max_sequence_length={job.length}" if longer else ""
    return (
        "model = keras_gpt3.GPT3.from_preset(\n"
        f'    {json.dumps(str(preset))}, dtype="{job.dtype}"{longer}\n'
        ")\n"
    )


def _compile(choice):
    arguments = [
        "optimizer=optimizer",
        f"micro_batch_size={choice.micro_batch_size}",
        f"rematerialization={json.dumps(choice.rematerialization)}",
    ]
    if choice.mesh.stages > 1:
        arguments.append(f"pipeline_stages={choice.mesh.stages}")
    listed = "".join(f"    {argument},\n" for argument in arguments)
    return f"model.compile(\n{listed})"
