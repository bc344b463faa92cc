"""Kills a pretraining run again and again, and compares it with a whole one.

    python benchmarks/resume_faults.py [--kills 10] [--seed 0]
    python benchmarks/resume_faults.py --backend jax --mesh 2x2

Trains a small GPT-3 with dropout through `keras-gpt3 pretrain`, once
undisturbed and once with kill -9 at random moments, some of them inside a
save. Each time the same command starts it again. Prints one JSON object:
whether the final arrays are bitwise equal, and how many contexts were seen
twice or skipped by the steps that count: what a kill took away is made again,
and the log has each step once. Under JAX a second run of 60 steps, without
dropout, is killed in its middle and resumed on other meshes: how far its
tensors and losses are from those of one that stayed on its own; and on its own
mesh, by two processes which have half of its devices each. Biases of keys
have no gradient but what rounding leaves, of which Adam makes whole steps:
they, their moments and those of queries and values beside them stand apart.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from harness.progress import log
from harness.versions import versions

import keras_gpt3

LENGTH, VOCABULARY = 32, 500
ROWS = 4
OTHER_MESHES = ("1x1", "4x1", "1x2")
TWO = " of 2 processes"
MOVED_STEPS = 60
# Every third kill waits for a save.
IN_SAVE = 3


def main():
    """Runs both and prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write_shards(folder / "shards", arguments.seed)
        options = {"mesh": arguments.mesh, "dropout": 0.1}
        whole = write_config(folder, "whole", arguments.steps, **options)
        disturbed = write_config(
            folder, "disturbed", arguments.steps, **options
        )
        log("undisturbed run")
        run_to_end(whole)
        kills = disturb(folder / "disturbed", disturbed, arguments)
        report = {
            "benchmark": "resume_faults",
            "versions": versions("keras-gpt3", "keras", arguments.backend),
            "configuration": vars(arguments),
            "kills": kills,
            "bitwise_equal": same_arrays(folder, "whole", "disturbed"),
            **seen_contexts(folder, arguments.steps),
        }
        if arguments.mesh is not None:
            report["other_meshes"] = on_other_meshes(folder, arguments)
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--backend", choices=["tensorflow", "jax"], default="tensorflow"
    )
    parser.add_argument("--mesh", help="Batch x model, such as 2x2. JAX.")
    arguments = parser.parse_args()
    os.environ["KERAS_BACKEND"] = arguments.backend
    if arguments.mesh is not None and arguments.backend != "jax":
        parser.error("--mesh needs --backend jax")
    return arguments


class RandomTokenizer:
    """Turns any text into random ids."""

    end_token_id = VOCABULARY - 1

    def __init__(self, seed):
        self._generator = np.random.default_rng(seed)

    def vocabulary_size(self):
        """Small, for a small model."""
        return VOCABULARY

    def encode_batch(self, texts, split_special_tokens):
        """A list of ids for each text."""
        shape = (len(texts), 199)
        return self._generator.integers(VOCABULARY - 1, size=shape).tolist()


def write_shards(folder, seed):
    """Random ids: 200,000 tokens."""
    keras_gpt3.data.write_token_shards(
        ("text" for _ in range(1000)), folder, RandomTokenizer(seed)
    )


def write_config(folder, name, steps, mesh=None, dropout=0.0):
    """The config of one run, in JSON, which is YAML."""
    devices = {}
    if mesh is not None:
        sizes = map(int, mesh.split("x"))
        devices = {"mesh": dict(zip(("batch", "model"), sizes, strict=True))}
    config = {
        "folder": str(folder / name),
        "model": {
            "preset": "gpt3_small_en",
            "overrides": {
                "vocabulary_size": VOCABULARY,
                "num_layers": 2,
                "num_heads": 2,
                "hidden_dim": 64,
                "intermediate_dim": 128,
                "attention_window": 16,
                "dropout": dropout,
            },
            "preprocessor": False,
        },
        "data": {
            "shards": {"random": str(folder / "shards")},
            "sequence_length": LENGTH,
        },
        "recipe": {
            "batch_tokens": ROWS * LENGTH,
            "batch_multiple": ROWS,
            "total_tokens": steps * ROWS * LENGTH,
            "learning_rate": 1e-3,
        },
        "devices": devices,
        "checkpoints": {"every_steps": 20},
        "validation": {"every_steps": None},
        "log": {
            "every_steps": 1,
            "plot": False,
            "tensorboard": False,
            "peak_flops": None,
        },
    }
    path = folder / f"{name}.yaml"
    path.write_text(json.dumps(config))
    return path


def command(config):
    """The command line that starts a run, or resumes it."""
    program = "from keras_gpt3.cli.main import app; app()"
    return [sys.executable, "-c", program, "pretrain", "--config", str(config)]


