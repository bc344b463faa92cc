"""Memory of a device: what XLA's compiler says, and what the planner says.

    python benchmarks/compile_sharded.py [--cases 13b 175b] [--layers 2 4]
        [--compiler tpu] [--dtypes float32] [--all-layers MINUTES]
    python benchmarks/compile_sharded.py --cases 6.7b_sharded --compiler gpu

Compiles the training step of GPT-3 6.7B to 175B from shapes alone on meshes of
devices that need not exist: there is no weight, and the compiler's own memory
analysis says what the step takes of each device. Compiling takes about as
long for each layer, so it is done for some numbers of layers, and for all of
them with `--all-layers`, for at most so long; else what all would take is drawn
on from the two largest numbers, and says so. Beside it stands the planner's
figure for the same mesh. Prints one JSON object.

The compiler is XLA's for TPUs (of a v5p with 95 GB), which needs no TPU but
`pip install libtpu`. That for CPUs (`--compiler cpu`, virtual devices) drops
the barriers that keep a block's second run from going along with its first, so
that rematerialization saves nothing, and computes bfloat16 products by copies
in float32: it shows the state of a device, not its temporary arrays. That for
GPUs (`--compiler gpu`, H100s with 80 GB) needs `pip install "jax[cuda12]"`; its
program is in the order in which it runs, so rows say what devices exchange:
number and bytes of each kind of exchange, the largest one, and the most bytes
of weights that are brought together at a time, beside those of a block.

The question is what a step needs. The compiler for TPUs is set as if
memory were short: else it puts gradients of weights off to the end, keeps what
they are made of, and takes of 95 GB what makes a step faster.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext

from harness.progress import log
from harness.versions import versions

# Preset, mesh of data and model, how states are spread, rows of a replica, and
# dtype.
WEIGHTS, OPTIMIZER = {"shard_weights": True}, {"shard_optimizer": True}
CASES = {
    "6.7b_sharded": ("gpt3_6.7b_en", (8, 1), WEIGHTS, 4, "mixed_bfloat16"),
    "13b": ("gpt3_13b_en", (1, 8), {}, 1, "float32"),
    "13b_sharded": ("gpt3_13b_en", (8, 1), WEIGHTS, 1, "float32"),
    "175b": ("gpt3_175b_en", (8, 8), WEIGHTS, 1, "float32"),
    "175b_optimizer": ("gpt3_175b_en", (8, 16), OPTIMIZER, 1, "float32"),
    "13b_on_64": ("gpt3_13b_en", (32, 2), OPTIMIZER, 32, "mixed_bfloat16"),
    "175b_on_1024": ("gpt3_175b_en", (128, 8), WEIGHTS, 12, "mixed_bfloat16"),
}
# Arguments of `compile`, where they are those of a plan.
PLANNED = {
    "13b_on_64": {"micro_batch_size": 2, "rematerialization": "none"},
    "175b_on_1024": {"micro_batch_size": 6, "rematerialization": 2},
}
LENGTH = 2048
# Of 8, 64 and 128 devices.
TOPOLOGIES = {8: "v5p:2x2x2", 64: "v5p:4x4x4", 128: "v5p:4x4x8"}
FLAGS = (
    # LLVM's work is most of the time, and changes no buffer.
    "--xla_backend_optimization_level=0",
    "--xla_cpu_parallel_codegen_split_count=1",
    # The order of operations that a single stream of a GPU would have.
    "--xla_cpu_enable_concurrency_optimized_scheduler=false",
)
# Percent of the memory that the order of operations may count on.
TPU_FLAGS = "--xla_tpu_scheduler_percent_shared_memory_limit=1"
# An operation of a program: its name, the shapes of its result, its kind, what
# it is made of.
OPERATION = re.compile(r"\s+(?:ROOT )?(%\S+) = (.+?) ([a-z][a-z-]*)\((.*?)\)")
EXCHANGE = re.compile(
    "(all-gather|all-reduce|all-to-all|reduce-scatter|collective-permute)-start"
)
# What holds the same array as that which it is made of.
SAME = ("all-gather-done", "bitcast", "get-tuple-element", "tuple")


def main():
    """Compiles all cases and prints one JSON object."""
    arguments = parse_arguments()
    if arguments.one:
        return print(json.dumps(compile_one(**json.loads(arguments.one))))
    rows = [
        row
        for name in arguments.cases
        for dtype in arguments.dtypes or CASES[name][-1:]
        for row in measure(name, dtype, arguments)
    ]
    report = {
        "benchmark": "compile_sharded",
        "versions": versions("keras-gpt3", "keras", "jax"),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=[*CASES])
    parser.add_argument("--layers", nargs="+", type=int, default=[2, 4])
    parser.add_argument("--dtypes", nargs="+", help="default: the case's")
    parser.add_argument("--rematerialization", default="block")
    parser.add_argument(
        "--compiler", choices=["tpu", "gpu", "cpu"], default="tpu"
    )
    parser.add_argument(
        "--all-layers",
        type=float,
        metavar="MINUTES",
        help="also compile all layers, for at most so long",
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(name, dtype, arguments):
    """Yields a row for each number of layers, and one for all of them."""
    preset, mesh, options, rows, _ = CASES[name]
    case = {
        "preset": preset,
        "mesh": mesh,
        "options": options,
        "rows": rows,
        "dtype": dtype,
        "step": {"rematerialization": arguments.rematerialization}
        | PLANNED.get(name, {}),
        "compiler": arguments.compiler,
    }
    found = {}
    for layers in arguments.layers:
        found[layers] = run(case | {"layers": layers})
        yield row(case, layers, found[layers])
    total = depth(preset)
    if arguments.all_layers:
        limit = 60 * arguments.all_layers
        result = run(case | {"layers": total}, limit)
        if result is not None:
            yield row(case, total, result)
            return
    yield row(case, total, drawn_on(found, total)) | {"extrapolated": True}


def run(case, limit=None):
    """Compiles in a process of its own; `None` if its time was not enough."""
    devices = case["mesh"][0] * case["mesh"][1]
    flags = (f"--xla_force_host_platform_device_count={devices}", *FLAGS)
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": " ".join(flags),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
        # No machine of TPUs is to be asked what it has.
        "TPU_SKIP_MDS_QUERY": "1",
        "TPU_WORKER_HOSTNAMES": "localhost",
        "LIBTPU_INIT_ARGS": TPU_FLAGS,
    }
    log(f"compiling {case['layers']} layers of {case['preset']}")
    command = [sys.executable, __file__, "--one", json.dumps(case)]
    try:
        finished = subprocess.run(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        log(f"not done after {limit / 60:.0f} minutes")
        return None
    return json.loads(finished.stdout.splitlines()[-1])


def compile_one(preset, layers, rows, dtype, step, **placement):
    """What the compiler says of a device, in bytes, and how long it took."""
    import keras

    import keras_gpt3
    from keras_gpt3.ops.op_compilation import compile_target

    started = time.perf_counter()
    distribution = distribute(**placement)
    config = keras_gpt3.describe(preset).config | {"num_layers": layers}
    with distribution.scope(), keras_gpt3.training.without_weights():
        backbone = keras_gpt3.GPT3Backbone(**config, dtype=dtype)
    # What counts steps and means has values, which no device is there for.
    model = keras_gpt3.GPT3(backbone)
    model.compile(optimizer=keras_gpt3.training.AdamW(), **step)
    keras.distribution.set_distribution(distribution)
    on_gpu = placement["compiler"] == "gpu"
    with compile_target("gpu") if on_gpu else nullcontext():
        lowered = keras_gpt3.training.lower_train_step(
            model, rows * placement["mesh"][0], LENGTH
        )
    compiled = lowered.compile()
    memory = compiled.memory_analysis()
    new = memory.output_size_in_bytes - memory.alias_size_in_bytes
    found = {
        "state": memory.argument_size_in_bytes,
        "temporary": memory.temp_size_in_bytes + new,
        "seconds": time.perf_counter() - started,
    }
    return found | (exchanges(compiled.as_text()) if on_gpu else {})


def distribute(mesh, options, compiler):
    """The distribution over devices of the compiler."""
    import keras

    import keras_gpt3

    devices = keras.distribution.list_devices()
    if compiler == "gpu":
        from keras_gpt3.training.step.deviceless_compilation import h100_devices

        devices = h100_devices(mesh[0] * mesh[1])
    if compiler == "tpu":
        from jax.experimental import topologies

        name = TOPOLOGIES[mesh[0] * mesh[1]]
        devices = topologies.get_topology_desc(
            platform="tpu", topology_name=name
        ).devices
    device_mesh = keras.distribution.DeviceMesh(
        mesh, ("batch", "model"), list(devices)
    )
    layout_map = keras_gpt3.GPT3Backbone.get_layout_map(device_mesh, **options)
    return keras.distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    )


def exchanges(text):
    """What devices exchange in a program, and what they gather at a time."""
    kinds, most = {}, 0
    for computation in text.split("\n}\n"):
        gathered, sources, last = {}, {}, {}
        operations = OPERATION.findall(computation)
        for place, (name, shapes, kind, arguments) in enumerate(operations):
            made_of = re.findall(r"%[^\s,]+", arguments)
            arrays = set().union(*(sources.get(n, ()) for n in made_of))
            last |= dict.fromkeys(arrays, place)
            sources[name] = arrays if kind in SAME else set()
            exchange = EXCHANGE.fullmatch(kind)
            if not exchange:
                continue
            size = whole_bytes(exchange[1], shapes)
            of_kind = kinds.setdefault(exchange[1], [])
            of_kind.append(size)
            if exchange[1] == "all-gather":
                gathered[name], sources[name] = (place, size), {name}
        for place, _ in gathered.values():
            alive = (
                size
                for name, (start, size) in gathered.items()
                if start <= place <= last[name]
            )
            most = max(most, sum(alive))
    return {
        "exchanges": {
            kind: {
                "number": len(sizes),
                "bytes": sum(sizes),
                "most": max(sizes),
            }
            for kind, sizes in kinds.items()
        },
        "gathered_at_a_time": most,
    }


def whole_bytes(kind, shapes):
    """Bytes of the arrays that are whole before or after an exchange."""
    sizes = [
        math.prod(map(int, filter(None, dimensions.split(","))), start=width)
        for dtype, dimensions in re.findall(r"(\w+)\[([\d,]*)\]", shapes)
        for width in [max(8, int(re.sub(r"\D", "", dtype) or 8)) // 8]
    ]
    if kind == "all-reduce":
        return sum(sizes)
    # What goes in, then what comes out.
    half = len(sizes) // 2
    return max(sum(sizes[:half]), sum(sizes[half:]))


def depth(preset):
    import keras_gpt3

    return keras_gpt3.describe(preset).config["num_layers"]


def drawn_on(found, layers):
    """A straight line through the two largest numbers of layers."""
    (first, low), (second, high) = sorted(found.items())[-2:]
    slope = (layers - second) / (second - first)
    return {
        name: high[name] + slope * (high[name] - low[name])
        for name in ("state", "temporary", "seconds")
    }


def row(case, layers, found):
    """The compiler's bytes of a device beside the planner's."""
    import keras_gpt3
    from keras_gpt3.planning import estimate_sharded_memory

    config = keras_gpt3.describe(case["preset"]).config
    planned = estimate_sharded_memory(
        config | {"num_layers": layers},
        (*case["mesh"], 1),
        dtype=case["dtype"],
        batch_size=case["rows"],
        length=LENGTH,
        **case["step"],
        **case["options"],
    )
    state = planned["weights"] + planned["optimizer"]
    compiled = found["state"] + found["temporary"]
    return case | {
        "layers": layers,
        "compiled_gb": round(compiled / 1e9, 3),
        "planned_gb": round(planned["total"] / 1e9, 3),
        "planned_over_compiled": round(planned["total"] / compiled, 3),
        "compiled_state_gb": round(found["state"] / 1e9, 3),
        "planned_state_gb": round(state / 1e9, 3),
        "compiled_temporary_gb": round(found["temporary"] / 1e9, 3),
        "planned_temporary_gb": round((planned["total"] - state) / 1e9, 3),
        "seconds": round(found["seconds"], 1),
        **{k: found[k] for k in found if k.startswith(("exch", "gath"))},
        "block_bytes": planned.get("fetched_weights"),
    }


if __name__ == "__main__":
    main()
