"""One run on 1, 2 and 4 logical devices and on 2 workers: curves and overhead.

    python benchmarks/scaling_replicas.py [--steps 6] [--repetitions 2]

Trains the same small GPT-3 through `keras-gpt3 pretrain` on the same batches,
split over replicas, each replica at least 4096 tokens a step. All of them have
the same cores, so that all do equal work; what a strategy adds is its
overhead. The single device takes its batch in micro-batches of a replica's
size. Runs take turns; prints one JSON object: the largest deviation of the loss
from that of one device, and the time of a step over that of one device.
"""

import argparse
import contextlib
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from harness.progress import log
from harness.versions import versions

import keras_gpt3

LENGTH = 1024
ROWS = 16  # Of all replicas: 4 for each of 4, 4096 tokens.
CORPUS = pathlib.Path(__file__).parents[1] / "examples" / "data"
# Name: replicas, workers.
SIDES = {
    "1 device": (1, 1),
    "2 devices": (2, 1),
    "4 devices": (4, 1),
    "2 workers": (1, 2),
}


def main():
    """Runs all sides and prints one JSON object."""
    arguments = parse_arguments()
    results = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_shards(folder / "shards")
        for repetition in range(arguments.repetitions):
            for name, devices in SIDES.items():
                log(f"{name}, run {repetition + 1}")
                run = folder / f"{name} {repetition}".replace(" ", "-")
                results[name].append(measure(run, devices, arguments))
    report = {
        "benchmark": "scaling_replicas",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments) | {"length": LENGTH, "rows": ROWS},
        "sides": {name: compare(name, results) for name in SIDES},
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--hidden-dim", type=int, default=256)
    parser.add_argument("--num-layers", type=int, default=4)
    return parser.parse_args()


def write_shards(folder):
    """Some speeches."""
    keras_gpt3.data.write_token_shards(
        CORPUS / "speeches.jsonl.gz",
        folder,
        keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en"),
    )


def measure(run, devices, arguments):
    """One run: its losses, and seconds a step."""
    replicas, workers = devices
    config = run.with_suffix(".yaml")
    config.write_text(json.dumps(run_config(run, replicas, arguments)))
    ports = free_ports(workers)
    processes = [
        start(config, run.with_suffix(f".{index}.log"), ports, index)
        for index in range(workers)
    ]
    try:
        for index, process in enumerate(processes):
            if process.wait():
                sys.exit(run.with_suffix(f".{index}.log").read_text())
    finally:
        for process in processes:
            process.kill()
    records = [json.loads(x) for x in (run / "log.jsonl").open()]
    records = [x for x in records if x["kind"] == "train"]
    return {
        "losses": [record["loss"] for record in records],
        "seconds": ROWS * LENGTH / records[-1]["tokens_per_second"],
    }


def run_config(run, replicas, arguments):
    """The config of one run."""
    return {
        "folder": str(run),
        "model": {
            "preset": "gpt3_small_en",
            "overrides": {
                "num_layers": arguments.num_layers,
                "num_heads": 4,
                "hidden_dim": arguments.hidden_dim,
                "intermediate_dim": 4 * arguments.hidden_dim,
            },
            # The pieces of all sides are alike.
            "micro_batch_size": 4,
        },
        "data": {
            "shards": {"speeches": str(run.parent / "shards")},
            "sequence_length": LENGTH,
        },
        "recipe": {
            "batch_tokens": ROWS * LENGTH,
            "batch_multiple": ROWS,
            "total_tokens": arguments.steps * ROWS * LENGTH,
            "learning_rate": 1e-3,
            "ramp_tokens": 0,
            "start_batch_tokens": ROWS * LENGTH,
        },
        "checkpoints": {"every_steps": None},
        "validation": {"every_steps": None},
        "devices": {"cpu_replicas": replicas},
        "log": {
            "every_steps": 1,
            "plot": False,
            "tensorboard": False,
            "peak_flops": None,
        },
    }


def free_ports(number):
    """Ports that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]


def start(config, output, ports, index):
    """One process of a run; its errors go to a file."""
    variables = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    if len(ports) > 1:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        task = {"type": "worker", "index": index}
        variables["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": task})
    program = "from keras_gpt3.cli.main import app; app()"
    with output.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-c", program, "pretrain", "--config", config],
            env=variables,
            stderr=file,
        )


def compare(name, results):
    """One side against the single device."""
    runs, base = results[name], results["1 device"]
    deviation = max(
        abs(loss - other)
        for run, first in zip(runs, base, strict=True)
        for loss, other in zip(run["losses"], first["losses"], strict=True)
    )
    seconds = statistics.median(run["seconds"] for run in runs)
    alone = statistics.median(run["seconds"] for run in base)
    return {
        "seconds": round(seconds, 3),
        "over_one_device": round(seconds / alone, 3),
        "largest_deviation_of_loss": deviation,
        "last_loss": runs[0]["losses"][-1],
    }


if __name__ == "__main__":
    main()