def run_to_end(config, number=1):
    """Runs, or resumes, a config, by one process or several of JAX."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    variables = {
        "KERAS_DISTRIBUTION_JOB_ADDRESSES": f"localhost:{port}",
        "KERAS_DISTRIBUTION_NUM_PROCESSES": str(number),
    }
    processes = [
        subprocess.Popen(
            command(config),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ
            | (variables if number > 1 else {})
            | {"KERAS_DISTRIBUTION_PROCESS_ID": str(place)},
        )
        for place in range(number)
    ]
    for process in processes:
        _, errors = process.communicate()
        if process.returncode:
            sys.exit(errors.decode())


def disturb(run, config, arguments):
    """Kills the run as often as asked, then lets it end: a list of kills."""
    chance = random.Random(arguments.seed)
    kills = []
    while True:
        output = run.with_suffix(".log")
        with output.open("wb") as file:
            process = subprocess.Popen(
                command(config), stdout=subprocess.DEVNULL, stderr=file
            )
        if len(kills) == arguments.kills:
            if process.wait():
                sys.exit(output.read_text())
            return kills
        in_save = len(kills) % IN_SAVE == IN_SAVE - 1
        if not wait_for_moment(process, run, in_save, chance):
            sys.exit(f"The run ended before its kills: {output.read_text()}")
        inside = is_saving(process, run)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills.append({"logged_steps": logged_steps(run), "in_save": inside})
        log(f"kill {len(kills)} of {arguments.kills}: {kills[-1]}")


def wait_for_moment(process, run, in_save, chance):
    """Waits until the run trains, then some time; whether it still lives."""
    before = logged_steps(run)
    while process.poll() is None and logged_steps(run) == before:
        time.sleep(0.01)
    moment = time.monotonic() + chance.uniform(0.0, 2.0)
    while process.poll() is None:
        # Inside of a save that begins after the moment, or at the moment.
        due = time.monotonic() > moment
        if due and (not in_save or is_saving(process, run)):
            return True
        time.sleep(0.0005 if due else 0.01)
    return False


def is_saving(process, run):
    """Whether this process is writing a checkpoint."""
    return any((run / "checkpoints").glob(f".step_*.tmp-{process.pid}"))


def logged_steps(run):
    """Steps in the log."""
    path = run / "log.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def last_arrays(run):
    """Name to numpy array of a run's last checkpoint."""
    folder = max((run / "checkpoints").glob("step_*"))
    manifest = json.loads((folder / "manifest.json").read_text())
    if manifest["format"] == "tensorflow":
        import tensorflow as tf

        reader = tf.train.load_checkpoint(str(folder / "arrays"))
        return {n: np.asarray(reader.get_tensor(n)) for n in manifest["arrays"]}
    from orbax.checkpoint import v1

    like = {
        name: np.zeros(array["shape"], array["dtype"])
        for name, array in manifest["arrays"].items()
    }
    return v1.load(folder / "arrays", like)


def same_arrays(folder, *names):
    """Whether the last checkpoints hold the same bits."""
    first, second = (last_arrays(folder / name) for name in names)
    return first.keys() == second.keys() and all(
        first[name].tobytes() == second[name].tobytes() for name in first
    )


def on_other_meshes(folder, arguments):
    """A run killed in its middle, and resumed on others: largest errors."""
    steps = MOVED_STEPS
    stayed = write_config(folder, "stayed", steps, arguments.mesh)
    log("a run without dropout")
    process = subprocess.Popen(command(stayed), stderr=subprocess.DEVNULL)
    while logged_steps(folder / "stayed") < steps // 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    found = {}
    others = [*OTHER_MESHES, arguments.mesh + TWO]
    for other in others:
        mesh = other.removesuffix(TWO)
        name = f"on_{other}"
        shutil.copytree(folder / "stayed", folder / name)
        (folder / name / "config.yaml").write_text(
            (folder / "stayed" / "config.yaml")
            .read_text()
            .replace(str(folder / "stayed"), str(folder / name))
        )
        log(f"resumed on {other}")
        config = write_config(folder, name, steps, mesh)
        run_to_end(config, 1 if other == mesh else 2)
    run_to_end(stayed)
    expected = last_arrays(folder / "stayed")
    for mesh in others:
        received = last_arrays(folder / f"on_{mesh}")
        errors = {True: 0.0, False: 0.0}
        for name, array in expected.items():
            is_bias = "query_key_value_bias" in name.replace("/", "_")
            error = relative_error(received[name], array)
            errors[is_bias] = max(errors[is_bias], error)
        found[mesh] = {
            "steps": steps,
            "largest_relative_error_of_a_tensor": errors[False],
            "largest_of_the_biases_of_keys": errors[True],
            "largest_difference_of_losses": float(
                np.abs(
                    np.subtract(
                        losses(folder / f"on_{mesh}"), losses(folder / "stayed")
                    )
                ).max()
            ),
        }
    return found


def relative_error(received, expected):
    """The norm of the difference, over rows that both have."""
    if expected.ndim:
        rows = min(len(received), len(expected))
        received, expected = received[:rows], expected[:rows]
    difference = np.linalg.norm(received.astype("float64") - expected)
    return float(difference / max(np.linalg.norm(expected), 1e-30))


def losses(run):
    """The loss of every step."""
    lines = (run / "log.jsonl").read_text().splitlines()
    records = map(json.loads, lines)
    return [r["loss"] for r in records if r["kind"] == "train"]


def seen_contexts(folder, steps):
    """Contexts seen twice or skipped, against one pass of the data order."""
    shards = keras_gpt3.data.TokenShards(folder / "shards")

    def contexts(batch):
        return keras_gpt3.data.contexts_of_step(
            shards, LENGTH, ROWS, seed=0, step=batch
        ).tolist()

    lines = (folder / "disturbed" / "log.jsonl").read_text().splitlines()
    seen = collections.Counter()
    for line in lines:
        seen.update(contexts(json.loads(line)["batch"]))
    expected = collections.Counter()
    for step in range(steps):
        expected.update(contexts(step))
    return {
        "steps": len(lines),
        "contexts_seen_twice": (seen - expected).total(),
        "contexts_skipped": (expected - seen).total(),
    }


if __name__ == "__main__":
    main()
