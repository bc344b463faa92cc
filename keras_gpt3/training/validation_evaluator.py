"""The loop over held-out batches, for Orbit. TensorFlow only."""

import orbit
import tensorflow as tf

from keras_gpt3.training.monitored_step import evaluation_sums


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
        """Starts the sums anew."""
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
