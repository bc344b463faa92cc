"""The package on an NVIDIA GPU, against keras-hub and transformers there.

    python benchmarks/gpu.py [--presets gpt3_small_en ...] [--torch-python PATH]
        [--parts kernels step decode] [--backends tensorflow jax]
        [--rows 8] [--length 2048] [--steps 10] [--peak-tflops 989]

Prints one JSON object, and each row on the error output as soon as it is
measured. Every side is a process of its own on the same card, the first that
CUDA_VISIBLE_DEVICES names. On a Python whose TensorFlow and JAX need different
CUDA libraries, run it once for each backend.

- `kernels`: attention, forward and backward, in programs that XLA compiles:
  the largest difference from the loop in float32 over the largest number, for
  the output and each gradient; milliseconds of the package's op, of its loop
  and of Keras' own op; whether the op runs by fused kernels (where the mask
  hides something the loop takes over). `reference_error` is the float32 loop's
  own distance from float64.
- `step`: tokens a second of a whole training step in mixed_bfloat16, model
  FLOPs utilization and the most memory of the card in use. `speed` is the
  package's tokens a second over the other side's, whose layers are all dense.
  What runs out of memory is tried again: the package with the planner's
  choice, the others with fewer rows. Sides take steps in turn where they fit
  into the card together, else run one after the other; `turns` says which.
- `decode`: tokens a second of greedy answers in bfloat16, all sides in turn.

`--allow-cpu` is to try the script itself: tiny shapes on the CPU, whose figures
mean nothing.
"""

import argparse
import itertools
import json
import sys

from decode import entry
from harness.alternation import ratio
from harness.gpu_card import describe_card
from harness.gpu_card import peak_tflops
from harness.gpu_card import side_environment
from harness.gpu_card import take_turns
from harness.gpu_card import take_turns_if_they_fit
from harness.progress import log
from harness.side_process import SideProcess
from harness.versions import versions
from train_step import find_torch

import keras_gpt3
from keras_gpt3.planning.training_job import model_flops_per_token

OURS, KERAS_HUB, TRANSFORMERS = "keras_gpt3", "keras_hub", "transformers"
BACKENDS = ("tensorflow", "jax")
SIZES = ("small", "medium", "large", "extra_large")
# The head sizes of Small and Medium, 2.7B, Large, and XL.
KERNELS = {
    "dtypes": ("bfloat16", "float16"),
    "head_dims": (64, 80, 96, 128),
    "lengths": (1000, 2048),
    "windows": (None, 256),
    "heads": 12,
}
DECODE = {"prompt": 512, "new_tokens": 128, "batch_sizes": (1, 8)}
# The smallest of each, for a CPU.
TINY_KERNELS = {
    "dtypes": ("bfloat16",),
    "head_dims": (8,),
    "lengths": (20,),
    "windows": (None, 5),
    "heads": 2,
}
TINY_DECODE = {"prompt": 16, "new_tokens": 8, "batch_sizes": (2,)}
TINY_SHAPE = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 64,
}


def main():
    """Measures all parts and prints one JSON object."""
    arguments = parse_arguments()
    devices = {name: find_gpu(name, arguments) for name in arguments.backends}
    card = describe_card()
    name = card.get("name") or next(iter(devices.values())).get("name")
    arguments.peak_tflops = arguments.peak_tflops or peak_tflops(name)
    arguments.memory_bytes = card.get("memory_bytes")
    report = {
        "benchmark": "gpu",
        "versions": versions("keras-gpt3", "keras-hub", "keras"),
        "card": card,
        "backends": devices,
        "configuration": vars(arguments),
        "transformers": arguments.torch_python is not None
        or "left out: no --torch-python that has torch and transformers",
    }
    parts = {"kernels": kernel_rows, "step": step_rows, "decode": decode_rows}
    for part in arguments.parts:
        report[part] = []
        for row in parts[part](arguments):
            log(json.dumps(row))
            report[part].append(row)
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options; those of Python with PyTorch checked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("kernels", "step", "decode")
    parser.add_argument(
        "--presets", nargs="+", default=[f"gpt3_{x}_en" for x in SIZES]
    )
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument(
        "--backends", nargs="+", choices=BACKENDS, default=BACKENDS
    )
    parser.add_argument(
        "--torch-python", help="a Python with transformers and PyTorch for CUDA"
    )
    parser.add_argument("--rows", type=int, default=8, help="of a batch")
    parser.add_argument("--length", type=int, default=2048, help="tokens")
    parser.add_argument("--steps", type=int, default=10, help="timed ones")
    parser.add_argument(
        "--peak-tflops",
        type=float,
        help="of the card in 16 bits; known of an A100, H100 or H200",
    )
    parser.add_argument(
        "--allow-cpu",
        action="store_true",
        help="to try the script: tiny shapes on the CPU, meaningless figures",
    )
    arguments = parser.parse_args()
    if arguments.torch_python:
        arguments.torch_python = find_torch(arguments.torch_python)
    return arguments


