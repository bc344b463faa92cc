"""What XLA's compiler for an H100 makes of attention and of a training step.

    python benchmarks/compile_gpu.py [--parts attention compile_time memory]
        [--quick]

Nothing runs and no GPU is needed: the figures are the compiler's own, exact for
that compiler (`pip install "jax[cuda12]==VERSION"` in the version of jax that
is installed; 5.5 GB). Both Keras backends, each case in a process of its own,
mixed_bfloat16.

- `attention`: forward and backward pass of two layers of 12 heads of 64, batch
  1, at lengths 4096 and 8192: temporary memory, its growth, the program's size
  and which fused kernels it calls; the package's ops beside Keras' own.
- `compile_time`: seconds for 2, 4 and 12 layers of Small (batch 8, length 2048)
  and for 24 layers of 2.7B's width, and Small with one row of 16384 tokens.
- `memory`: what a whole step takes of Small, Medium and XL with 1 and 8 rows,
  rematerialization `none` and `block`, and of 2.7B with `shard_weights` on 8
  devices, beside what the planner says.

Prints one JSON object. `--quick` keeps to Small.
"""

import argparse
import json
import subprocess
import sys
import time

from harness.progress import log
from harness.versions import versions

import keras_gpt3
from keras_gpt3.cli.plan import compile_step
from keras_gpt3.cli.plan import compiler_environment
from keras_gpt3.planning import estimate_sharded_memory
from keras_gpt3.planning import estimate_training_memory

BACKENDS = ("tensorflow", "jax")
LENGTH = 2048
HEADS, HEAD_DIM, WINDOW = 12, 64, 256
PRESETS = ("gpt3_small_en", "gpt3_medium_en", "gpt3_extra_large_en")
# As it is, with a padding mask, and with fused kernels forbidden.
HOWS = ("", "_masked", "_loop")
# Preset, layers, rows, length.
TIMED = (
    ("gpt3_small_en", 2, 8, LENGTH),
    ("gpt3_small_en", 4, 8, LENGTH),
    ("gpt3_small_en", 12, 8, LENGTH),
    ("gpt3_small_en", 12, 1, 16384),
    ("gpt3_2.7b_en", 24, 1, LENGTH),
)


