"""What it takes to load a checkpoint of GPT-2: time and peak memory.

    python benchmarks/load_checkpoint.py [--repetitions 5]

A folder as published, at GPT-2 Small's size with random float32 weights, is
loaded by this package and by keras-hub's own loader, by turns, each time in a
process of its own. The file is in the system's cache for both. Prints one JSON
object: seconds and peak memory, of the whole process and of what loading added
to it, and their ratios to keras-hub's.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import tempfile

import numpy as np
from harness.alternation import ratio
from harness.side_process import SideProcess
from harness.versions import versions

from keras_gpt3 import preset_loader
from keras_gpt3.converters.checkpoint_families import family_for
from keras_gpt3.converters.checkpoint_writer import TensorToStore
from keras_gpt3.converters.checkpoint_writer import write_safetensors

LIBRARIES = ("keras_gpt3", "keras_hub")
RATIOS = ("seconds", "peak_bytes", "added_bytes")


def main():
    """Writes the checkpoint, measures, prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        model_bytes = write_gpt2(pathlib.Path(folder), arguments.num_layers)
        loads = {library: [] for library in LIBRARIES}
        # The first round brings the file into the system's cache.
        for _ in range(arguments.repetitions + 1):
            for library in LIBRARIES:
                loads[library].append(load_once(library, folder))
    rows = {x: summary(loads[x][1:], model_bytes) for x in LIBRARIES}
    ours, theirs = (rows[library] for library in LIBRARIES)
    report = {
        "benchmark": "load_checkpoint",
        "versions": versions("keras-gpt3", "keras-hub", "keras", "tensorflow"),
        "configuration": vars(arguments) | {"model_bytes": model_bytes},
        "rows": rows,
        "to_keras_hub": {key: ratio(ours, theirs, key) for key in RATIOS},
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--repetitions", type=int, default=5)
    return parser.parse_args()


def write_gpt2(folder, num_layers):
    """Writes a checkpoint as published; returns the bytes of its weights."""
    arguments = preset_loader.load_shipped_preset("gpt3_small_en")["backbone"]
    arguments |= {
        "num_layers": num_layers,
        "max_sequence_length": 1024,
        "attention_pattern": ["dense"],
    }
    family, arguments = family_for(arguments)
    generator = np.random.default_rng(0)
    tensors = [
        random_tensor(name, rule.tensor_shape, generator)
        for rule in family.weight_rules(arguments)
        for name in rule.tensor_names
    ]
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(family.config(arguments)))
    vocabulary, merges = preset_loader.vocabulary_paths()
    shutil.copy(vocabulary, folder / "vocab.json")
    shutil.copy(merges, folder / "merges.txt")
    return sum(tensor.num_bytes for tensor in tensors)


def random_tensor(name, shape, generator):
    """A tensor of normal numbers that are drawn when it is written."""

    def make():
        return generator.standard_normal(shape, dtype="float32")

    return TensorToStore(name, shape, "float32", make)


def load_once(library, folder):
    """Loads the checkpoint in a new process; says what it took."""
    options = {"library": library, "folder": folder}
    with SideProcess(library, "sides.load_checkpoint_side", options) as side:
        ready = side.ready
    if "error" in ready:
        return ready
    load = ready["first_step"]
    added = load["peak_bytes"] - ready["bare_bytes"]
    return load | {"added_bytes": added, "bare_bytes": ready["bare_bytes"]}


def summary(loads, model_bytes):
    """The medians of a library's loads, or the error of one."""
    for load in loads:
        if "error" in load:
            return load
    row = {
        key: statistics.median(load[key] for load in loads)
        for key in (*RATIOS, "bare_bytes")
    }
    return row | {
        "all_seconds": [round(load["seconds"], 3) for load in loads],
        "added_to_model": round(row["added_bytes"] / model_bytes, 3),
        "parameters": loads[0]["result"],
    }


if __name__ == "__main__":
    main()
