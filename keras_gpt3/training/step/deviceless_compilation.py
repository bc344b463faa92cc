"""The training step as XLA compiles it, from shapes alone.

XLA's compiler for NVIDIA GPUs needs no GPU: from a description of an H100 it
compiles the step, and says how much memory the program takes. JAX compiles its
own step; what TensorFlow's bridge hands to XLA is compiled by the same
compiler, which is newer than TensorFlow's own: small differences mean nothing.
"""

import dataclasses
import re
import time

import keras

from keras_gpt3.argument_checks import echoed
from keras_gpt3.backend_check import require_backend
from keras_gpt3.layers.initializers import initialized_by
from keras_gpt3.parallel.variable_layouts import optimizer_layouts
from keras_gpt3.training.step.loss_scaling import check_optimizer


def without_weights():
    """Make a scope in which backbones have shapes, but no weights.

    To compile steps alone: they can neither train nor answer. One of 175
    billion parameters takes no memory; on TensorFlow one takes the address
    space of its weights, which are never written.

    Returns:
        A context manager.

    Example:

    ```python
    import keras_gpt3

    with keras_gpt3.training.without_weights():
        backbone = keras_gpt3.GPT3Backbone(num_layers=1)
    backbone.count_params()  # 47259648, of which none is in memory
    ```
    """
    if keras.config.backend() == "jax":
        return keras.StatelessScope(initialize_variables=False)
    return initialized_by(_unwritten)


def _unwritten(shape, dtype):
    """A tensor of whatever its memory holds."""
    import tensorflow as tf

    return tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False)


def lower_train_step(model, batch_size, length, device=None):
    """Lower the step that `fit` runs, for the distribution that is set.

    What the compiled step takes of each device, and how its devices exchange,
    can then be read without running it: `.compile().memory_analysis()`,
    `.compile().as_text()`.

    Args:
        model: a compiled `GPT3`, its backbone made with or without weights.
        batch_size: int. Rows of the global batch.
        length: int. Tokens in a row.
        device: `jax.Device`, which need not exist. What to lower for where no
            distribution is set. Defaults to `None`, JAX' own.

    Returns:
        A `jax.stages.Lowered`.

    Raises:
        NotImplementedError: If Keras runs on another backend than JAX.

    Example:

    ```python
    import keras
    import keras_gpt3

    if keras.config.backend() == "jax":
        with keras_gpt3.training.without_weights():
            backbone = keras_gpt3.GPT3Backbone(num_layers=1)
        model = keras_gpt3.GPT3(backbone)
        model.compile(optimizer=keras_gpt3.training.AdamW())
        lowered = keras_gpt3.training.lower_train_step(
            model, batch_size=1, length=128
        )
        memory = lowered.compile().memory_analysis()
    ```
    """
    require_backend("jax", "lower_train_step", "Set KERAS_BACKEND=jax.")
    import jax

    if not model.optimizer.built:
        _build_optimizer(model)
    state = tuple(
        [_described(tuple(v.shape), v.dtype, device, v) for v in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )
    shardings = jax.tree.map(lambda x: x.sharding, state)
    distributed = keras.distribution.distribution() is not None
    step = jax.jit(
        model.train_step,
        donate_argnums=0,
        out_shardings=(None, shardings) if distributed else None,
    )
    ids, mask = (
        _described((batch_size, length), dtype, device)
        for dtype in ("int32", "bool")
    )
    return step.lower(state, ({"token_ids": ids, "padding_mask": mask}, ids))


def _build_optimizer(model):
    """Make an optimizer's slots, with values where the weights have some."""
    check_optimizer(model.optimizer)
    if all(variable._value is not None for variable in model.variables):
        model.compiled_step.prepare_optimizer(model)
        return
    for variable in model.variables:
        # Without a value it has no layout yet, which its slots take over.
        variable._initialize_layout()
    with without_weights(), optimizer_layouts(model.trainable_variables):
        model.optimizer.build(model.trainable_variables)


def _described(shape, dtype, device, variable=None):
    """A variable, or data, by shape, type and the layout that it would have."""
    import jax

    sharding = device and jax.sharding.SingleDeviceSharding(device)
    distribution = keras.distribution.distribution()
    if distribution is not None:
        layout = (
            distribution.get_data_layout(shape)
            if variable is None
            else distribution.get_variable_layout(variable)
        )
        sharding = layout.backend_layout
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)


# === Compiled for an H100 ===

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


def compile_for(model, device, rows, length, micro_batch_size=None):
    """Compile a model's step; `device` is of `h100_devices`, `None` on a mesh.

    XLA compiles one micro-batch of TensorFlow's, the loop around it is
    TensorFlow's own: there `micro_batch_size` is given apart from the model.
    """
    started = time.perf_counter()
    is_jax = keras.config.backend() == "jax"
    if is_jax:
        lowered = lower_train_step(model, rows, length, device)
        text = lowered.as_text()

        def finish():
            compiled = lowered.compile()
            return compiled.memory_analysis(), compiled.as_text()

    else:
        from keras_gpt3.training.step.replica_gradients import replica_graph

        # The gradients of a replica's batch; the update runs in place after.
        graph = replica_graph(model, micro_batch_size or rows, length)
        text, finish = lower_tensorflow(*graph, device)
    lowered_at = time.perf_counter()
    stats, compiled = finish()
    finished = time.perf_counter()
    new = stats.output_size_in_bytes - stats.alias_size_in_bytes
    if micro_batch_size is not None:  # The sums of gradients, in float32.
        new += 4 * model.backbone.count_params()
    state = stats.argument_size_in_bytes
    if not is_jax:  # The update, which is not in the program, has two slots.
        state *= 3
    return StepProgram(
        state=state,
        temporary=stats.temp_size_in_bytes + new,
        code=len(text),
        largest_constant=largest_constant(text),
        kernels={name: compiled.count(m) for name, m in _KERNELS.items()},
        lowering_seconds=lowered_at - started,
        compile_seconds=finished - lowered_at,
    )


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


def lower_tensorflow(function, arguments, device):
    """Take what TensorFlow's bridge hands to XLA, to compile it for a device.

    `function` is a `tf.function` with `jit_compile=True`. Returns its HLO as
    text, and what compiles it: memory statistics and the compiled program.
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
    """Compile a serialized HloModuleProto for one device."""
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
