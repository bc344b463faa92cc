"""The checkpoints of a training run (TensorFlow's format)."""

import json
import math
import numbers
import pathlib
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.echoed_value import echoed
from keras_gpt3.training.checkpoints import checkpoint_folders
from keras_gpt3.training.checkpoints.checkpoint_files import CheckpointManifest
from keras_gpt3.training.checkpoints.checkpoint_files import RestoredCheckpoint
from keras_gpt3.training.checkpoints.checkpoint_files import complete_manifest
from keras_gpt3.training.checkpoints.checkpoint_files import find_damage
from keras_gpt3.training.checkpoints.checkpoint_files import seal_files
from keras_gpt3.training.checkpoints.checkpoint_files import write_arrays

# A process writes one checkpoint at a time, so that hidden folders with its
# id that a writer finds are leftovers: ids come again, in containers above all.
_ONE_WRITER = threading.Lock()


class RunCheckpoints:
    """Writes checkpoints in the background; restores the newest sound one.

    Each is a folder `step_000000123` of a `manifest.json` with checksums and
    of arrays that `tf.train.load_checkpoint` reads. It is written under a
    hidden name, brought to the disk and then renamed: a run killed at any
    moment leaves whole checkpoints, and hidden folders that the next run's
    first `save` removes. An error while writing is logged, not raised: the
    run goes on. One run writes to a folder; others may read it.

    Args:
        folder: path. The folder of the run's checkpoints; made by the first
            `save`.
        keep_last: int. How many of the last checkpoints stay. Damaged ones
            stay, too, and do not count. Defaults to `3`.
        keep_every: int or None. Checkpoints of steps that are multiples of it
            stay. Defaults to `None`.
        keep_best: bool. Whether the checkpoint with the lowest metric stays.
            Defaults to `True`.

    Attributes:
        num_failed: int. How many checkpoints could not be written.

    Raises:
        NotADirectoryError: If there is a file in the folder's place.
        ValueError: If `keep_last` or `keep_every` is no integer of at least 1.

    Example:

    ```python
    import tempfile

    import numpy as np

    from keras_gpt3.training.checkpoints.run_checkpoints import RunCheckpoints

    with RunCheckpoints(tempfile.mkdtemp(), keep_last=2) as checkpoints:
        for step in range(100, 500, 100):
            arrays = {"decoder/kernel": np.full((2, 3), step)}
            checkpoints.save(step, arrays, facts={"seed": 0}, metric=1 / step)
    print(checkpoints.steps())  # [300, 400]
    print(checkpoints.restore().arrays["decoder/kernel"])
    ```
    """

    def __init__(self, folder, keep_last=3, keep_every=None, keep_best=True):
        check_integer("keep_last", keep_last, minimum=1)
        if keep_every is not None:
            check_integer("keep_every", keep_every, minimum=1)
        self._folder = pathlib.Path(folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise NotADirectoryError(
                "folder must be a folder or not be there yet. Received: "
                f"folder='{folder}', a file. Pass another one."
            )
        self._keep = keep_last, keep_every, keep_best
        self._thread = ThreadPoolExecutor(1, "run_checkpoints")
        self._under_way = None
        self._is_closed = False
        # Steps whose contents `restore` found damaged: sizes do not tell.
        self._damaged = set()
        self.num_failed = 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    # === Writing ===

    def save(self, step, arrays, facts, metric=None):
        """Start to write a checkpoint; wait only for the one before it.

        One of the same step that is there is replaced once the new one is
        whole. Leaving Python by its normal end completes what is under way.

        Args:
            step: int. The number of steps that the run has done.
            arrays: dict. Name to numpy array. Copies on the host that nobody
                changes any more.
            facts: dict. JSON-able: what else the run needs to go on.
            metric: float or None. Lower is better. Defaults to `None`.

        Raises:
            TypeError: If an array or `facts` cannot be stored.
            ValueError: If `step` or `metric` is out of range, there is no
                array, or this object is closed.
        """
        check_integer("step", step, minimum=0)
        check_arrays(arrays)
        facts, metric = check_facts(facts), check_metric(metric)
        if self._is_closed:
            raise ValueError(
                "Checkpoints can be saved only until close. Received: "
                f"step={step} after it. Make another RunCheckpoints."
            )
        self.wait()
        self._under_way = self._thread.submit(
            self._save, int(step), arrays, facts, metric
        )

    def wait(self):
        """Wait until what is under way is written."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def close(self):
        """Wait until what is under way is written, and end the thread."""
        self._is_closed = True
        self.wait()
        self._thread.shutdown()

    def _save(self, step, arrays, facts, metric):
        """Write a checkpoint and remove old ones, in the background."""
        with _ONE_WRITER:
            self._try(checkpoint_folders.remove_leftovers, self._folder)
            try:
                self._write(step, arrays, facts, metric)
            # Whatever it is, the run is worth more than this checkpoint.
            except Exception as error:
                self.num_failed += 1
                checkpoint_folders.log_failed_save(
                    self._folder, step, self._readable_step(), error
                )
            else:
                self._try(self._remove_old, step)

    def _try(self, remove, *arguments):
        """Remove something; what cannot be removed stops no checkpoint."""
        try:
            remove(*arguments)
        except OSError as error:
            checkpoint_folders.log_failed_removal(self._folder, error)

    def _readable_step(self):
        """Return `latest_step`; `None` if what failed is the disk itself."""
        try:
            return self.latest_step
        except OSError:
            return None

    def _write(self, step, arrays, facts, metric):
        with checkpoint_folders.temporary_folder(self._folder, step) as folder:
            write_arrays(folder, arrays)
            files = seal_files(folder)
            CheckpointManifest.of_now(step, metric, facts, arrays, files).write(
                folder
            )
            final = checkpoint_folders.step_folder(self._folder, step)
            checkpoint_folders.publish(folder, final)
        self._damaged.discard(step)

    def _remove_old(self, written):
        checkpoint_folders.remove_leftovers(self._folder)
        folders = checkpoint_folders.step_folders(self._folder)
        metrics = self._metrics()
        kept = kept_steps(metrics, *self._keep)
        # A run that began again from an old step has later ones beside it.
        for step in metrics.keys() - kept - {written}:
            checkpoint_folders.remove_folder(folders[step])

    # === What there is ===

    def steps(self):
        """Return the steps of checkpoints that look complete, sorted.

        Returns:
            A list of ints. Sizes are compared, checksums are not.
        """
        return list(self._metrics())

    @property
    def latest_step(self):
        """The last of `steps()`, or `None`."""
        return max(self._metrics(), default=None)

    @property
    def best_step(self):
        """The step with the lowest metric, or `None`."""
        return best_step(self._metrics())

    def _metrics(self):
        """Return step to metric of checkpoints that look complete."""
        metrics = {}
        folders = checkpoint_folders.step_folders(self._folder)
        for step in folders.keys() - self._damaged:
            manifest = complete_manifest(folders[step])
            if manifest is not None:
                metrics[step] = manifest.metric
        return dict(sorted(metrics.items()))

    # === Reading ===

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
        self.wait()
        folders = checkpoint_folders.step_folders(self._folder)
        if step is not None:
            check_integer("step", step, minimum=0)
            checkpoint_folders.check_exists(self._folder, list(folders), step)
            folders = {step: folders[step]}
        damages = {}
        for found in reversed(folders):
            damage = find_damage(folders[found])
            if damage is None:
                checkpoint_folders.log_damages(damages, found)
                return RestoredCheckpoint.read(folders[found])
            damages[found] = damage
            self._damaged.add(found)
        if damages:
            checkpoint_folders.raise_damaged(self._folder, damages)
        return None


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
                f"{array.dtype.str}. Convert it, or put it into facts."
            )


def _is_storable(dtype):
    import tensorflow as tf

    try:
        stored = tf.as_dtype(dtype)
    except TypeError:
        return False
    return stored != tf.string and dtype.isnative


def check_facts(facts):
    """Raise unless facts can be JSON; return a copy of them."""
    try:
        text = json.dumps(facts, allow_nan=False)
    except (TypeError, ValueError) as error:
        reason = str(error)
    else:
        reason = f"of type {type(facts).__name__}"
        if isinstance(facts, dict):
            return json.loads(text)
    raise TypeError(
        "facts must be a dict that JSON can hold. Received: "
        f"facts={echoed(facts)} ({reason}). Convert what JSON has no form for."
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


def best_step(metrics):
    """Return the step with the lowest metric, the latest of equal ones."""
    known = [
        (metric, -step)
        for step, metric in metrics.items()
        if metric is not None
    ]
    return -min(known)[1] if known else None


def kept_steps(metrics, keep_last, keep_every=None, keep_best=True):
    """Return the steps whose checkpoints stay."""
    kept = set(sorted(metrics)[-keep_last:])
    if keep_every is not None:
        kept.update(step for step in metrics if step % keep_every == 0)
    if keep_best:
        kept.update({best_step(metrics)} - {None})
    return kept
