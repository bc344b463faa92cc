"""Saves where a run stands, and goes back there. TensorFlow only."""

import math

from keras_gpt3.echoed_value import echoed
from keras_gpt3.training.run_arrays import assign_arrays
from keras_gpt3.training.run_arrays import model_arrays
from keras_gpt3.training.worker_barrier import from_first_worker
from keras_gpt3.training.worker_barrier import wait_for_all

# What the first worker tells the others in place of a step.
_NONE, _FAILED = -1, -2


class RunSaves:
    """The checkpoints of a run as its workers use them.

    The first worker writes, and chooses the checkpoint that all go back to:
    on a shared file system they need not see the same.
    """

    def __init__(self, model, strategy, checkpoints, identity, is_chief):
        self._model, self._strategy = model, strategy
        self._checkpoints, self._identity = checkpoints, identity
        self._is_chief = is_chief
        self.last_step = None

    def save(self, step, facts, metric=None):
        """Copies the arrays to the host, and begins to write them."""
        self.last_step = step
        if not self._is_chief:
            return
        if metric is not None and not math.isfinite(metric):
            metric = None
        self._checkpoints.save(
            step,
            model_arrays(self._model),
            facts | {"identity": self._identity, "metric": metric},
            metric,
        )

    def restore(self):
        """Puts the newest sound checkpoint into the model, on all workers."""
        # Nobody reads before all is written, nor writes before all have read.
        checkpoint = self._choose()
        if checkpoint is not None:
            self._check_identity(checkpoint.facts["identity"])
            assign_arrays(self._model, checkpoint.arrays)
            self.last_step = checkpoint.step
        wait_for_all(self._strategy)
        return None if checkpoint is None else checkpoint.facts

    def finish(self, step):
        """Waits until all is written."""
        if not self._is_chief:
            return
        self._checkpoints.wait()
        if self._checkpoints.latest_step != step:
            raise RuntimeError(
                "The last checkpoint must be written. Received: step="
                f"{step}, where the last one there is that of step "
                f"{self._checkpoints.latest_step}. The log says why; mend it "
                "and start the run again, which goes on from there."
            )

    def _choose(self):
        """The checkpoint that the first worker finds, on every worker."""
        if not self._is_chief:
            step = from_first_worker(self._strategy, 0)
            if step == _FAILED:
                raise RuntimeError(
                    "The first worker must restore a checkpoint. Received: "
                    "an error there. Its log says which."
                )
            return None if step == _NONE else self._checkpoints.restore(step)
        step = _FAILED
        try:
            checkpoint = self._checkpoints.restore()
            step = _NONE if checkpoint is None else checkpoint.step
        finally:
            # The others wait for it, whatever went wrong here.
            from_first_worker(self._strategy, step)
        return checkpoint

    def _check_identity(self, saved):
        differences = [
            f"{name} {echoed(saved.get(name))} there, {echoed(value)} here"
            for name, value in self._identity.items()
            if saved.get(name) != value
        ]
        if differences:
            raise ValueError(
                "A checkpoint must be one of this run. Received: "
                f"{'; '.join(differences)}. Put back what the run began with, "
                "or use another folder."
            )
