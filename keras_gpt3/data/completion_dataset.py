"""Batches of prompts and completions, as a tf.data pipeline (TensorFlow)."""

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed


def completion_dataset(
    examples, batch_size, layout="padded", seed=0, epoch=0, shuffle=True
):
    """Make one epoch of fine-tuning data, with the loss on completions only.

    The weight of a label is 1 on the tokens of a completion and the end of
    text after it, 0 on prompts and padding; `GPT3.fit` takes the mean over the
    weights. Batches depend on `(seed, epoch)` only. All have `batch_size`
    rows: the last one is filled with rows of weight 0.

    Args:
        examples: `CompletionExamples`.
        batch_size: int. Rows of a batch.
        layout: string. `"padded"` gives each pair a row, padded to a power of
            two among pairs of about its length. `"packed"` puts several whole
            pairs into each context, where none sees another: the inputs have
            `"segment_ids"` as well. Defaults to `"padded"`.
        seed: int. Determines the order. Defaults to `0`.
        epoch: int. Also determines the order. Defaults to `0`.
        shuffle: bool. `False` keeps the order of the pairs. Defaults to
            `True`.

    Returns:
        A finite `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels,
        sample_weight)`, each `(batch_size, length)`; ids, labels and segments
        int32, the mask bool, the weights float32. Its cardinality is known.

    Raises:
        ValueError: If a number is out of range or the layout unknown.

    Example:

    ```python
    import keras_gpt3

    preprocessor = keras_gpt3.GPT3Preprocessor.from_preset(
        "gpt3_small_en", sequence_length=32
    )
    examples = keras_gpt3.data.CompletionExamples(
        [("The cat sat on the", " mat"), ("Two and two is", " four")],
        preprocessor,
    )
    dataset = keras_gpt3.data.completion_dataset(examples, batch_size=1)
    for inputs, labels, sample_weight in dataset:
        print(sample_weight.numpy().sum())  # 4.0
    ```
    """
    import tensorflow as tf

    batches = completion_batches(
        examples, batch_size, layout, seed, epoch, shuffle
    )
    # Padded batches differ in length.
    is_packed = layout == "packed"
    shape = (batch_size, examples.sequence_length if is_packed else None)

    def arrays():
        for size, rows in batches:
            inputs, *others = _arrays(examples, rows, batch_size, size)
            if not is_packed:  # A pair a row.
                del inputs["segment_ids"]
            yield inputs, *others

    spec = {"token_ids": "int32", "padding_mask": "bool"}
    if is_packed:
        spec["segment_ids"] = "int32"
    spec = tf.nest.map_structure(
        lambda dtype: tf.TensorSpec(shape, dtype), (spec, "int32", "float32")
    )
    dataset = tf.data.Dataset.from_generator(arrays, output_signature=spec)
    dataset = dataset.apply(
        tf.data.experimental.assert_cardinality(len(batches))
    )
    options = tf.data.Options()
    # There are no files for tf.distribute to shard by.
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    # Not prefetched: the thread would want Python while that shuts down.
    return dataset.with_options(options)


def completion_batches(
    examples, batch_size, layout="padded", seed=0, epoch=0, shuffle=True
):
    """Which pairs stand where in `completion_dataset`."""
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("seed", seed, minimum=0)
    check_integer("epoch", epoch, minimum=0)
    if layout not in LAYOUTS:
        raise ValueError(
            f"layout must be one of {LAYOUTS}. Received: "
            f"layout={echoed(layout)}. Use 'packed' for several pairs in a "
            "context, 'padded' for one."
        )
    lay_out = packed_batches if layout == "packed" else padded_batches
    lengths = [len(sequence) for sequence in examples.sequences]
    order = range(len(examples))
    if shuffle:
        order = shuffled_order(len(examples), seed, epoch).tolist()
    return lay_out(lengths, order, examples.sequence_length, batch_size)


def _arrays(examples, rows, batch_size, length):
    """One batch: inputs, labels shifted by one, and their weights.

    The segments of a row are its pairs, counted from 1; padding is 0.
    """
    segments = np.zeros((batch_size, length + 1), "int32")
    tokens = np.zeros((batch_size, length + 1), "int32")
    mask = np.zeros((batch_size, length + 1), "bool")
    weights = np.zeros((batch_size, length + 1), "float32")
    for row, items in enumerate(rows):
        start = 0
        for number, item in enumerate(items, 1):
            sequence = examples.sequences[item]
            end = start + len(sequence)
            segments[row, start:end] = number
            tokens[row, start:end] = sequence
            mask[row, start:end] = True
            weights[row, start + examples.num_given[item] : end] = 1.0
            start = end
    inputs = {
        "token_ids": tokens[:, :-1],
        "padding_mask": mask[:, :-1],
        "segment_ids": segments[:, :-1],
    }
    return inputs, tokens[:, 1:], weights[:, 1:]


LAYOUTS = ("packed", "padded")
# The shortest length that a batch is padded to.
_SHORTEST = 16


def packed_batches(lengths, order, sequence_length, batch_size):
    """Put several whole pairs into each context.

    Pairs go, in order, into the first context with enough room; none is
    split.
    """
    # The last token of a row is only predicted: there is room for one more.
    rows = first_fit(lengths, order, sequence_length + 1)
    return [
        (sequence_length, rows[first : first + batch_size])
        for first in range(0, len(rows), batch_size)
    ]


def padded_batches(lengths, order, sequence_length, batch_size):
    """Give each pair a row, among pairs of about its length.

    A batch is filled with pairs that are padded to the same power of two. What
    is left of all lengths makes the last batches, so that at most one is not
    full. Batches come in the order in which their last pair does.
    """
    waiting, batches = {}, []
    for item in order:
        size = padded_length(lengths[item] - 1, sequence_length)
        rows = waiting.setdefault(size, [])
        rows.append([item])
        if len(rows) == batch_size:
            batches.append((size, waiting.pop(size)))
    # From short to long, so that a batch mixes neighbours.
    left = [(size, row) for size in sorted(waiting) for row in waiting[size]]
    for first in range(0, len(left), batch_size):
        sizes, rows = zip(*left[first : first + batch_size], strict=True)
        batches.append((max(sizes), list(rows)))
    return batches


def padded_length(length, longest):
    """The power of two, or the longest, that a row is padded to."""
    size = _SHORTEST
    while size < length:
        size *= 2
    return min(size, longest)


def shuffled_order(count, seed, epoch):
    """The order of pairs in an epoch, a pure function of the two numbers."""
    return np.random.default_rng([seed, epoch]).permutation(count)


class OpenRows:
    """Rows with room left, and the first among them that has enough.

    A binary tree over rows: each node knows the most room below it, so that
    the search takes the logarithm of their number.
    """

    def __init__(self, most, room):
        self._leaves = 1
        while self._leaves < most:
            self._leaves *= 2
        self._room = [room] * (2 * self._leaves)

    def place(self, size):
        """Put something into the first row that it fits into."""
        node = 1
        while node < self._leaves:
            node *= 2
            if self._room[node] < size:
                node += 1
        row = node - self._leaves
        self._room[node] -= size
        while node > 1:
            node //= 2
            self._room[node] = max(
                self._room[2 * node], self._room[2 * node + 1]
            )
        return row


def first_fit(sizes, order, room):
    """Pack things into rows: each, in order, into the first that has room."""
    open_rows, rows = OpenRows(len(sizes), room), []
    for item in order:
        row = open_rows.place(sizes[item])
        if row == len(rows):
            rows.append([])
        rows[row].append(item)
    return rows
