"""Compiles the training step of a config for H100s that need not exist.

    python -m keras_gpt3.models.fit.compile_step '{"config": {...}, "rows": 8}'

A process of its own compiles, as the Keras backend is chosen when it starts;
`compile_step` starts one.
"""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys

from keras_gpt3.training.step.step_program import StepProgram


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
    """Compile a step with AdamW for H100s, in a process of its own."""
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
    from keras_gpt3.training.step.step_program import compile_for
    from keras_gpt3.training.step.step_program import h100_devices
    from keras_gpt3.training.step.step_program import without_weights

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
