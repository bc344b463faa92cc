"""Checkpoints of arrays, for a run or a training loop of one's own."""

import dataclasses
import json
import math
import numbers
import pathlib

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.training.checkpoints.checkpointer import Checkpointer
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat
from keras_gpt3.training.checkpoints.tensorflow_format import read_arrays


class RunCheckpoints(Checkpointer):
    """The checkpoints of a run, written in the background.

    The newest sound one is restored. Each is a folder `step_000000123` of a
    `manifest.json` with checksums and of arrays that
    `tf.train.load_checkpoint` reads. It is written under a hidden name, brought
    to the disk and then renamed: a run killed at any moment leaves whole
    checkpoints, and hidden folders that the next run's first `save` removes. An
    error while writing is logged, not raised: the run continues. One run writes
    to a folder; others may read it.

    Args:
        folder: path. The folder of the run's checkpoints; made by the first
            `save`.
        keep_last: int. How many of the last checkpoints stay. Damaged ones
            stay as well, and do not count. Defaults to `3`.
        keep_every: int or None. Checkpoints of steps that are multiples of it
            stay. Defaults to `None`.
        keep_best: bool. Whether the checkpoint with the lowest metric stays.
            Defaults to `True`.

    Attributes:
        num_failed: int. How many checkpoints could not be written.

    Raises:
        NotADirectoryError: If there is a file in the folder's place.
        ValueError: If `keep_last` or `keep_every` is not an integer of at least
            1.

    Example:

    ```python
    import tempfile

    import numpy as np

    from keras_gpt3.training import RunCheckpoints

    with RunCheckpoints(tempfile.mkdtemp(), keep_last=2) as checkpoints:
        for step in range(100, 500, 100):
            arrays = {"decoder/kernel": np.full((2, 3), step)}
            checkpoints.save(step, arrays, {"seed": 0}, metric=1 / step)
    print(checkpoints.steps())  # [300, 400]
    print(checkpoints.restore().arrays["decoder/kernel"])
    ```
    """

    def __init__(self, folder, keep_last=3, keep_every=None, keep_best=True):
        check_integer("keep_last", keep_last, minimum=1)
        if keep_every is not None:
            check_integer("keep_every", keep_every, minimum=1)
        super().__init__(
            folder, TensorFlowFormat(), keep_last, keep_every, keep_best
        )
        self._is_first = True  # Whoever passes arrays wants them written.

    def save(self, step, arrays, metadata, metric=None):
        """Begin to write a checkpoint; wait only for the one before it.

        One of the same step that is there is replaced once the new one is
        whole. Leaving Python by its normal end completes what is under way.

        Args:
            step: int. The number of steps that the run has done.
            arrays: dict. Name to numpy array. Copies on the host that do not
                change any more.
            metadata: dict. JSON-able: what else the run needs to resume.
            metric: float or None. Lower is better. Defaults to `None`.

        Raises:
            TypeError: If an array or `metadata` cannot be stored.
            ValueError: If `step` or `metric` is out of range, there is no
                array, or this object is closed.
        """
        check_integer("step", step, minimum=0)
        check_arrays(arrays)
        metadata, metric = check_metadata(metadata), check_metric(metric)
        self.begin_save(int(step), arrays, metadata, metric)

    def restore(self, step=None):
        """Read the newest sound checkpoint, or that of one step.

        Every byte is compared with its checksum. Damaged checkpoints newer
        than the one that is read are named in the log.

        Args:
            step: int or None. `None` for the newest. Defaults to `None`.

        Returns:
            A `RestoredCheckpoint`; `None` if there is no checkpoint at all.

        Raises:
            FileNotFoundError: If there is none of that step.
            ValueError: If that of the step is damaged, or all there are.
        """
        found = self.find(step)
        if found is None:
            return None
        folder, manifest = found
        return RestoredCheckpoint(
            manifest.step,
            read_arrays(folder, manifest.arrays),
            manifest.metadata,
            folder,
            manifest.metric,
        )


@dataclasses.dataclass(frozen=True)
class RestoredCheckpoint:
    """A checkpoint that was read; what `RunCheckpoints.restore` returns.

    Args:
        step: int. The number of steps that the run had done.
        arrays: dict. Name to numpy array.
        metadata: dict. What was passed to `save`, as JSON returns it.
        folder: `pathlib.Path`. Where it was read from.
        metric: float. What was passed to `save`. Defaults to `None`.

    Example:

    ```python
    import tempfile

    import numpy as np

    from keras_gpt3.training import RunCheckpoints

    with RunCheckpoints(tempfile.mkdtemp()) as checkpoints:
        checkpoints.save(100, {"kernel": np.ones(3)}, metadata={"seed": 0})
        restored = checkpoints.restore()
    print(restored.step, restored.arrays["kernel"], restored.metadata["seed"])
    ```
    """

    step: int
    arrays: dict
    metadata: dict
    folder: pathlib.Path
    metric: float | None = None


def check_arrays(arrays):
    """Raise unless TensorFlow writes and reads back these very arrays."""
    if not isinstance(arrays, dict) or not arrays:
        raise ValueError(
            "arrays must be a dict with at least one array. Received: "
            f"arrays={echoed(arrays)}. Pass the arrays to save by name."
        )
    for name, array in arrays.items():
        if not isinstance(name, str) or not name:
            raise ValueError(
                "Every array must have a name of at least one character. "
                f"Received: name={echoed(name)}. Name it."
            )
        if not isinstance(array, np.ndarray):
            raise TypeError(
                "Every value of arrays must be a numpy array. Received: "
                f"arrays[{echoed(name)}] of type {type(array).__name__}. Pass "
                "a copy of it on the host, np.array(...)."
            )
        if not _is_storable(array.dtype):
            raise TypeError(
                "Every array must hold numbers or booleans in the machine's "
                f"byte order. Received: arrays[{echoed(name)}] of dtype "
                f"{array.dtype.str}. Convert it, or put it into metadata."
            )


def _is_storable(dtype):
    import tensorflow as tf

    try:
        stored = tf.as_dtype(dtype)
    except TypeError:
        return False
    return stored != tf.string and dtype.isnative


def check_metadata(metadata):
    """Raise unless metadata can be JSON; return a copy of it."""
    reason = f"of type {type(metadata).__name__}"
    try:
        text = json.dumps(metadata, allow_nan=False)
        if isinstance(metadata, dict):
            return json.loads(text)
    except (TypeError, ValueError) as error:
        reason = str(error)
    raise TypeError(
        "metadata must be a dict that JSON can hold. Received: metadata="
        f"{echoed(metadata)} ({reason}). Convert what JSON has no form for."
    )


def check_metric(metric):
    """Raise unless a metric orders checkpoints; return it as a float."""
    if metric is None:
        return None
    is_number = isinstance(metric, numbers.Real)
    if not is_number or isinstance(metric, bool) or not math.isfinite(metric):
        raise ValueError(
            "metric must be a finite number or None. Received: "
            f"metric={echoed(metric)}. Pass None for a checkpoint without one."
        )
    return float(metric)
