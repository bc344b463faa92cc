"""Where the time of a training step goes, beside its matrix products.

    python benchmarks/profile_step.py [--dtype bfloat16] [--length 2048]

Takes some steps of GPT-3 Small under TensorFlow's profiler and sums the time
of the operations by part of the step, beside the time that the matrix
products of the same part take alone, in the same run. Operations run at once,
on several threads: `busy_seconds` of the parts overlap and sum to more than
the wall time; `seconds` divides every instant equally among the parts that
run in it, so that all parts and `idle_seconds` sum to the wall time of a step.
All times are of one step. Prints one JSON object; the same as a table on the
error output, and as a bar chart in runs/profile_step.png.
"""

import argparse
import collections
import json
import os
import pathlib
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from harness.matrix_products import step_products
from harness.profile_report import draw
from harness.profile_report import show
from harness.roofline import Roofline
from harness.step_options import DTYPES
from harness.step_options import add_step_options
from harness.step_parts import PARTS
from harness.step_parts import StepParts
from harness.step_trace import traced_ops
from harness.time_shares import time_shares
from harness.traced_names import readable_name
from harness.versions import versions
from rich.console import Console
from sides.keras_gpt3_side import training_step

CHART = pathlib.Path("runs/profile_step.png")
MOST_EXPENSIVE = 15
console = Console(stderr=True, width=100)


def main():
    """Profiles, measures the roofline and prints one JSON object."""
    arguments = parse_arguments()
    console.print("building and compiling")
    step, model = training_step(
        preset=arguments.preset,
        dtype=arguments.dtype,
        batch_size=arguments.batch_size,
        length=arguments.length,
        num_layers=arguments.num_layers,
        micro_batch_size=arguments.micro_batch_size,
        rematerialization=arguments.rematerialization,
    )
    for _ in range(2):
        step()
    console.print("timing without the profiler")
    plain = [timed(step) for _ in range(arguments.steps)]
    console.print("profiling")
    times = []
    ops = traced_ops(
        lambda: times.extend(timed(step) for _ in range(arguments.steps))
    )
    console.print("timing the matrix products alone")
    products = Roofline(
        step_products(
            model.backbone.get_config(),
            arguments.dtype,
            arguments.batch_size,
            arguments.length,
            arguments.micro_batch_size,
        ),
        arguments.dtype,
    )()
    parts = StepParts(step.graphs(), model.backbone.attention_pattern)
    report = {
        "benchmark": "profile_step",
        "versions": versions("tensorflow", "keras", "keras-gpt3"),
        "configuration": vars(arguments),
        "seconds_per_step": round(statistics.median(plain), 4),
        **part_times(ops, parts, sum(times), products, arguments.steps),
        "most_expensive": most_expensive(ops, parts, arguments.steps),
    }
    draw(report, CHART)
    show(report, console)
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="gpt3_small_en")
    parser.add_argument("--dtype", choices=DTYPES, default="float32")
    parser.add_argument("--length", type=int, default=2048, help="tokens")
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--num-layers", type=int, help="default: the preset's")
    add_step_options(parser)
    parser.add_argument("--steps", type=int, default=3, help="to profile")
    return parser.parse_args()


def timed(step):
    """The wall time of one step."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def part_times(ops, parts, wall, products, steps):
    """The times of every part, of one step."""
    shares = time_shares(
        (parts.part(x.name, x.kind), x.start, x.end) for x in ops
    )
    busy = collections.Counter()
    for op in ops:
        busy[parts.part(op.name, op.kind)] += op.end - op.start
    wall, ran = wall / steps, sum(shares.values()) / 1e12 / steps
    rows = {}
    for part in PARTS:
        seconds = shares.get(part, 0) / 1e12 / steps
        rows[part] = {
            "seconds": round(seconds, 5),
            "share": round(seconds / wall, 4),
            "busy_seconds": round(busy[part] / 1e12 / steps, 5),
            "roofline_seconds": round(products["parts"].get(part, 0.0), 5),
        }
    return {
        "profiled_seconds_per_step": round(wall, 4),
        "idle_seconds": round(wall - ran, 5),
        "busy_seconds": round(sum(busy.values()) / 1e12 / steps, 4),
        "roofline_seconds": round(products["seconds"], 4),
        "roofline_share": round(products["seconds"] / wall, 4),
        "roofline_gigaflops_per_second": round(
            products["gigaflops_per_second"], 1
        ),
        "parts": rows,
    }


def most_expensive(ops, parts, steps):
    """The operations that took longest, repetitions and layers as one."""
    busy, count = collections.Counter(), collections.Counter()
    for op in ops:
        key = readable_name(op.name, op.kind), parts.part(op.name, op.kind)
        busy[key] += op.end - op.start
        count[key] += 1
    return [
        {
            "operation": key[0],
            "part": key[1],
            "busy_seconds": round(picoseconds / 1e12 / steps, 5),
            "count": round(count[key] / steps, 1),
        }
        for key, picoseconds in busy.most_common(MOST_EXPENSIVE)
    ]


if __name__ == "__main__":
    main()
