"""The stage that holds the tied embedding of a pipeline. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.training.gradient_clipping import squared_norm
from keras_gpt3.training.loss_and_gradients import add_gradient
from keras_gpt3.training.loss_and_gradients import head_gradients
from keras_gpt3.training.loss_and_gradients import place_of_table
from keras_gpt3.training.stage_passes import StagePasses
from keras_gpt3.training.stage_passes import one_graph


class FirstStage(StagePasses):
    """Begins and ends the forward pass: looks ids up, and takes the loss.

    So the table exists once, and its gradients from both uses are added where
    it lies.
    """

    def __init__(
        self, model, stage, variables, observes=False, weighted_only=False
    ):
        self._model = model
        self._weighted_only = weighted_only
        self._place = place_of_table(model, variables)
        self._loss = one_graph(self._take_loss)
        super().__init__(stage, variables, observes)

    def start(self, totals=None):
        super().start(totals)
        self._of_heads = []

    def head(self, hidden, x, y, weights, gradient_scale):
        """Takes the loss of the next micro-batch, and adds gradients."""
        with self._turn():
            sums, (d_hidden, *gradients), d_table = self._loss(
                hidden, y, weights, gradient_scale
            )
            if self._observes:
                self._keep(gradients, d_table, x["token_ids"])
            if d_table is not None:
                gradients[self._place] = d_table
            self._add(gradients)
            self._end([sums, d_hidden, self._of_heads[-1:], self.totals])
        return sums, d_hidden

    def _take_loss(self, hidden, *batch):
        return head_gradients(
            self._model,
            self._model.backbone.finish,
            [hidden],
            self.variables,
            *batch,
            self._weighted_only,
        )

    def _keep(self, gradients, d_table, token_ids):
        """Keeps what the norm of a micro-batch's gradient needs of the head."""
        kept = list(gradients)
        if d_table is not None:
            rows = tf.gather(d_table, tf.reshape(token_ids, (-1,)))
            kept[self._place] = (squared_norm([d_table]), rows)
        self._of_heads.append(kept)

    def _watched(self, tape, hidden):
        return []

    def _run(self, x):
        return super()._run(x, self._model.backbone.embed(x, training=True))

    def _squared_norm(self, gradients):
        """Of the sums of what `head` and the blocks' backward pass gave."""
        sums, squares = [], []
        pairs = zip(gradients, self._of_heads.pop(0), strict=True)
        for gradient, of_head in pairs:
            if isinstance(of_head, tuple):
                squares.append(_squared_norm_of_table(*of_head, gradient))
            elif of_head is None:
                sums.append(tf.convert_to_tensor(gradient))
            elif gradient is None:
                sums.append(of_head)
            else:
                sums.append(add_gradient(of_head, gradient))
        return squared_norm(sums) + sum(squares)


def _squared_norm_of_table(square, rows, gradient):
    """The squared norm of a table's gradient from its two uses.

    The larger one, of the table as output head, is gone by now: it would be
    kept for each micro-batch. |a + b|^2 is |a|^2 + 2 a b + |b|^2, and b is 0
    but for the rows that were looked up.
    """
    values = tf.cast(gradient.values, "float32")
    # The same id may have been looked up many times.
    ids, index = tf.unique(gradient.indices)
    added = tf.math.unsorted_segment_sum(values, index, tf.size(ids))
    both = tf.reduce_sum(tf.cast(rows, "float32") * values)
    return square + 2.0 * both + squared_norm([added])
