"""What a training step takes of an accelerator, asked of its compiler.

XLA's compiler for NVIDIA GPUs needs no GPU: from a description of an H100 it
compiles the step, and says how much memory the program takes. JAX compiles its
own step; what TensorFlow's bridge hands to XLA is compiled by the same
compiler, which is newer than TensorFlow's own: small differences mean nothing.

    python -m keras_gpt3.models.fit.step_compiler '{"config": {...}, "rows": 8}'

A process of its own compiles, as the Keras backend is chosen when it starts;
`compile_step` starts one.
"""

import contextlib
import dataclasses
import json
import os
import re
import subprocess
import sys
import time

from keras_gpt3.echoed_value import echoed

# What XLA knows of an H100: the SXM card with 80 GB, cuDNN 9.8, CUDA 12.9.
_H100 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535
  block_dim_limit_z: 65535 memory_bandwidth: 3352320000000
  l2_cache_size: 52428800 clock_rate_ghz: 1.98
  device_memory_size: 84978434048 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 minor: 0 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 8 }
device_description_str: "NVIDIA H100 80GB HBM3"
runtime_version { major: 12 minor: 9 }
"""
# Marks in a compiled program of what its kernels come from.
_KERNELS = {
    "cudnn_attention": "__cudnn$fmha",
    "cublas": "__cublas",
    "triton": "__triton",
    "all_gather": "all-gather-start(",
    "reduce_scatter": "reduce-scatter(",
    "all_reduce": "all-reduce-start(",
}


@dataclasses.dataclass(frozen=True)
class StepProgram:
    """What the compiler says of a step, on each device."""

    state: int
    temporary: int
    code: int
    largest_constant: int
    kernels: dict
    lowering_seconds: float
    compile_seconds: float

    @property
    def total(self):
        """Bytes of a device while a step runs."""
        return self.state + self.temporary


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
    """Compiles a training step with AdamW for H100s, in a process of
    its own.
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
    return StepProgram(**json.loads(finished.stdout.splitlines()[-1]))


