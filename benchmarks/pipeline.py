"""How much stages overlap, against the bubble of GPipe's schedule.

    python benchmarks/pipeline.py [--stages 2 4] [--micro-batches 1 2 4 8]

Trains a small GPT-3 on logical CPU devices, as one stage in one thread and as
P stages in P threads. A batch is M micro-batches, one after the other on one
device. P devices take at least (M + P - 1) / (M P) of that time, since for
P - 1 of M + P - 1 turns, the bubble, a device has nothing to do. TensorFlow
binds no thread to a device: one whose stage has nothing to do may take over an
operation of another stage. What that gains by itself, one stage in P threads
shows. Sides alternate step by step; prints one JSON object: the share of the
devices' time that is idle, and the efficiency 1 - bubble, as measured and in
theory.
"""

import argparse
import contextlib
import json

from harness.alternation import alternate
from harness.progress import log
from harness.side_process import SideProcess
from harness.versions import cores
from harness.versions import versions


def main():
    """Measures each number of stages and micro-batches; prints the report."""
    arguments = parse_arguments()
    possible = [number for number in arguments.stages if number <= cores()]
    if possible != arguments.stages:
        log(f"left out: more stages than there are cores, {cores()}")
    rows = [
        measure(stages, micro_batches, arguments)
        for stages in possible
        for micro_batches in arguments.micro_batches
    ]
    report = {
        "benchmark": "pipeline",
        "versions": versions("keras-gpt3", "keras", "tensorflow", "numpy"),
        "configuration": vars(arguments),
        "results": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stages", type=int, nargs="+", default=[2, 4])
    parser.add_argument(
        "--micro-batches", type=int, nargs="+", default=[1, 2, 4, 8]
    )
    parser.add_argument("--rows", type=int, default=4, help="of a micro-batch")
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def measure(stages, micro_batches, arguments):
    """One row of the report: one stage and several, step by step in turn."""
    options = {
        "micro_batches": micro_batches,
        "rows": arguments.rows,
        "length": arguments.length,
    }
    # Name: stages, threads.
    sides = {"one": (1, 1), "threads": (1, stages), "several": (stages, stages)}
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(start(options, *numbers))
            for name, numbers in sides.items()
        }
        answers = alternate(processes, arguments.repetitions)
    return (
        options | {"stages": stages} | compare(answers, stages, micro_batches)
    )


def start(options, stages, threads):
    """One side, as a process of its own."""
    return SideProcess(
        f"{options['micro_batches']} micro-batches, {stages} stages in "
        f"{threads} threads",
        "sides.pipeline_side",
        options | {"stages": stages, "threads": threads},
    )


def compare(sides, stages, micro_batches):
    """The bubble and the efficiency of several devices, beside theory."""
    if any("error" in side for side in sides.values()):
        return sides
    alone, seconds = sides["one"]["seconds"], sides["several"]["seconds"]
    efficiency = alone / (stages * seconds)
    in_theory = micro_batches / (micro_batches + stages - 1)
    return {
        "seconds_of_one_stage": round(alone, 4),
        "seconds_of_one_stage_in_all_threads": round(
            sides["threads"]["seconds"], 4
        ),
        "seconds": round(seconds, 4),
        "speed": round(alone / seconds, 3),
        "efficiency": round(efficiency, 3),
        "efficiency_in_theory": round(in_theory, 3),
        "bubble": round(1 - efficiency, 3),
        "bubble_in_theory": round(1 - in_theory, 3),
        "efficiency_over_theory": round(efficiency / in_theory, 3),
        "all_seconds": {
            name: side["all_seconds"] for name, side in sides.items()
        },
        "losses": {name: side["results"][-1] for name, side in sides.items()},
    }


if __name__ == "__main__":
    main()