def main():
    """Compiles all parts and prints one JSON object."""
    arguments = parse_arguments()
    if arguments.attention:
        return print(json.dumps(compile_attention(*arguments.attention)))
    parts = {
        "attention": attention_rows,
        "compile_time": time_rows,
        "memory": memory_rows,
    }
    report = {
        "benchmark": "compile_gpu",
        "compiled_for": "NVIDIA H100 80GB, not run",
        "versions": versions("keras-gpt3", "keras", "tensorflow", "jax"),
    }
    for name in arguments.parts:
        report[name] = list(parts[name](arguments.quick))
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ["attention", "compile_time", "memory"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--attention", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def attention_rows(quick):
    """Yields a row for each backend, kind of attention and side."""
    kinds = [f"{kind}{how}" for kind in ("dense", "banded") for how in HOWS]
    for backend in BACKENDS:
        for kind in (*kinds, "stock"):
            found = {}
            for length in (4096, 8192):
                log(f"{backend} {kind} attention at {length}")
                found[length] = run_attention(backend, kind, length)
            yield {
                "backend": backend,
                "attention": kind,
                "gb_at_4096": found[4096]["gb"],
                "growth": round(found[8192]["gb"] / found[4096]["gb"], 2),
                **{f"{k}_at_8192": v for k, v in found[8192].items()},
            }


def run_attention(backend, kind, length):
    """One case of attention, in a process of its own."""
    finished = subprocess.run(
        [sys.executable, __file__, "--attention", kind, str(length)],
        env=compiler_environment(backend),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(finished.stdout.splitlines()[-1])


def compile_attention(kind, length):
    """What the compiler says of two layers of attention."""
    import keras

    from keras_gpt3.ops.op_compilation import compile_target
    from keras_gpt3.training.step.deviceless_compilation import h100_devices

    started = time.perf_counter()
    layer = attention_layer(kind)

    def layers(query, key, value, *mask):
        return layer(layer(query, key, value, *mask), key, value, *mask)

    lower = {"jax": lower_jax, "tensorflow": lower_tensorflow}
    is_masked = kind.endswith("_masked")
    keras_gpt3.ops.set_fused_attention(
        False if kind.endswith("_loop") else "auto"
    )
    with compile_target("gpu"):
        text, finish = lower[keras.config.backend()](
            layers, int(length), is_masked, h100_devices(1)[0]
        )
        stats, compiled = finish()
    return {
        "gb": round(stats.temp_size_in_bytes / 1e9, 4),
        "program_mb": round(len(text) / 1e6, 3),
        "fused_calls": compiled.count("__cudnn$fmha"),
        "seconds": round(time.perf_counter() - started, 1),
    }


def attention_layer(kind):
    """An attention function of query, key, value and perhaps a mask."""
    from keras import ops

    def dense(query, key, value, mask=None):
        return keras_gpt3.ops.causal_attention(
            query, key, value, padding_mask=mask
        )

    def banded(query, key, value, mask=None):
        return keras_gpt3.ops.banded_attention(
            query, key, value, WINDOW, padding_mask=mask
        )

    def stock(query, key, value):
        # Else Keras asks the devices of this machine for the fused kernel.
        return ops.dot_product_attention(
            query, key, value, is_causal=True, flash_attention=False
        )

    return {"stock": stock, "dense": dense, "banded": banded}[
        kind.partition("_")[0]
    ]


def lower_jax(layers, length, is_masked, device):
    """Forward and backward pass under JAX."""
    import jax
    from jax.sharding import SingleDeviceSharding

    def gradients(query, key, value, *mask):
        def total(*inputs):
            return layers(*inputs, *mask).astype("float32").sum()

        return jax.grad(total, argnums=(0, 1, 2))(query, key, value)

    place = SingleDeviceSharding(device)
    shape = (1, length, HEADS, HEAD_DIM)
    x = jax.ShapeDtypeStruct(shape, "bfloat16", sharding=place)
    mask = jax.ShapeDtypeStruct((1, length), "bool", sharding=place)
    lowered = jax.jit(gradients).lower(x, x, x, *[mask] * is_masked)

    def finish():
        compiled = lowered.compile()
        return compiled.memory_analysis(), compiled.as_text()

    return lowered.as_text(), finish


def lower_tensorflow(layers, length, is_masked, device):
    """The same under TensorFlow, as XLA compiles a step on a GPU."""
    import tensorflow as tf

    from keras_gpt3.training.step import deviceless_compilation

    @tf.function(jit_compile=True, autograph=False)
    def gradients(query, key, value, *mask):
        inputs = (query, key, value)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(tf.cast(layers(*inputs, *mask), "float32"))
        return tape.gradient(total, inputs)

    x = tf.zeros((1, length, HEADS, HEAD_DIM), "bfloat16")
    mask = [tf.ones((1, length), "bool")] * is_masked
    return deviceless_compilation.lower_tensorflow(
        gradients, (x, x, x, *mask), device
    )


def time_rows(quick):
    """Yields a row for each size whose compilation is timed."""
    for preset, layers, rows, length in TIMED[: 3 if quick else None]:
        for backend in BACKENDS:
            found = compile_case(preset, backend, rows, length, layers=layers)
            yield {
                "backend": backend,
                "preset": preset,
                "layers": layers,
                "rows": rows,
                "length": length,
                "lowering_seconds": round(found.lowering_seconds, 1),
                "compile_seconds": round(found.compile_seconds, 1),
                "temporary_gb": round(found.temporary / 1e9, 3),
                "program_mb": round(found.code / 1e6, 2),
                "largest_constant_bytes": found.largest_constant,
                "fused_calls": found.kernels["cudnn_attention"],
            }


def memory_rows(quick):
    """Yields a row for each step, with the planner's figure beside it."""
    for preset in PRESETS[: 1 if quick else None]:
        for backend in BACKENDS:
            for rows in (1, 8):
                for policy in ("none", "block"):
                    yield memory_row(preset, backend, rows, policy)
    if not quick:
        for policy in ("none", "block"):
            yield sharded_row("gpt3_2.7b_en", 8, policy)


def memory_row(preset, backend, rows, policy):
    """A step on one device."""
    found = compile_case(
        preset, backend, rows, LENGTH, rematerialization=policy
    )
    planned = estimate_training_memory(
        keras_gpt3.describe(preset).config,
        dtype="mixed_bfloat16",
        batch_size=rows,
        rematerialization=policy,
        accelerator=backend,
    )
    case = {"backend": backend, "preset": preset, "rows": rows}
    return case | {"rematerialization": policy} | compare(planned, found)


def sharded_row(preset, devices, policy):
    """A step of which each device holds a share of the weights."""
    options = {"shard_weights": True}
    found = compile_case(
        preset,
        "jax",
        devices,
        LENGTH,
        rematerialization=policy,
        mesh=(devices, 1),
        layout=options,
    )
    planned = estimate_sharded_memory(
        keras_gpt3.describe(preset).config,
        (devices, 1, 1),
        dtype="mixed_bfloat16",
        rematerialization=policy,
        **options,
    )
    case = {"backend": "jax", "preset": preset, "rows": devices, **options}
    return case | {"rematerialization": policy} | compare(planned, found)


def compile_case(preset, backend, rows, length, layers=None, **options):
    """Compiles the step of a preset."""
    config = keras_gpt3.describe(preset).config
    layers = layers or config["num_layers"]
    log(f"{backend} {preset}, {layers} layers, {rows} x {length} {options}")
    return compile_step(
        config | {"num_layers": layers},
        backend=backend,
        rows=rows,
        length=length,
        **options,
    )


def compare(planned, found):
    """The compiler's bytes beside the planner's."""
    return {
        "compiled_gb": round(found.total / 1e9, 3),
        "planned_gb": round(planned["total"] / 1e9, 3),
        "planned_over_compiled": round(planned["total"] / found.total, 3),
        "state_gb": round(found.state / 1e9, 3),
        "temporary_gb": round(found.temporary / 1e9, 3),
        "kernels": found.kernels,
        "compile_seconds": round(found.compile_seconds, 1),
    }


if __name__ == "__main__":
    main()
