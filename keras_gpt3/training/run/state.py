"""What a run knows of itself between steps: state, health, what is saved."""

import collections
import dataclasses
import logging
import math
import statistics

import keras
import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.echoed_value import echoed
from keras_gpt3.parallel.replicas import from_first_worker
from keras_gpt3.parallel.replicas import wait_for_all


@dataclasses.dataclass
class RunState:
    """Counters that a checkpoint holds beside the arrays.

    The next batch is never one of those that are passed over.
    """

    step: int = 0
    batch: int = 0
    tokens_seen: int = 0
    skip_batches: set = dataclasses.field(default_factory=set)
    skipped_updates: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    best_loss: float | None = None
    validated_step: int | None = None

    def __post_init__(self):
        self.skip_batches = set(self.skip_batches)
        self._last = None
        self._pass_over()

    @property
    def last_batch(self):
        """The batch of the last step, or `None` before the first one."""
        return self._last

    def skip(self, batches):
        """Adds batches to be passed over; those of the past stay as
        they were.
        """
        self.skip_batches |= {b for b in batches if b >= self.batch}
        self._pass_over()

    def advance(self, tokens, applied):
        """Counts a step."""
        self._last = self.batch
        self.step += 1
        self.batch += 1
        self.tokens_seen += tokens
        self.skipped_updates += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1
        self._pass_over()

    def is_best(self, loss):
        """Takes in a held-out loss."""
        if loss is None or not math.isfinite(loss):
            return False
        is_best = self.best_loss is None or loss < self.best_loss
        if is_best:
            self.best_loss = loss
        return is_best

    def as_facts(self):
        """Gives what JSON can hold of it."""
        facts = dataclasses.asdict(self)
        return facts | {"skip_batches": sorted(self.skip_batches)}

    def _pass_over(self):
        while self.batch in self.skip_batches:
            self.batch += 1


logger = logging.getLogger("keras_gpt3")


class RunHealth:
    """Watches for updates that are not finite, and for losses that jump."""

    def __init__(self, section, name_contexts):
        self._section, self._name_contexts = section, name_contexts
        self.losses = LossSpikes(section.spike_deviations, section.spike_window)

    def is_spike(self, state, report):
        """Takes in a step."""
        if not report["applied"]:
            self._check_skipped(state, report)
            return False
        if not self.losses.add(report["loss"]):
            return False
        if state.rollbacks >= self._section.max_rollbacks:
            raise RuntimeError(
                "A run must not go back more often than health.max_rollbacks. "
                f"Received: max_rollbacks={self._section.max_rollbacks}, and a "
                f"loss of {report['loss']:.4g} at step {state.step}. Raise it, "
                "or health.spike_deviations, and resume."
            )
        return True

    def _check_skipped(self, state, report):
        logger.warning(
            "Update %d was skipped: loss %s, gradient norm %s. Batch %d holds "
            "the contexts %s.",
            state.step,
            report["loss"],
            report["gradient_norm"],
            state.last_batch,
            self._name_contexts(state.last_batch),
        )
        if state.skipped_in_a_row >= self._section.max_skipped_in_a_row:
            raise RuntimeError(
                "Updates must be finite. Received: "
                f"{state.skipped_in_a_row} in a row that were not, up to step "
                f"{state.step}. The log names their batches: list them in "
                "data.skip_batches and resume, or begin another run with a "
                "lower learning rate."
            )


class LossSpikes:
    """Compares each loss with those of the steps before."""

    def __init__(self, deviations, window=100):
        if deviations is not None and not deviations > 0:
            raise ValueError(
                "spike_deviations must be above 0. Received: spike_deviations="
                f"{deviations}. Use None to look for no spikes."
            )
        check_integer("spike_window", window, minimum=4)
        self._deviations = deviations
        self._losses = collections.deque(maxlen=window)

    def add(self, loss):
        """Takes in the loss of a step."""
        if self._deviations is None or not math.isfinite(loss):
            return False
        losses = self._losses
        if len(losses) >= losses.maxlen // 2:
            bound = statistics.fmean(losses)
            bound += self._deviations * statistics.pstdev(losses)
            if loss > bound:
                return True
        losses.append(loss)
        return False

    def forget(self):
        """Starts anew, after a rollback."""
        self._losses.clear()

    def get_state(self):
        """Gives the losses, to be saved with a run."""
        return list(self._losses)

    def set_state(self, losses):
        """Goes on from saved losses."""
        self._losses.clear()
        self._losses.extend(losses)


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


def model_arrays(model):
    """Copies everything that a step changes to the host.

    Weights, what is not trained, the optimizer's slots and counters, and the
    states of seed generators, which `tf.train.Checkpoint` leaves out: with
    dropout a resumed run would go another way. Metrics start anew.
    """
    # A copy: on a CPU an array may share the variable's memory.
    return {
        name: np.array(keras.ops.convert_to_numpy(variable))
        for name, variable in _variables(model).items()
    }


def assign_arrays(model, arrays):
    """Puts saved arrays back into a model, on all replicas.

    Nothing is assigned unless all of them fit.
    """
    variables = _variables(model)
    if set(variables) != set(arrays):
        names = sorted(set(variables) ^ set(arrays))
        raise ValueError(
            "A checkpoint must hold the arrays of its model. Received: "
            f"{len(names)} arrays that one of them lacks, such as {names[0]}. "
            "Resume with the model and optimizer of the run."
        )
    for name, variable in variables.items():
        shape, array = tuple(variable.shape), arrays[name]
        if array.shape != shape:
            raise ValueError(
                "A checkpoint must hold the shapes of its model. Received: "
                f"{name} of shape {array.shape}, where the model has {shape}. "
                "Resume with the model of the run."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _variables(model):
    """A dict of name to variable, each once; with seeds, without metrics."""
    named, seen = {}, set()
    for part, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        for index, variable in enumerate(variables):
            # `variables` counts a generator that two layers share twice.
            if id(variable) not in seen:
                seen.add(id(variable))
                named[f"{part}/{index:05d}"] = variable
    return named
