"""The folder of a run: one config for good, and what lies where."""

import dataclasses
import pathlib

from keras_gpt3.training.config_file import read_config
from keras_gpt3.training.config_file import write_config

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
    "data.shards.*",
    "data.validation.*",
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

    Args:
        path: path. It is made when the config is written.

    Example:

    ```python
    import tempfile

    from keras_gpt3.training.run_folder import RunFolder

    RunFolder(tempfile.mkdtemp()).log.name  # "log.jsonl"
    ```
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.log = self.path / "log.jsonl"
        self.tensorboard = self.path / "tensorboard"
        self.preset = self.path / "preset"

    def saved_config(self, kind):
        """Reads the config of the run that lives here.

        Args:
            kind: dataclass. As in `read_config`.

        Returns:
            A `kind`, or `None` in a new folder.

        Raises:
            ValueError: If the file is damaged.
        """
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

    def claim(self, config):
        """Writes the config, unless another run lives here.

        Args:
            config: `PretrainingConfig`, resolved.

        Raises:
            ValueError: If the folder holds a run that computes other things,
                or its config is damaged.
        """
        saved = self.saved_config(type(config))
        if saved is not None:
            differences = _differences(saved, config)
            if differences:
                raise ValueError(
                    "A run folder must hold one run. Received: folder="
                    f"'{self.path}', whose config has other values: "
                    f"{'; '.join(differences)}. Use another folder, or the "
                    "values of the run."
                )
        self.path.mkdir(parents=True, exist_ok=True)
        write_config(config, self.config)


def _differences(saved, config):
    """What cannot change and did, as `"a.b=1 there, 2 here"`."""
    there, here = _flat(saved), _flat(config)
    return [
        f"{name}={there.get(name)!r} there, {here.get(name)!r} here"
        for name in sorted(set(there) | set(here))
        if there.get(name) != here.get(name) and not _is_changeable(name)
    ]


def _is_changeable(name):
    return any(
        name == known or (known.endswith(".*") and name.startswith(known[:-1]))
        for known in CHANGEABLE
    )


def _flat(config):
    """A dict of dotted name to value."""
    flat = {"data.shards": list(config.data.shards)}

    def visit(value, prefix):
        if isinstance(value, dict):
            for key, inner in value.items():
                visit(inner, f"{prefix}.{key}" if prefix else key)
        else:
            flat[prefix] = value

    visit(dataclasses.asdict(config), "")
    return flat
