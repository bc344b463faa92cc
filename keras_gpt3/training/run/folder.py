"""The folder of a run: one config for good, and where what is."""

import dataclasses
import hashlib
import json
import pathlib

from keras_gpt3.atomic_write import made_folder
from keras_gpt3.config_file import read_config
from keras_gpt3.config_file import write_config
from keras_gpt3.training.checkpoints.model_checkpointer import differences
from keras_gpt3.training.checkpoints.model_checkpointer import flat

_PATHS = ("data.shards.*", "data.validation.*")
# What may change from one start of a run to the next: it does not touch what
# is computed. The rest is the run. Shards may move, but their names, of which
# the order makes the order of the data, are `"data.shards"`.
CHANGEABLE = (
    "folder",
    "stop_after_minutes",
    "model.micro_batch_size",
    "model.rematerialization",
    "model.jit_compile",
    "data.skip_batches",
    *_PATHS,
    "checkpoints.*",
    "validation.*",
    "health.*",
    "log.*",
    "devices.*",
)


class RunFolder:
    """Where a run keeps its config, checkpoints and logs.

    It has a path for each of them: `config`, `checkpoints`, `log`,
    `tensorboard`, `preset`.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.log = self.path / "log.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.preset = self.path / "preset"

    def saved_config(self, kind):
        """Read the config of the run that lives here."""
        if not self.config.exists():
            return None
        try:
            return read_config(kind, self.config)
        except ValueError as error:
            raise ValueError(
                "A run folder must hold the config of its run, unchanged. "
                f"Received: '{self.config}', of which reading says: {error} "
                "Put the run's config back there, or use another folder."
            ) from error

    def check_is_new(self):
        """Raise if a run lives here."""
        if self.config.exists():
            raise ValueError(
                "The folder must hold no run with --no-resume. Received: "
                f"folder='{self.path}', which holds one. Use another folder, "
                "or leave --no-resume out to resume it."
            )

    def with_saved(self, config):
        """Fill in what a config leaves open, from the run that lives here."""
        saved = self.saved_config(type(config))
        if saved is None:
            return config
        recipe = dataclasses.asdict(saved.recipe) | {
            name: value
            for name, value in dataclasses.asdict(config.recipe).items()
            if value is not None
        }
        config = dataclasses.replace(
            config, recipe=dataclasses.replace(config.recipe, **recipe)
        )
        found = differences(_fixed_values(saved), _fixed_values(config))
        if found:
            raise ValueError(
                "A run folder must hold one run. Received: folder="
                f"'{self.path}', whose config has other values: "
                f"{'; '.join(found)}. Use another folder, or the values "
                "of the run."
            )
        return config

    def lock(self):
        """Keep other runs out; a folder that was made and not used goes."""
        return made_folder(self.path)

    def write(self, config):
        """Write the config of the run that is to live here."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_config(config, self.config)


def fingerprint(config):
    """A number that two processes share if they have one run's config.

    Each may have paths of its own, and the first one alone writes the log.
    """
    values = _values(config, ("folder", "log.*", *_PATHS))
    text = json.dumps(values, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6])


def _fixed_values(config):
    """Dotted names to values of all that cannot change."""
    return _values(config, CHANGEABLE)


def _values(config, left_out):
    """Dotted names to values, without some fields, and sections `name.*`."""
    values = flat(dataclasses.asdict(config))
    values["data.shards"] = list(config.data.shards)
    return {
        name: value
        for name, value in values.items()
        if not any(
            name == each or (each.endswith(".*") and name.startswith(each[:-1]))
            for each in left_out
        )
    }
