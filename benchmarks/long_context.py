"""Training steps at contexts that keras-hub cannot hold.

    python benchmarks/long_context.py [--dtype bfloat16] [--lengths 8192]

One whole training step of GPT-3 Small (dense and banded layers by turns) at
contexts of 8192 and 16384, batch 1: seconds, peak memory and tokens per
second. keras-hub's GPT-2 of the same shape is not run at these: its size is
shown by arithmetic. Every layer keeps arrays of all (length, length) scores
for the backward pass; a small run shows which, from the graph of its step, and
checks that the arithmetic is not above the measured peak. Prints one JSON
object.
"""

import argparse
import json

import psutil
from harness.alternation import alternate
from harness.keras_hub_size import small_run
from harness.keras_hub_size import step_bytes
from harness.side_process import SideProcess
from harness.step_options import DTYPES
from harness.step_options import add_step_options
from harness.versions import versions


def main():
    """Measures all lengths and prints one JSON object."""
    arguments = parse_arguments()
    rows = [measure(length, arguments) for length in arguments.lengths]
    report = {
        "benchmark": "long_context",
        "versions": versions("keras-gpt3", "keras-hub", "keras", "tensorflow"),
        "configuration": vars(arguments),
        "machine_bytes": psutil.virtual_memory().total,
        "rows": rows,
        "keras_hub": keras_hub(arguments),
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=[8192, 16384])
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    add_step_options(parser)
    parser.add_argument(
        "--repetitions", type=int, default=1, help="after a first step"
    )
    parser.add_argument(
        "--small-length",
        type=int,
        default=2047,
        help="context of keras-hub's small run; equal to no width",
    )
    return parser.parse_args()


def measure(length, arguments):
    """The package's step at one length."""
    name = f"keras_gpt3, {length}"
    options = {
        "length": length,
        "num_layers": arguments.num_layers,
        "dtype": arguments.dtype,
        "rematerialization": arguments.rematerialization,
        "micro_batch_size": arguments.micro_batch_size,
    }
    with SideProcess(name, "sides.keras_gpt3_side", options) as side:
        result = alternate({name: side}, arguments.repetitions)[name]
    if "error" in result:
        return {"length": length} | result
    return {
        "length": length,
        "seconds": round(result["seconds"], 3),
        "peak_bytes": result["peak_bytes"],
        "tokens_per_second": round(length / result["seconds"], 1),
    }


def keras_hub(arguments):
    """What keras-hub would need, by arithmetic from a small run."""
    small = small_run(arguments.small_length, arguments.dtype)
    if "error" in small:
        return small
    rows = [
        {"length": length, "not_run": True}
        | step_bytes(length, small["bytes_per_score"], arguments.num_layers)
        for length in arguments.lengths
    ]
    return {"small_run": small, "rows": rows}


if __name__ == "__main__":
    main()
