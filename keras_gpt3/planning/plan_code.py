"""The lines of Python that do what a plan says."""

import json
import os
import textwrap

from keras_gpt3.preset_loader import is_shipped
from keras_gpt3.preset_loader import load_shipped_preset

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
    """Writes the lines that make the model and compile it.

    They have at most 80 columns where the preset's name is short. A model or
    config that was given is no part of them: make it before the last line, and
    in the strategy's scope if there is one.
    """
    made = _optimizer(preset, choice, job)
    lines = _model(preset, job, context) + _compile(choice)
    if choice.mesh.devices == 1:
        return f"import keras_gpt3\n\n{made}{lines}"
    if choice.backend == "tensorflow":
        return _replicas(choice, job, made, lines)
    return _distribution(choice, job) + made + lines


def _distribution(choice, job):
    """What splits the model, on the JAX backend."""
    arguments = "".join(
        f", {name}=True"
        for name in ("shard_optimizer", "shard_weights")
        if getattr(choice, name)
    )
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
    arguments = [json.dumps(preset), *_recipe_arguments(preset, choice, job)]
    listed = ", ".join(arguments)
    if len(arguments) > 1:
        listed = "\n" + "".join(f"    {each},\n" for each in arguments)
    return (
        f"recipe = keras_gpt3.training.PretrainingRecipe.for_preset({listed})\n"
        "optimizer = recipe.optimizer()\n"
    )


def _recipe_arguments(preset, choice, job):
    """Where the batches differ from the preset's, or must be multiples."""
    shipped = load_shipped_preset(preset)
    rows = choice.mesh.data * (choice.micro_batch_size or 1)
    tokens = rows * job.length
    start = shipped["recipe"]["start_batch_tokens"]
    values = {
        "batch_tokens": (job.tokens, shipped["recipe"]["batch_tokens"]),
        "sequence_length": (
            job.length,
            shipped["backbone"]["max_sequence_length"],
        ),
        # The batch grows by as many rows as go through the mesh at once.
        "start_batch_tokens": (
            min(-(-start // tokens) * tokens, job.tokens),
            start,
        ),
        "batch_multiple": (rows, 1),
    }
    return [
        f"{name}={value}"
        for name, (value, usual) in values.items()
        if value != usual
    ]


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
