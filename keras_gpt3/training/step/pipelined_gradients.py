"""GPipe's schedule: stages work on micro-batches at once. TensorFlow only.

Huang et al. 2019, section 2.2: micro-batches flow through the stages of a
model, forward all of them and then backward, and their gradients are added up.
While one stage has a micro-batch, the next one has that before it. Where all
tasks of M micro-batches and P stages take the same time, a device is idle for
(P - 1) / (M + P - 1) of it: the bubble.

The tied embedding, and with it the loss, is on the first stage, whose device
takes the losses when it has no more to forward: in the time of the bubble.
"""

import contextlib
import functools

import tensorflow as tf

from keras_gpt3.layers.decoder_block import run_blocks
from keras_gpt3.parallel.step_division import MOST_FOR_EACH_STAGE
from keras_gpt3.parallel.step_division import micro_batch_groups
from keras_gpt3.training.step.apply_gradients import squared_norm
from keras_gpt3.training.step.loss_and_gradients import add_gradient
from keras_gpt3.training.step.loss_and_gradients import head_gradients
from keras_gpt3.training.step.loss_and_gradients import place_of_table
from keras_gpt3.training.step.micro_batches import with_checked_rows
from keras_gpt3.training.step.micro_batches import zero_sums


def pipelined_gradients(model, observe=None, num_sums=2, weighted_only=False):
    """Make the function that computes gradients on the devices of stages.

    A batch goes in groups of micro-batches, each of them through the whole
    schedule. Where the number of rows is not known when the step is traced,
    the last group is filled up with micro-batches of no row.
    """
    return functools.partial(_compute, model, observe, num_sums, weighted_only)


def _compute(
    model, observe, num_sums, weighted_only, x, y, weights, gradient_scale
):
    variables = model.trainable_variables
    places, stages = _stages(model, variables, observe, weighted_only)
    size = model.compiled_step.micro_batch_size
    if size is not None:
        y = with_checked_rows(y, size)
    batch = (x, y, weights)

    def group(parts):
        return _group(stages, parts, gradient_scale, observe)

    if size is None:
        sums = group([batch])
    else:
        sums = _in_groups(stages, group, batch, size, num_sums)
    gradients = [None] * len(variables)
    for stage, indices in zip(stages, places, strict=True):
        for index, gradient in zip(indices, stage.results(), strict=True):
            gradients[index] = gradient
    return sums, gradients, None


def _stages(model, variables, observe, weighted_only):
    """For each stage, the places of its variables among all, and its passes."""
    stages = model.compiled_step.stages
    owners = {
        id(variable): number
        for number, stage in enumerate(stages)
        for block in stage.blocks
        for variable in block.variables
    }
    places = [[] for _ in stages]
    for index, variable in enumerate(variables):
        places[owners.get(id(variable), 0)].append(index)
    own = [[variables[index] for index in indices] for indices in places]
    observes = observe is not None
    first = FirstStage(model, stages[0], own[0], observes, weighted_only)
    others = zip(stages[1:], own[1:], strict=True)
    return places, [
        first,
        *(StagePasses(stage, mine, observes) for stage, mine in others),
    ]


def _in_groups(stages, group, batch, size, num_sums):
    """Take a batch group by group; return the sums."""
    rows = batch[1].shape[0]
    number, each = None, MOST_FOR_EACH_STAGE * len(stages)
    if rows is not None:
        number, each = micro_batch_groups(len(stages), rows // size)
    # Else the last groups have micro-batches without a row.
    is_even = rows is not None and rows == number * each * size

    def parts(index):
        cut = [
            _part(batch, index * each + place, size, is_even)
            for place in range(each)
        ]
        # Known to be empty where nothing is traced.
        return [part for part in cut if part[1].shape[0] != 0]

    if number == 0:
        return tf.zeros(num_sums)
    if number == 1:
        return group(parts(0))
    if number is None:
        number = -(-tf.shape(batch[1])[0] // (each * size))

    def step(index, sums, totals):
        _start(stages, totals)
        sums += group(parts(index))
        return index + 1, sums, [stage.totals for stage in stages]

    _, sums, totals = tf.while_loop(
        lambda index, *_: index < number,
        step,
        (
            tf.constant(0),
            tf.zeros(num_sums),
            [stage.totals for stage in stages],
        ),
        # One after the other: what a group keeps is what needs the memory.
        parallel_iterations=1,
    )
    _start(stages, totals)
    return sums


def _part(batch, index, size, is_full):
    """A micro-batch: of fewer rows, or none, after the end of the batch."""

    def cut(tensor):
        part = tensor[index * size : (index + 1) * size]
        if is_full:
            part = tf.ensure_shape(part, (size, *tensor.shape[1:]))
        return part

    return tf.nest.map_structure(cut, batch)


def _start(stages, totals):
    for stage, values in zip(stages, totals, strict=True):
        stage.start(values)


def _group(stages, parts, gradient_scale, observe):
    """Forward with all micro-batches, then backward; return the sums."""
    first = stages[0]
    states, losses, results = [], [], []
    for x, _, _ in parts:
        hidden = None
        for stage in stages:
            hidden = stage.forward(hidden, x)
        states.append(hidden)
    for hidden, (x, y, weights) in zip(states, parts, strict=True):
        losses.append(first.head(hidden, x, y, weights, gradient_scale))
    for (sums, upstream), part in zip(losses, parts, strict=True):
        squares = []
        for stage in reversed(stages):
            upstream, square = stage.backward(upstream)
            squares.append(square)
        if observe is not None:
            sums = _observed(observe, sums, squares, *part, gradient_scale)
        results.append(sums)
    return functools.reduce(tf.add, results)


def _observed(observe, sums, squares, *batch):
    """The sums, with what an observer of the micro-batch adds to them."""
    norms = [tf.sqrt(square) for square in squares]
    return observe(lambda *_: (sums, norms, None))(*batch)[0]


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
        """Begin anew, as each graph must."""
        self._last, self._passed = [], []
        if totals is None:
            with tf.device(self.device):
                totals = zero_sums(self.variables)
        self.totals = list(totals)

    def forward(self, hidden, x):
        """Take the next micro-batch."""
        with self._turn(), tf.GradientTape() as tape:
            inputs = self._watched(tape, hidden)
            output = self._call(x, *inputs)
            self._passed.append((tape, inputs, output))
            self._end([output])
        return output

    def backward(self, upstream):
        """Take the first micro-batch back that was not, and add gradients."""
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
        """The sums of the gradients, which are on the device."""
        with tf.device(self.device):
            return [tf.identity(total) for total in self.totals]

    def _watched(self, tape, hidden):
        tape.watch(hidden)
        return [hidden]

    def _run(self, x, hidden):
        masks = (x["padding_mask"], x.get("segment_ids"))
        return run_blocks(self._blocks, hidden, *masks, training=True)[0]

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
        """Let the next turn wait for the results of this one."""
        tensors = tf.nest.flatten(results, expand_composites=True)
        # One operation to wait for, not dozens.
        self._last = [tf.group([x for x in tensors if x is not None])]


def one_graph(function):
    """Make a function a graph of its own, for all micro-batches together.

    It is traced once, and, as it is not copied into the graph of the step,
    optimized once: that one would grow with the micro-batches.
    """
    return tf.function(
        function, autograph=False, experimental_attributes={"_noinline": True}
    )


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
        """Take the loss of the next micro-batch, and add gradients."""
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
        """Keep what the norm of a micro-batch's gradient needs of the head."""
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
