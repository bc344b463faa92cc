"""The steps of a run under TensorFlow, on all replicas of all workers.

Orbit drives them. TensorFlow only.
"""

import contextlib
import io

import orbit
import tensorflow as tf

from keras_gpt3.training.run.report import REPORT
from keras_gpt3.training.step.monitored_step import evaluation_sums
from keras_gpt3.training.step.monitored_step import monitored_step


class TensorFlowLoop:
    """Trains and validates a model in the scope of a strategy."""

    def __init__(self, model, strategy, data, batch_size):
        self._data, self._batch_size = data, batch_size
        self._trainer = PretrainingTrainer(model, strategy, dataset=None)
        self._controller = orbit.Controller(
            global_step=self._trainer.global_step,
            trainer=self._trainer,
            strategy=strategy,
            steps_per_loop=1,
            train_actions=[self._keep_report],
        )
        self._evaluators = {}
        for name in data.held_out_sets:
            dataset, num_batches = data.held_out_dataset(name)
            evaluator = ValidationEvaluator(model, strategy, dataset)
            self._evaluators[name] = evaluator, num_batches

    @property
    def num_traces(self):
        """How often the step was traced."""
        return self._trainer.num_traces

    def read_from(self, step, batch, skip_batches):
        """Read on from a step, and a batch that is not skipped."""
        self._step = step
        self._trainer.global_step.assign(step)
        self._trainer.train_dataset = self._data.training_dataset(
            self._batch_size, batch, skip_batches
        )

    def train(self, requests):
        """Make a step; return its report, and the requests of all workers."""
        self._trainer.set_requests(requests)
        self._step += 1
        # Orbit prints two lines a step.
        with contextlib.redirect_stdout(io.StringIO()):
            self._controller.train(self._step, checkpoint_at_completion=False)
        return self._last_report

    def evaluate(self, name):
        """Mean loss and accuracy over a held-out set, a dict of floats."""
        evaluator, num_batches = self._evaluators[name]
        return evaluator.evaluate(tf.constant(num_batches))

    def _keep_report(self, report):
        self._last_report = report


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
