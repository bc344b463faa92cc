"""A pretraining run from its first step, or its last checkpoint, to its end.

TensorFlow only. Orbit drives the loops; this file says what happens between
two steps, and in which order.
"""

import contextlib
import dataclasses
import io
import logging

import orbit

from keras_gpt3.data import contexts_of_step
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.training.gradient_noise_scale import GradientNoiseScale
from keras_gpt3.training.loss_spikes import LossSpikes
from keras_gpt3.training.pretraining_trainer import PretrainingTrainer
from keras_gpt3.training.run_arrays import assign_arrays
from keras_gpt3.training.run_arrays import model_arrays
from keras_gpt3.training.run_state import RunState
from keras_gpt3.training.validation_evaluator import ValidationEvaluator
from keras_gpt3.training.worker_barrier import wait_for_all

logger = logging.getLogger("keras_gpt3")


class PretrainingRun:
    """Trains a model as a config says; see `pretrain`.

    Args:
        config: `PretrainingConfig`, resolved.
        model: a compiled `GPT3`, made in the strategy's scope.
        strategy: `tf.distribute.Strategy`.
        recipe: `PretrainingRecipe`.
        data: `RunData`.
        checkpoints: `RunCheckpoints`.
        requests: `RunRequests`.
        report: `RunReport`.
        sinks: list of callables. Each takes the records to log.
        writes: bool. Whether this worker is the one that writes.
    """

    def __init__(
        self,
        config,
        model,
        strategy,
        recipe,
        data,
        *,
        checkpoints,
        requests,
        report,
        sinks,
        writes,
    ):
        self._config, self._model, self._strategy = config, model, strategy
        self._recipe, self._data = recipe, data
        self._checkpoints, self._requests = checkpoints, requests
        self._report, self._sinks, self._writes = report, sinks, writes
        self.state = RunState()
        self.noise = GradientNoiseScale()
        health = config.health
        self._spikes = LossSpikes(health.spike_deviations, health.spike_window)
        self._saved_step = None
        self._stops = False
        self._warm = False

    def run(self, forget_after=lambda step: None):
        """Trains to the end of the recipe, or until the run is to stop.

        Args:
            forget_after: callable. Is told the step that the run goes on from,
                after a restore. Defaults to one that does nothing.

        Returns:
            Whether the run reached its end.

        Raises:
            RuntimeError: If too many updates were skipped, or rolled back.
        """
        self._forget_after = forget_after
        self._prepare_loops()
        self._resume()
        if self._config.validation.at_start and self.state.step == 0:
            self._validate()
        if self._saved_step is None:
            self._save()  # What a rollback, or a kill, can go back to.
        while self.state.step < self._recipe.num_steps and not self._stops:
            self._step()
        if self._saved_step != self.state.step:
            self._save()
        if self._writes:
            self._checkpoints.wait()
        wait_for_all(self._strategy)
        return self.state.step >= self._recipe.num_steps

    # === One step, and what follows it ===

    def _step(self):
        self._trainer.vote(self._requests.votes())
        self._report.step_started()
        report = self._train_one()
        self._report.step_ended(report["tokens"], counts=self._warm)
        self._warm = True
        applied = report["applied"] > 0
        self.state.advance(int(report["tokens"]), applied)
        if not applied:
            self._skipped(report)
        self.noise.update(
            report["gradient_norm"] ** 2,
            report["tokens"],
            report["piece_squared_norm"],
            report["piece_tokens"],
        )
        if applied and self._spikes.add(report["loss"]):
            return self._roll_back(report["loss"])
        self._after_step(report)

    def _train_one(self):
        # Orbit prints two lines a step.
        silence = contextlib.redirect_stdout(io.StringIO())
        with silence, one_line_errors():
            self._controller.train(
                self.state.step + 1, checkpoint_at_completion=False
            )
        return self._last_report

    def _after_step(self, report):
        step, config = self.state.step, self._config
        is_last = step == self._recipe.num_steps
        stop, save = report["votes"]
        self._stops = stop > 0
        record = self._report.record(step, self.state, report, self.noise)
        self._tell(record, is_due(config.log.every_steps, step) or is_last)
        metric = None
        if is_due(config.validation.every_steps, step) or is_last:
            metric = self._validate()
        if (
            is_due(config.checkpoints.every_steps, step)
            or save > 0
            or self._stops
        ):
            self._save(metric)

    def _tell(self, record, is_due):
        for sink in self._sinks:
            sink(record, is_due)

    # === Health ===

    def _skipped(self, report):
        state, bound = self.state, self._config.health.max_skipped_in_a_row
        logger.warning(
            "Update %d was skipped: loss %s, gradient norm %s. Batch %d holds "
            "the contexts %s.",
            state.step,
            report["loss"],
            report["gradient_norm"],
            state.last_batch,
            self._contexts(state.last_batch),
        )
        if state.skipped_in_a_row >= bound:
            raise RuntimeError(
                "Updates must be finite. Received: "
                f"{state.skipped_in_a_row} in a row that were not, up to step "
                f"{state.step}. The log names their batches; lower the "
                "learning rate, or list them in data.skip_batches, and resume."
            )

    def _roll_back(self, loss):
        """Goes back to the last checkpoint, and past what came since."""
        state = self.state
        if state.rollbacks >= self._config.health.max_rollbacks:
            raise RuntimeError(
                "A run must not go back more often than "
                f"health.max_rollbacks={self._config.health.max_rollbacks}. "
                f"Received: a loss of {loss:.4g} at step {state.step}. Lower "
                "the learning rate, and resume."
            )
        last, rollbacks = state.last_batch, state.rollbacks + 1
        self._restore()
        skipped = range(self.state.batch, last + 1)
        self.state.skip(skipped)
        self.state.rollbacks = rollbacks
        self._spikes.forget()
        wait_for_all(self._strategy)
        self._save()  # So that a kill does not meet the spike again.
        logger.warning(
            "The loss rose to %.4g. The run goes on from step %d, past batches "
            "%d to %d.",
            loss,
            self.state.step,
            skipped.start,
            last,
        )
        self._read_from_here()

    def _contexts(self, batch):
        ids = contexts_of_step(
            self._data.shards,
            self._recipe.sequence_length,
            self._batch_size,
            self._config.seed,
            batch,
        )
        length = self._recipe.sequence_length
        return [self._data.shards.describe_context(i, length) for i in ids]

    # === Loops ===

    @property
    def _batch_size(self):
        recipe = self._recipe
        if recipe.start_batch_tokens is None:
            return recipe.batch_tokens // recipe.sequence_length
        return recipe.batch_ramp

    def _prepare_loops(self):
        self._trainer = PretrainingTrainer(
            self._model, self._strategy, dataset=None, num_votes=2
        )
        self._controller = orbit.Controller(
            global_step=self._trainer.global_step,
            trainer=self._trainer,
            strategy=self._strategy,
            steps_per_loop=1,
            train_actions=[self._keep_report],
        )
        self._evaluators = {
            name: self._evaluator(name) for name in self._data.held_out_sets
        }

    def _keep_report(self, report):
        self._last_report = report

    def _evaluator(self, name):
        dataset, num_batches = self._data.held_out_dataset(name)
        evaluator = ValidationEvaluator(self._model, self._strategy, dataset)
        return evaluator, num_batches

    def _read_from_here(self):
        self._trainer.global_step.assign(self.state.step)
        self._trainer.train_dataset = self._data.training_dataset(
            self._batch_size, self.state.batch, self.state.skip_batches
        )

    def _validate(self):
        """Means over all held-out sets; logs them, returns the mean loss."""
        import tensorflow as tf

        if not self._evaluators:
            return None
        record = {
            "kind": "validation",
            "step": self.state.step,
            "tokens_seen": self.state.tokens_seen,
        }
        losses = []
        for name, (evaluator, num_batches) in self._evaluators.items():
            means = evaluator.evaluate(tf.constant(num_batches))
            losses.append(means["loss"])
            record |= {f"{name}/{key}": mean for key, mean in means.items()}
        record["loss"] = sum(losses) / len(losses)
        self._tell(record, True)
        return record["loss"]

    # === Checkpoints ===

    def _resume(self):
        """Goes on from the newest sound checkpoint, if there is one."""
        checkpoint = self._checkpoints.restore()
        if checkpoint is not None:
            self._take(checkpoint)
            logger.info("Resumed at step %d.", checkpoint.step)
        # Before the first step there is a validation, to be made again.
        self._forget_after(self.state.step or -1)
        self.state.skip(self._config.data.skip_batches)
        # Nobody writes before all have read.
        wait_for_all(self._strategy)
        self._read_from_here()

    def _restore(self):
        """Goes back to the newest sound checkpoint, on all workers."""
        if self._writes:
            self._checkpoints.wait()
        wait_for_all(self._strategy)
        self._take(self._checkpoints.restore())
        self._forget_after(self.state.step)

    def _take(self, checkpoint):
        assign_arrays(self._model, checkpoint.arrays)
        self.state = RunState(**checkpoint.facts["state"])
        self.noise.set_state(checkpoint.facts["noise"])
        self._spikes.set_state(checkpoint.facts["losses"])
        self._saved_step = checkpoint.step

    def _save(self, metric=None):
        self._saved_step = self.state.step
        self._requests.saved()
        if not self._writes:
            return
        facts = {
            "state": self.state.as_facts(),
            "noise": self.noise.get_state(),
            "losses": self._spikes.get_state(),
            "recipe": dataclasses.asdict(self._recipe),
            "seed": self._config.seed,
        }
        self._checkpoints.save(
            self.state.step, model_arrays(self._model), facts, metric
        )


def is_due(every, step):
    """Whether something that happens every few steps happens at this one.

    Args:
        every: int, or `None` for never.
        step: int, from 1 on.

    Returns:
        A bool.
    """
    return every is not None and step % every == 0