def compiler_environment(backend):
    """The environment of a process that compiles for devices it has not."""
    return os.environ | {
        "KERAS_BACKEND": backend,
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def h100_devices(count):
    """H100s to compile for, as JAX knows devices; none of them exists."""
    from jax.experimental import topologies

    try:
        return topologies.get_topology_desc(
            platform="cuda",
            topology_name="h100",
            topology=f"1x1x{count}",
            target_config=_H100,
        ).devices
    except (NotImplementedError, RuntimeError) as error:
        import jax

        raise ImportError(
            "XLA's compiler for NVIDIA GPUs must be installed to compile for "
            f"them. Received: {echoed(str(error)[:200])}. Run pip install "
            f'"jax[cuda12]=={jax.__version__}".'
        ) from None


def _compile(config, dtype, rematerialization, micro_batch_size, **case):
    """Compiles a step here, on the Keras backend that this process has."""
    import keras

    from keras_gpt3.models.backbone.gpt3_backbone import GPT3Backbone
    from keras_gpt3.models.gpt3 import GPT3
    from keras_gpt3.ops.op_compilation import compile_target
    from keras_gpt3.training.jax.lowering import without_weights
    from keras_gpt3.training.step.adamw import AdamW

    started = time.perf_counter()
    devices = h100_devices(case["mesh"][0] * case["mesh"][1])
    is_jax = keras.config.backend() == "jax"
    in_parts = not is_jax and micro_batch_size is not None
    if in_parts:
        # XLA compiles one micro-batch; the loop around it is TensorFlow's.
        case["rows"], micro_batch_size = micro_batch_size, None
    with compile_target("gpu"):
        scope = _distribution(devices, case["mesh"], case["layout"])
        with scope(), without_weights():
            backbone = GPT3Backbone(**config, dtype=dtype)
        model = GPT3(backbone)
        model.compile(
            optimizer=AdamW(),
            rematerialization=rematerialization,
            micro_batch_size=micro_batch_size,
        )
        lower = _lower_in_jax if is_jax else _lower_in_tensorflow
        with scope():
            text, finish = lower(model, devices, case["rows"], case["length"])
        lowered = time.perf_counter()
        stats, compiled = finish()
    finished = time.perf_counter()
    new = stats.output_size_in_bytes - stats.alias_size_in_bytes
    if in_parts:  # Their sums, in float32.
        new += 4 * backbone.count_params()
    state = stats.argument_size_in_bytes
    if not is_jax:  # The update, which is not in the program, has two slots.
        state *= 3
    return StepProgram(
        state=state,
        temporary=stats.temp_size_in_bytes + new,
        code=len(text),
        largest_constant=largest_constant(text),
        kernels={name: compiled.count(m) for name, m in _KERNELS.items()},
        lowering_seconds=lowered - started,
        compile_seconds=finished - lowered,
    )


def _distribution(devices, mesh, layout):
    """Makes the scope of a mesh of several devices; of one there is none."""
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


def _lower_in_jax(model, devices, rows, length):
    from keras_gpt3.training.jax.lowering import lower_train_step

    device = devices[0] if len(devices) == 1 else None
    lowered = lower_train_step(model, rows, length, device)

    def finish():
        compiled = lowered.compile()
        return compiled.memory_analysis(), compiled.as_text()

    return lowered.as_text(), finish


def _lower_in_tensorflow(model, devices, rows, length):
    """The gradients of a replica's batch; the update runs in place after."""
    from keras_gpt3.training.step.replica_gradients import replica_graph

    return lower_tensorflow(*replica_graph(model, rows, length), devices[0])


def lower_tensorflow(function, arguments, device):
    """Takes what TensorFlow's bridge hands to XLA, to compile it for a device.

    `function` is a `tf.function` with `jit_compile=True`. Returns its HLO as
    text, and a function that gives memory statistics and the compiled program.
    """
    from tensorflow.compiler.xla.service import hlo_pb2

    compiler_ir = function.experimental_get_compiler_ir(*arguments)
    module = hlo_pb2.HloModuleProto.FromString(
        compiler_ir(stage="hlo_serialized")
    )
    for computation in module.computations:
        for instruction in computation.instructions:
            # Returned variables; StableHLO has no such operation.
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"

    def finish():
        compiled = _compile_hlo(module.SerializeToString(), device)
        modules = compiled.hlo_modules()
        return compiled.get_compiled_memory_stats(), "".join(
            module.to_string() for module in modules
        )

    return compiler_ir(stage="hlo"), finish


def _compile_hlo(serialized, device):
    """Compiles a serialized HloModuleProto for one device."""
    from jax._src.interpreters import mlir
    from jaxlib import xla_client
    from jaxlib.mlir import ir

    stable = xla_client._xla.mlir.hlo_to_stablehlo(serialized)
    options = xla_client.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    with mlir.make_ir_context():
        return device.client.compile(
            ir.Module.parse(stable),
            xla_client._xla.DeviceList((device,)),
            options,
        )


def largest_constant(text):
    """The bytes of the largest constant in HLO or StableHLO.

    One that repeats a single number is none: no device holds it.
    """
    sizes = [0]
    for line in text.splitlines():
        # HLO names the shape before, StableHLO after the values.
        hlo = re.search(r"= (\w+)\[([\d,]*)\]\S* constant\(\{", line)
        if hlo:
            sizes.append(_bytes(hlo[1], hlo[2].split(",")))
        stable = re.search(r"stablehlo\.constant dense<[\[\"].*>", line)
        if stable:
            shape = re.search(r"tensor<((?:\d+x)*)(\w+)>\s*(?:loc.*)?$", line)
            sizes.append(_bytes(shape[2], shape[1].rstrip("x").split("x")))
    return max(sizes)


def _bytes(dtype, dimensions):
    """The size of an array; `dtype` as in HLO, such as `s32`, or `i32`."""
    bits = int((re.findall(r"\d+", dtype) or ["8"])[0])
    count = 1
    for dimension in dimensions:
        count *= int(dimension or 1)
    return count * max(bits, 8) // 8


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_compile(**json.loads(sys.argv[1])))))  # noqa: T201
