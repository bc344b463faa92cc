"""GPipe's schedule: stages work on micro-batches at once. TensorFlow only.

Huang et al. 2019, section 2.2: micro-batches flow through the stages of a
model, forward all of them and then backward, and their gradients are added up.
While one stage has a micro-batch, the next one has that before it. Where all
tasks of M micro-batches and P stages take the same time, a device is idle for
(P - 1) / (M + P - 1) of it: the bubble.

The tied embedding, and with it the loss, is on the first stage, whose device
takes the losses when it has no more to forward: in the time of the bubble.
"""

import functools

import tensorflow as tf

from keras_gpt3.planning.pipeline_bubble import MOST_FOR_EACH_STAGE
from keras_gpt3.planning.pipeline_bubble import micro_batch_groups
from keras_gpt3.training.first_stage import FirstStage
from keras_gpt3.training.micro_batches import with_checked_rows
from keras_gpt3.training.stage_passes import StagePasses


def pipelined_gradients(model, observe=None, num_sums=2, weighted_only=False):
    """Makes the function that computes gradients on the devices of stages.

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
    size = model._step.micro_batch_size
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
    stages = model._step.stages
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
    """Takes a batch group by group; returns the sums."""
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
    """A micro-batch: of fewer rows, or none, behind the end of the batch."""

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
    """Forward with all micro-batches, then backward; returns the sums."""
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