def find_gpu(backend, arguments):
    """What a backend computes on; ends the script without an NVIDIA GPU."""
    environment = side_environment(backend, arguments.allow_cpu)
    name, module = f"devices of {backend}", "sides.device_side"
    with SideProcess(name, module, {}, environment=environment) as side:
        found = side.ready
    if not arguments.allow_cpu and not found.get("is_nvidia"):
        received = found.get("devices") or found["error"].splitlines()[-1]
        message = (
            "gpu.py must find an NVIDIA GPU on the backend. Received: "
            f"backend={backend!r}, devices={received}. Use --allow-cpu to try "
            "the script itself."
        )
        print(message, file=sys.stderr)
        raise SystemExit(2)
    return {x: found[x] for x in found if x not in ("ready", "first_step")}


def config_of(preset, arguments):
    """The backbone's arguments, tiny ones on a CPU."""
    config = keras_gpt3.describe(preset).config
    return config | TINY_SHAPE if arguments.allow_cpu else config


def shape(config):
    """The sizes that every side takes; the feed-forward is 4 times as wide."""
    return {x: config[x] for x in ("num_layers", "num_heads", "hidden_dim")}


def in_torch(module, options, arguments):
    """A side that runs on the Python with PyTorch."""
    device = "cpu" if arguments.allow_cpu else "cuda"
    return module, options | {"device": device}, arguments.torch_python


# === Kernels ===


def kernel_rows(arguments):
    """Yields a row for each backend, kind of head and of attention."""
    sizes = TINY_KERNELS if arguments.allow_cpu else KERNELS
    cases = [
        {"length": length, "window": window, "masked": masked}
        for length in sizes["lengths"]
        for window in sizes["windows"]
        for masked in (False, True)
    ]
    for backend, dtype, head_dim in itertools.product(
        arguments.backends, sizes["dtypes"], sizes["head_dims"]
    ):
        options = {
            "cases": cases,
            "dtype": dtype,
            "rows": arguments.rows,
            "heads": sizes["heads"],
            "head_dim": head_dim,
            "repetitions": arguments.steps,
        }
        head = {"backend": backend, "dtype": dtype, "head_dim": head_dim}
        for case, answer in kernel_answers(backend, options, arguments):
            yield head | case | answer


def kernel_answers(backend, options, arguments):
    """Yields pairs of a case and its results, or the error that ended all."""
    # Products of float32 must be exact.
    exact = {"NVIDIA_TF32_OVERRIDE": "0"}
    with SideProcess(
        f"{backend}, {options['dtype']}, heads of {options['head_dim']}",
        "sides.attention_kernels_side",
        options,
        environment=side_environment(backend, arguments.allow_cpu) | exact,
    ) as side:
        answer = side.ready.get("first_step", side.ready)
        for number, case in enumerate(options["cases"]):
            if number:
                answer = side.step()
            if "error" in answer:
                yield case, answer
                return
            for result in answer["result"]:
                yield case, result


# === Training step ===


def step_rows(arguments):
    """Yields a row for each preset, backend and other side."""
    for preset in arguments.presets:
        config = config_of(preset, arguments)
        planned = planned_step(config, arguments)
        own = own_steps(config, planned, arguments)
        for backend in arguments.backends:
            for name, steps in other_steps(config, arguments).items():
                yield {
                    "preset": preset,
                    "backend": backend,
                    "planned": planned,
                    **compare(
                        {OURS: own, name: steps}, config, backend, arguments
                    ),
                }


