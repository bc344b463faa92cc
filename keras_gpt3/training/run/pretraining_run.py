"""A pretraining run from its first step, or its last checkpoint, to its end.

A loop makes the steps, as the backend does them; this file says what happens
between two of them, and in which order.
"""

import contextlib
import logging

from keras_gpt3.data import contexts_of_step
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.training.run.state import RunHealth
from keras_gpt3.training.run.state import RunState
from keras_gpt3.training.step.gradient_noise_scale import GradientNoiseScale

_logger = logging.getLogger("keras_gpt3")


class PretrainingRun:
    """Trains a model as a config says; see `pretrain`."""

    def __init__(
        self,
        config,
        recipe,
        data,
        *,
        loop,
        probe,
        checkpointer,
        preemption,
        report,
        sinks,
        forget_after,
    ):
        self._config, self._recipe = config, recipe
        self._data, self._loop, self._probe = data, loop, probe
        self._checkpointer = checkpointer
        self._preemption, self._report = preemption, report
        self._sinks = sinks
        self._forget_after = forget_after
        self._state, self._noise = RunState(), GradientNoiseScale()
        self._health = RunHealth(config.health, self._name_contexts)
        self._stops = self._is_warm = False

    def run(self):
        """Train to the end of the recipe, or until the run is to stop."""
        self._resume()
        if not self._is_finished:
            self._data.check_in_background()
        self._tell({"kind": "start", "step": self._state.step}, due=False)
        self._make_up_validation()
        if self._checkpointer.last_step is None:
            self._save()  # What a rollback, or a kill, can go back to.
            # Without one there is nothing to resume: better now than at the
            # end, when the work of days is lost.
            self._checkpointer.finish(self._state.step)
        while not self._is_finished and not self._stops:
            self._step()
            with _runtime_errors():
                self._data.raise_if_damaged()
        self._checkpointer.finish(self._state.step)
        if self._is_finished:
            with _runtime_errors():
                self._data.raise_if_damaged(wait=True)
        return self._is_finished

    @property
    def _is_finished(self):
        return self._state.step >= self._recipe.num_steps

    # === One step, and what follows it ===

    def _step(self):
        self._report.step_started()
        report = self._train_one()
        self._report.step_ended(report["tokens"], counts=self._is_warm)
        self._is_warm = True
        self._state.advance(int(report["tokens"]), report["applied"] > 0)
        self._noise.update(
            report["gradient_norm"] ** 2,
            report["tokens"],
            report["micro_batch_squared_norm"],
            report["micro_batch_tokens"],
        )
        if self._health.is_spike(self._state, report):
            self._roll_back(report["loss"])
        else:
            self._after_step(report)

    def _train_one(self):
        with _runtime_errors():
            return self._loop.train(self._preemption.requests())

    def _after_step(self, report):
        step, config = self._state.step, self._config
        stop, save = report["requests"]
        self._stops = stop > 0
        if self._sinks:
            record = self._report.record(step, self._state, report, self._noise)
            contexts = self._state.tokens_seen // self._recipe.sequence_length
            # How often each set was seen.
            for name, value in self._data.epochs(contexts).items():
                record[f"epochs/{name}"] = value
            due = is_due(config.log.every_steps, step) or self._is_finished
            self._tell(record, due)
        if self._stops:
            self._save()  # At once: there may be little time.
            if not self._is_finished:
                return  # A validation is made up for when it resumes.
        metric, is_best = None, False
        if self._is_validation_due:
            metric = self._validate()
            is_best = self._state.is_best(metric)
        if (
            is_due(config.checkpoints.every_steps, step)
            or (is_best and config.checkpoints.keep_best)
            or save > 0
            or self._is_finished
        ):
            self._save(metric)

    @property
    def _is_validation_due(self):
        step, section = self._state.step, self._config.validation
        if step == 0:
            return section.at_start
        return is_due(section.every_steps, step) or self._is_finished

    def _make_up_validation(self):
        """Validate where it was due, and the run was stopped before."""
        step = self._state.step
        if self._is_validation_due and self._state.validated_step != step:
            metric = self._validate()
            if step > 0 and metric is not None:
                self._state.is_best(metric)
                self._save(metric)

    def _tell(self, record, due):
        """Pass a record to all sinks; a full disk costs the line alone."""
        for sink in self._sinks:
            try:
                sink(record, due)
            except OSError as error:
                _logger.error(
                    "Step %d could not be logged: %s.", record["step"], error
                )

    def _roll_back(self, loss):
        """Go back to the last checkpoint, and past what came since."""
        step, last = self._state.step, self._state.last_batch
        rollbacks = self._state.rollbacks + 1
        checkpoint = self._checkpointer.restore()
        if checkpoint is None:
            raise RuntimeError(
                "A run must have a checkpoint to go back to. Received: a loss "
                f"of {loss:.4g} at step {step}, and none. Free space for "
                "checkpoints, and start the run again."
            )
        self._restore_state(checkpoint.metadata)
        skipped = range(self._state.batch, last + 1)
        self._state.skip(skipped)
        self._state.rollbacks = rollbacks
        self._health.losses.forget()
        self._save(checkpoint.metric)  # So that a kill does not meet it again.
        _logger.warning(
            "The loss rose to %.4g. The run resumes from step %d, past batches "
            "%d to %d.",
            loss,
            self._state.step,
            skipped.start,
            last,
        )
        self._read_from_here()

    # === Data ===

    def _read_from_here(self):
        state = self._state
        self._loop.read_from(state.step, state.batch, state.skip_batches)

    def _validate(self):
        """Validate on all held-out sets; log and return the mean loss."""
        if not self._data.held_out_sets and self._probe is None:
            return None
        record = {
            "kind": "validation",
            "step": self._state.step,
            "tokens_seen": self._state.tokens_seen,
        }
        losses = []
        for name in self._data.held_out_sets:
            with _runtime_errors():
                means = self._loop.evaluate(name)
            losses.append(means["loss"])
            record |= {f"{name}/{key}": mean for key, mean in means.items()}
        if losses:
            record["loss"] = sum(losses) / len(losses)
        if self._probe is not None and self._sinks:
            with _runtime_errors():
                record |= self._probe()
        self._state.validated_step = self._state.step
        self._tell(record, True)
        return record.get("loss")

    def _name_contexts(self, batch):
        length = self._recipe.sequence_length
        ids = contexts_of_step(
            self._data.shards,
            length,
            batch_size(self._recipe),
            self._config.seed,
            batch,
        )
        return [self._data.shards.describe_context(i, length) for i in ids]

    # === Checkpoints ===

    def _resume(self):
        """Resume from the newest sound checkpoint, if there is one."""
        checkpoint = self._checkpointer.restore()
        if checkpoint is not None:
            self._restore_state(checkpoint.metadata)
            _logger.info("Resumed at step %d.", self._state.step)
        else:
            self._forget_after(-1)
            self._skip_listed()
        self._read_from_here()

    def _restore_state(self, metadata):
        self._state = RunState(**metadata["state"])
        self._noise.set_state(metadata["noise"])
        self._health.losses.set_state(metadata["losses"])
        # A validation before the first step that was not saved is made again.
        step, validated = self._state.step, self._state.validated_step
        self._forget_after(-1 if step == 0 and validated is None else step)
        self._skip_listed()

    def _skip_listed(self):
        self._state.skip(self._config.data.skip_batches)

    def _save(self, metric=None):
        self._preemption.saved()
        metadata = {
            "state": self._state.as_metadata(),
            "noise": self._noise.get_state(),
            "losses": self._health.losses.get_state(),
        }
        self._checkpointer.save(self._state.step, metadata, metric)


@contextlib.contextmanager
def _runtime_errors():
    """One line of what went wrong in mid-run, which a rerun does not fix."""
    try:
        with one_line_errors():
            yield
    except ValueError as error:
        raise RuntimeError(str(error)) from error


def batch_size(recipe):
    """Rows of every batch: a number where there is one, else a ramp."""
    if not recipe.grows:  # Shapes are known by it.
        return recipe.batch_tokens // recipe.sequence_length
    return recipe.batch_ramp


def is_due(every, step):
    """Whether something that happens every few steps happens at this one."""
    return every is not None and step % every == 0
