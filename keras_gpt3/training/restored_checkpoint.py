"""A checkpoint as it comes back."""

import dataclasses
import pathlib

from keras_gpt3.training.checkpoint_files import read_arrays
from keras_gpt3.training.checkpoint_manifest import CheckpointManifest


@dataclasses.dataclass(frozen=True)
class RestoredCheckpoint:
    """What `RunCheckpoints.restore` returns.

    Args:
        step: int. The number of steps that the run had done.
        arrays: dict. Name to numpy array.
        facts: dict. What was passed to `save`, as JSON gives it back.
        folder: `pathlib.Path`. Where it was read from.

    Example:

    ```python
    import tempfile

    import numpy as np

    from keras_gpt3.training.run_checkpoints import RunCheckpoints

    with RunCheckpoints(tempfile.mkdtemp()) as checkpoints:
        checkpoints.save(100, {"kernel": np.ones(3)}, facts={"seed": 0})
        restored = checkpoints.restore()
    print(restored.step, restored.arrays["kernel"], restored.facts["seed"])
    ```
    """

    step: int
    arrays: dict
    facts: dict
    folder: pathlib.Path

    @classmethod
    def read(cls, folder):
        """Read a checkpoint that was found sound.

        Args:
            folder: `pathlib.Path`. The checkpoint's folder.

        Returns:
            A `RestoredCheckpoint`.
        """
        manifest = CheckpointManifest.read(folder)
        arrays = read_arrays(folder, manifest.arrays)
        return cls(manifest.step, arrays, manifest.facts, folder)
