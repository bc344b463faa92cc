"""The inner loop of a pretraining run, for Orbit. TensorFlow only."""

import orbit
import tensorflow as tf

from keras_gpt3.training.monitored_step import monitored_step

# What a step reports, in the order in which it is kept.
REPORT = (
    "loss",
    "accuracy",
    "tokens",
    "gradient_norm",
    "applied",
    "learning_rate",
    "piece_squared_norm",
    "piece_tokens",
)


class PretrainingTrainer(orbit.StandardTrainer):
    """Runs `monitored_step` on all replicas of all workers."""

    def __init__(self, model, strategy, dataset, num_votes):
        options = orbit.StandardTrainerOptions(use_tf_while_loop=False)
        super().__init__(dataset, options)
        self.global_step = orbit.utils.create_global_step()
        self._model, self._strategy = model, strategy
        self._votes = tf.Variable(tf.zeros(num_votes), trainable=False)
        # One array to fetch, not one scalar after the other.
        self._report = tf.Variable(tf.zeros(len(REPORT) + num_votes))
        self.num_traces = 0

    def vote(self, votes):
        """Sets what this worker votes for in the next step."""
        self._votes.assign(votes)

    def train_step(self, iterator):
        """One step; Orbit makes it a `tf.function`."""
        self.num_traces += 1  # Python runs this only when it traces.
        results = self._strategy.run(
            monitored_step,
            args=(self._model, next(iterator), tf.identity(self._votes)),
        )
        first = {
            name: self._strategy.experimental_local_results(value)[0]
            for name, value in results.items()
        }
        scalars = tf.stack([first[name] for name in REPORT])
        self._report.assign(tf.concat([scalars, first["votes"]], 0))
        self.global_step.assign_add(1)

    def train_loop_end(self):
        """The report of the last step: a dict of floats, and the votes."""
        values = self._report.numpy().tolist()
        report = dict(zip(REPORT, values, strict=False))
        return report | {"votes": values[len(REPORT) :]}
