"""The passes of one stage of a pipeline on one replica. TensorFlow only."""

import contextlib

import tensorflow as tf

from keras_gpt3.training.gradient_clipping import squared_norm
from keras_gpt3.training.loss_and_gradients import add_gradient
from keras_gpt3.training.micro_batches import zero_sums


class StagePasses:
    """Runs micro-batches forward and backward through consecutive blocks.

    The device of a stage takes one task after the other, in the order of the
    calls: left alone, TensorFlow would begin all micro-batches at once, and
    the next stage would wait for the first one as long as for the last.
    Nothing else waits, so stages run beside each other.
    """

    def __init__(self, stage, variables, observes=False):
        self.device = stage.device
        self.variables = variables
        self._blocks = stage.blocks
        self._observes = observes
        self._call = one_graph(self._run)
        self.start()

    def start(self, totals=None):
        """Begins anew, as each graph must."""
        self._last, self._passed = [], []
        if totals is None:
            with tf.device(self.device):
                totals = zero_sums(self.variables)
        self.totals = list(totals)

    def forward(self, hidden, x):
        """Takes the next micro-batch."""
        with self._turn(), tf.GradientTape() as tape:
            inputs = self._watched(tape, hidden)
            output = self._call(x, *inputs)
            self._passed.append((tape, inputs, output))
            self._end([output])
        return output

    def backward(self, upstream):
        """Takes the first micro-batch back that was not, and adds gradients."""
        tape, inputs, output = self._passed.pop(0)
        with self._turn():
            found = tape.gradient(
                output, [*inputs, *self.variables], output_gradients=upstream
            )
            d_hidden, gradients = found[: len(inputs)], found[len(inputs) :]
            norm = self._squared_norm(gradients) if self._observes else None
            self._add(gradients)
            self._end([d_hidden, norm, self.totals])
        return (d_hidden[0] if d_hidden else None), norm

    def results(self):
        """The sums of the gradients, which lie on the device."""
        with tf.device(self.device):
            return [tf.identity(total) for total in self.totals]

    def _watched(self, tape, hidden):
        tape.watch(hidden)
        return [hidden]

    def _run(self, x, hidden):
        for block in self._blocks:
            hidden = block(
                hidden, padding_mask=x["padding_mask"], training=True
            )
        return hidden

    def _squared_norm(self, gradients):
        return squared_norm([tf.convert_to_tensor(g) for g in gradients])

    def _add(self, gradients):
        pairs = zip(self.totals, gradients, strict=True)
        self.totals = [t if g is None else add_gradient(t, g) for t, g in pairs]

    @contextlib.contextmanager
    def _turn(self):
        """What is made inside runs on the device, after what came before."""
        with tf.device(self.device), tf.control_dependencies(self._last):
            yield

    def _end(self, results):
        """Lets the next turn wait for the results of this one."""
        tensors = tf.nest.flatten(results, expand_composites=True)
        # One operation to wait for, not dozens.
        self._last = [tf.group([x for x in tensors if x is not None])]


def one_graph(function):
    """Makes a function a graph of its own, for all micro-batches together.

    It is traced once, and, as it is not copied into the graph of the step,
    optimized once: that one would grow with the micro-batches.
    """
    return tf.function(
        function, autograph=False, experimental_attributes={"_noinline": True}
    )
