"""Batches of prompts and completions, as a tf.data pipeline (TensorFlow)."""

import numpy as np

from keras_gpt3.data.completion_layouts import LAYOUTS
from keras_gpt3.data.completion_layouts import packed_batches
from keras_gpt3.data.completion_layouts import padded_batches
from keras_gpt3.data.completion_layouts import shuffled_order
from keras_gpt3.echoed_value import echoed
from keras_gpt3.integer_argument import check_integer


def completion_dataset(
    examples, batch_size, layout="padded", seed=0, epoch=0, shuffle=True
):
    """One epoch of fine-tuning data, with the loss on completions only.

    The weight of a label is 1 on the tokens of a completion and the end of
    text after it, 0 on prompts and padding; `GPT3.fit` takes the mean over the
    weights. Batches depend on `(seed, epoch)` only. All have `batch_size`
    rows: the last one is filled with rows of weight 0.

    Args:
        examples: `CompletionExamples`.
        batch_size: int. Rows of a batch.
        layout: string. `"padded"` gives each pair a row, padded to a power of
            two among pairs of about its length. `"packed"` puts several whole
            pairs into each context, where they see those before them, as
            documents do in pretraining. Defaults to `"padded"`.
        seed: int. Determines the order. Defaults to `0`.
        epoch: int. Determines the order, too. Defaults to `0`.
        shuffle: bool. `False` keeps the order of the pairs. Defaults to
            `True`.

    Returns:
        A finite `tf.data.Dataset` of `({"token_ids", "padding_mask"}, labels,
        sample_weight)`, each `(batch_size, length)`; ids and labels int32, the
        mask bool, the weights float32. Its cardinality is known.

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
    length = examples.sequence_length if layout == "packed" else None
    shape = (batch_size, length)

    def arrays():
        for size, rows in batches:
            yield _arrays(examples, rows, batch_size, size)

    spec = {"token_ids": "int32", "padding_mask": "bool"}
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
    """One batch: inputs, labels shifted by one, and their weights."""
    tokens = np.zeros((batch_size, length + 1), "int32")
    mask = np.zeros((batch_size, length + 1), "bool")
    weights = np.zeros((batch_size, length + 1), "float32")
    for row, items in enumerate(rows):
        start = 0
        for item in items:
            sequence = examples.sequences[item]
            end = start + len(sequence)
            tokens[row, start:end] = sequence
            mask[row, start:end] = True
            weights[row, start + examples.num_given[item] : end] = 1.0
            start = end
    inputs = {"token_ids": tokens[:, :-1], "padding_mask": mask[:, :-1]}
    return inputs, tokens[:, 1:], weights[:, 1:]