def planned_step(config, arguments):
    """How the planner would train on this card, and what that is to take."""
    plan = keras_gpt3.plan(
        config,
        arguments.memory_bytes,
        batch_tokens=arguments.rows * arguments.length,
        length=arguments.length,
    )
    return {
        "micro_batch_size": plan.micro_batch_size,
        "rematerialization": plan.rematerialization,
        "bytes": plan.memory["total"],
        "fits": plan.fits,
    }


def own_steps(config, planned, arguments):
    """The package's step, plain, then as planned."""
    names = ("micro_batch_size", "rematerialization")
    plain = step_options(config, arguments) | {
        "intermediate_dim": config["intermediate_dim"]
    }
    careful = plain | {name: planned[name] for name in names}
    return [("sides.keras_gpt3_side", x) for x in (plain, careful)]


def other_steps(config, arguments):
    """The other sides' steps, with all rows, then with half of them, ..."""
    options = step_options(config, arguments)
    rows = [arguments.rows >> i for i in range(arguments.rows.bit_length())]
    fewer = [options | {"batch_size": x} for x in rows]
    sides = {KERAS_HUB: [("sides.keras_hub_side", x) for x in fewer]}
    if arguments.torch_python is not None:
        sides[TRANSFORMERS] = [
            in_torch("sides.transformers_side", x, arguments) for x in fewer
        ]
    return sides


def step_options(config, arguments):
    """What all sides take."""
    return shape(config) | {
        "dtype": "bfloat16",
        "batch_size": arguments.rows,
        "length": arguments.length,
    }


def compare(candidates, config, backend, arguments):
    """The package's step and another side's, with their rates."""
    turns, results = take_turns_if_they_fit(
        candidates,
        arguments.steps,
        side_environment(backend, arguments.allow_cpu),
    )
    for name, result in results.items():
        ready = result.pop("ready")
        if "error" not in result:
            pattern = {} if name == OURS else {"attention_pattern": ["dense"]}
            result["versions"] = ready["versions"]
            result["first_step_seconds"] = ready["first_step"]["seconds"]
            add_rates(result, config | pattern, arguments)
    ours, other = results.values()
    speed = ratio(ours, other, "tokens_per_second")
    return {"turns": turns, **results, "speed": speed}


def add_rates(result, config, arguments):
    """Adds tokens a second, and the share of the card's FLOP/s they need."""
    del result["results"]
    rows = result["options"]["batch_size"]
    tokens = rows * arguments.length / result["seconds"]
    result["tokens_per_second"] = round(tokens, 1)
    if arguments.peak_tflops:
        flops = model_flops_per_token(config, arguments.length) * tokens
        share = flops / (1e12 * arguments.peak_tflops)
        result["model_flops_utilization"] = round(share, 4)


# === Decoding ===


def decode_rows(arguments):
    """Yields a row for each preset, backend and number of prompts."""
    sizes = TINY_DECODE if arguments.allow_cpu else DECODE
    for preset, backend, batch_size in itertools.product(
        arguments.presets, arguments.backends, sizes["batch_sizes"]
    ):
        options = {
            "dtype": "bfloat16",
            "batch_size": batch_size,
            "prompt": sizes["prompt"],
            "new_tokens": sizes["new_tokens"],
            **shape(config_of(preset, arguments)),
        }
        row = {"preset": preset, "backend": backend, "batch_size": batch_size}
        yield row | decode_row(options, backend, arguments)


def decode_row(options, backend, arguments):
    """All sides in turn: their weights and caches take little of a card."""
    programs = {
        name: ("sides.decode_side", options | {"side": name})
        for name in (OURS, KERAS_HUB)
    }
    if arguments.torch_python is not None:
        programs[TRANSFORMERS] = in_torch(
            "sides.transformers_decode_side", options, arguments
        )
    results = take_turns(
        programs,
        arguments.steps,
        side_environment(backend, arguments.allow_cpu),
    )
    row = {}
    for name, result in results.items():
        row[name] = entry(result["ready"], result, options)
        row[name]["versions"] = result["ready"].get("versions")
        row[name]["device_peak_bytes"] = result.get("device_peak_bytes")
    row["speed"] = {
        name: ratio(row[OURS], row[name], "tokens_per_second")
        for name in programs
        if name != OURS
    }
    return row


if __name__ == "__main__":
    main()
