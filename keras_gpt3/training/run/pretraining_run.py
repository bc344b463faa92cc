"""A pretraining run from its first step, or its last checkpoint, to its end.

TensorFlow only. Orbit drives the loops; this file says what happens between
two steps, and in which order.
"""

import contextlib
import io
import logging

import orbit
import tensorflow as tf

from keras_gpt3.data import contexts_of_step
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.training.run.state import RunHealth
from keras_gpt3.training.run.state import RunState
from keras_gpt3.training.step.gradient_noise_scale import GradientNoiseScale
from keras_gpt3.training.step.monitored_step import evaluation_sums
from keras_gpt3.training.step.monitored_step import monitored_step

_logger = logging.getLogger("keras_gpt3")


class PretrainingRun:
    """Trains a model as a config says; see `pretrain`."""

    def __init__(
        self,
        config,
        model,
        strategy,
        recipe,
        data,
        *,
        checkpointer,
        preemption,
        report,
        sinks,
        forget_after,
    ):
        self._config, self._model, self._strategy = config, model, strategy
        self._recipe, self._data = recipe, data
        self._checkpointer = checkpointer
        self._preemption, self._report = preemption, report
        self._sinks = sinks
        self._forget_after = forget_after
        self._state, self._noise = RunState(), GradientNoiseScale()
        self._health = RunHealth(config.health, self._name_contexts)
        self._stops = self._is_warm = False

    def run(self):
        """Train to the end of the recipe, or until the run is to stop."""
        self._prepare_loops()
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
        self._trainer.set_requests(self._preemption.requests())
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
        # Orbit prints two lines a step.
        with contextlib.redirect_stdout(io.StringIO()), _runtime_errors():
            self._controller.train(
                self._state.step + 1, checkpoint_at_completion=False
            )
        return self._last_report

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

    # === Loops ===

    @property
    def _batch_size(self):
        recipe = self._recipe
        # A number where there is one: shapes are known by it.
        if not recipe.grows:
            return recipe.batch_tokens // recipe.sequence_length
        return recipe.batch_ramp

    def _prepare_loops(self):
        self._trainer = PretrainingTrainer(
            self._model, self._strategy, dataset=None
        )
        self._controller = orbit.Controller(
            global_step=self._trainer.global_step,
            trainer=self._trainer,
            strategy=self._strategy,
            steps_per_loop=1,
            train_actions=[self._keep_report],
        )
        self._evaluators = {}
        for name in self._data.held_out_sets:
            dataset, num_batches = self._data.held_out_dataset(name)
            evaluator = ValidationEvaluator(
                self._model, self._strategy, dataset
            )
            self._evaluators[name] = evaluator, num_batches

    def _keep_report(self, report):
        self._last_report = report

    def _read_from_here(self):
        self._trainer.global_step.assign(self._state.step)
        self._trainer.train_dataset = self._data.training_dataset(
            self._batch_size, self._state.batch, self._state.skip_batches
        )

    def _validate(self):
        """Validate on all held-out sets; log and return the mean loss."""
        if not self._evaluators:
            return None
        record = {
            "kind": "validation",
            "step": self._state.step,
            "tokens_seen": self._state.tokens_seen,
        }
        losses = []
        for name, (evaluator, num_batches) in self._evaluators.items():
            with _runtime_errors():
                means = evaluator.evaluate(tf.constant(num_batches))
            losses.append(means["loss"])
            record |= {f"{name}/{key}": mean for key, mean in means.items()}
        record["loss"] = sum(losses) / len(losses)
        self._state.validated_step = self._state.step
        self._tell(record, True)
        return record["loss"]

    def _name_contexts(self, batch):
        length = self._recipe.sequence_length
        ids = contexts_of_step(
            self._data.shards,
            length,
            self._batch_size,
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


def is_due(every, step):
    """Whether something that happens every few steps happens at this one."""
    return every is not None and step % every == 0


# What a step reports, in the order in which it is kept.
REPORT = (
    "loss",
    "accuracy",
    "tokens",
    "gradient_norm",
    "applied",
    "learning_rate",
    "micro_batch_squared_norm",
    "micro_batch_tokens",
)


class PretrainingTrainer(orbit.StandardTrainer):
    """Runs `monitored_step` on all replicas of all workers."""

    def __init__(self, model, strategy, dataset):
        options = orbit.StandardTrainerOptions(use_tf_while_loop=False)
        super().__init__(dataset, options)
        self.global_step = orbit.utils.create_global_step()
        self._model, self._strategy = model, strategy
        # To stop and to save, as `PreemptionHandler.requests`.
        self._requests = tf.Variable(tf.zeros(2), trainable=False)
        # One array to fetch, not one scalar after the other.
        self._report = tf.Variable(tf.zeros(len(REPORT) + 2))
        self.num_traces = 0

    def set_requests(self, requests):
        """Set what this worker requests in the next step."""
        self._requests.assign(requests)

    def train_step(self, iterator):
        """One step; Orbit makes it a `tf.function`."""
        self.num_traces += 1  # Python runs this only when it traces.
        results = self._strategy.run(
            monitored_step,
            args=(self._model, next(iterator), tf.identity(self._requests)),
        )
        first = {
            name: self._strategy.experimental_local_results(value)[0]
            for name, value in results.items()
        }
        scalars = tf.stack([first[name] for name in REPORT])
        self._report.assign(tf.concat([scalars, first["requests"]], 0))
        self.global_step.assign_add(1)

    def train_loop_end(self):
        """The report of the last step: a dict of floats, and the requests."""
        values = self._report.numpy().tolist()
        report = dict(zip(REPORT, values, strict=False))
        return report | {"requests": values[len(REPORT) :]}


class ValidationEvaluator(orbit.StandardEvaluator):
    """Means over held-out contexts, on all replicas of all workers."""

    def __init__(self, model, strategy, dataset):
        options = orbit.StandardEvaluatorOptions(
            recreate_iterator_for_each_eval=True
        )
        super().__init__(dataset, options)
        self._model, self._strategy = model, strategy
        self._sums = tf.Variable(tf.zeros(3), trainable=False)

    def eval_begin(self):
        """Start the sums anew."""
        self._sums.assign(tf.zeros(3))

    def eval_step(self, iterator):
        """One batch; Orbit makes it a `tf.function`."""
        sums = self._strategy.run(
            evaluation_sums, args=(self._model, next(iterator))
        )
        self._sums.assign_add(
            self._strategy.experimental_local_results(sums)[0]
        )

    def eval_end(self):
        """The mean loss and accuracy over tokens, a dict of floats."""
        loss, accuracy, tokens = self._sums.numpy().tolist()
        return {"loss": loss / tokens, "accuracy": accuracy / tokens}
