"""`keras-gpt3 plan PRESET`: whether a model can be trained, and how."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console

from keras_gpt3.cli.options import options_with
from keras_gpt3.cli.user_errors import user_errors

# What the options mean, by their names.
_HELP = {
    "memory": "Memory of one device, such as 80GB or 74.5GiB. "
    "Default: what is available here.",
    "devices": "Devices, all of the same kind.",
    "dtype": "A Keras dtype policy.",
    "batch_tokens": "Tokens of the batch of all devices. "
    "Default: as in the preset's recipe.",
    "length": "Tokens in a row. Default: the preset's context.",
    "mesh": "Replicas, devices that share each layer, and stages of blocks, "
    "such as 128,8,1. Default: the quickest that fits.",
    "backend": "jax or tensorflow: consider only what that Keras backend can "
    "do. Default: either.",
    "sustained_tflops": "TFLOP/s that a device keeps up. Default: 125, 40% of "
    "what an A100 does at most.",
    "node_devices": "Devices of a machine.",
    "node_bandwidth": "GB/s that a device sends within its machine.",
    "network_bandwidth": "GB/s that a device sends to other machines.",
    "compile_step": "Also ask XLA's compiler for an H100 what the step takes. "
    "Needs no GPU, but minutes for deep models.",
    "write": "A new file for the config of the run that is proposed, to start "
    "with keras-gpt3 pretrain.",
    "shards": "With --write, a name of a corpus and its folder of token "
    "shards; may be repeated. Default: to be filled in.",
}
_GIGABYTE = 1e9

_option = options_with(_HELP)


def plan_command(
    preset: Annotated[
        str, typer.Argument(help="A preset's name or the folder of a model.")
    ],
    memory: Annotated[str | None, _option("memory")] = None,
    devices: Annotated[int, _option("devices")] = 1,
    dtype: Annotated[str, _option("dtype")] = "mixed_bfloat16",
    batch_tokens: Annotated[int | None, _option("batch_tokens")] = None,
    length: Annotated[int | None, _option("length")] = None,
    mesh: Annotated[
        str | None, _option("mesh", metavar="DATA,MODEL,STAGES")
    ] = None,
    sustained_tflops: Annotated[
        float | None, _option("sustained_tflops")
    ] = None,
    backend: Annotated[str | None, _option("backend")] = None,
    # The defaults are those of `Links`, which would load TensorFlow.
    node_devices: Annotated[int, _option("node_devices")] = 8,
    node_bandwidth: Annotated[float, _option("node_bandwidth")] = 300.0,
    network_bandwidth: Annotated[float, _option("network_bandwidth")] = 25.0,
    compile_step: Annotated[bool, _option("compile_step", "--compile")] = False,
    write: Annotated[pathlib.Path | None, _option("write")] = None,
    shards: Annotated[
        list[str] | None, _option("shards", metavar="NAME=FOLDER")
    ] = None,
) -> None:
    """Say whether a model fits to be trained, and with which arguments.

    Picks a mesh of the devices, micro-batches and rematerialization, and shows
    what takes how much memory, what is sent, and how many days a run takes.
    Nothing is allocated. With --compile, XLA's compiler says what it makes of
    the step. With --write, a model that fits gets the config of its run. Exits
    with 0 if the model fits, 1 if it does not, 2 if an argument is wrong.
    """
    with user_errors():
        folders = _read_shards(shards, write)
        from keras_gpt3.planning.plan import plan
        from keras_gpt3.planning.run_config import check_is_new
        from keras_gpt3.planning.run_config import write_run_config
        from keras_gpt3.planning.training_job import Links

        if write is not None:
            check_is_new(write)
        result = plan(
            preset,
            memory,
            devices,
            dtype,
            batch_tokens,
            length,
            mesh=_read_mesh(mesh),
            sustained_flops=_in_flops(sustained_tflops),
            links=Links(
                node_devices=node_devices,
                node_bandwidth=node_bandwidth * _GIGABYTE,
                network_bandwidth=network_bandwidth * _GIGABYTE,
            ),
            backend=backend,
        )
    Console().print(result)
    if compile_step:
        with user_errors():
            _ask_compiler(preset, result)
    if not result.fits:
        if write is not None:
            typer.echo(f"Nothing fits: {write} was not written.", err=True)
        raise typer.Exit(code=1)
    if write is not None:
        with user_errors():
            write_run_config(result, preset, write, folders)
        typer.echo(f"\nThe config of the run was written to {write}.")


def _read_shards(shards, write):
    """A dict from name to folder of what `--shards` names."""
    if shards and write is None:
        raise ValueError(
            "--shards must come with --write. Received: --shards "
            f"{shards[0]}. Add --write run.yaml."
        )
    folders = {}
    for text in shards or ():
        name, _, folder = text.partition("=")
        if not (name and folder) or name in folders:
            raise ValueError(
                "--shards must have the form NAME=FOLDER, each name once. "
                f"Received: --shards {text}. Write for example "
                "books=shards/books."
            )
        folders[name] = folder
    return folders


def _ask_compiler(preset, result):
    """Compile the step of a plan, and show both figures."""
    from keras_gpt3.planning.describe import describe
    from keras_gpt3.planning.memory import format_bytes

    if result.mesh.stages > 1:
        raise ValueError(
            "stages must be 1 to compile a step, which XLA does for one "
            f"device. Received: mesh={tuple(result.mesh)}. Leave out --compile."
        )
    # On TensorFlow one replica is like another.
    is_jax = result.backend == "jax"
    data, model, _ = result.mesh if is_jax else (1, 1, 1)
    message = "Compiling for an H100 (Ctrl-C stops it)"
    with Console(stderr=True).status(message):
        program = compile_step(
            describe(preset).config,
            backend=result.backend,
            rows=data * result.rows,
            length=result.length,
            dtype=result.dtype,
            rematerialization=result.rematerialization,
            micro_batch_size=result.micro_batch_size,
            mesh=(data, model),
            layout={
                "shard_optimizer": result.shard_optimizer,
                "shard_weights": result.shard_weights,
            }
            if data * model > 1
            else None,
        )
    planned = result.memory["total"]
    typer.echo(
        f"\nAt its peak a device takes {format_bytes(program.total)} by XLA's "
        f"compiler for an H100, {format_bytes(planned)} by this plan."
    )


def _read_mesh(text):
    """Three numbers, or what `plan` says of others."""
    if text is None:
        return None
    parts = text.split(",")
    return [int(part) if part.strip().isdecimal() else part for part in parts]


def _in_flops(tflops):
    return None if tflops is None else tflops * 1e12


# === The step, compiled ===


def compile_step(
    config,
    *,
    backend,
    rows,
    length,
    dtype="mixed_bfloat16",
    rematerialization="none",
    micro_batch_size=None,
    mesh=(1, 1),
    layout=None,
    timeout=None,
):
    """Compile a step with AdamW for H100s, which need not exist.

    A process of its own compiles, as the Keras backend is chosen when it
    starts: `python -m keras_gpt3.cli.plan '{"config": {...}, "rows": 8}'`.
    """
    if backend == "tensorflow" and tuple(mesh) != (1, 1):
        raise ValueError(
            "mesh must be (1, 1) on TensorFlow, whose replicas are compiled "
            f"for one device. Received: mesh={tuple(mesh)}. Use the JAX "
            "backend."
        )
    job = {
        "config": config | {"max_sequence_length": length},
        "rows": rows,
        "length": length,
        "dtype": dtype,
        "rematerialization": rematerialization,
        "micro_batch_size": micro_batch_size,
        "mesh": list(mesh),
        "layout": layout or {},
    }
    finished = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(job)],
        env=compiler_environment(backend),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if finished.returncode:
        if finished.returncode < 0:
            raise ValueError(
                "The compiler must run to its end. Received: signal "
                f"{-finished.returncode}. Free memory, or compile fewer layers."
            )
        last = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        kind = ImportError if last.startswith("ImportError") else ValueError
        raise kind(last.split(": ", 1)[-1][:1000])
    from keras_gpt3.training.step.deviceless_compilation import StepProgram

    return StepProgram(**json.loads(finished.stdout.splitlines()[-1]))


def compiler_environment(backend):
    """The environment of a process that compiles for devices it has not."""
    return os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _compile(
    config, rows, length, dtype, rematerialization, micro_batch_size, **case
):
    """Compile a step here, on the Keras backend that this process has."""
    import keras

    from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
    from keras_gpt3.models.gpt3 import GPT3
    from keras_gpt3.ops.op_compilation import compile_target
    from keras_gpt3.training.step.adamw import AdamW
    from keras_gpt3.training.step.deviceless_compilation import compile_for
    from keras_gpt3.training.step.deviceless_compilation import h100_devices
    from keras_gpt3.training.step.deviceless_compilation import without_weights

    devices = h100_devices(case["mesh"][0] * case["mesh"][1])
    is_jax = keras.config.backend() == "jax"
    with compile_target("gpu"):
        scope = _distribution(devices, case["mesh"], case["layout"])
        with scope(), without_weights():
            backbone = GPT3Backbone(**config, dtype=dtype)
        model = GPT3(backbone)
        model.compile(
            optimizer=AdamW(),
            rematerialization=rematerialization,
            micro_batch_size=micro_batch_size if is_jax else None,
        )
        with scope():
            return compile_for(
                model,
                devices[0] if len(devices) == 1 else None,
                rows,
                length,
                None if is_jax else micro_batch_size,
            )


def _distribution(devices, mesh, layout):
    """Make the scope of a mesh of several devices; of one there is none."""
    import keras

    from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone

    if len(devices) == 1:
        return contextlib.nullcontext
    device_mesh = keras.distribution.DeviceMesh(
        tuple(mesh), ("batch", "model"), list(devices)
    )
    layout_map = GPT3Backbone.get_layout_map(device_mesh, **layout)
    return keras.distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    ).scope


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_compile(**json.loads(sys.argv[1])))))  # noqa: T201
