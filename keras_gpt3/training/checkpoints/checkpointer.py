"""The checkpoints of a run in a folder, whoever writes their arrays."""

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.atomic_write import is_disk_full
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import is_chief
from keras_gpt3.parallel.replicas import is_worker_failure
from keras_gpt3.training.checkpoints import checkpoint_folders
from keras_gpt3.training.checkpoints.manifest import CheckpointManifest
from keras_gpt3.training.checkpoints.manifest import described
from keras_gpt3.training.checkpoints.manifest import examine
from keras_gpt3.training.checkpoints.manifest import seal_files

_logger = logging.getLogger("keras_gpt3")

# A process writes one checkpoint at a time, so that hidden folders with its
# id that a writer finds are leftovers: ids come again, in containers above all.
_ONE_WRITER = threading.Lock()


class Checkpointer:
    """Saves checkpoints in the background, keeps some, finds the newest.

    Each is a folder `step_000000123` of arrays, which a format such as
    `TensorFlowFormat` or `OrbaxFormat` writes and reads, and of a
    `manifest.json` with their sizes and checksums. It appears whole or not at
    all; what a killed process left is removed by the next save. An error while
    writing is logged, not raised: the run is worth more than a checkpoint.
    The first worker alone decides what there is, and what goes.
    """

    def __init__(
        self,
        folder,
        arrays_format,
        keep_last=3,
        keep_every=None,
        keep_best=True,
        strategy=None,
    ):
        self._folder = checkpoint_folders.root_path(folder)
        self._format, self._strategy = arrays_format, strategy
        if self._folder.exists() and not self._folder.is_dir():
            raise NotADirectoryError(
                "folder must be a folder or not be there yet. Received: "
                f"folder='{folder}', a file. Pass another one."
            )
        self._keep = keep_last, keep_every, keep_best
        self._is_first = is_chief(strategy)
        self._thread = ThreadPoolExecutor(1, "checkpointer")
        self._process_id = None
        self._under_way = None
        self._is_closed = False
        # Steps whose contents were found damaged, which sizes do not show, and
        # how.
        self._damaged = {}
        self.num_failed = 0

    @property
    def readable_formats(self):
        """Names of the formats that are read: that which is written."""
        return {self._format.name}

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        # Without the others, what they write together is never whole.
        alone = self._format.is_distributed and is_worker_failure(error)
        self._close(wait=not alone)

    # === Writing ===

    def begin_save(self, step, arrays, metadata, metric=None):
        """Begin to write a checkpoint; wait only for the one before it.

        Args:
            step: int. The number of steps that the run has done.
            arrays: dict or nest of arrays. What the format writes.
            metadata: dict. What else the run needs to resume, of JSON's types.
            metric: float. The lowest is the best. Defaults to `None`.

        Raises:
            ValueError: After `close`.
        """
        if self._is_closed:
            raise ValueError(
                "Checkpoints can be saved only until close. Received: "
                f"step={step} after it. Make another {type(self).__name__}."
            )
        self.wait()
        if self._process_id is None:
            self._process_id = os.getpid()
            if self._format.is_distributed:
                # All that write together must name the same hidden folder.
                self._process_id = from_first_worker(
                    self._strategy, self._process_id
                )
        manifest = step, metric, metadata, self._format, described(arrays)
        _ONE_WRITER.acquire()
        temporary = checkpoint_folders.temporary_folder(
            self._folder, step, self._process_id
        )
        is_under_way = False
        try:
            if self._is_first:
                self._try(checkpoint_folders.remove_leftovers, self._folder)
                checkpoint_folders.make_temporary(temporary)
            complete = self._format.begin_write(temporary, arrays)
            self._under_way = self._thread.submit(
                self._complete, temporary, complete, manifest
            )
            is_under_way = True
        except Exception as error:
            self._fail(step, temporary, error)
        finally:  # Also after Ctrl-C.
            if not is_under_way:
                _ONE_WRITER.release()

    def _complete(self, temporary, complete, manifest):
        """Make a checkpoint of its arrays, and remove old ones."""
        step, *_ = manifest
        try:
            complete()
            if self._is_first:
                files = seal_files(temporary, self._format.has_checksums)
                CheckpointManifest.of_now(*manifest, files).write(temporary)
                final = checkpoint_folders.step_folder(self._folder, step)
                checkpoint_folders.publish(temporary, final)
                self._damaged.pop(step, None)
        except Exception as error:
            self._fail(step, temporary, error)
        else:
            if self._is_first:
                self._try(self._remove_old, step)
        finally:
            _ONE_WRITER.release()

    def wait(self):
        """Wait until what is under way is written."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def close(self):
        """Wait until what is under way is written, and end the thread."""
        self._close()

    def _close(self, wait=True):
        self._is_closed = True
        if wait:
            self.wait()
        self._thread.shutdown(wait)

    def finish(self, step):
        """Wait until the checkpoint of a step is there, the last of a run.

        Args:
            step: int. The step that was saved last.

        Raises:
            RuntimeError: If its checkpoint could not be written.
        """
        self.wait()
        if self._is_first and self.latest_step != step:
            raise RuntimeError(
                "The last checkpoint must be written. Received: step="
                f"{step}, where the last one there is that of step "
                f"{self.latest_step}. The log says why; fix it and rerun: the "
                "run resumes from there."
            )

    def _remove_old(self, written):
        checkpoint_folders.remove_leftovers(self._folder)
        folders = checkpoint_folders.step_folders(self._folder)
        metrics = self._metrics()
        kept = kept_steps(metrics, *self._keep)
        # A run that began again from an old step has later ones beside it.
        for step in metrics.keys() - kept - {written}:
            checkpoint_folders.remove_folder(folders[step])

    def _try(self, remove, argument):
        """Remove something; what cannot be removed stops no checkpoint."""
        try:
            remove(argument)
        except OSError as error:
            _logger.error(
                "Old checkpoints in %s could not be removed: %s. The next save "
                "tries again.",
                self._folder,
                error,
            )

    def _fail(self, step, temporary, error):
        """Count and log that a checkpoint could not be written."""
        self.num_failed += 1
        if self._is_first:
            checkpoint_folders.discard_temporary(temporary)
        try:
            latest = self.latest_step
        except OSError:  # What failed is the disk itself.
            latest = None
        last = f"its last checkpoint is that of step {latest}"
        if latest is None:
            last = "it has no checkpoint that can be read"
        remedy = f"Check that {self._folder} can be written"
        if is_disk_full(error):
            remedy = f"Free space in {self._folder}"
        _logger.error(
            "The checkpoint of step %d could not be written: %s. The run "
            "continues; %s. %s.",
            step,
            # Some errors, of memory above all, have no text.
            str(error) or type(error).__name__,
            last,
            remedy,
            exc_info=error,
        )

    # === What there is ===

    def steps(self):
        """List the steps of checkpoints that look complete, sorted.

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
        """Step to metric of checkpoints that look complete."""
        metrics = {}
        folders = checkpoint_folders.step_folders(self._folder)
        for step in folders.keys() - self._damaged:
            manifest, damage = examine(folders[step], reads_all=False)
            if damage is None:
                metrics[step] = manifest.metric
        return dict(sorted(metrics.items()))

    def find(self, step=None):
        """Find the newest sound checkpoint, or that of one step.

        Args:
            step: int. The step of the checkpoint. Defaults to `None`, the
                newest.

        Returns:
            A pair of its folder and manifest, or `None` if there is no
            checkpoint.

        Raises:
            FileNotFoundError: If there is no checkpoint of the step.
            ValueError: If all are damaged, or in another format.
        """
        self.wait()
        folders = checkpoint_folders.step_folders(self._folder)
        if step is not None:
            check_integer("step", step, minimum=0)
            if step not in folders:
                raise FileNotFoundError(
                    "step must be that of a checkpoint in the folder. "
                    f"Received: step={step}, folder='{self._folder}' with the "
                    f"steps {list(folders)}. Pass one of them, or None for the "
                    "newest."
                )
            folders = {step: folders[step]}
        damages = {}
        for found, folder in reversed(folders.items()):
            damage = self._damaged.get(found) if step is None else None
            if damage is None:
                manifest, damage = examine(folder)
            if damage is None:
                self._log_damages(damages, found)
                self._check_format(folder, manifest)
                return folder, manifest
            damages[found] = self._damaged[found] = damage
        if damages:
            texts = "; ".join(
                f"step {n}: {text}" for n, text in damages.items()
            )
            raise ValueError(
                "A checkpoint must be sound to be restored. Received: folder="
                f"'{self._folder}' ({texts}). Restore another step or start in "
                "another folder."
            )
        return None

    def _log_damages(self, damages, used):
        for step, damage in damages.items():
            _logger.error(
                "Checkpoint %s is damaged: %s. Using step %d before it.",
                checkpoint_folders.step_folder(self._folder, step).name,
                damage,
                used,
            )

    def _check_format(self, folder, manifest):
        if manifest.format not in self.readable_formats:
            raise ValueError(
                "A checkpoint must be in the format that is read here. "
                f"Received: format={echoed(manifest.format)} in '{folder}', "
                f"format={echoed(self._format.name)} here. Restore it as it "
                "was saved: by RunCheckpoints, or restore_sharded_checkpoint."
            )


def best_step(metrics):
    """The step with the lowest metric, the latest of equal ones."""
    known = [
        (metric, -step)
        for step, metric in metrics.items()
        if metric is not None
    ]
    return -min(known)[1] if known else None


def kept_steps(metrics, keep_last, keep_every=None, keep_best=True):
    """The steps whose checkpoints stay; all without `keep_last`."""
    kept = set(metrics)
    if keep_last is not None:
        kept = set(sorted(metrics)[-keep_last:])
    if keep_every is not None:
        kept.update(step for step in metrics if step % keep_every == 0)
    if keep_best:
        kept.update({best_step(metrics)} - {None})
    return kept
