"""A pretraining run of seconds: shards, config and model."""

import json
import pathlib

import numpy as np

from keras_gpt3.config_model import make_config
from keras_gpt3.data.shard_writer import ShardWriter
from keras_gpt3.ops import op_compilation
from keras_gpt3.training import PretrainingConfig
from keras_gpt3.training import pretrain
from keras_gpt3.training.checkpoints.tensorflow_format import read_arrays
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_model

NUM_STEPS = 12


def write_shards(folder, num_tokens, seed):
    """Shards of random ids of the small model's vocabulary."""
    vocabulary_size = SMALL["vocabulary_size"]
    ids = np.random.default_rng(seed).integers(
        vocabulary_size - 1, size=num_tokens
    )
    with ShardWriter(folder, "uint16", 2**20) as writer:
        for document in np.array_split(ids, max(1, num_tokens // 50)):
            writer.append([*document.tolist(), vocabulary_size - 1])
        writer.commit(vocabulary_size - 1, vocabulary_size)
    return str(folder)


def small_config(tmp_path, name="run", **changes):
    """A config of 12 steps; `changes` are dicts of fields, by section."""
    shards = tmp_path / "shards"
    if not shards.exists():
        for seed, part in enumerate(("books", "news", "held")):
            write_shards(shards / part, 3000, seed)
    values = {
        "model": {"preset": "small", "micro_batch_size": 1},
        "data": {
            "shards": {p: str(shards / p) for p in ("books", "news")},
            "weights": {"books": 0.75, "news": 0.25},
            "validation": {"held": str(shards / "held")},
            "sequence_length": LENGTH,
        },
        "recipe": {
            "total_tokens": NUM_STEPS * 4 * LENGTH,
            "batch_tokens": 4 * LENGTH,
            "learning_rate": 5e-3,
        },
        "checkpoints": {"every_steps": 4},
        "validation": {"every_steps": 6, "max_batches": 2, "batch_size": 4},
        "devices": {"cpu_replicas": 1},
        "log": {
            "every_steps": 1,
            "plot": False,
            "tensorboard": False,
            "peak_flops": None,
        },
    }
    values["folder"] = tmp_path / name
    if isinstance(changes.get("devices", {}).get("mesh"), dict):
        del values["devices"]  # They are counted by the mesh.
    for key, change in changes.items():
        is_section = isinstance(change, dict)
        values[key] = values.get(key, {}) | change if is_section else change
    return make_config(PretrainingConfig, values)


def saved_arrays(config):
    """Name to numpy array of a run's last checkpoint, of either backend."""
    folder = max(pathlib.Path(config.folder, "checkpoints").glob("step_*"))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    if manifest["format"] == "tensorflow":
        return read_arrays(folder, manifest["arrays"])
    from orbax.checkpoint import v1

    like = {
        name: np.zeros(array["shape"], array["dtype"])
        for name, array in manifest["arrays"].items()
    }
    return v1.load(folder / "arrays", like)


def train(config, **overrides):
    """Runs a config with the small model; whether it reached its end."""
    with op_compilation(False):  # Quicker: nothing here runs often.
        return pretrain(
            config, lambda section, length: small_model(**overrides)
        )
